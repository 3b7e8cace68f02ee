"""`make bench`: runs the benchmarks, each against a baseline measured in the same run, and prints the ratios.

python -m benchmarks                    all of them
python -m benchmarks serving ingest     some
python -m benchmarks large …            with a file of a gigabyte and a dataset of ten million rows
python -m benchmarks --write …          and puts the table into docs/performance.md
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context

from benchmarks.ground import PROJECT
from benchmarks.one import measure

ALL = ("ingest", "dlt_compare", "modes", "serving", "compression", "quota", "scheduler", "recovery")
PAGE = PROJECT / "docs" / "performance.md"
BEGIN, END = "<!-- the last run -->", "<!-- end of the last run -->"


def main(arguments):
    names = [name for name in arguments if name not in ("--write", "large")]
    if unknown := set(names) - set(ALL):
        print(f"There is no benchmark {', '.join(unknown)}. There are: {', '.join(ALL)}.", file=sys.stderr)
        return 2
    found, about = [], ""
    for name in names or ALL:
        # Each in a process and on a database of its own: none leaves the next one dead rows, a warm cache or old settings.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
            figures, about = apart.submit(measure, name, "large" in arguments).result()
        found += figures
    text = table(found, about)
    print(f"\n{text}")
    if "--write" in arguments:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{rest.partition(END)[2]}")
    return 0


def table(found, about):
    lines = [
        f"{date.today():%d %B %Y}: {about}.",
        "",
        "| what | ours | baseline | ratio | goal | holds |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {f.what} | {f.ours} | {f.baseline} | {f.ratio} | {f.goal} | {'yes' if f.holds else '**no**'} |"
        for f in found
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
