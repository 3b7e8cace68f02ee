"""No parameter is taken and passed over: each one that the OpenAPI document names changes the answer, or is refused where it would mean
nothing; whatever it does not name is refused; and so is a body, a field, or an Accept header that nobody reads.

The parameters come from the document, so that one which is added and read by nothing fails here.
"""

import json
from urllib.parse import urlencode

import pytest
from django.db import transaction

from datasets.access.tokens import Caller
from datasets.serving.sql import saved
from tests.serving import calls, probed, shop
from tests.serving.test_injection import OPERATIONS

pytestmark = pytest.mark.django_db
READING = [one for one in OPERATIONS if one.method == "GET"]
CHANGING = [one for one in OPERATIONS if one.method != "GET"]
SUFFIXES = ("csv", "tsv", "json", "ndjson", "xlsx", "parquet")
PAGE_SUFFIXES = ("csv", "json", "ndjson")
# What makes the answer another one than without it; of several values, one of them at least.
TELLING = {
    "_select": ["title"],
    "_sort": ["-quantity,title"],
    "_tz": ["Pacific/Kiritimati"],
    "_limit": ["1"],
    "_header": ["0"],
    "_bom": ["1"],
    "_safe": ["1"],
    "_dl": ["1"],
    "_decimals": ["string"],
    "_count": ["exact"],
    "_format": ["csv"],
    "$select": ["title"],
    "$filter": ["quantity eq 1"],
    "$orderby": ["_row_id desc"],
    "$top": ["1"],
    "$skip": ["1"],
    "$count": ["true"],
    "$format": ["json;odata.metadata=none"],
    "limit": ["1"],
    "offset": ["1"],
    "sort": ["-lastUpdated"],
    "nameLike": ["spare"],
    "includeHeader": ["true"],
    "fileName": ["mine"],
    "state": ["failed"],
    "account": ["Shop other"],
    "report": ["order_items"],
    "q": ["spare"],
    "from": ["2026-09-10"],
    "to": ["2026-09-10"],
}
# Parameters that decide what is read at all: without them, or with another value, there is no answer to compare with.
NEEDED = {"sql": "SELECT title, quantity, item_price FROM orders_us", "grant_type": "client_credentials"}
# Where a parameter tells something only beside another one.
BESIDE = {"_tz": {"purchase_date__gte": "2026-09-10"}, "_count": {"quantity": "1"}}
BESIDE_FORMAT = {"_header": {"_format": "csv"}, "_bom": {"_format": "csv"}}  # where the address has no ending
# Cursors and links are read by walks and strangers: test_rows.py, test_odata.py, test_links.py.
ELSEWHERE = {"_cursor", "$skiptoken", "token"}
SHAPING_ONLY = {"_header", "_bom", "_safe", "_decimals", "_count"}  # which some formats have no use for
NEUTRAL = {"ETag", "X-Request-ID", "Last-Modified", "Content-Security-Policy"}  # what differs without a word being read


@pytest.fixture(scope="module")
def world(make, people):
    world = probed.furnish(make, *people)
    make.run(saved.keep, Caller(people[0]), name="Whole", sql=NEEDED["sql"])
    make.dataset("unlike", account=make.run(shop.make_account, people[0], "Shop other"), report="order_items")
    return world


@pytest.fixture
def ask(client, world):
    headers = {"Authorization": f"Bearer {world['token']}"}

    def ask(method, path, query=(), body=None, **more):
        with transaction.atomic():
            data = {} if body is None else {"data": body, "content_type": "application/json"}
            answer = client.generic(method, path, QUERY_STRING=urlencode(query), headers=headers | more, **data)
            answer.whole = b"".join(answer.streaming_content) if answer.streaming else answer.content
            transaction.set_rollback(True)
        return answer

    return ask


def path_of(operation, world, suffix=None):
    path = operation.path
    for where, name in operation.parameters:
        if where == "path":
            value = suffix if name == "suffix" and suffix else world.get(name) or operation.value(name)
            value = "whole" if value == "kept" and operation.name == "export_query" else value
            path = path.replace(f"{{{name}}}", str(value).replace("*", ""))
    return path


