"""SQL over the caller's datasets: one SELECT, by slug, written as exports are."""

import csv
import io
import json
from collections import Counter
from urllib.parse import urlencode

import pytest

from tests.serving import shop

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def returns(make):
    return make.dataset("returns_us", rows=shop.orders(15, seed=8))


@pytest.fixture
def ask(client, orders, returns, bearer):
    """Asks by POST; the answer has its whole body."""

    def ask(sql, path="query", headers=bearer, **parameters):
        response = client.post(
            f"/api/v1/{path}", {"sql": sql}, content_type="application/json", headers=headers, query_params=parameters
        )
        response.whole = b"".join(response.streaming_content) if response.streaming else response.content
        return response

    return ask


def found(response):
    assert response.status_code == 200, response.whole
    return json.loads(response.whole)["rows"]


def refused(response, status, code):
    said = json.loads(response.whole)
    assert (response.status_code, said["code"]) == (status, code), said
    assert response["Content-Type"] == "application/problem+json"
    return said


def test_an_aggregate_is_what_the_rows_say(ask, rows):
    answer = ask("SELECT _day, count(*) AS orders, sum(item_price) AS sales FROM orders_us GROUP BY _day ORDER BY _day")

    days = Counter(row["_day"].isoformat() for row in rows)
    assert {row["_day"]: row["orders"] for row in found(answer)} == days
    assert json.loads(answer.whole)["columns"] == [
        {"name": "_day", "type": "date"},
        {"name": "orders", "type": "bigint"},
        {"name": "sales", "type": "numeric"},
    ]


def test_datasets_are_joined_by_slug(ask):
    sql = """
        WITH days AS (SELECT DISTINCT _day FROM orders_us)
        SELECT count(*) AS n FROM returns_us r JOIN days USING (_day) LEFT JOIN orders_us o ON o.amazon_order_id = r.amazon_order_id
    """

    assert found(ask(sql))[0]["n"] >= 1


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) AS n FROM table",
        "select count(*) as n from TABLE as t where t.quantity is null or true",
        "SELECT count(*) AS n FROM table WHERE table.title IS NULL OR true",
        "SELECT count(*) n FROM `table`",
        "SELECT count(*) AS n FROM orders_us -- FROM table",
        "SELECT max(n) AS n FROM (SELECT count(*) AS n FROM table UNION SELECT 0) AS u",
    ],
)
def test_table_is_the_dataset_of_the_address(ask, rows, sql):
    assert found(ask(sql, "datasets/orders_us/query")) == [{"n": len(rows)}]


def test_rows_are_written_as_in_exports(ask, client, bearer, rows):
    names = "amazon_order_id,purchase_date,ship_date,quantity,item_price,is_business_order,title"
    export = client.get(f"/api/v1/datasets/orders_us/export.csv?_select={names}&_sort=_day", headers=bearer)
    answer = ask(f"SELECT {names} FROM orders_us ORDER BY _day", "query.csv")

    wanted = b"".join(export.streaming_content).split(b"\r\n")
    assert sorted(answer.whole.split(b"\r\n")) == sorted(wanted)
    assert answer["Content-Type"] == export["Content-Type"]


@pytest.mark.parametrize(
    ("wish", "kind"),
    [
        ({"_format": "csv"}, "text/csv"),
        ({"_format": "ndjson"}, "application/x-ndjson"),
        ({"_format": "tsv"}, "text/tab-separated-values"),
        ({}, "application/json"),
    ],
)
def test_the_format_is_a_parameter(ask, wish, kind):
    assert ask("SELECT 1 AS one", **wish)["Content-Type"].startswith(kind)


def test_the_format_follows_accept(client, orders, bearer):
    response = client.get("/api/v1/query", {"sql": "SELECT 1 AS one"}, headers=bearer | {"Accept": "text/csv, */*"})

    assert b"".join(response.streaming_content) == b"one\r\n1\r\n"


