"""sqlmap in every place of every call, against a running server: it finds no way into the database.

Takes an hour or so, so it runs only where `SQLMAP` names the program: SQLMAP=$(which sqlmap), or `make probe`. The places come
from the OpenAPI document (calls.py, which also says what is left out and why); the short form is test_injection.py.
`SQLMAP_LEVEL` and `SQLMAP_RISK` are 3 and 2 if omitted.
"""

import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from collections import Counter

import pytest

from tests.serving import calls, probed
from tests.serving.test_injection import OPERATIONS

SQLMAP = os.environ.get("SQLMAP")
LEVEL, RISK = os.environ.get("SQLMAP_LEVEL", "3"), os.environ.get("SQLMAP_RISK", "2")
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.integration,
    pytest.mark.skipif(not SQLMAP, reason="SQLMAP does not name the program: make probe runs it"),
    pytest.mark.timeout(6 * 3600),
]
# Answered well once only, by its own nature; that the rest of the call is good then is shown by test_injection.py.
SPENT = {"delete_dataset", "delete_query", "revoke_token", "start_run", "cancel_run", "reload_days", "create_account"}
# Limits would answer 429 to all but the first few, and sqlmap would look at nothing else.
ENVIRONMENT = {"WRONG_TOKENS_PER_MINUTE": "10000", "REQUESTS_PER_MINUTE": "10000000", "WEB_CONCURRENCY": "2"}
HEADERS = (
    *("User-Agent", "Referer", "Accept", "Accept-Encoding", "Accept-Language", "If-None-Match", "If-Modified-Since"),
    *("Prefer", "X-Request-ID", "X-Forwarded-For", "Cookie"),
)


@pytest.fixture(scope="module")
def amazon(simulator_process):
    """Where the server finds Amazon; what it is told there is of no interest here."""
    url = str(simulator_process)
    ENVIRONMENT.update(
        {f"SPAPI_ENDPOINT_{region}": url for region in ("NA", "EU", "FE")}, LWA_TOKEN_URL=f"{url}/auth/o2/token"
    )


@pytest.fixture(scope="module")
def web(amazon, web):
    return web


@pytest.fixture(scope="module")
def world(make, people):
    return probed.furnish(make, *people)


@pytest.fixture(scope="session")
def told():
    """Sums of the whole session, printed at its end."""
    sums = Counter()
    yield sums
    print("\nsqlmap in all:", dict(sorted(sums.items(), key=str)))


def asked_plainly(web, world, visit):
    """(status, body, Link) of the visit without stars."""
    address, body = visit.plain()
    headers = _headers(visit, world)
    request = urllib.request.Request(
        web.url + address, method=visit.operation.method, headers=headers, data=body.encode() if body else None
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read(), answer.headers.get("Link", "")
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read(), ""


def visits_of(web, world, operation):
    visits = calls.visits(operation, world)
    if any(visit.what in ("_cursor", "$skiptoken") for visit in visits):
        _, whole, link = asked_plainly(web, world, visits[0])
        cursor = probed.cursor_in(link, json.loads(whole) if b"@odata" in whole else {})
        assert cursor
        visits = calls.visits(operation, world | {"cursors": {operation.name: cursor}})
    return visits


def run_sqlmap(web, visit, headers, folder, told):
    """Runs it over the visit's places; asserts that it saw them all, saw answers rather than refusals to listen, and found nothing."""
    before = len(web.answers())
    more = ["--data", visit.body] if visit.body is not None else []
    if visit.body is not None and "*" not in visit.body:
        more += [
            "--answers",
            "JSON data found=n",
            "--param-filter",
            "URI",
        ]  # it would try the fields too, and their turn comes by itself
    for name, value in headers.items():
        more += ["--header", f"{name}: {value}"]
    address = web.url + visit.address
    ran = subprocess.run(
        [
            *(SQLMAP, "-u", address, "--method", visit.operation.method, *more),
            *("--level", LEVEL, "--risk", RISK, "--dbms", "PostgreSQL", "--batch", "--flush-session", "--skip-waf"),
            *("--output-dir", str(folder), "--disable-coloring", "--ignore-code", "*", "--ignore-redirects"),
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )

    said = ran.stdout + ran.stderr
    tested = set(re.findall(r"testing for SQL injection on (.*? parameter '[^']+')", said))
    statuses = Counter(web.answers()[before:])
    print(f"{visit.name}: {len(tested)} places, {sum(statuses.values())} requests, {dict(statuses)}")
    told.update({"visits": 1, "places": len(tested), "requests": sum(statuses.values()), **statuses})
    assert "all tested parameters do not appear to be injectable" in said, said[-3000:]
    assert "sqlmap identified the following injection point" not in said
    return tested, statuses


def is_sound(statuses):
    """Never a fault of ours, a redirect, or a refusal to listen, which would be all that sqlmap sees."""
    assert not [status for status in statuses if status >= 500 and status != 501], statuses
    assert not [status for status in statuses if 300 <= status < 400 and status != 304], statuses
    assert 429 not in statuses, statuses


@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if one.parameters or one.body], ids=lambda one: one.name
)
def test_sqlmap_finds_no_way_in(web, world, operation, tmp_path, told):
    for visit in visits_of(web, world, operation):
        tested, statuses = run_sqlmap(web, visit, _headers(visit, world), tmp_path, told)

        assert len(tested) == visit.places, (visit, tested)
        is_sound(statuses)
        assert sum(statuses.values()) > 30 * visit.places, statuses
        # What stands in each place was looked at: with what belongs there, the call is answered well.
        assert operation.name in SPENT or [status for status in statuses if 200 <= status < 300], statuses
        assert 401 not in statuses or not visit.signed, statuses


def test_sqlmap_finds_no_way_in_by_a_header(web, world, tmp_path, told):
    rows = next(one for one in OPERATIONS if one.name == "rows")
    visit = calls.Visit(rows, "headers", "/api/v1/datasets/orders_us/rows.json")
    headers = dict.fromkeys(HEADERS, "a*")

    tested, statuses = run_sqlmap(web, visit, headers | _headers(visit, world), tmp_path, told)

    assert [name for name in headers if not any(f"'{name} #" in one for one in tested)] == []
    is_sound(statuses)


def test_sqlmap_finds_no_way_in_by_a_token(web, world, tmp_path, told):
    rows = next(one for one in OPERATIONS if one.name == "rows")
    visit = calls.Visit(rows, "authorization", "/api/v1/datasets/orders_us/rows.json")

    tested, statuses = run_sqlmap(web, visit, {"Authorization": f"Bearer {world['token']}*"}, tmp_path, told)

    assert len(tested) == 1
    is_sound(statuses)


def _headers(visit, world):
    kind = {"Content-Type": visit.operation.kind} if visit.body is not None else {}
    return visit.headers | kind | ({"Authorization": f"Bearer {world['token']}"} if visit.signed else {})