def suffixes_of(operation):
    if not any(name == "suffix" for _, name in operation.parameters):
        return (None,)
    return PAGE_SUFFIXES if operation.name == "rows" else SUFFIXES


def needed(operation):
    return {name: NEEDED[name] for _, name in operation.parameters if name in NEEDED}


def beside(operation, name):
    """What a parameter tells something beside of."""
    names = {each for _, each in operation.parameters}
    found = BESIDE.get(name, {}) if "filters" in names else {}
    return found | (BESIDE_FORMAT.get(name, {}) if "_format" in names else {})


def seen(answer):
    """What a client could tell one answer from another by."""
    return answer.status_code, {k: v for k, v in answer.items() if k not in NEUTRAL}, answer.whole


PARAMETERS = [
    pytest.param(operation, name, id=f"{operation.name} {name}")
    for operation in READING
    for where, name in operation.parameters
    if where == "query" and name not in {*NEEDED, *ELSEWHERE}
]


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "name"), PARAMETERS)
def test_a_parameter_changes_the_answer_or_is_refused(ask, world, operation, name):
    read = set()
    for suffix in suffixes_of(operation):
        path, base = path_of(operation, world, suffix), needed(operation) | beside(operation, name)
        if name == "filters":
            given = [{"quantity": "1"}, {"title__contains": "plain"}]
        else:
            given = [{name: value} for value in TELLING[name]]
        plain = ask("GET", path, base)
        assert plain.status_code == 200, (path, base, plain.whole[:300])
        for values in given:
            answer = ask("GET", path, base | values)
            if answer.status_code == 400:
                assert name in SHAPING_ONLY, (path, values, answer.whole[:300])
                assert answer.json()["errors"][0]["param"] == name
                continue
            assert answer.status_code == 200, (path, values, answer.whole[:300])
            if seen(answer) != seen(plain):
                read.add(suffix)
            else:
                raise AssertionError(f"{path}?{urlencode(values)} is answered as without it")

    assert read, f"nothing reads {name} of {operation.name}"


@pytest.mark.parametrize("operation", READING, ids=lambda one: one.name)
def test_a_parameter_that_there_is_none_of_is_refused(ask, world, operation):
    if operation.name == "domo_token":
        pytest.skip("RFC 6749, 3.2: a token's endpoint passes over what it does not know")
    for name in ("made_up", "_made_up", "$made_up", "Limit_"):
        for suffix in suffixes_of(operation):
            answer = ask("GET", path_of(operation, world, suffix), needed(operation) | {name: "1"})

            assert answer.status_code in ((400, 501) if operation.path.startswith("/odata/") else (400,)), name
            assert name in answer.whole.decode()


@pytest.mark.parametrize("operation", READING, ids=lambda one: one.name)
def test_a_parameter_given_twice_is_refused(ask, world, operation):
    for where, name in operation.parameters:
        if where == "query" and name not in {"filters", "token", "grant_type"}:
            value = operation.value(name) if name in calls.VALUES else "x"
            pairs = [(key, known) for key, known in needed(operation).items() if key != name]
            answer = ask("GET", path_of(operation, world), [*pairs, (name, value), (name, value)])

            assert answer.status_code == 400, (operation.name, name, answer.whole[:300])


# Bodies


@pytest.mark.parametrize("operation", CHANGING, ids=lambda one: one.name)
def test_a_field_or_a_body_that_nobody_reads_is_refused(ask, world, operation):
    if operation.name == "domo_token_posted":
        pytest.skip("RFC 6749, 3.2: a token's endpoint passes over what it does not know")
    path = path_of(operation, world)
    if operation.body is None:
        for body in ('{"made_up": 1}', "[]", "words", '""'):
            answer = ask(operation.method, path, body=body)
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), body
        assert ask(operation.method, path, body="{}").status_code < 300
        return
    values = {name: operation.value(name) for name in operation.body["properties"]}
    values = json.loads(json.dumps(values).replace("*", ""))
    bodies = [values | {"made_up": 1}]
    bodies += [values | {name: one | {"made_up": 1}} for name, one in values.items() if isinstance(one, dict)]
    for body in bodies:
        answer = ask(operation.method, path, body=json.dumps(body))
        assert answer.status_code == 400, (body, answer.whole[:300])
        assert "made_up" in answer.whole.decode() or "must be" in answer.whole.decode()
    twice = json.dumps(values)[:-1] + f", {json.dumps(next(iter(values)))}: 1}}"
    assert ask(operation.method, path, body=twice).status_code == 400


