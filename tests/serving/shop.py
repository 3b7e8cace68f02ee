"""Makes datasets with rows straight in the database, committed, so that pools and servers see them."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from psycopg import sql

from connector.accounts.models import Account, Application
from datasets.access import tokens
from datasets.backfill import land
from datasets.models import Dataset, Day, Run
from datasets.storage import read, table

COLUMNS = (
    {"name": "amazon_order_id", "title": "amazon-order-id", "type": "text"},
    {"name": "purchase_date", "title": "purchase-date", "type": "timestamptz"},
    {"name": "ship_date", "title": "ship-date", "type": "date"},
    {"name": "quantity", "title": "quantity", "type": "bigint"},
    {"name": "item_price", "title": "item-price", "type": "numeric"},
    {"name": "is_business_order", "title": "is-business-order", "type": "boolean"},
    {"name": "title", "title": "product-name", "type": "text"},
)
DEFINITION = {  # of a dataset, as the API takes it
    "report": "order_details",
    "options": {"query_date_type": "created"},
    "start": "today-30",
    "end": "yesterday",
    "mode": "append",
    "schedule": {"kind": "daily", "at": "06:00", "zone": "America/Los_Angeles"},
}
NASTY = (
    "plain",
    "",
    None,
    'with "quotes", commas',
    "two\nlines",
    "carriage\r\nreturn",
    "lone\rreturn",
    "=1+1",
    "@SUM(A1)",
    "-5",
    "  =cmd()",
    "tab\tinside",
    "ünïcödé 日本語 🛒",
    "back\\slash \\n \\.",
    "\\.",
    "percent % %s {} ' ; -- DROP TABLE",
    "\x01\x02 control",
    "trailing space ",
    "00012345",
    "ß\u0301\u200f",
)


def make_account(owner, name="Shop US", marketplaces=("US",)):
    application = Application.objects.create(
        owner=owner, name=f"App of {owner}", client_id=f"id-{owner.pk}-{name}", client_secret="s"
    )
    return Account.objects.create(
        owner=owner,
        application=application,
        name=name,
        kind="seller",
        region="NA",
        marketplaces=list(marketplaces),
        selling_partner_id="A1TESTSELLER",
        refresh_token="Atzr|secret",
        authorized_at=timezone.now(),
    )


def make_dataset(owner, account, slug, *, columns=COLUMNS, rows=None, mode="append", **fields):
    """A dataset; with `rows` (dicts that may hold _day) it has a table and its days are landed."""
    dataset = Dataset.objects.create(
        slug=slug,
        name=slug.replace("_", " ").title(),
        owner=owner,
        account=account,
        report=fields.pop("report", "order_details"),
        options={},
        start=fields.pop("start", "2026-09-01"),
        end=fields.pop("end", "2026-09-30"),
        mode=mode,
        **fields,
    )
    if rows is not None:
        add_rows(dataset, rows, columns)
    return dataset


def add_rows(dataset, rows, columns=COLUMNS, *, now=None):
    """Rows land: a table, a run, days, counts and version, in one transaction."""
    now = now or timezone.now()
    names = [column["name"] for column in columns]
    with transaction.atomic(), land.cursor() as cursor:
        table.create(cursor, dataset.pk, dataset.generation, columns)
        run = Run.objects.create(
            dataset=dataset,
            generation=dataset.generation,
            trigger="manual",
            state="succeeded",
            queued_at=now,
            deadline=now,
        )
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(
            read.table(dataset.pk, dataset.generation),
            sql.SQL(", ").join(map(sql.Identifier, [*names, "_day", "_batch_id", "_batch_last_run"])),
        )
        counts = {}
        with cursor.copy(copy) as target:
            for row in rows:
                day = row.get("_day", date(2026, 9, 15))
                counts[day] = counts.get(day, 0) + 1
                target.write_row([row.get(name) for name in names] + [day, run.pk, now])
        for day, count in counts.items():
            Day.objects.update_or_create(
                dataset=dataset,
                generation=dataset.generation,
                day=day,
                defaults={"state": "landed", "rows": count, "run": run, "landed_at": now},
            )
        dataset.columns = read.describe(cursor, dataset.pk, dataset.generation)
    dataset.rows += len(rows)
    dataset.version += 1
    dataset.changed_at = now
    dataset.save()
    return run


def orders(count, seed=7):
    """That many rows over September 2026 with every type, missing values and awkward text."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        day = date(2026, 9, 1) + timedelta(days=chance.randrange(30))
        at = datetime(2026, 9, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(30 * 86400))
        if chance.random() < 0.3:
            at = at.replace(microsecond=chance.randrange(10**6))
        made.append(
            {
                "amazon_order_id": f"113-{number:07d}-{chance.randrange(10**7):07d}",
                "purchase_date": at if chance.random() < 0.9 else None,
                "ship_date": day + timedelta(days=2) if chance.random() < 0.7 else None,
                "quantity": chance.choice([None, 0, 1, 1, 2, 3, -4, 2**40]),
                "item_price": chance.choice(
                    [None, Decimal("19.90"), Decimal("0.00"), Decimal(chance.randrange(10**6)) / 100]
                ),
                "is_business_order": chance.choice([True, False, None]),
                "title": chance.choice(NASTY),
                "_day": day,
            }
        )
    return made


def token_for(user, **wishes):
    return tokens.issue(user, "test", **wishes)[1]


def sweep(*users):
    """Everything of these people goes, tables too."""
    for dataset in Dataset.objects.filter(owner__in=users):
        last = dataset.runs.aggregate(last=Max("generation"))["last"] or 1
        with transaction.atomic(), land.cursor() as cursor:
            for generation in range(1, max(last, dataset.generation) + 2):
                table.drop(cursor, dataset.pk, generation)
        dataset.delete()
    Account.objects.filter(owner__in=users).delete()
    Application.objects.filter(owner__in=users).delete()
    for user in users:
        user.delete()
