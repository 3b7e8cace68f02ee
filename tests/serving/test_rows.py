"""Pages of rows: every row once, in one order, from one moment."""

import csv
import io
import json
from datetime import date
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from datasets.models import Dataset, Day
from tests.serving import shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(client, bearer):
    def ask(path, **headers):
        return client.get(path if path.startswith("/") else f"/api/v1/datasets/{path}", headers=bearer | headers)

    return ask


def walk(ask, path):
    """All rows from here on, page by page, and the pages."""
    pages = []
    while path:
        pages.append(ask(path).json())
        path = pages[-1]["next"] and next_path(pages[-1]["next"])
    return [row for page in pages for row in page["rows"]], pages


def next_path(url):
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def test_a_page_says_what_it_is_and_where_the_next_one_is(october, ask, orders, rows):
    answer = ask("orders_us/rows.json?_limit=2&_select=amazon_order_id,quantity")

    page = answer.json()
    assert list(page) == ["dataset", "version", "as_of", "complete_through", "columns", "rows", "count", "next"]
    assert page["dataset"] == "orders_us"
    assert page["version"] == "v1"
    assert page["as_of"].endswith("Z")
    assert page["complete_through"] == "2026-09-30"
    assert page["columns"] == [{"name": "amazon_order_id", "type": "text"}, {"name": "quantity", "type": "bigint"}]
    assert page["rows"] == [{name: row[name] for name in ("amazon_order_id", "quantity")} for row in rows[:2]]
    assert page["count"] == {"value": 120, "exact": True}
    assert answer["Link"] == f'<{page["next"]}>; rel="next"'
    assert page["next"].startswith("http://testserver/api/v1/datasets/orders_us/rows.json?_limit=2&_select=")


@pytest.mark.parametrize(
    "sort",
    [
        "",
        "title",
        "-title",
        "quantity,-title",
        "-purchase_date,item_price",
        "is_business_order,-ship_date",
        "_day",
        "-_day,quantity",
    ],
)
def test_a_walk_gives_every_row_once_in_one_order(ask, orders, rows, sort):
    whole = ask(f"orders_us/rows.json?_limit=50000&_sort={sort}").json()["rows"]

    found, pages = walk(ask, f"orders_us/rows.json?_limit=7&_sort={sort}")

    assert found == whole
    assert len(pages) == 18
    assert sorted(row["amazon_order_id"] for row in found) == sorted(row["amazon_order_id"] for row in rows)


