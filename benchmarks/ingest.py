"""A flat file into rows: `psql \\copy` of the same file into the same table is the baseline."""

import gzip
import shutil
import statistics
from datetime import date, timedelta

from benchmarks import files
from benchmarks.ground import Figure

ROWS, LARGE_MB, PAIRS = 300_000, 1000, 3
REPORT = "create_and_download_report"
OPTIONS = {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"}
FIRST, LAST = date(2026, 9, 30), date(2026, 10, 29)


def run(ground, *, large=False):
    from datasets.storage import read, table

    plain = files.all_orders(ground.folder / "orders.tsv", ROWS)
    packed = ground.folder / "orders.tsv.gz"
    with plain.open("rb") as source, gzip.open(packed, "wb", 6) as target:
        shutil.copyfileobj(source, target)
    ratios, ours, theirs, peak = [], [], [], 0.0
    for pair in range(PAIRS):
        dataset = ground.dataset(f"ingest_{pair}", REPORT, OPTIONS, "append")
        request = collected(dataset, packed)
        seconds, megabytes = map(float, ground.child("benchmarks.landing", request.pk))
        from django.db import connection

        with connection.cursor() as cursor:
            table.create(cursor, 900 + pair, 1, read.describe(cursor, dataset.pk, 1))
            names = [f'"{column["name"]}"' for column in read.describe(cursor, dataset.pk, 1)]
        baseline = ground.psql(
            "SET backhaul.day = '2026-10-01'; SET backhaul.batch = '1'",
            f"\\copy data.ds_{900 + pair} ({', '.join(names)}) FROM '{plain}' (FORMAT csv, DELIMITER E'\\t', QUOTE E'\\x01', HEADER)",
        )
        ratios.append(baseline / seconds)
        ours.append(seconds)
        theirs.append(baseline)
        peak = max(peak, megabytes)
        ground.sql(f"DROP TABLE data.ds_{900 + pair}")
    ratio = statistics.median(ratios)
    yield Figure(
        f"flat file of {ROWS:,} rows ({plain.stat().st_size >> 20} MB, gzip) to rows, split by day",
        f"{ROWS / statistics.median(ours):,.0f} rows/s", f"psql \\copy {ROWS / statistics.median(theirs):,.0f} rows/s",
        f"{ratio:.2f}", "≥ 0.8 × psql", ratio >= 0.8,
    )  # fmt: skip
    yield Figure(
        f"worker's memory at {plain.stat().st_size >> 20} MB", f"{peak:.0f} MB", "", "", "≤ 150 MB", peak <= 150
    )


def collected(dataset, document, first=FIRST, last=LAST):
    """A request whose document has been downloaded already, and a run that is about to land it."""
    from django.utils import timezone

    from datasets.backfill.housekeeping import raw_folder
    from datasets.backfill.window import bounds
    from datasets.models import Day, Request, Run

    now = timezone.now()
    Run.objects.create(
        dataset=dataset, generation=dataset.building_generation(), trigger="manual", queued_at=now,
        deadline=now + timedelta(days=1), first_day=first, last_day=last,
    )  # fmt: skip
    zone = dataset.account.zone
    request = Request.objects.create(
        dataset=dataset, generation=dataset.building_generation() if dataset.mode != "replace" else 2, first_day=first,
        last_day=last, kind="report", state="collected", from_at=bounds(first, zone)[0], until_at=bounds(last, zone)[1],
        asked_at=now, cursor={"content_type": "text/plain; charset=UTF-8"},
    )  # fmt: skip
    day = first
    while day <= last:
        Day.objects.update_or_create(
            dataset=dataset, generation=request.generation, day=day, defaults={"state": "asked", "request": request}
        )
        day += timedelta(days=1)
    folder = raw_folder(dataset.pk, request.pk)
    folder.mkdir(parents=True)
    shutil.copy(document, folder / "document")
    return request
