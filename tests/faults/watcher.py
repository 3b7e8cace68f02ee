"""A reader in a process of its own that looks all the time: no code of the product, only SQL, and Amazon's truth to compare with.

Run as `python -m tests.faults.watcher`, with what to look at as JSON on its standard input's first line; it ends when that closes
and then says as JSON how often it looked and what it saw that must never be seen. A further line stops it until the next.
"""

import hashlib
import json
import select
import sys
import time

import psycopg

MAX_REPORTED = 20


def digest(ids):
    return hashlib.md5(",".join(sorted(ids)).encode()).hexdigest()


class Look:
    """Looks at one dataset: {day: (rows, digest)} as Amazon has them, against what one snapshot shows."""

    def __init__(self, link, dataset_id, expected, column="amazon_order_id"):
        self.link, self.dataset_id, self.column = link, dataset_id, column
        self.expected = {day: tuple(so) for day, so in expected.items()}
        self.looks = self.whole = 0
        self.forget()

    def forget(self):
        """The dataset was cleared: what was there before is no measure for what comes."""
        self.was_whole, self.fences, self.version = False, {}, -1

    def wrong(self):
        """What this moment shows that must never be seen, in words."""
        with self.link.transaction():
            self.link.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            found = self.link.execute(
                "SELECT mode, generation, version FROM datasets_dataset WHERE id = %s", [self.dataset_id]
            ).fetchone()
            if found is None:
                return []
            mode, generation, version = found
            table = f"data.ds_{self.dataset_id}" + ("" if generation == 1 else f"_g{generation}")
            seen = {}
            if self.link.execute("SELECT to_regclass(%s)", [table]).fetchone()[0] is not None:
                seen = {
                    day: (rows, ids)
                    for day, rows, ids in self.link.execute(
                        f"SELECT _day::text, count(*), md5(string_agg({self.column}, ',' ORDER BY {self.column} COLLATE \"C\")) "
                        f"FROM {table} GROUP BY 1"
                    )
                }
            ledger = dict(
                self.link.execute(
                    "SELECT day::text, rows FROM datasets_day WHERE dataset_id = %s AND generation = %s AND state = 'landed'",
                    [self.dataset_id, generation],
                )
            )
            fences = dict(
                self.link.execute("SELECT id, fence FROM datasets_run WHERE dataset_id = %s", [self.dataset_id])
            )
        self.looks += 1
        problems = [
            f"{day} shows {so}, Amazon has {self.expected.get(day)}"
            for day, so in seen.items()
            if so != self.expected.get(day)
        ]
        problems += [
            f"{day} is marked as landed with {rows} rows and has {seen.get(day, (0,))[0]}"
            for day, rows in ledger.items()
            if seen.get(day, (0,))[0] != rows
        ]
        problems += [f"{day} has rows and is not marked as landed" for day in seen.keys() - ledger.keys()]
        problems += [
            f"run {run}: the fence fell from {was} to {fences[run]}"
            for run, was in self.fences.items()
            if fences.get(run, was) < was
        ]
        if version < self.version:
            problems.append(f"the version fell from {self.version} to {version}")
        is_whole = len(seen) == len(self.expected)
        if self.was_whole and not is_whole:
            problems.append(f"{mode}: of {len(self.expected)} days that were all there, {len(seen)} are left")
        self.was_whole, self.fences, self.version = self.was_whole or is_whole, fences, version
        self.whole += is_whole
        return problems


def main():
    lines = sys.stdin.buffer.raw  # a line read ahead would not be seen by select
    wish = json.loads(lines.readline())
    looks, wrong, link = [], [], None
    while True:
        if select.select([lines], [], [], wish.get("pause", 0.01))[0]:
            if not lines.readline():
                break
            print("paused", flush=True)
            lines.readline()
            for look in looks:
                look.forget()
        try:
            if link is None:
                link = psycopg.connect(wish["url"], autocommit=True)
                looks = looks or [Look(link, each["id"], each["expected"]) for each in wish["datasets"]]
                for look in looks:
                    look.link = link
            for look in looks:
                wrong += look.wrong()
        except psycopg.OperationalError:  # the database is away: so it is for every reader
            link = None
            time.sleep(0.05)
    told = {
        "looks": sum(look.looks for look in looks),
        "whole": sum(look.whole for look in looks),
        "wrong": wrong[:MAX_REPORTED],
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
