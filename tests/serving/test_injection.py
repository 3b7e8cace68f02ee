"""Something hostile in every place of every call: never a fault of ours, never a word of the database's, never another's rows.

The places come from the OpenAPI document (calls.py). What sqlmap puts there by the hundred thousand is test_sqlmap.py.
"""

import json

import pytest
from django.db import transaction
from django.http import QueryDict

from datasets.serving import urls  # noqa: F401 (the document is whole when the addresses are known)
from datasets.serving.api.core import api
from tests.serving import calls, probed

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
DOCUMENT = json.loads(json.dumps(api.get_openapi_schema(path_prefix="/api/v1/"), default=str))
OPERATIONS = calls.operations(DOCUMENT)
HOSTILE = (
    "'",
    '"',
    "\\",
    "' OR '1'='1",
    "' AND 1=CAST((SELECT version()) AS numeric)--",
    "'; SELECT pg_sleep(9)--",
    ") UNION SELECT slug, name FROM datasets_dataset--",
    "%' OR title LIKE '%",
)
# What PostgreSQL or its driver would say, had something got through.
WORDS = (b"psycopg", b"PostgreSQL 1", b"syntax error at", b"unterminated", b"Traceback", probed.SECRET.encode())


@pytest.fixture(scope="module")
def world(make, people):
    return probed.furnish(make, *people)


def ask(client, world, visit, address=None, body=None):
    """(status, body whole, response); what it changed is taken back, so that the next one finds things as they were."""
    path, _, query = (address or visit.plain()[0]).partition("?")
    body = body if body is not None else visit.plain()[1]
    headers = visit.headers | ({"Authorization": f"Bearer {world['token']}"} if visit.signed else {})
    more = {"content_type": visit.operation.kind, "data": body} if body is not None else {}
    with transaction.atomic():
        response = client.generic(visit.operation.method, path, QUERY_STRING=query, headers=headers, **more)
        whole = b"".join(response.streaming_content) if response.streaming else response.content
        transaction.set_rollback(True)
    return response.status_code, whole, response


def visits_of(client, operation, world):
    """The operation's visits, with a cursor that holds for its query."""
    if not {name for _, name in operation.parameters} & {"_cursor", "$skiptoken"}:
        return calls.visits(operation, world)
    address = calls.visits(operation, world)[0]
    _, whole, response = ask(client, world, address)
    cursor = probed.cursor_in(response.headers.get("Link", ""), json.loads(whole) if b"@odata" in whole else {})
    assert cursor, (address.plain(), whole[:500])
    return calls.visits(operation, world | {"cursors": {operation.name: cursor}})


def test_every_place_of_the_document_is_visited(world):
    visited, described = {}, {}
    for operation in OPERATIONS:
        starred = calls.visits(operation, world)
        visited[operation.name] = sum(visit.places > 0 for visit in starred)
        described[operation.name] = bool(operation.parameters or operation.body)
        for visit in starred:
            if visit.what == "address":
                path, _, query = visit.address.partition("?")
                names = {name for name, value in QueryDict(query).items() if "*" in value}
                named = {name for where, name in operation.parameters if where == "query"}
                left_out = {name for name in named if (operation.name, name) in calls.LEFT_OUT}
                alone = calls.BY_ITSELF | operation.apart | {"filters"}
                assert names - set(calls.FILTERS) == named - alone - left_out
                assert path.count("*") == sum(where == "path" for where, _ in operation.parameters)
            if visit.what == "body":
                left_out = sum((operation.name, field) in calls.LEFT_OUT for field in operation.fields)
                assert visit.body.count("*") == len(operation.fields) - left_out
        alone = {name for where, name in operation.parameters if name in calls.BY_ITSELF | operation.apart}
        assert alone <= {visit.what for visit in starred}

    assert len(OPERATIONS) >= 51
    assert {name for name, is_so in described.items() if is_so} == {name for name, count in visited.items() if count}
    known = {(one.name, name) for one in OPERATIONS for name in [*(n for _, n in one.parameters), *one.fields]}
    assert set(calls.LEFT_OUT) <= known


def test_every_parameter_that_a_call_takes_is_in_the_document():
    for _, router in api._routers:
        for view in router.path_operations.values():
            for operation in view.operations:
                for needs in operation.auth_callbacks:
                    found = next(one for one in OPERATIONS if one.name == operation.view_func.__name__)
                    named = {name for where, name in found.parameters if where == "query"}
                    assert set(getattr(needs, "parameters", ())) == named, found.name


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_nothing_hostile_gets_through_any_place(client, world, operation, settings):
    settings.WRONG_TOKENS_PER_MINUTE = 10_000
    for visit in visits_of(client, operation, world):
        status, whole, _ = ask(client, world, visit)
        assert 200 <= status < 300, (visit.name, visit.plain(), status, whole[:500])

        for place in range(visit.places):
            for text in HOSTILE:
                address, body = visit.with_text(place, text)
                address, body = address.replace("*", ""), body and body.replace("*", "")
                status, whole, _ = ask(client, world, visit, address, body)
                said = (visit.name, address, body, status, whole[:500])
                assert status < 300 or 400 <= status < 500 or status == 501, said
                assert not any(word in whole for word in WORDS), said