def test_workbooks_and_parquet_hold_the_answer(ask, rows):
    import openpyxl
    from pyarrow import parquet

    sql = (
        "SELECT quantity, item_price, sqrt(2)::float8 AS root, purchase_date, ARRAY[1, 2] AS list, title FROM orders_us"
    )

    book = openpyxl.load_workbook(io.BytesIO(ask(sql, "query.xlsx").whole))
    table = parquet.read_table(io.BytesIO(ask(sql, "query.parquet").whole))

    assert book.active.max_row == len(rows) + 1
    assert table.num_rows == len(rows)
    assert table["list"][0].as_py() == "[1, 2]"
    assert sum(row["quantity"] or 0 for row in rows) == sum(value or 0 for value in table["quantity"].to_pylist())


def test_every_type_has_a_way_of_being_written(ask):
    sql = """
        SELECT 1::smallint AS a, 0.1::float8 + 0.2::float8 AS b, 'NaN'::float8 AS c, '2026-10-01 07:00'::timestamp AS d,
               '2026-10-01 07:00+02'::timestamptz AS e, true AS f, interval '1 day 02:00' AS g, ARRAY[1, NULL] AS h,
               '{"x": [1.50]}'::jsonb AS i, NULL AS j, 'ü,"' AS "k,""ü", '\\x00ff'::bytea AS l, time '12:00' AS m,
               1e40::numeric AS n, daterange('2026-01-01', '2026-02-01') AS o
    """

    assert found(ask(sql)) == [
        {
            "a": 1,
            "b": 0.30000000000000004,
            "c": "NaN",
            "d": "2026-10-01T07:00:00",
            "e": "2026-10-01T05:00:00Z",
            "f": True,
            "g": "1 day 02:00:00",
            "h": [1, None],
            "i": {"x": [1.5]},
            "j": None,
            'k,"ü': 'ü,"',
            "l": "\\x00ff",
            "m": "12:00:00",
            "n": 10**40,
            "o": "[2026-01-01,2026-02-01)",
        }
    ]
    lines = list(csv.reader(io.StringIO(ask(sql, "query.csv").whole.decode(), newline="")))
    assert lines[0][10] == 'k,"ü'
    assert lines[1][5] == "true"


def test_columns_of_one_name_are_told_apart(ask):
    answer = ask("SELECT 1 + 1, max(quantity), max(item_price), 2 AS max_2, 5 + 5 FROM orders_us", "query.csv")

    assert answer.whole.split(b"\r\n")[0] == b"column_1,max,max_2,max_2_2,column_5"


def test_an_answer_without_rows_has_its_header(ask):
    assert ask("SELECT title FROM orders_us WHERE false", "query.csv").whole == b"title\r\n"
    assert found(ask("SELECT title FROM orders_us WHERE false")) == []


def test_a_dataset_without_rows_is_an_empty_table(ask, make):
    make.dataset("not_yet")

    assert found(ask("SELECT count(*) AS n FROM not_yet")) == [{"n": 0}]


def test_what_is_not_served_is_not_there(ask):
    refused(ask("SELECT _id FROM orders_us"), 400, "bad_sql")
    refused(ask("SELECT _extra FROM orders_us"), 400, "bad_sql")


def test_the_statement_may_come_in_other_ways(client, orders, bearer, rows):
    sql = "SELECT count(*) AS n FROM orders_us"
    ways = [
        lambda: client.get("/api/v1/query.csv", {"sql": sql}, headers=bearer),
        lambda: client.post("/api/v1/query.csv", sql, content_type="application/sql", headers=bearer),
        lambda: client.post("/api/v1/query.csv", {"sql": sql}, headers=bearer),
        lambda: client.post(
            "/api/v1/query.csv",
            urlencode({"sql": sql}),
            content_type="application/x-www-form-urlencoded",
            headers=bearer,
        ),
        lambda: client.post("/api/v1/query.csv", sql, content_type="text/plain; charset=utf-8", headers=bearer),
        lambda: client.post("/api/v1/query.csv", {"sql": sql}, content_type="application/json", headers=bearer),
        lambda: client.get("/api/v1/datasets/orders_us/query", {"sql": sql, "_format": "csv"}, headers=bearer),
    ]

    assert {b"".join(way().streaming_content) for way in ways} == {f"n\r\n{len(rows)}\r\n".encode()}


