"""The request quota: what must hold whoever asks, at the same time and however often."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from connector.spapi.quota import Quota

pytestmark = pytest.mark.django_db  # for the database to be there; the quota comes by connections of its own

SLACK = 0.25  # at most


def connection():
    database = settings.DATABASES["default"]
    return psycopg.connect(
        dbname=database["NAME"],
        user=database["USER"],
        password=database["PASSWORD"],
        host=database["HOST"],
        port=database["PORT"] or None,
        autocommit=True,
        options="-c synchronous_commit=off",
    )


@pytest.fixture
def quota():
    """Each thread has a connection of its own."""
    local, made = threading.local(), []

    def connect():
        if not hasattr(local, "connection"):
            local.connection = connection()
            made.append(local.connection)
        return local.connection

    yield lambda factor=1.0: Quota(connect, factor)
    connect().execute("DELETE FROM quota")
    for one in made:
        one.close()


@pytest.fixture
def bucket():
    return f"application:account:{uuid4()}"


def test_the_burst_is_there_and_then_one_refill_is_waited_for(quota, bucket):
    waits = [quota().take(bucket, 0.05, 3) for _ in range(2)]
    waits.append(quota().peek(bucket, 0.05, 3)[0])
    assert waits[:2] == [0, 0]
    assert 0 <= waits[2] <= SLACK  # the last one of a burst, like every refill, a moment later than it is due

    while wait := quota().take(bucket, 0.05, 3):
        time.sleep(wait)
    assert 15 < quota().take(bucket, 0.05, 3) <= 20 + SLACK


def test_the_moment_that_a_refill_is_late_is_lost_only_once(quota, bucket):
    """Once the burst is used, the bucket's own clock moves on by exactly one refill for each request."""
    mine = quota()

    def clock():
        with connection() as db:
            return db.execute("SELECT tat FROM quota WHERE bucket = %s", [bucket]).fetchone()[0]

    while mine.take(bucket, 5, 6) == 0:
        pass
    before = clock()
    for _ in range(5):
        while wait := mine.take(bucket, 5, 6):
            time.sleep(wait)

    assert clock() - before == pytest.approx(5 / 5, abs=1e-3)


def test_a_wait_takes_nothing(quota, bucket):
    quota().take(bucket, 0.1, 1)

    waits = [quota().take(bucket, 0.1, 1) for _ in range(20)]

    assert all(9 < wait <= 10 + SLACK for wait in waits)
    assert waits == sorted(waits, reverse=True)


def test_after_the_told_wait_the_request_may_go_out(quota, bucket):
    quota().take(bucket, 10, 1)

    time.sleep(quota().take(bucket, 10, 1))

    assert quota().take(bucket, 10, 1) == 0


def test_looking_takes_nothing(quota, bucket):
    assert quota().peek(bucket, 0.1, 5) == (0.0, 5)
    quota().take(bucket, 0.1, 5)

    assert quota().peek(bucket, 0.1, 5) == (0.0, 3)
    assert quota().peek(bucket, 0.1, 5) == (0.0, 3)
    for _ in range(3):
        quota().take(bucket, 0.1, 5)
    wait, left = quota().peek(bucket, 0.1, 5)
    assert wait <= SLACK and left <= 1


def test_buckets_are_apart(quota, bucket):
    quota().take(bucket, 0.1, 1)

    assert quota().take(bucket + ":other", 0.1, 1) == 0


def test_the_factor_multiplies_the_published_rate(quota, bucket):
    quota(factor=5).take(bucket, 0.1, 1)

    assert 1 < quota(factor=5).take(bucket, 0.1, 1) <= 2 + SLACK
    assert quota(factor=1).take(bucket, 0.1, 1) <= 2 + SLACK  # what is owed stays owed in seconds


