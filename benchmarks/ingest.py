"""Amazon's answers into rows: `psql \\copy` of the same rows into the same table is the baseline."""

import gzip
import shutil
import statistics
from datetime import date, timedelta

from benchmarks import files
from benchmarks.ground import Figure

ROWS, PAIRS = 300_000, 3
LARGE_ROWS = 4_400_000  # a gigabyte
ORDERS = 30_000
REPORT = "create_and_download_report"
OPTIONS = {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"}
FIRST, LAST = date(2026, 9, 30), date(2026, 10, 29)


def run(ground, *, large=False):
    yield from flat_file(ground, ROWS, PAIRS)
    if large:
        yield from flat_file(ground, LARGE_ROWS, 1)
    yield from json_pages(ground)


def flat_file(ground, rows, pairs):
    plain = files.all_orders(ground.folder / "orders.tsv", rows)
    document, size = packed(plain), plain.stat().st_size >> 20
    ratios, ours, theirs, peak = [], [], [], 0.0
    for pair in range(pairs):
        seconds, megabytes = landed(ground, f"ingest_{size}_{pair}", document)
        baseline = copied(
            ground, f"ingest_{size}_{pair}", plain, "FORMAT csv, DELIMITER E'\\t', QUOTE E'\\x01', HEADER"
        )
        ratios.append(baseline / seconds)
        ours.append(seconds)
        theirs.append(baseline)
        peak = max(peak, megabytes)
        forget(ground, f"ingest_{size}_{pair}")
    ratio = statistics.median(ratios)
    yield Figure(
        f"flat file of {rows:,} rows ({size} MB, gzip) to rows, split by day",
        f"{rows / statistics.median(ours):,.0f} rows/s", f"psql \\copy {rows / statistics.median(theirs):,.0f} rows/s",
        f"{ratio:.2f}", "≥ 0.8 × psql", ratio >= 0.8,
    )  # fmt: skip
    yield Figure(f"worker's memory at {size} MB", f"{peak:.0f} MB", "", "", "≤ 150 MB", peak <= 150)


def json_pages(ground):
    """Pages of searchOrders, as they lie on disk, into rows of Order Details."""
    ratios, ours, theirs, peak = [], [], [], 0.0
    pages = files.order_pages(ground.folder / "pages", ORDERS)
    size = sum(page.stat().st_size for page in pages.iterdir()) >> 20
    for pair in range(PAIRS):
        slug, plain = f"pages_{pair}", ground.folder / "pages.copy"
        seconds, megabytes = landed(ground, slug, pages, report="order_details", options={})
        number, names = _table(slug)
        ground.psql(f"\\copy data.ds_{number} ({names}) TO '{plain}'")
        baseline = copied(ground, slug, plain, "FORMAT text")
        ratios.append(baseline / seconds)
        ours.append(seconds)
        theirs.append(baseline)
        peak = max(peak, megabytes)
        forget(ground, slug)
    yield Figure(
        f"{ORDERS:,} orders as JSON pages ({size} MB) to rows", f"{ORDERS / statistics.median(ours):,.0f} orders/s",
        f"psql \\copy of the rows {ORDERS / statistics.median(theirs):,.0f}/s", f"{statistics.median(ratios):.2f}",
        "≥ 500 orders/s, more than Amazon sends", ORDERS / statistics.median(ours) >= 500,
    )  # fmt: skip
    yield Figure("worker's memory over these pages", f"{peak:.0f} MB", "", "", "≤ 150 MB", peak <= 150)


def packed(plain):
    target = plain.with_name(plain.name + ".gz")
    with plain.open("rb") as source, gzip.open(target, "wb", 6) as out:
        shutil.copyfileobj(source, out, 1 << 20)
    return target


def landed(ground, slug, answer, *, report=REPORT, options=OPTIONS):
    """(seconds, MB) that a worker of its own needed to land the answer as a dataset of this name."""
    request = collected(ground.dataset(slug, report, options, "append"), answer)
    return tuple(map(float, ground.child("benchmarks.landing", request.pk)))


def copied(ground, slug, plain, form):
    """Seconds that psql needs for these rows into a table like the dataset's."""
    from django.db import connection

    from datasets.storage import read, table

    number, names = _table(slug)
    with connection.cursor() as cursor:
        table.create(cursor, 1_000_000 + number, 1, read.describe(cursor, number, 1))
    try:
        return ground.psql(
            "SET backhaul.day = '2026-10-01'; SET backhaul.batch = '1'",
            f"\\copy data.ds_{1_000_000 + number} ({names}) FROM '{plain}' ({form})",
        )
    finally:
        ground.sql(f"DROP TABLE data.ds_{1_000_000 + number}")


def forget(ground, slug):
    ground.sql(f"DROP TABLE data.ds_{_table(slug)[0]}")


def _table(slug):
    """(number, quoted names of the report's columns) of the dataset's table."""
    from django.db import connection

    from datasets.models import Dataset
    from datasets.storage import read

    number = Dataset.objects.get(slug=slug).pk
    with connection.cursor() as cursor:
        names = ", ".join(f'"{column["name"]}"' for column in read.describe(cursor, number, 1))
    return number, names


def collected(dataset, answer, first=FIRST, last=LAST):
    """A request whose answer (a document, or a folder of pages) has come already, and a run that is about to land it."""
    from django.utils import timezone

    from datasets.calendar import bounds
    from datasets.models import Day, Request, Run

    now = timezone.now()
    is_report = answer.is_file()
    progress = {"content_type": "text/plain; charset=UTF-8"} if is_report else {"pages": len(list(answer.iterdir()))}
    zone = dataset.account.zone
    asked = {
        "from_at": bounds(first, zone)[0],
        "until_at": bounds(last, zone)[1],
        "asked_at": now,
        "progress": progress,
    }
    request = Request.plan(
        dataset, dataset.building_generation() if dataset.mode != "replace" else 2, first, last,
        kind="report" if is_report else "pages", asked=asked, state="collected",
    )  # fmt: skip
    folder = request.answer.folder
    if is_report:
        folder.mkdir(parents=True)
        shutil.copy(answer, folder / "document")
    else:
        shutil.copytree(answer, folder)
    day = first
    while day <= last:
        Day.objects.update_or_create(
            dataset=dataset, generation=request.generation, day=day, defaults={"state": "asked", "request": request}
        )
        day += timedelta(days=1)
    Run.objects.create(
        dataset=dataset, generation=request.generation, trigger="manual", queued_at=now,
        deadline=now + timedelta(days=1), first_day=first, last_day=last,
    )  # fmt: skip
    return request
