"""A dataset with very many rows, made by PostgreSQL itself within seconds: 32 columns as the all-orders report has them."""

from benchmarks.files import ALL_ORDERS

TYPES = {  # the rest is text
    "purchase_date": "timestamptz", "last_updated_date": "timestamptz", "quantity": "bigint", "is_business_order": "boolean",
    "item_price": "numeric", "item_tax": "numeric", "shipping_price": "numeric", "shipping_tax": "numeric",
    "gift_wrap_price": "numeric", "gift_wrap_tax": "numeric", "item_promotion_discount": "numeric",
    "ship_promotion_discount": "numeric",
}  # fmt: skip
VALUES = {
    "amazon_order_id": "lpad((n % 1000)::text, 3, '0') || '-' || lpad((n * 7919 % 10000000)::text, 7, '0') || '-' || lpad(n::text, 7, '0')",
    "purchase_date": "timestamptz '2025-11-01' + n * interval '31 seconds'",
    "last_updated_date": "timestamptz '2025-11-02' + n * interval '31.5 seconds'",
    "quantity": "n % 3 + 1",
    "is_business_order": "n % 7 = 0",
    "item_price": "(n % 20000 + 500) / 100.0::numeric(12,2)",
    "item_tax": "(n % 900) / 100.0::numeric(12,2)",
    "shipping_price": "5.99",
    "shipping_tax": "0.48",
    "gift_wrap_price": "CASE WHEN n % 9 = 0 THEN 3.99 END",
    "gift_wrap_tax": "CASE WHEN n % 9 = 0 THEN 0.32 END",
    "item_promotion_discount": "CASE WHEN n % 4 = 0 THEN 1.5 END",
    "ship_promotion_discount": "CASE WHEN n % 4 = 0 THEN 5.99 END",
    "order_status": "'Shipped'",
    "fulfillment_channel": "'Amazon'",
    "sales_channel": "'Amazon.com'",
    "ship_service_level": "'Expedited'",
    "product_name": "'Stainless steel water bottle, \"' || n % 1000000 || '\" ml'",
    "sku": "'SKU-' || lpad((n * 31 % 100000)::text, 5, '0')",
    "asin": "'B0' || lpad((n * 127 % 100000000)::text, 8, '0')",
    "item_status": "'Shipped'",
    "currency": "'USD'",
    "ship_city": "'San Francisco'",
    "ship_state": "'CA'",
    "ship_postal_code": "lpad((n * 13 % 100000)::text, 5, '0')",
    "ship_country": "'US'",
}
DAYS = 365


def columns():
    names = [name.replace("-", "_") for name in (*ALL_ORDERS, "buyer-note")]
    return [{"name": name, "title": name, "type": TYPES.get(name, "text"), "personal": False} for name in names]


def million(ground, slug, rows):
    """A dataset of so many rows over a year of days, all of them landed."""
    from django.db import connection
    from django.utils import timezone

    from datasets.models import Day, Run
    from datasets.storage import table

    report, options = (
        "create_and_download_report",
        {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"},
    )
    dataset = ground.dataset(slug, report, options, "append", start="2025-11-01", end="2026-10-31")
    now = timezone.now()
    run = Run.objects.create(
        dataset=dataset, generation=1, trigger="manual", state="succeeded", queued_at=now, deadline=now
    )
    with connection.cursor() as cursor:
        table.create(cursor, dataset.pk, 1, columns(), indexed=False)
        cursor.execute(
            f"""
            INSERT INTO data.ds_{dataset.pk} (_day, _batch_id, _batch_last_run, {", ".join(VALUES)})
            SELECT date '2025-11-01' + (n * {DAYS} / {rows + 1})::int, {run.pk}, now(), {", ".join(VALUES.values())}
            FROM generate_series(1::bigint, {rows}) AS n
            """
        )
        table.index(cursor, dataset.pk, 1)
        cursor.execute(f"SELECT _day, count(*) FROM data.ds_{dataset.pk} GROUP BY _day")
        days = [
            Day(dataset=dataset, generation=1, day=day, state="landed", rows=count, run=run, landed_at=now)
            for day, count in cursor.fetchall()
        ]
        Day.objects.bulk_create(days)
        cursor.execute(f"VACUUM (ANALYZE) data.ds_{dataset.pk}")
        cursor.execute("ANALYZE datasets_day")
    dataset.columns, dataset.rows, dataset.version, dataset.changed_at = columns(), rows, DAYS, now
    dataset.save()
    return dataset


def forget(ground, dataset):
    ground.sql(f"DROP TABLE data.ds_{dataset.pk}")


def served(dataset):
    """The names of all columns that a reader is given, in order."""
    from datasets.storage import read

    return [column["name"] for column in (*dataset.columns, *read.SYSTEM_COLUMNS)]


def types(dataset):
    return {column["name"]: column["type"] for column in dataset.columns}