def test_the_rate_that_amazon_states_holds_in_place_of_the_published_one(quota, bucket):
    while not quota().take(bucket, 0.01, 3):
        pass
    time.sleep(SLACK)
    quota().take(bucket, 0.01, 3)
    assert 90 < quota().take(bucket, 0.01, 3) <= 100

    quota().adapt(bucket, 0.1)

    assert 8 < quota().take(bucket, 0.01, 3) <= 10 + SLACK  # as empty as before, but it refills faster


@pytest.mark.parametrize("nonsense", [0, -1, float("nan"), float("inf"), 1e9])
def test_a_rate_that_makes_no_sense_is_passed_over(quota, bucket, nonsense):
    quota().take(bucket, 0.1, 1)
    quota().adapt(bucket, nonsense)

    assert 9 < quota().take(bucket, 0.1, 1) <= 10 + SLACK


def test_a_429_stops_everybody_and_doubles_until_an_answer_comes(quota, bucket):
    quota().take(bucket, 0.5, 10)

    pauses = [quota().drain(bucket, 4) for _ in range(9)]

    assert pauses == [4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert 299 < quota().take(bucket, 0.5, 10) <= 300
    assert quota().peek(bucket, 0.5, 10)[1] == 0
    quota().adapt(bucket, 0.5)
    assert quota().drain(bucket, 4) == 4


def test_a_429_pause_is_as_much_shorter_as_the_rates_are_higher(quota, bucket):
    quota(factor=100).take(bucket, 0.0056, 20)

    assert quota(factor=100).drain(bucket, 180) == pytest.approx(1.8)


def test_after_a_429_the_whole_burst_is_gone(quota, bucket):
    quota().take(bucket, 0.5, 10)
    quota().drain(bucket, 0.1)
    time.sleep(0.11)

    assert [quota().take(bucket, 0.5, 10) == 0 for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize(("rate", "burst", "threads"), [(20, 5, 4), (50, 1, 6), (3, 15, 3)])
def test_many_workers_together_never_overdraw(quota, bucket, rate, burst, threads):
    """In any span of time no more than burst + rate x span are taken, and nearly as many as that."""
    seconds = 1.5
    ends = time.monotonic() + seconds
    taken = []

    def work(_):
        mine = quota()
        while time.monotonic() < ends:
            wait = mine.take(bucket, rate, burst)
            if wait == 0:
                taken.append(time.monotonic())
            else:
                time.sleep(min(wait, max(0.0, ends - time.monotonic())))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))

    taken.sort()
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            span = taken[last] - taken[first]
            assert last - first + 1 <= burst + rate * (span + 0.05) + 1
    assert len(taken) >= 0.4 * (burst + rate * seconds)


def test_two_first_takers_of_one_token_are_one_too_many(quota, bucket):
    for round in range(20):
        barrier = threading.Barrier(4)

        def take(_, round=round, barrier=barrier):
            mine = quota()
            mine.peek(bucket, 0.01, 1)
            barrier.wait()
            return mine.take(f"{bucket}:{round}", 0.01, 1)

        with ThreadPoolExecutor(4) as pool:
            waits = list(pool.map(take, range(4)))
        assert waits.count(0) == 1


@trials(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.floats(0.001, 1000),
    burst=st.integers(1, 40),
    steps=st.lists(st.sampled_from(["take", "peek", "drain", "adapt"]), max_size=40),
)
def test_whatever_is_done_in_whatever_order_no_more_than_the_burst_goes_out_at_once(quota, rate, burst, steps):
    bucket, mine = str(uuid4()), quota()
    began, taken, fastest = time.monotonic(), 0, rate
    for step in steps:
        if step == "take":
            wait = mine.take(bucket, rate, burst)
            taken += wait == 0
            assert wait >= 0
        elif step == "peek":
            wait, left = mine.peek(bucket, rate, burst)
            assert 0 <= left <= burst and (wait == 0) == (left > 0)
        elif step == "drain":
            mine.drain(bucket, 0.01)
        else:
            mine.adapt(bucket, rate / 2)
    assert taken <= burst + fastest * (time.monotonic() - began) + 1e-6
