"""However malformed a request is: a 4xx problem that says what is wrong, never a 5xx, never somebody else's rows, never a redirect."""

import json
import os
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving import shop
from tests.serving.test_api import NEW

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


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
        ("is_business_order=maybe", "bad_parameter", "not true or false"),
        ("ship_date=tomorrow", "bad_parameter", "is not a day"),
        ("ship_date=2026-02-30", "bad_parameter", "is not a day"),
        ("ship_date=today-99999", "", ""),
        ("purchase_date=2026-10-01T25:00:00", "bad_parameter", "is not an instant"),
        ("purchase_date=0001-01-01&_tz=Asia/Tokyo", "bad_parameter", "outside the supported calendar range"),
        ("purchase_date=9999-12-31", "bad_parameter", "outside the supported calendar range"),
        ("quantity__in=", "bad_parameter", "the list is empty"),
        ('title__in="open', "bad_parameter", "the list could not be read"),
        ("quantity__in=" + ",".join(["1"] * 1001), "bad_parameter", "at most 1000"),
        ("quantity__isnull=perhaps", "bad_parameter", "not 1 or 0"),
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
        ("_dl=perhaps", "bad_parameter", "not 1 or 0"),
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
    text = urlencode(pairs, errors="surrogatepass")
    for surface in ("export.ndjson", "rows.json"):
        answer = raw(f"datasets/orders_us/{surface}", text)
        if answer.status_code != 200:
            is_a_problem(answer)


# All the other calls

