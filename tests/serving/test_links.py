"""Links: a token in a URL, which reads one dataset and of that only what it is fixed to."""

import csv
import io
import json
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client

from datasets.access import tokens
from datasets.formats.index import FORMATS, OF_PAGES
from datasets.problems import BadParameters
from tests.serving import shop

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def rows():
    return shop.orders(60)


@pytest.fixture
def link(alice, orders):
    """A function from a fixed query to a function that asks with the link's token alone."""

    def link(fixed="", **wishes):
        _, text = tokens.issue_link(alice, orders, fixed=fixed, **wishes)

        def ask(path, query=""):
            response = Client().get(f"/api/v1/datasets/{path}?token={text}&{query}")
            response.whole = b"".join(response.streaming_content) if response.streaming else response.content
            return response

        ask.token = text
        return ask

    return link


def table(response):
    assert response.status_code == 200, response.whole
    return list(csv.DictReader(io.StringIO(response.whole.decode(), newline="")))


def test_a_link_reads_its_dataset_without_any_header(link, rows):
    ask = link()

    assert len(table(ask("orders_us/export.csv"))) == len(rows)
    assert json.loads(ask("orders_us/rows.json", "_limit=5").whole)["dataset"] == "orders_us"


def test_what_it_is_fixed_to_cannot_be_widened(link, rows):
    ask = link("quantity__gte=1&_select=amazon_order_id,quantity&_limit=10")
    wanted = [row for row in rows if (row["quantity"] or 0) >= 1][:10]

    found = table(ask("orders_us/export.csv"))
    assert [row["amazon_order_id"] for row in found] == [row["amazon_order_id"] for row in wanted]
    assert list(found[0]) == ["amazon_order_id", "quantity"]
    assert len(table(ask("orders_us/export.csv", "_limit=50"))) == 10
    assert json.loads(ask("orders_us/rows.json").whole)["next"] is None
    assert len(table(ask("orders_us/export.csv", "_limit=3&_select=quantity"))) == 3
    assert all(int(row["quantity"]) >= 1 for row in table(ask("orders_us/export.csv", "quantity__lte=5")))
    for query in ("_select=title", "title=plain", "_sort=title", "item_price__gt=0", "_select=amazon_order_id,title"):
        assert ask("orders_us/export.csv", query).status_code == 400, query
        assert ask("orders_us/rows.json", query).status_code == 400, query


def test_the_next_page_of_a_link_carries_the_link(link, rows):
    ask = link("quantity__gte=1&_select=amazon_order_id")

    first = json.loads(ask("orders_us/rows.json", "_limit=5").whole)
    parts = urlsplit(first["next"])
    second = Client().get(f"{parts.path}?{parts.query}").json()
    wanted = [row["amazon_order_id"] for row in rows if (row["quantity"] or 0) >= 1][:10]
    assert [row["amazon_order_id"] for row in first["rows"] + second["rows"]] == wanted


def test_a_link_opens_nothing_else(link, make, alice):
    make.dataset("another", rows=shop.orders(2))
    ask = link()

    assert ask("another/export.csv").status_code == 404
    assert ask("orders_us").status_code == 401
    assert ask("orders_us/runs").status_code == 401
    as_header = Client().get("/api/v1/datasets/orders_us/export.csv", headers={"Authorization": f"Bearer {ask.token}"})
    assert as_header.status_code == 401


def test_an_access_token_is_refused_in_a_url(orders, alice):
    _, text = tokens.issue(alice)

    answer = Client().get(f"/api/v1/datasets/orders_us/export.csv?token={text}")
    assert answer.status_code == 401
    assert "does not belong in a URL" in answer.json()["detail"]


def test_a_revoked_or_expired_link_opens_nothing(link, alice, orders):
    token, text = tokens.issue_link(alice, orders)
    tokens.revoke(token)

    assert Client().get(f"/api/v1/datasets/orders_us/export.csv?token={text}").status_code == 401
    assert link(life=timedelta(seconds=-1))("orders_us/export.csv").status_code == 401


@pytest.mark.parametrize(
    "query", ["token=", "token=x", "token=bh_link_00000000_" + "A" * 43, "token=a&token=b", "token=%00"]
)
def test_no_nonsense_in_its_place_breaks_the_server(orders, query):
    answer = Client().get(f"/api/v1/datasets/orders_us/export.csv?{query}")

    assert answer.status_code in (400, 401)
    assert answer["Content-Type"] == "application/problem+json"