@pytest.mark.parametrize(
    ("parameters", "body", "kind", "status"),
    [
        ({}, b"{}", "application/json", 400),
        ({}, b"[]", "application/json", 400),
        ({}, b'{"sql": 5}', "application/json", 400),
        ({}, b'{"sql": "SELECT 1", "limit": 5}', "application/json", 400),
        ({}, b"[" * 100_000, "application/json", 400),
        ({}, b"SELECT 1", "application/xml", 415),
        ({}, b"\xff", "application/sql", 400),
        ({}, b"SELECT '" + b"x" * 1_000_001 + b"'", "application/sql", 413),
        ({"limit": "5"}, b"SELECT 1", "application/sql", 400),
        ({"_limit": "x"}, b"SELECT 1", "application/sql", 400),
        ({"_format": "xml"}, b"SELECT 1", "application/sql", 400),
        ({"sql": "SELECT 2"}, b"SELECT 1", "application/sql", 400),
    ],
)
def test_odd_requests_are_told_what_is_wrong(client, orders, bearer, parameters, body, kind, status):
    response = client.generic("POST", "/api/v1/query", body, content_type=kind, headers=bearer, query_params=parameters)

    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"


# Who may see what


def test_another_persons_dataset_is_unknown(ask, make, people):
    make.dataset(
        "secrets_of_bob", owner=people[1], account=make.run(shop.make_account, people[1], "Bob's"), rows=shop.orders(3)
    )
    stranger = {"Authorization": f"Bearer {make.token(people[1])}"}

    said = refused(ask("SELECT * FROM orders_us", headers=stranger), 404, "unknown_table")

    assert said["detail"] == "There is no table 'orders_us' that you may see."
    assert said["position"] == 15
    refused(ask("SELECT * FROM secrets_of_bob"), 404, "unknown_table")
    assert len(found(ask("SELECT * FROM secrets_of_bob", headers=stranger))) == 3


def test_a_near_name_is_named(ask):
    said = refused(ask("SELECT *\nFROM  order_us"), 404, "unknown_table")

    assert "Did you mean 'orders_us'?" in said["detail"]
    assert said["position"] == 16


def test_a_token_for_one_dataset_sees_no_other(ask, make, returns):
    limited = {"Authorization": f"Bearer {make.token(datasets=[returns])}"}

    assert found(ask("SELECT count(*) AS n FROM returns_us", headers=limited)) == [{"n": 15}]
    refused(ask("SELECT count(*) AS n FROM orders_us", headers=limited), 404, "unknown_table")


def test_a_token_needs_the_scope_to_read(ask, make):
    headers = {"Authorization": f"Bearer {make.token(scopes=['runs:write'])}"}

    refused(ask("SELECT 1", headers=headers), 403, "forbidden_scope")


@pytest.fixture(scope="module")
def link(make, people, orders):
    from datasets.access import tokens

    fixed = "_select=title,quantity&quantity__gte=2&_limit=1000"
    return make.run(tokens.issue_link, people[0], orders, "narrow", fixed=fixed)[1]


class TestALink:
    @pytest.fixture
    def narrow(self, client, link):
        def narrow(sql):
            response = client.get("/api/v1/datasets/orders_us/query", {"sql": sql, "token": link})
            response.whole = b"".join(response.streaming_content) if response.streaming else response.content
            return response

        return narrow

    def test_reads_what_it_is_fixed_to(self, narrow, rows):
        wanted = [row["quantity"] for row in rows if (row["quantity"] or 0) >= 2]

        assert sorted(row["quantity"] for row in found(narrow("SELECT quantity FROM table"))) == sorted(wanted)

    def test_has_no_other_columns(self, narrow):
        refused(narrow("SELECT amazon_order_id FROM table"), 400, "bad_sql")
        assert set(found(narrow("SELECT * FROM orders_us"))[0]) == {"title", "quantity"}

    def test_has_no_other_datasets(self, narrow, returns):
        refused(narrow("SELECT * FROM returns_us"), 404, "unknown_table")

    def test_tells_nothing_of_hidden_rows_by_an_error(self, narrow):
        """Rows with a quantity of 1 are hidden; a division by them must never be computed."""
        assert found(narrow("SELECT count(1 / (quantity - 1)) AS n FROM table"))

        refused(narrow("SELECT count(1 / (quantity - 2)) AS n FROM table"), 400, "bad_sql")