READING = (
    "/api/v1/reports",
    "/api/v1/accounts",
    "/api/v1/tokens",
    "/api/v1/datasets",
    "/api/v1/datasets/orders_us",
    "/api/v1/datasets/orders_us/runs",
    "/api/v1/datasets/orders_us/days",
    "/api/v1/datasets/orders_us/changes",
    "/api/v1/datasets/orders_us/schema",
    "/api/v1/datasets/orders_us/export.csv",
    "/api/v1/datasets/orders_us/export.xlsx",
    "/api/v1/datasets/orders_us/export.parquet",
    "/api/v1/datasets/orders_us/rows.csv",
    "/odata/v4/",
    "/odata/v4/$metadata",
    "/odata/v4/orders_us",
    "/odata/v4/orders_us/$count",
    "/oauth/token",
    "/v1/datasets",
    "/v1/datasets/orders_us",
    "/v1/datasets/orders_us/data",
)
CHANGING = (
    ("post", "/api/v1/accounts"),
    ("post", "/api/v1/tokens"),
    ("post", "/api/v1/datasets"),
    ("patch", "/api/v1/datasets/nobodys"),
    ("post", "/api/v1/datasets/orders_us/clone"),
    ("post", "/api/v1/datasets/orders_us/links"),
    ("post", "/api/v1/datasets/orders_us/reload"),
    ("post", "/oauth/token"),
    ("post", "/v1/datasets/query/execute/orders_us"),
)
NAMES = [
    "$filter",
    "$select",
    "$orderby",
    "$top",
    "$skip",
    "$count",
    "$skiptoken",
    "$format",
    "$expand",
    "_select",
    "_sort",
    "_limit",
    "_cursor",
    "_count",
    "_tz",
    "_safe",
    "token",
    "state",
    "from",
    "to",
    "q",
    "account",
    "report",
    "limit",
    "offset",
    "sort",
    "nameLike",
    "includeHeader",
    "fileName",
    "grant_type",
    "title",
    "quantity__in",
]
HOSTILE = (
    "'; DROP TABLE datasets_dataset; --",
    "1 OR 1=1",
    "%s %(x)s {0} %",
    "(" * 500,
    "not " * 300 + "true",
    "title eq 'a' and " * 60 + "true",
    "9" * 400,
    "-1",
    "1e400",
    "NaN",
    "../../etc/passwd",
    "\u202e\ufeff\ufffe\U0001f6d2",
    "title eq '\\'",
    "today-999999999",
    "0001-01-01",
    "bh_link_00000000_" + "A" * 43,
    "a," * 2000,
    '"' * 99,
)
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40), st.from_regex(r"[-+]?[0-9.eE]{1,20}", fullmatch=True))
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(NEW)) | TEXTS, inner, max_size=4)
    ),
    max_leaves=10,
)
SWEEP = settings(
    max_examples=int(os.environ.get("BAD_INPUT", "25")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(autouse=True)
def _many_may_be_wrong(settings):
    settings.WRONG_TOKENS_PER_MINUTE = 10_000


def is_fit(response, path):
    """A good answer, or a problem in the shape of the service that was asked."""
    body = b"".join(response.streaming_content) if response.streaming else response.content
    said = (path, response.status_code, body[:500])
    if response.status_code < 300 or response.status_code == 304:
        return
    assert 400 <= response.status_code < 500 or response.status_code == 501, said
    problem = json.loads(body)
    if path.startswith("/odata/"):
        problem = problem["error"]
        assert response["OData-Version"] == "4.0"
    else:
        assert response["Content-Type"] == "application/problem+json" and response.status_code != 501, said
    assert problem["code"], said


@SWEEP
@given(path=st.sampled_from(READING), pairs=st.lists(st.tuples(st.sampled_from(NAMES) | TEXTS, TEXTS), max_size=3))
def test_no_query_string_breaks_any_call(client, orders, bearer, path, pairs):
    text = urlencode(pairs, errors="surrogatepass")

    is_fit(client.get(path, **bearer, QUERY_STRING=text), path)


def test_a_host_that_is_none_is_refused_in_the_shape_of_the_service(client, orders, bearer):
    for path in READING:
        response = client.get(path, **(bearer | {"HTTP_HOST": "not a host"}))
        assert response.status_code == 400
        is_fit(response, path)


@SWEEP
@given(
    path=st.sampled_from(READING),
    headers=st.dictionaries(
        st.sampled_from(
            [
                "HTTP_AUTHORIZATION",
                "HTTP_ACCEPT",
                "HTTP_ACCEPT_ENCODING",
                "HTTP_IF_NONE_MATCH",
                "HTTP_IF_MODIFIED_SINCE",
                "HTTP_RANGE",
                "HTTP_PREFER",
                "HTTP_HOST",
                "HTTP_X_FORWARDED_FOR",
                "HTTP_X_FORWARDED_PROTO",
                "HTTP_USER_AGENT",
                "HTTP_COOKIE",
                "HTTP_ODATA_VERSION",
                "HTTP_X_HTTP_METHOD_OVERRIDE",
                "CONTENT_TYPE",
                "CONTENT_LENGTH",
                "REMOTE_ADDR",
            ]
        ),
        TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass").decode("latin-1")),
        max_size=3,
    ),
)
def test_no_header_breaks_any_call(client, orders, bearer, path, headers):
    is_fit(client.get(path, **(bearer | headers)), path)


@SWEEP
@given(
    call=st.sampled_from(CHANGING),
    body=st.one_of(
        JSONS.map(json.dumps),
        st.dictionaries(st.sampled_from(sorted(NEW)), JSONS).map(lambda some: json.dumps(NEW | some)),
        st.binary(max_size=60),
        st.sampled_from(
            ["[" * 5000, '{"name":' * 300, '{"name": "\\ud800"}', '{"name": "\\u0000"}', "1" * 5000, '{"a":1,"a":2}']
        ),
    ),
    kind=st.sampled_from(
        ["application/json"] * 6
        + [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/csv",
            "",
            "nonsense; charset=\xff",
        ]
    ),
)
def test_no_body_breaks_any_call(client, orders, bearer, call, body, kind):
    method, path = call

    body = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    answer = client.generic(method.upper(), path, body, content_type=kind, **bearer)

    is_fit(answer, path)


@pytest.fixture(scope="module")
def twice(orders, make):
    """Another dataset, with two runs."""
    made = make.dataset("twice_us", rows=shop.orders(3))
    make.rows(made, shop.orders(3, seed=2))


@SWEEP
@given(data=st.data())
def test_no_cursor_that_was_tampered_with_breaks_a_walk_or_leads_elsewhere(client, twice, bearer, data):
    surface, name = data.draw(
        st.sampled_from(
            [
                ("/api/v1/datasets/orders_us/rows.json?_limit=2", "_cursor"),
                ("/odata/v4/orders_us?", "$skiptoken"),
                ("/api/v1/datasets?_limit=1", "_cursor"),
                ("/api/v1/datasets/twice_us/runs?_limit=1", "_cursor"),
            ]
        )
    )
    first = client.get(surface, **bearer, HTTP_PREFER="odata.maxpagesize=2")
    link = first["Link"] if "Link" in first else first.json()["@odata.nextLink"]
    right = parse_qs(link.partition("?")[2].partition(">")[0])[name][0]
    place = int(data.draw(st.floats(0, 1, exclude_max=True)) * len(right))
    letter = data.draw(st.characters() | st.just(""))
    wrong = right[:place] + letter + right[place + 1 :]

    answer = client.get(f"{surface}&{urlencode({name: wrong}, errors='surrogatepass')}", **bearer)

    is_fit(answer, surface)
    assert answer.status_code == (400 if wrong != right else 200), wrong


@pytest.mark.parametrize("method", ["put", "trace"])
def test_other_methods_are_named_as_such(client, orders, bearer, method):
    for path in READING:
        answer = getattr(client, method)(path, **bearer)
        assert answer.status_code == (501 if path.startswith("/odata/") else 405), path
        assert "GET" in answer["Allow"]
        is_fit(answer, path)


@pytest.mark.parametrize("path", READING)
def test_a_link_opens_rows_and_files_only_and_a_wrong_one_nothing(client, orders, make, people, path):
    wrong = client.get(path, {"token": "bh_link_00000000_" + "A" * 43})

    assert wrong.status_code in (400, 401), path
    is_fit(wrong, path)
