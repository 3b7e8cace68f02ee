"""The whole suite under each clock at which a test could tell the day: `make clocks`, and one of them each week in .ci/run.

python -m tests.clocks -m pytest tests/backfill     all of them, one after the other; fails if one of them was red
python -m tests.clocks --this-week                  prints the one whose turn it is
"""

import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from tests import clock


@dataclass(frozen=True)
class Clock:
    at: str  # ISO 8601, UTC
    why: str


CLOCKS = (
    Clock("2026-11-28T05:40:00Z", "still the day before in Los Angeles, the evening of Black Friday"),
    Clock("2026-12-31T23:50:00Z", "a year ends ten minutes later"),
    Clock("2028-02-29T12:00:00Z", "a leap day"),
    Clock("2026-03-08T01:30:00Z", "daylight saving time begins in the US, not yet"),
    Clock("2026-03-08T09:30:00Z", "daylight saving time begins in the US, half an hour later"),
    Clock("2026-03-29T01:30:00Z", "daylight saving time begins in Europe, half an hour ago"),
    Clock("2026-03-29T09:30:00Z", "daylight saving time begins in Europe, that morning"),
    Clock("2026-10-25T01:30:00Z", "daylight saving time ends in Europe, half an hour ago"),
    Clock("2026-10-25T09:30:00Z", "daylight saving time ends in Europe, that morning"),
    Clock("2026-11-01T01:30:00Z", "daylight saving time ends in the US, not yet"),
    Clock("2026-11-01T09:30:00Z", "daylight saving time ends in the US, half an hour ago"),
    Clock("2026-11-29T12:00:00Z", "a Sunday"),
)


def this_week(today):
    """The clock whose turn it is in the week (Monday to Sunday) of that date: each in its turn, also across years."""
    return CLOCKS[(today.toordinal() - 1) // 7 % len(CLOCKS)]


def run_each(arguments):
    """Runs Python with the arguments under each clock, prints how each went; 0 if all went well."""
    told, bad = [], 0
    for number, each in enumerate(CLOCKS, 1):
        print(f"\n=== {number} of {len(CLOCKS)}: {each.at}, {each.why}", flush=True)
        began = time.monotonic()
        code = clock.run(clock.instant(each.at), arguments)
        told.append(f"{'RED  ' if code else 'ok   '} {each.at} ({time.monotonic() - began:.0f} s): {each.why}")
        bad += bool(code)
        if code in (2, 128 + 2, 128 + 15):  # interrupted: by pytest's own account, or by a signal
            told.append("interrupted")
            break
    print("\n=== summary", *told, sep="\n", flush=True)
    return 1 if bad else 0


def main(words):
    if words == ["--this-week"]:
        print(this_week(datetime.now(UTC).date()).at)
        return 0
    if not words:
        sys.exit("Usage: python -m tests.clocks -m pytest …")
    try:
        return run_each(words)
    except clock.CannotMove as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
