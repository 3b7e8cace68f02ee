"""However malformed a request is: a 4xx problem that says what is wrong, never a 5xx, never somebody else's rows, never a redirect."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving import shop

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def orders(make):
    return make.dataset("orders_us", rows=shop.orders(10))


@pytest.fixture(scope="module")
def bearer(make):
    return {"HTTP_AUTHORIZATION": f"Bearer {make.token()}"}


@pytest.fixture
def raw(client, bearer):
    """Asks with the query string exactly as given."""

    def raw(path, query_string="", **environ):
        response = client.get(f"/api/v1/{path}", **bearer, QUERY_STRING=query_string, **environ)
        response.whole = b"".join(response.streaming_content) if response.streaming else response.content
        return response

    return raw


def is_a_problem(response):
    assert 400 <= response.status_code < 500, (response.status_code, response.whole)
    assert response["Content-Type"] == "application/problem+json"
    said = json.loads(response.whole)
    assert said["status"] == response.status_code
    assert said["code"] and said["detail"] and said["title"] and said["request_id"] == response["X-Request-ID"]
    return said


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ("purchase_dat__gte=2026-10-01", "unknown_column", "Did you mean 'purchase_date'?"),
        ("purchase_date__gtee=2026-10-01", "unknown_parameter", "Did you mean 'gte'?"),
        ("_limitt=5", "unknown_parameter", "Did you mean '_limit'?"),
        ("_id=5", "unknown_parameter", "There is no parameter '_id'"),
        ("_extra__isnull=1", "unknown_column", "There is no column '_extra'"),
        ("limit=5", "unknown_column", "There is no column 'limit'"),
        ("quantity=many", "bad_parameter", "quantity: 'many' is not a number."),
        ("quantity=NaN", "bad_parameter", "is not a number"),
        ("quantity=1e9999", "bad_parameter", "is not a number"),
        ("quantity=" + "9" * 5000, "bad_parameter", "is not a number"),
        ("quantity=", "bad_parameter", "a value is missing"),
        ("quantity__contains=1", "bad_parameter", "contains is for columns of text"),
        ("is_business_order=maybe", "bad_parameter", "neither true nor false"),
        ("ship_date=tomorrow", "bad_parameter", "is not a day"),
        ("ship_date=2026-02-30", "bad_parameter", "is not a day"),
        ("ship_date=today-99999", "", ""),
        ("purchase_date=2026-10-01T25:00:00", "bad_parameter", "is not an instant"),
        ("purchase_date=0001-01-01&_tz=Asia/Tokyo", "bad_parameter", "edge of the calendar"),
        ("purchase_date=9999-12-31", "bad_parameter", "edge of the calendar"),
        ("quantity__in=", "bad_parameter", "the list is empty"),
        ('title__in="open', "bad_parameter", "the list cannot be read"),
        ("quantity__in=" + ",".join(["1"] * 1001), "bad_parameter", "at most 1000"),
        ("quantity__isnull=perhaps", "bad_parameter", "neither yes nor no"),
        ("_select=titel", "unknown_column", "Did you mean 'title'?"),
        ("_select=", "unknown_column", "no column ''"),
        ("_select=title,title", "bad_parameter", "named twice"),
        ("_sort=-titel", "unknown_column", "Did you mean 'title'?"),
        ("_sort=--title", "unknown_column", "no column '-title'"),
        ("_limit=0", "bad_parameter", "from 1 to"),
        ("_limit=-1", "bad_parameter", "from 1 to"),
        ("_limit=1&_limit=2", "bad_parameter", "more than once"),
        ("_limit=%D9%A1", "bad_parameter", "from 1 to"),
        ("_tz=Mars/Olympus", "bad_parameter", "is not a time zone"),
        ("_tz=../../etc/passwd", "bad_parameter", "is not a time zone"),
        ("_tz=America", "bad_parameter", "is not a time zone"),
        ("_decimals=roman", "bad_parameter", "not one of number, string"),
        ("_header=perhaps", "bad_parameter", "neither yes nor no"),
        ("title=%00", "bad_parameter", "NUL"),
        ("ti%00tle=x", "bad_parameter", "NUL"),
        ("title=%FF%FE", "bad_request", "not UTF-8"),
        ("title=%ED%A0%80", "bad_request", "not UTF-8"),
        ("title=\xff", "bad_request", "not UTF-8"),
        ("&".join(["title=x"] * 51), "bad_parameter", "At most 50 filters"),
        ("&".join(["title=x"] * 201), "bad_request", "more than 200 parameters"),
    ],
)
@pytest.mark.parametrize("surface", ["export.csv", "rows.json"])
def test_what_is_wrong_is_named(raw, orders, surface, query, code, words):
    answer = raw(f"datasets/orders_us/{surface}", query)

    if not code:
        assert answer.status_code == 200
        return
    said = is_a_problem(answer)
    assert said["code"] == code
    assert words in said["detail"]
    if code != "bad_request":
        assert said["errors"][0]["param"] is not None


def test_all_wrong_parameters_are_named_at_once(raw, orders):
    said = is_a_problem(raw("datasets/orders_us/export.csv", "quantity=x&_limit=y&colour=red"))

    assert [error["param"] for error in said["errors"]] == ["quantity", "colour", "_limit"]
    assert said["code"] == "bad_parameter"


def test_a_cursor_is_no_parameter_of_an_export(raw, orders):
    assert is_a_problem(raw("datasets/orders_us/export.csv", "_cursor=x"))["code"] == "unknown_parameter"


@pytest.mark.parametrize(
    "path",
    [
        "datasets/..%2f..%2fetc/export.csv",
        "datasets/%00/export.csv",
        "datasets/orders_us%00/export.csv",
        "datasets/ORDERS_US/export.csv",
        "datasets/orders_us'--/export.csv",
        "datasets/" + "x" * 3000 + "/rows.json",
        "datasets/%F0%9F%9B%92/rows.json",
        "datasets/00000000-0000-0000-0000-000000000000/rows.json",
        "datasets/orders_us/rows.xml",
        "datasets/orders_us/export.",
        "nothing",
        "datasets/orders_us/export.csv/",
    ],
)
def test_what_is_not_there_is_404(raw, orders, path):
    from urllib.parse import unquote

    assert is_a_problem(raw(unquote(path, errors="replace")))["code"] == "not_found"


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_ACCEPT_ENCODING": "gzip;q=banana, ;;;, zstd;q=2"},
        {"HTTP_ACCEPT_ENCODING": "," * 5000},
        {"HTTP_IF_NONE_MATCH": '"' * 3000},
        {"HTTP_RANGE": "bytes=5-1"},
        {"HTTP_ACCEPT": "\x00"},
        {"HTTP_USER_AGENT": "\x00\xff" * 500},
        {"CONTENT_TYPE": "nonsense", "CONTENT_LENGTH": "abc"},
    ],
)
def test_odd_headers_harm_nobody(raw, orders, headers):
    assert raw("datasets/orders_us/export.csv", **headers).status_code == 200


def test_a_wrong_host_is_refused_as_a_problem(raw, orders):
    is_a_problem(raw("datasets/orders_us/export.csv", HTTP_HOST="evil.example:99999"))
    is_a_problem(raw("datasets/orders_us/export.csv", HTTP_HOST="a b c"))


def test_nobody_is_ever_sent_to_a_login_page(client, orders):
    for path in (
        "datasets",
        "datasets/orders_us",
        "datasets/orders_us/export.csv",
        "datasets/orders_us/rows.json",
        "reports",
    ):
        answer = client.get(f"/api/v1/{path}")
        assert answer.status_code in (401, 404), path
        assert answer["Content-Type"] == "application/problem+json"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pairs=st.lists(
        st.tuples(
            st.one_of(
                st.sampled_from(
                    [
                        "title",
                        "quantity__in",
                        "purchase_date__gte",
                        "_sort",
                        "_select",
                        "_limit",
                        "_cursor",
                        "_tz",
                        "_count",
                        "item_price__ne",
                    ]
                ),
                st.text(max_size=12),
            ),
            st.one_of(
                st.text(max_size=30),
                st.from_regex(r"[-+]?[0-9.eE]{1,25}", fullmatch=True),
                st.sampled_from(["today-1", "'; DROP TABLE x; --"]),
            ),
        ),
        max_size=4,
    )
)
def test_no_query_string_breaks_the_server(raw, orders, pairs):
    from urllib.parse import urlencode

    text = urlencode(pairs, errors="surrogatepass")
    for surface in ("export.ndjson", "rows.json"):
        answer = raw(f"datasets/orders_us/{surface}", text)
        if answer.status_code != 200:
            is_a_problem(answer)