SHAPES = {"_header": "0", "_bom": "1", "_safe": "1", "_decimals": "string"}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("path", [f"export.{name}" for name in FORMATS] + [f"rows.{name}" for name in OF_PAGES])
def test_how_its_files_are_written_is_kept_or_refused_for_each_format(link, path, name):
    """`_header=0` was passed over where Parquet or JSON were read."""
    kept = name.removeprefix("_") in FORMATS[path.partition(".")[2]].options
    plain = link("_select=title,item_price")

    response = link(f"_select=title,item_price&{name}={SHAPES[name]}")(f"orders_us/{path}")

    if kept:
        asked = plain(f"orders_us/{path}", f"{name}={SHAPES[name]}")
        assert response.status_code == 200, response.whole
        if not path.endswith("xlsx"):  # a workbook holds the time at which it was made
            assert response.whole == asked.whole
        assert response.whole != plain(f"orders_us/{path}").whole
    else:
        assert response.status_code == 400, response.whole
        detail = json.loads(response.whole)["errors"][0]["detail"]
        assert f"this link is fixed to {name}={SHAPES[name]}, and {path.partition('.')[2]} does not use it" in detail
        assert "This link can be read as " in detail


def test_a_reader_may_say_otherwise(link):
    ask = link("_header=0&_select=title")

    assert ask("orders_us/export.csv", "_header=1").whole.startswith(b"title\r\n")
    assert not ask("orders_us/export.csv").whole.startswith(b"title\r\n")


def test_a_link_that_is_fixed_to_a_download_is_one(link):
    """It was taken and passed over."""
    ask = link("_dl=1")

    assert ask("orders_us/export.csv")["Content-Disposition"].startswith("attachment")
    assert ask("orders_us/export.csv", "_dl=0")["Content-Disposition"].startswith("inline")
    assert ask("orders_us/rows.json")["Content-Disposition"].startswith("attachment")


def test_it_is_kept_by_statements_and_in_domos_call_too(link, orders):
    ask = link("_header=0&_select=title")
    rows = ask("orders_us/export.csv").whole

    assert sorted(ask("orders_us/query.csv", "sql=SELECT * FROM table").whole.split(b"\r\n")) == sorted(
        rows.split(b"\r\n")
    )
    assert ask("orders_us/query.parquet", "sql=SELECT * FROM table").status_code == 400
    domo = Client().get(f"/v1/datasets/{orders.uuid}/data?token={link('_header=1&_select=title').token}")
    assert b"".join(domo.streaming_content).startswith(b"title\r\n")


def test_a_link_that_no_format_can_keep_is_not_made(link):
    with pytest.raises(BadParameters) as problem:
        link("_header=0&_decimals=string")

    assert {error["param"] for error in problem.value.errors} == {"_header", "_decimals"}
    assert "No format uses _decimals and _header together" in problem.value.errors[0]["detail"]


def test_a_link_is_made_over_the_api_and_its_query_is_checked(orders, alice):
    headers = {"Authorization": f"Bearer {shop.token_for(alice)}"}

    def post(body):
        return Client().post(
            "/api/v1/datasets/orders_us/links", json.dumps(body), content_type="application/json", headers=headers
        )

    made = post({"name": "Sheets", "query": "?_select=title&_day__gte=today-9999"})
    assert made.status_code == 201, made.content
    url = urlsplit(made.json()["url"])
    assert url.path == "/api/v1/datasets/orders_us/export.csv"
    answer = Client().get(f"{url.path}?{url.query}")
    assert b"".join(answer.streaming_content).startswith(b"title\r\n")
    as_text = post({"query": "_decimals=string"}).json()["url"]
    assert urlsplit(as_text).path == "/api/v1/datasets/orders_us/export.json"
    assert post({"query": "_header=0&_decimals=string"}).status_code == 400
    assert post({"query": "titel=x"}).json()["code"] == "unknown_column"
    assert post({"query": "_cursor=x"}).status_code == 400
    listed = Client().get("/api/v1/tokens", headers=headers).json()
    assert next(one for one in listed if one["name"] == "Sheets")["kind"] == "link"