@pytest.mark.parametrize("limit", [1, 119, 120, 121])
def test_the_last_page_has_no_next(ask, orders, limit):
    found, pages = walk(ask, f"orders_us/rows.json?_limit={limit}")

    assert len(found) == 120
    assert len(pages) == -(-120 // limit)
    assert pages[-1]["next"] is None


def test_csv_and_ndjson_pages_carry_the_next_one_in_link(ask, orders, rows):
    as_csv = ask("orders_us/rows.csv?_limit=50")
    as_lines = ask("orders_us/rows.ndjson?_limit=50")

    found = list(csv.DictReader(io.StringIO(as_csv.content.decode(), newline="")))
    assert [row["title"] for row in found] == [row["title"] or "" for row in rows[:50]]
    assert [json.loads(line)["title"] for line in as_lines.content.splitlines()] == [row["title"] for row in rows[:50]]
    assert as_csv["Link"].endswith('; rel="next"')


def test_a_csv_page_is_the_beginning_of_the_export(ask, orders):
    export = b"".join(ask("orders_us/export.csv?_limit=90").streaming_content)

    assert ask("orders_us/rows.csv?_limit=90").content == export


def test_counts_come_exact_estimated_or_not_at_all(ask, orders, rows):
    ones = sum(row["quantity"] == 1 for row in rows)

    assert ask("orders_us/rows.json?quantity=1").json()["count"] is None
    assert ask("orders_us/rows.json?quantity=1&_count=exact&_limit=2").json()["count"] == {"value": ones, "exact": True}
    assert ask("orders_us/rows.json?quantity=1&_count=estimated").json()["count"]["exact"] is False
    assert ask("orders_us/rows.json?_count=none").json()["count"] is None


def test_the_same_page_is_304(ask, orders):
    first = ask("orders_us/rows.json?_limit=5")
    second = ask(next_path(first.json()["next"]))

    assert ask("orders_us/rows.json?_limit=5", **{"If-None-Match": first["ETag"]}).status_code == 304
    assert ask(next_path(first.json()["next"]), **{"If-None-Match": second["ETag"]}).status_code == 304
    assert first["ETag"] != second["ETag"]


def test_a_dataset_without_rows_answers_with_its_columns(ask, make):
    make.dataset("nothing_yet")

    page = ask("nothing_yet/rows.json").json()
    assert page["rows"] == []
    assert page["columns"][0]["name"] == "amazon_order_id"
    assert page["count"] == {"value": 0, "exact": True}
    assert page["next"] is None
    assert ask("nothing_yet/rows.csv").content.startswith(b"amazon_order_id,")


# The moment


def test_rows_that_land_meanwhile_stay_out_of_the_walk(ask, make):
    before = shop.orders(20)
    dataset = make.dataset("growing", rows=before)
    first = ask("growing/rows.json?_limit=6&_sort=-amazon_order_id").json()

    make.rows(
        dataset,
        [{"amazon_order_id": "999", "_day": date(2026, 10, 1)}, {"amazon_order_id": "000", "_day": date(2026, 10, 2)}],
    )

    rest, pages = walk(ask, next_path(first["next"]))
    found = [row["amazon_order_id"] for row in first["rows"] + rest]
    assert found == sorted((row["amazon_order_id"] for row in before), reverse=True)
    assert {page["version"] for page in pages} == {"v1"}
    assert {page["count"]["value"] for page in pages} == {20}


def test_a_day_that_is_loaded_again_ends_the_walk(ask, make):
    dataset = make.dataset("reloaded", rows=shop.orders(20))
    first = ask("reloaded/rows.json?_limit=6").json()

    def land_again():
        from datasets.backfill import land

        gone = Day.objects.filter(dataset=dataset).order_by("-rows").first()
        with land.cursor() as cursor:
            cursor.execute(f"DELETE FROM data.ds_{dataset.pk} WHERE _day = %s", [gone.day])
        Dataset.objects.filter(pk=dataset.pk).update(rows=20 - gone.rows)
        dataset.refresh_from_db()
        shop.add_rows(dataset, [{"amazon_order_id": "new", "_day": gone.day}] * gone.rows)

    make.run(land_again)

    answer = ask(next_path(first["next"]))
    assert answer.status_code == 410
    assert answer.json()["code"] == "version_gone"


def test_a_merge_in_between_ends_the_walk(ask, make):
    dataset = make.dataset("merged", rows=shop.orders(20), mode="merge")
    first = ask("merged/rows.json?_limit=6").json()

    make.run(Dataset.objects.filter(pk=dataset.pk).update, version=9, changed_at=timezone.now())

    assert ask(next_path(first["next"])).status_code == 410


def test_a_landing_that_changed_no_row_does_not_end_the_walk(ask, make):
    dataset = make.dataset("settled", rows=shop.orders(20), mode="merge")
    first = ask("settled/rows.json?_limit=6").json()

    make.run(Dataset.objects.filter(pk=dataset.pk).update, version=9)

    assert ask(next_path(first["next"])).status_code == 200


def test_a_walk_stays_on_the_table_it_began_on_until_that_is_dropped(ask, make):
    before = shop.orders(20)
    dataset = make.dataset("replaced", rows=before, mode="replace")
    first = ask("replaced/rows.json?_limit=6").json()

    def replace():
        dataset.refresh_from_db()
        dataset.generation, dataset.rows = 2, 0
        shop.add_rows(dataset, [{"sku": "new"}], columns=({"name": "sku", "title": "sku", "type": "text"},))

    make.run(replace)

    rest, _ = walk(ask, next_path(first["next"]))
    assert [row["amazon_order_id"] for row in first["rows"] + rest] == [row["amazon_order_id"] for row in before]
    assert [row["sku"] for row in ask("replaced/rows.json").json()["rows"]] == ["new"]

    def drop():
        from datasets.backfill import land
        from datasets.storage import table

        with land.cursor() as cursor:
            table.drop(cursor, dataset.pk, 1)

    make.run(drop)
    assert ask(next_path(first["next"])).status_code == 410


# Cursors


def test_a_cursor_is_good_for_its_own_query_and_dataset_only(ask, orders, make):
    make.dataset("another", rows=shop.orders(5))
    cursor = ask("orders_us/rows.json?_limit=5&quantity__gte=0").json()["next"].partition("_cursor=")[2]

    for path in (
        f"orders_us/rows.json?_cursor={cursor}",
        f"orders_us/rows.json?quantity__gte=0&_sort=title&_cursor={cursor}",
        f"another/rows.json?quantity__gte=0&_cursor={cursor}",
        f"orders_us/rows.json?quantity__gte=0&_cursor={cursor[:-1]}",
        f"orders_us/rows.json?quantity__gte=0&_cursor={cursor[5:]}",
        "orders_us/rows.json?_cursor=bm9uc2Vuc2U",
        "orders_us/rows.json?_cursor=%00",
        "orders_us/rows.json?_cursor=%F0%9F%9B%92:x",
    ):
        answer = ask(path)
        assert answer.status_code == 400, path
        assert "_cursor" in answer.json()["errors"][0]["detail"] or "NUL" in answer.json()["detail"]
    assert ask(f"orders_us/rows.json?quantity__gte=0&_limit=3&_select=title&_cursor={cursor}").status_code == 200


def test_relative_days_mean_the_same_on_every_page(ask, orders, time_machine):
    time_machine.move_to("2026-09-20T23:59:00-07:00", tick=False)
    first = ask("orders_us/rows.json?purchase_date__gte=today-5&_limit=3").json()
    time_machine.move_to("2026-09-21T00:01:00-07:00", tick=False)

    assert ask(next_path(first["next"])).status_code == 200


def test_no_cell_stands_in_a_cursor(ask, orders):
    from datasets.rows import cursors

    page = ask("orders_us/rows.json?_sort=title&_limit=50").json()
    from urllib.parse import parse_qs

    text = parse_qs(urlsplit(page["next"]).query)["_cursor"][0]
    assert not any(isinstance(part, str) and len(part) != 16 for part in cursors.SIGNER.unsign_object(text))