@pytest.mark.parametrize(
    "operation", [one for one in CHANGING if one.name.endswith("_posted")], ids=lambda one: one.name
)
def test_what_is_posted_in_other_forms_is_read_whole_or_refused(client, world, operation):
    if operation.name == "domo_token_posted":
        return
    headers = {"Authorization": f"Bearer {world['token']}"}
    path = path_of(operation, world)
    for kind, body in (
        ("application/x-www-form-urlencoded", "sql=SELECT+1&sql=SELECT+2"),
        ("application/x-www-form-urlencoded", "sql=SELECT+1&made_up=1"),
        ("application/json", '{"sql": "SELECT 1", "sql": "SELECT 2"}'),
        ("application/sql; charset=latin-1", "SELECT 1"),
    ):
        answer = client.post(path, data=body, content_type=kind, headers=headers)
        assert answer.status_code in (400, 415), (kind, body)


# Accept


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_who_takes_nothing_of_what_an_address_gives_is_told(ask, world, operation):
    if operation.name in ("domo_token", "domo_token_posted", "odata_metadata"):
        pytest.skip("always the one form, whatever is accepted")
    values = {name: operation.value(name) for name in (operation.body or {}).get("properties", {})}
    body = json.dumps(values).replace("*", "") if operation.body else None
    for suffix in suffixes_of(operation):
        path = path_of(operation, world, suffix)
        refused = ask(operation.method, path, needed(operation), body, Accept="image/png, application/atom+xml")
        assert refused.status_code == 406, (path, refused.whole[:300])
        assert "not_acceptable" in refused.whole.decode()
        for accept in ("image/png, */*;q=0.1", "*; q=.2", "nonsense", ""):
            assert ask(operation.method, path, needed(operation), body, Accept=accept).status_code < 300, (path, accept)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv", "text/csv"),
        ("text/csv;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("text/csv, */*", "text/csv"),
        ("text/csv;q=0.2, */*;q=0.5", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("*/*", "application/json"),
        ("application/jsonl", "application/x-ndjson"),
        ("text/*;q=0.9, application/json;q=0.8", "text/csv"),
        ("application/octet-stream", "application/json"),
    ],
)
def test_a_statements_format_is_the_one_that_is_wanted_most(ask, world, accept, kind):
    answer = ask("GET", "/api/v1/query", {"sql": "SELECT 1 AS one"}, Accept=accept)

    assert answer["Content-Type"].partition(";")[0] == kind
    assert "Accept" in answer["Vary"].split(", ")


def test_what_the_address_says_twice_is_refused(ask, world):
    asked = {"sql": "SELECT 1 AS one"}

    assert ask("GET", "/api/v1/query.csv", asked | {"_format": "json"}).status_code == 400
    assert ask("GET", "/api/v1/query", [*asked.items(), ("_format", "csv"), ("_format", "csv")]).status_code == 400


def test_a_link_may_be_fixed_to_what_only_some_formats_keep_and_is_read_as_these(client, world):
    bearer = {"Authorization": f"Bearer {world['token']}"}
    made = client.post(
        "/api/v1/datasets/orders_us/links",
        {"query": "_bom=1&_header=0&_limit=2"},
        content_type="application/json",
        headers=bearer,
    ).json()

    csv = b"".join(client.get(made["url"]).streaming_content)
    lines = client.get(made["url"].replace(".csv?", ".ndjson?"))
    assert csv.startswith(b"\xef\xbb\xbf") and csv.count(b"\r\n") == 2
    assert lines.status_code == 400  # where they were passed over
    assert "this link is fixed to _bom=1, and ndjson does not use it" in lines.json()["detail"]
    assert "This link can be read as csv, tsv." in lines.json()["detail"]
