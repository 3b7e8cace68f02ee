"""Nobody asks so much that others wait: limits that hold over all web processes, answered by 429 and when to come back."""

import http.client
import json
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import RequestFactory

from datasets.access import limits, tokens
from datasets.access.export_slots import take_everywhere
from datasets.problems import TooMany
from datasets.rows.pool import pool
from tests.serving import shop
from tests.serving.test_clients import eventually

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
ENVIRONMENT = {
    "WEB_CONCURRENCY": "2",
    "REQUESTS_PER_MINUTE": "40",
    "EXPORTS_PER_CALLER": "3",
    "EXPORTS_STALL_SECONDS": "1",
}
WRONG = {"Authorization": "Bearer bh_00000000_" + "A" * 43}
PAGE = "/api/v1/datasets/orders_us/rows.json?_limit=1"


@pytest.fixture(scope="module")
def orders(make):
    return make.dataset("orders_us", rows=shop.orders(5))


@pytest.fixture(scope="module")
def big(make):
    """More than all buffers between PostgreSQL and a reader who does not read."""
    return make.dataset("big_one", rows=[{"title": "x" * 5000}] * 4000)


@pytest.fixture(autouse=True)
def _nothing_held():
    limits.SHARES.forget()


def is_too_many(answer, at_most=60):
    """A problem that says when to come back, in whole seconds; to OData in OData's shape."""
    assert answer.status_code == 429, answer.content
    said = answer.json()
    assert said.get("error", said)["code"] == "rate_limited"
    assert 1 <= int(answer["Retry-After"]) <= at_most


def test_a_token_may_ask_so_often_a_minute_and_each_has_its_own_count(client, orders, make, settings):
    settings.REQUESTS_PER_MINUTE = 3
    first, second = ({"Authorization": f"Bearer {make.token()}"} for _ in range(2))

    answers = [client.get(PAGE, headers=first).status_code for _ in range(3)]

    assert answers == [200] * 3
    is_too_many(client.get(PAGE, headers=first), at_most=20)
    is_too_many(client.get("/odata/v4/orders_us", headers=first), at_most=20)
    is_too_many(client.post("/oauth/token?grant_type=client_credentials", headers=first), at_most=20)
    assert client.get(PAGE, headers=second).status_code == 200


def test_what_a_process_takes_at_a_time_is_not_more_than_the_minute_has(orders, settings):
    shares, began = [limits.Shares(), limits.Shares()], time.monotonic()

    taken = sum(share.take("token 1", 500) == 0 for _ in range(400) for share in shares)

    refilled = (time.monotonic() - began) * 500 / 60
    assert 500 <= taken <= 500 + refilled + 1


def test_an_empty_bucket_says_how_long_and_refills(orders):
    assert limits.draw("somebody", 1, 1) == 0

    assert 0 < limits.draw("somebody", 1, 1) <= 60
    with connection.cursor() as cursor:  # a minute later
        cursor.execute("UPDATE datasets_allowance SET full_at = full_at - 60")
    assert limits.draw("somebody", 1, 1) == 0


def test_an_ordinary_request_asks_the_database_for_its_share_only_now_and_then(orders, django_assert_num_queries):
    shares = limits.Shares()

    with django_assert_num_queries(2):
        assert {shares.take("token 2", 60_000) for _ in range(1200)} == {0.0}


def test_ten_wrong_tokens_a_minute_come_from_an_address(client, orders, make, settings):
    assert settings.WRONG_TOKENS_PER_MINUTE == 10
    settings.WRONG_TOKENS_PER_MINUTE = 3  # they come back the more slowly
    right = {"Authorization": f"Bearer {make.token()}"}

    tries = [client.get(PAGE, headers=WRONG, REMOTE_ADDR="203.0.113.7").status_code for _ in range(3)]

    assert tries == [401] * 3
    is_too_many(client.get(PAGE, headers=WRONG, REMOTE_ADDR="203.0.113.7"), at_most=20)
    is_too_many(client.get("/api/v1/datasets", headers=WRONG, REMOTE_ADDR="203.0.113.7"), at_most=20)
    is_too_many(client.get(f"{PAGE}&token=bh_link_00000000_{'A' * 43}", REMOTE_ADDR="203.0.113.7"), at_most=20)
    is_too_many(client.get(PAGE, headers={"Authorization": "Bearer x"}, REMOTE_ADDR="203.0.113.7"), at_most=20)
    is_too_many(client.post("/oauth/token?grant_type=client_credentials", headers=WRONG, REMOTE_ADDR="203.0.113.7"))
    assert client.get(PAGE, headers=WRONG, REMOTE_ADDR="203.0.113.8").status_code == 401
    assert client.get(PAGE, headers=right, REMOTE_ADDR="203.0.113.7").status_code == 200  # a right one is never refused
    assert client.get(PAGE, REMOTE_ADDR="203.0.113.7").status_code == 401  # none at all is no try


