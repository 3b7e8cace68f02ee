"""`make bench`: runs the benchmarks, each against a baseline measured in the same run, and prints the ratios."""

import importlib
import sys

from benchmarks.ground import Ground, machine

ALL = ("ingest", "modes", "scheduler")


def main(names):
    found = []
    with Ground() as ground:
        for name in names or ALL:
            for figure in importlib.import_module(f"benchmarks.{name}").run(ground):
                found.append(figure)
                print(
                    f"{'ok ' if figure.holds else 'NO '} {figure.what}: {figure.ours} ({figure.baseline}) {figure.ratio}  goal {figure.goal}",
                    flush=True,
                )
        print(f"\n{machine()}\n")
    print("| what | ours | baseline | ratio | goal | holds |\n|---|---|---|---|---|---|")
    for f in found:
        print(f"| {f.what} | {f.ours} | {f.baseline} | {f.ratio} | {f.goal} | {'yes' if f.holds else 'no'} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
