"""The Query tab: ask, see, download, save; without JavaScript."""

from html import unescape

import pytest

from datasets.models import SavedQuery
from tests.pages import scenes
from tests.serving import shop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]

SQL = "SELECT _day, count(*) AS n\nFROM table GROUP BY _day ORDER BY _day"


@pytest.fixture
def orders(alice, account, rows_beside_a_browser):
    return shop.make_dataset(alice, account, "orders_us", rows=shop.orders(300))


@pytest.fixture
def address(orders):
    return f"/datasets/{orders.slug}/query"


def text(response):
    return " ".join(unescape(response.content.decode()).split())


def test_the_first_rows_of_the_answer_are_shown(page, address):
    answer = page.post(address, {"sql": "SELECT title, quantity FROM table", "run": ""})

    assert "The first 100 rows" in text(answer)
    assert answer.content.count(b"<tr>") == 101
    few = page.post(address, {"sql": SQL, "run": ""})
    assert "30 rows" in text(few)
    assert "2026-09-01" in text(few)


def test_markup_in_cells_stays_text(page, address):
    answer = page.post(address, {"sql": "SELECT '<script>alert(1)</script>' AS \"<b>x\"", "run": ""})

    assert b"<script>alert" not in answer.content
    assert b"<b>x" not in answer.content


def test_what_is_wrong_is_said_with_its_place(page, address):
    answer = page.post(address, {"sql": "SELECT _day,\n  titel FROM table", "run": ""})

    assert answer.status_code == 422
    assert "Line 2, character 3." in text(answer)
    assert "titel FROM table" in text(answer)


@pytest.mark.parametrize("statement", ["DELETE FROM table", "UPDATE orders_us SET title = 'x'", "DROP TABLE orders_us"])
def test_a_statement_that_writes_is_told_that_only_reading_is_allowed(page, address, statement):
    """It was told that it gives no columns."""
    answer = page.post(address, {"sql": statement, "run": ""})

    assert answer.status_code == 422
    assert "Only statements that read are allowed" in text(answer)


def test_the_answer_is_downloaded_by_the_same_statement(page, address):
    answer = page.post("/api/v1/datasets/orders_us/query.csv?_dl=1", {"sql": SQL})

    assert answer.status_code == 200, answer.content
    assert answer["Content-Disposition"].startswith("attachment")
    assert b"".join(answer.streaming_content).startswith(b"_day,n\r\n2026-09-01,")


def test_a_query_is_saved_opened_and_deleted(page, address, orders):
    saved = page.post(address, {"sql": SQL, "name": "Orders by day", "keep": ""})
    kept = SavedQuery.objects.get()
    listed = page.get(address)
    opened = page.get(f"{address}?saved=orders_by_day")

    assert (kept.name, kept.dataset, kept.sql) == ("Orders by day", orders, SQL)
    assert "/api/v1/queries/orders_by_day/export.csv?_dl=1" in text(listed)
    assert "FROM table GROUP BY _day ORDER BY _day" in text(opened)
    assert saved.url == f"{address}?saved=orders_by_day", "what was written stays in the form"

    page.post(f"{address}/orders_by_day/delete")

    assert not SavedQuery.objects.exists()


def test_the_data_tab_names_types_as_the_columns_tab_does(page, orders):
    """It showed what PostgreSQL calls them."""
    data, columns = (text(page.get(f"/datasets/{orders.slug}/{tab}")) for tab in ("data", "columns"))

    for words in ("date and time (UTC)", "whole number"):
        assert f'<small class="under">{words}</small>' in data and words in columns
    assert "timestamptz" not in data


def test_a_query_needs_a_name_to_be_saved(page, address):
    answer = page.post(address, {"sql": SQL, "name": " ", "keep": ""})

    assert answer.status_code == 422
    assert "between 1 and 200 characters" in text(answer)
    assert not SavedQuery.objects.exists()


def test_a_stranger_gets_none_of_it(client, bob, address, page):
    page.post(address, {"sql": SQL, "name": "Orders by day", "keep": ""})
    client.force_login(bob)

    assert client.get(address).status_code == 404
    assert client.post(address, {"sql": "SELECT 1"}).status_code == 404
    assert client.post(f"{address}/orders_by_day/delete").status_code == 404
    assert SavedQuery.objects.count() == 1


def test_a_dataset_without_rows_has_the_page_too(page, alice, account):
    dataset = scenes.up_to_date(alice, account, days=1)
    address = f"/datasets/{(dataset[0] if isinstance(dataset, tuple) else dataset).slug}/query"

    assert page.get(address).status_code == 200