@pytest.mark.parametrize(
    ("https", "remote", "forwarded", "address"),
    [
        (False, "203.0.113.7", "198.51.100.1", "203.0.113.7"),  # no proxy: anybody could have written it
        (True, "127.0.0.1", "10.1.1.1, 198.51.100.1", "198.51.100.1"),
        (True, "127.0.0.1", "", "127.0.0.1"),
        (True, "127.0.0.1", "nonsense\x00", "unknown"),
        (False, "2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        (False, "fe80::1%eth0", "", "fe80::/64"),
        (False, "::ffff:203.0.113.7", "", "203.0.113.7"),
        (False, "", "", "unknown"),
    ],
)
def test_the_address_is_the_one_that_cannot_be_made_up(settings, https, remote, forwarded, address):
    settings.HTTPS = https

    asked = RequestFactory().get("/", REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR=forwarded)

    assert limits.address_of(asked) == address


def test_places_among_all_processes_end_with_the_transaction(orders, settings):
    settings.EXPORTS_PER_CALLER, settings.EXPORTS_AT_ONCE = 2, 3
    with ExitStack() as stack:
        one, two, three, four = (stack.enter_context(pool().connection()) for _ in range(4))

        for each in (one, two, three, four):
            each.execute("BEGIN")

        take_everywhere(one, "token 1")
        take_everywhere(two, "token 1")
        with pytest.raises(TooMany, match="2 downloads of yours"):
            take_everywhere(three, "token 1")
        take_everywhere(three, "token 2")
        with pytest.raises(TooMany, match="already serving as many downloads"):
            take_everywhere(four, "token 3")

        one.rollback()
        four.rollback()
        four.execute("BEGIN")
        take_everywhere(four, "token 3")


@pytest.mark.parametrize("path", ["export.csv", "export.xlsx", "query.csv?sql=SELECT%20*%20FROM%20orders_us"])
def test_every_file_takes_a_place_among_those_of_all_processes(client, orders, alice, settings, path):
    settings.EXPORTS_PER_CALLER = 1
    token, text = tokens.issue(alice)
    with pool().connection() as elsewhere:
        elsewhere.execute("BEGIN")
        take_everywhere(elsewhere, tokens.Caller(alice, token).key)

        refused = client.get(f"/api/v1/datasets/orders_us/{path}", headers={"Authorization": f"Bearer {text}"})
        elsewhere.rollback()
        taken = client.get(f"/api/v1/datasets/orders_us/{path}", headers={"Authorization": f"Bearer {text}"})

    is_too_many(refused)
    assert taken.status_code == 200
    taken.close()


def ask(web, path, token):
    parts = urlsplit(web.url)
    asked = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    asked.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    return asked, asked.getresponse()


@pytest.mark.integration
def test_the_requests_of_a_minute_are_counted_over_all_processes(web, orders, make):
    token, passed, began = make.token(), 0, time.monotonic()

    while True:  # a connection each time, so that both processes answer
        asked, answer = ask(web, PAGE, token)
        said = answer.read()
        asked.close()
        if answer.status != 200:
            break
        passed += 1

    refilled = (time.monotonic() - began) * 40 / 60
    assert (answer.status, json.loads(said)["code"]) == (429, "rate_limited")
    assert answer.headers["Retry-After"] in ("1", "2")
    assert 40 <= passed <= 40 + refilled


@pytest.mark.integration
def test_the_exports_of_a_caller_are_counted_over_all_processes_and_a_reader_who_stalls_is_given_up(web, big, make):
    token = make.token()

    readers = [ask(web, "/api/v1/datasets/big_one/export.csv", token) for _ in range(8)]
    taken = [answer.status for _, answer in readers]

    assert taken.count(200) == 3
    assert taken.count(429) == 5
    # Those three take nothing any more and hold their connections open; their places are free again all the same.
    assert eventually(lambda: _status(web, token) == 200)
    for asked, answer in readers:
        answer.close()
        asked.close()


def _status(web, token):
    asked, answer = ask(web, "/api/v1/datasets/big_one/export.csv?_limit=1", token)
    answer.read()
    asked.close()
    return answer.status
