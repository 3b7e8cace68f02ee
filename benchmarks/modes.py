"""Merge and replace against plain COPY of the same rows, on storage alone."""

import statistics
import time
from contextlib import contextmanager

from benchmarks import files
from benchmarks.ground import Figure

BASE, DAY, PAIRS = 700_000, 100_000, 3
FIRST_ID = 9_000


def run(ground):
    from datasets.storage import table

    names, columns = _columns()
    base = _copyable(files.all_orders(ground.folder / "base.tsv", BASE, seed=1), ground.folder / "base.copy")
    half = _copyable(
        files.all_orders(ground.folder / "day.tsv", DAY, seed=2), ground.folder / "day.copy", keep=base, share=2
    )
    ratios, rerun, replaces = [], [], []
    for pair in range(PAIRS):
        merged, plain = FIRST_ID + 10 * pair, FIRST_ID + 10 * pair + 1
        key = ("amazon_order_id", "sku")
        with _cursor() as c:
            table.create(c, merged, 1, columns, key)
            table.create(c, plain, 1, columns, key)
        for number in (merged, plain):
            _land(ground, "append", number, names, base, "2026-10-01")
        fresh = _copyable(files.all_orders(ground.folder / "new.tsv", DAY, seed=50 + pair), ground.folder / "new.copy")
        append_s, append_wal = _land(ground, "append", plain, names, fresh, "2026-10-02")
        merge_s, merge_wal = _land(ground, "merge", merged, names, half, "2026-10-02", key=key)
        # Whoever reads rows first marks them as seen, which is written too.
        ground.sql(f"SELECT count(*) FROM data.ds_{merged}")
        _, again_wal = _land(ground, "merge", merged, names, half, "2026-10-02", key=key)
        ratios.append(append_s / merge_s)
        rerun.append(again_wal / merge_wal)
        with _cursor() as c:
            table.drop(c, merged, 1)
            table.drop(c, plain, 1)
            table.create(c, merged, 2, columns, indexed=False)
            table.create(c, plain, 2, columns)
        ours, _ = _land(ground, "replace", merged, names, base, "2026-10-01", generation=2)
        began = time.perf_counter()
        with _cursor() as c:
            table.index(c, merged, 2)
        ours += time.perf_counter() - began
        ground.sql("CHECKPOINT")  # as each of ours begins with one
        quoted = ", ".join(f'"{name}"' for name in names)
        theirs = ground.psql(
            "SET backhaul.day = '2026-10-01'; SET backhaul.batch = '1'",
            f"\\copy data.ds_{plain}_g2 ({quoted}) FROM '{base}' (FORMAT text, NULL '')",
        )
        replaces.append(theirs / ours)
        with _cursor() as c:
            table.drop(c, merged, 2)
            table.drop(c, plain, 2)
    ratio, again, replaced = map(statistics.median, (ratios, rerun, replaces))
    yield Figure(
        f"merge of {DAY:,} rows into {BASE:,}, half of them new", "", "plain append of as many", f"{ratio:.2f}",
        "≥ 0.6 × append", ratio >= 0.6,
    )  # fmt: skip
    yield Figure(
        "the same merge again, after the rows were read", "", "WAL of the first", f"{again:.2f}", "≤ 0.10 of the WAL",
        again <= 0.10,
    )  # fmt: skip
    yield Figure(
        f"replace of {BASE:,} rows, index last", "", "psql \\copy into the indexed table", f"{replaced:.2f}",
        "≥ 1.2 × psql", replaced >= 1.2,
    )  # fmt: skip


def _columns():
    from connector.catalogue import index
    from connector.catalogue.names import safe_names

    known = {column.name: column.type for column in index.get("create_and_download_report").columns}
    names = safe_names(files.ALL_ORDERS)
    return names, [{"name": name, "title": name, "type": known.get(name, "text")} for name in names]


def _copyable(source, target, keep=None, share=0):
    """The file without its header; with `keep`, every so-manieth line is one of that file's."""
    with source.open("rb") as rows, target.open("wb") as out:
        next(rows)
        others = keep.open("rb") if keep else None
        for number, row in enumerate(rows):
            out.write(next(others) if others and number % share == 0 else row)
    return target


@contextmanager
def _cursor():
    from django.db import transaction

    from datasets.backfill.land import cursor

    with transaction.atomic(), cursor() as c:
        yield c


def _land(ground, mode, number, names, path, day, *, key=(), generation=1):
    """(seconds, WAL bytes) of one landing transaction."""
    from datasets.storage import modes, stage

    ground.sql("CHECKPOINT")
    before = ground.sql("SELECT pg_current_wal_insert_lsn()")[0][0]
    began = time.perf_counter()
    with _cursor() as c:
        c.execute("SELECT set_config('backhaul.day', %s, true), set_config('backhaul.batch', '1', true)", [day])
        modes.MODES[mode](c, number, generation, names, key, None, stage.chunks(path), "")
    seconds = time.perf_counter() - began
    return seconds, int(ground.sql("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", [before])[0][0])
