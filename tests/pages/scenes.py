"""Datasets in the states that people meet, made straight in the database."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from connector.catalogue import index
from datasets.calendar import bounds
from datasets.models import Dataset, Day, Request, Run
from tests.days import ZONE, day_before, day_of

ALL_ORDERS = {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"}
AMAZON_IS_BUSY = "Amazon is building this report. It usually takes about a minute."


def shelf(owner, account, name, **fields):
    """A dataset of Order Details over two years, with a daily schedule; no run yet."""
    for name_of, word in (("start", "today-729"), ("end", "today")):
        if said := fields.get(name_of, word):
            fields[name_of] = day_of(said)
    slug = name.lower().replace(", ", "_").replace(" ", "_")
    return Dataset.objects.create(
        **{
            "slug": slug,
            "name": name,
            "owner": owner,
            "account": account,
            "report": "order_details",
            "options": {},
            "mode": "append",
            "schedule_kind": "daily",
            "schedule_at": "06:00",
            "schedule_zone": ZONE,
            "next_run_at": timezone.now() + timedelta(hours=3),
        }
        | fields
    )


def run_of(dataset, state, *, ago=timedelta(minutes=12), took=timedelta(minutes=4), message="", **fields):
    now = timezone.now()
    ended = None if state in Run.OPEN else now - ago + took
    return Run.objects.create(
        dataset=dataset,
        generation=dataset.generation,
        trigger=fields.pop("trigger", "schedule"),
        state=state,
        queued_at=now - ago - timedelta(seconds=2),
        started_at=None if state == "queued" else now - ago,
        ended_at=ended,
        deadline=now + timedelta(days=1),
        message=message,
        **fields,
    )


def days_of(dataset, run, count, *, states=None, seed=3):
    """The last `count` days, the newest ones in; `states` says otherwise by how many days back. Answers the rows that are in."""
    chance = random.Random(seed)
    now = timezone.now()
    newest = day_before(0)
    made, total = [], 0
    for back in range(count):
        day = newest - timedelta(days=back)
        state = (states or {}).get(back, "landed")
        rows = 0
        if state == "landed":
            weekly = 1.3 if day.weekday() in (0, 6) else 1.0
            rows = int(chance.gauss(290, 40) * weekly * (1.8 if day.month in (11, 12) else 1)) + 5
        is_in = state in Day.IN
        total += rows
        made.append(
            Day(
                dataset=dataset,
                generation=run.generation,
                day=day,
                state=state,
                run=run if state in (*Day.IN, "failed") else None,
                rows=rows,
                attempts=3 if state == "failed" else 0,
                message="Amazon could not build this report, 3 times. Amazon says: internal error."
                if state == "failed"
                else "",
                landed_at=now - timedelta(minutes=2 + back % 60) if is_in else None,
                read_until=min(now, bounds(day, ZONE)[1]) if is_in else None,
            )
        )
    Day.objects.bulk_create(made)
    return total


def columns_of(dataset):
    known = index.effective(dataset.report, dataset.options).columns
    return [{"name": column.name, "title": column.title or column.name, "type": column.type} for column in known]


def loading(owner, account, name="Orders, US"):
    """136 of 730 days in, newest first: some empty, some failed, some being asked for."""
    dataset = shelf(owner, account, name, report="create_and_download_report", options=ALL_ORDERS)
    run = run_of(dataset, "waiting", ago=timedelta(minutes=11), message=AMAZON_IS_BUSY, started_by=owner)
    states = {16: "failed", 17: "failed", 51: "empty", 83: "failed", **dict.fromkeys(range(139, 199), "asked")}
    states |= dict.fromkeys(range(199, 730), "wanted")
    total = days_of(dataset, run, 730, states=states)
    newest = day_before(0)
    chunks = [(0, 18, "done"), (19, 48, "done"), (49, 78, "done"), (79, 108, "done"), (109, 138, "done")]
    for number, (young, old, state) in enumerate([*chunks, (139, 168, "asked"), (169, 198, "asked")]):
        asked_at = timezone.now() - timedelta(seconds=600 - 80 * number)
        request = Request.plan(
            dataset,
            1,
            newest - timedelta(days=old),
            newest - timedelta(days=young),
            kind="report",
            asked={"amazon_id": f"500390188{69 + number}", "asked_at": asked_at},
            state=state,
            message=AMAZON_IS_BUSY if state == "asked" else "",
        )
        if state == "asked":
            days = Day.objects.filter(dataset=dataset, day__range=(request.first_day, request.last_day))
            days.update(request=request)
    Run.objects.filter(pk=run.pk).update(
        first_day=newest - timedelta(days=729), last_day=newest, days_total=730, rows=total
    )
    fill(dataset, run, total)
    return dataset, run


def fill(dataset, run, total, count=300):
    """A table with some rows, and the count of all."""
    from django.db import transaction
    from psycopg import sql

    from datasets.backfill import land
    from datasets.storage import read, table

    columns = columns_of(dataset)
    chance = random.Random(5)
    newest = day_before(0)
    with transaction.atomic(), land.cursor() as cursor:
        table.create(cursor, dataset.pk, dataset.generation, columns)
        names = [column["name"] for column in columns]
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(
            read.table(dataset.pk, dataset.generation),
            sql.SQL(", ").join(map(sql.Identifier, [*names, "_day", "_batch_id", "_batch_last_run"])),
        )
        with cursor.copy(copy) as target:
            for number in range(count):
                day = newest - timedelta(days=number // 40)
                target.write_row(
                    [_value(column, day, number, chance) for column in columns] + [day, run.pk, timezone.now()]
                )
        known = read.describe(cursor, dataset.pk, dataset.generation)
    Dataset.objects.filter(pk=dataset.pk).update(columns=known, rows=total, version=5, changed_at=timezone.now())
    dataset.refresh_from_db()


TITLES = (
    "Steel bottle 750 ml",
    "Yoga mat, grey",
    "LED desk lamp – 3 levels",
    "Café press “Grande” 1 l",
    "日本茶 100 g",
    "=2+2 mug",
)
WORDS = {
    "order_status": ("Shipped", "Shipped", "Shipped", "Pending", "Canceled"),
    "marketplace": ("Amazon.com",),
    "sales_channel": ("Amazon.com",),
    "fulfillment_channel": ("AFN", "AFN", "MFN"),
    "order_total_currency": ("USD",),
    "marketplace_id": ("ATVPDKIKX0DER",),
}


def _value(column, day, number, chance):
    name, kind = column["name"], column["type"]
    if name == "amazon_order_id":
        return f"113-{2931406 + number * 37:07d}-{chance.randrange(10**7):07d}"
    if name in WORDS:
        return chance.choice(WORDS[name])
    if kind == "timestamptz":
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=chance.randrange(30000, 86400))
    if kind == "date":
        return day
    if kind == "boolean":
        return chance.random() < 0.1
    if kind == "bigint":
        return chance.choice((1, 1, 1, 2, 3))
    if kind == "numeric":
        return Decimal(chance.randrange(900, 9000)) / 100
    if "title" in name or "product" in name:
        return chance.choice(TITLES)
    return chance.choice((None, None, "Standard", "Expedited"))


def up_to_date(owner, account, name="Order items, US", days=365):
    dataset = shelf(owner, account, name, start=f"today-{days - 1}", report="order_items")
    run = run_of(dataset, "succeeded", ago=timedelta(hours=2), rows=1204, days_total=30)
    total = days_of(dataset, run, days)
    Run.objects.filter(pk=run.pk).update(message="30 days loaded, 1,204 rows.")
    fill(dataset, run, total)
    return dataset, run


def partial(owner, account, name="All orders, CA"):
    dataset = shelf(owner, account, name, start="today-89")
    run = run_of(
        dataset,
        "partial",
        ago=timedelta(hours=5),
        rows=24310,
        days_total=90,
        started_by=owner,
        trigger="manual",
        message="3 of 90 days could not be loaded; the next run tries them again."
        " Amazon could not build this report, 3 times. Amazon says: internal error.",
    )
    total = days_of(dataset, run, 90, states={16: "failed", 17: "failed", 51: "empty", 83: "failed"})
    newest = day_before(0)
    Run.objects.filter(pk=run.pk).update(first_day=newest - timedelta(days=89), last_day=newest)
    fill(dataset, run, total)
    return dataset, run


def failed(owner, account, name="Orders, MX"):
    """The account's consent is gone."""
    dataset = shelf(owner, account, name, start="today-29")
    message = "Amazon no longer accepts the consent of this account."
    run = run_of(dataset, "failed", ago=timedelta(hours=1), message=message, days_total=30)
    return dataset, run