# Limits


def test_too_many_rows_are_said_not_cut(ask, settings):
    settings.SQL_ROWS = 100

    said = refused(ask("SELECT * FROM orders_us", "query.csv"), 400, "too_many_rows")

    assert "more than 100 rows" in said["detail"]
    assert len(found(ask("SELECT * FROM orders_us LIMIT 100"))) == 100
    assert len(found(ask("SELECT * FROM orders_us", _limit=7))) == 7


def test_time_runs_out_as_504_and_the_connection_is_good_again(ask, settings):
    settings.SQL_SECONDS = 1

    said = refused(ask("SELECT count(*) FROM generate_series(1, 100000000000)"), 504, "query_timeout")

    assert "1 seconds" in said["detail"]
    assert found(ask("SELECT 1 AS one")) == [{"one": 1}]


def test_an_error_in_the_middle_is_still_said(ask):
    said = refused(ask("SELECT 1 / (5000 - n) AS x FROM generate_series(1, 10000) AS n", "query.csv"), 400, "bad_sql")

    assert said["detail"] == "PostgreSQL: division by zero."
    assert "nullif" in said["hint"]


@pytest.mark.parametrize(
    ("sql", "position", "words"),
    [
        ("SELECT titel FROM orders_us", 8, "titel"),
        ("SELECT title FROM orders_us WHERE", None, "syntax error"),
        ("SELEC 1", 1, "syntax error"),
        ("SELECT title FROM table WHERE tabel.x = 1", 31, "tabel"),
        ("SELECT 'é', titel FROM table", 13, "titel"),
        ("SELECT title, count(*) FROM orders_us", 8, "GROUP BY"),
    ],
)
def test_errors_point_at_the_place(ask, sql, position, words):
    said = json.loads(ask(sql, "datasets/orders_us/query").whole)

    assert words in said["detail"]
    assert said.get("position") == position or position is None
    assert said["hint"]
    assert said["errors"][0]["param"] == "sql"


def test_a_near_column_is_named(ask):
    said = refused(ask("SELECT titel FROM orders_us"), 400, "bad_sql")

    assert "orders_us.title" in said["hint"]


# ETag and HEAD


def test_an_unchanged_answer_is_304_until_rows_come(client, make, bearer):
    dataset = make.dataset("changing", rows=shop.orders(3))
    address = "/api/v1/query.csv?sql=SELECT count(*) AS n FROM changing"
    first = client.get(address, headers=bearer)

    again = client.get(address, headers=bearer | {"If-None-Match": first["ETag"]})
    make.rows(dataset, shop.orders(2, seed=9))
    later = client.get(address, headers=bearer | {"If-None-Match": first["ETag"]})

    assert b"".join(first.streaming_content) == b"n\r\n3\r\n"
    assert again.status_code == 304
    assert b"".join(later.streaming_content) == b"n\r\n5\r\n"
    assert later["ETag"] != first["ETag"]


def test_what_depends_on_the_clock_has_no_etag(client, orders, bearer):
    response = client.get("/api/v1/query.csv", {"sql": "SELECT now() AS at"}, headers=bearer)

    assert b"".join(response.streaming_content).startswith(b"at\r\n2")
    assert "ETag" not in response
    assert response["Cache-Control"] == "no-store"


def test_head_checks_the_statement_and_makes_no_row(client, orders, bearer):
    good = client.head("/api/v1/query.csv", {"sql": "SELECT title FROM orders_us"}, headers=bearer)
    bad = client.head("/api/v1/query.csv", {"sql": "SELECT titel FROM orders_us"}, headers=bearer)

    assert (good.status_code, bad.status_code) == (200, 400)
    assert good["Content-Type"].startswith("text/csv")


def test_connections_and_places_are_given_back(ask):
    from datasets.access.export_slots import EXPORT_SLOTS
    from datasets.rows.pool import pool

    for sql in ("SELECT 1", "SELECT 1/0", "SELEC", "SELECT * FROM nothing", "SELECT pg_sleep(1)") * 5:
        ask(sql)

    assert EXPORT_SLOTS.taken() == 0
    stats = pool().get_stats()
    assert stats["pool_available"] == stats["pool_size"]
