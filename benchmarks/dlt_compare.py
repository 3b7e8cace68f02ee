"""The same flat file loaded by dlt into the same PostgreSQL, from dicts and from Arrow: everything as text into one table.

Ours unpacks the file, splits it by day, types every column and writes a checkpoint a day; dlt gets the file unpacked.
"""

import os
import statistics
import subprocess

from benchmarks import files, ingest, others
from benchmarks.ground import PROJECT, Figure

KINDS = (  # what dlt gets, in words, rows, pairs, goal
    ("dicts", "dict rows", 200_000, 2, 10),
    ("arrow", "Arrow", 300_000, 2, 5),
    ("packed", "Arrow, as dlt comes", 300_000, 2, 5),
    ("days", "Arrow, as dlt comes, with a load a day that replaces it, as ours does", 300_000, 2, 5),
)


def run(ground):
    python = others.python()
    for kind, what, rows, pairs, goal in KINDS:
        plain = files.all_orders(ground.folder / f"dlt_{kind}.tsv", rows)
        packed = ingest.packed(plain)
        ratios, ours, theirs = [], [], []
        for pair in range(pairs):
            seconds, _ = ingest.landed(ground, f"dlt_{kind}_{pair}", packed)
            schema = f"dlt_{kind}_{pair}"
            done = subprocess.run(
                [python, "-m", "benchmarks.dlt_load", plain, kind, os.environ["DATABASE_URL"], schema],
                cwd=PROJECT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            assert ground.sql(f"SELECT count(*) FROM {schema}.rows") == [(rows,)]
            ground.sql(f"DROP SCHEMA {schema} CASCADE")
            ours.append(seconds)
            theirs.append(float(done.stdout.split()[-1]))
            ratios.append(theirs[-1] / seconds)
        ratio = statistics.median(ratios)
        yield Figure(
            f"flat file of {rows:,} rows, against dlt with {what}", f"{rows / statistics.median(ours):,.0f} rows/s",
            f"dlt {rows / statistics.median(theirs):,.0f} rows/s", f"{ratio:.1f}", f"≥ {goal} × dlt", ratio >= goal,
        )  # fmt: skip
