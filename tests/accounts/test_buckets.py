"""The request quota: what must hold whoever asks, at the same time and however often."""

import random
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

from connector.accounts.buckets import Buckets, Limit, Place, Taken

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.slow,
]  # for the database to be there; the quota comes by connections of its own

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


class OneBucket:
    """The ledger for calls that count against one bucket; `ledger` is the whole of it."""

    def __init__(self, ledger):
        self.ledger = ledger

    def take(self, bucket, rate, burst, place=None):
        return self.ledger.take([Limit(bucket, rate, burst)], place).wait

    def peek(self, bucket, rate, burst):
        return self.ledger.peek([Limit(bucket, rate, burst)])

    def drain(self, bucket, seconds):
        return self.ledger.drain([Limit(bucket, 1, 1)], seconds)

    def adapt(self, bucket, rate):
        """An answer that states a rate; the call it belongs to was answered long ago."""
        limit = Limit(bucket, 1, 1, stated=True)
        self.ledger.answered([limit], Taken(0.0, {}), rate)


@pytest.fixture
def quota():
    """Each thread has a connection of its own."""
    local, made = threading.local(), []

    def connect():
        if not hasattr(local, "connection"):
            local.connection = connection()
            made.append(local.connection)
        return local.connection

    yield lambda factor=1.0: OneBucket(Buckets(connect, factor))
    connect().execute("DELETE FROM quota; DELETE FROM quota_place")
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
        barrier = threading.Barrier(4, timeout=60)

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


# What an answer teaches


def test_a_call_that_was_long_on_its_way_counts_from_its_answer_on(quota, bucket):
    """Amazon's refills begin when the call arrives, not when we took it."""
    ledger, limit = quota().ledger, Limit(bucket, 0.1, 2)
    first = ledger.take([limit])
    with connection() as db:  # so long did it take to get a line
        db.execute("UPDATE quota SET tat = tat - 9 WHERE bucket = %s", [bucket])

    ledger.answered([limit], first)

    assert 9 < ledger.seconds_for([limit], 2) <= 10 + SLACK


def test_of_calls_that_were_under_way_together_each_counts_once(quota, bucket):
    ledger, limit = quota().ledger, Limit(bucket, 0.1, 10)
    taken = [ledger.take([limit]) for _ in range(4)]

    for each in taken:
        ledger.answered([limit], each)

    with connection() as db:
        [ahead] = db.execute(
            "SELECT tat - extract(epoch FROM clock_timestamp())::float8 FROM quota WHERE bucket = %s", [bucket]
        ).fetchone()
    assert ahead == pytest.approx(40, abs=1)


def test_an_answer_in_time_changes_nothing(quota, bucket):
    """Calls that follow one another at their rate are not slowed down by how long each is under way."""
    ledger, limit = quota().ledger, Limit(bucket, 1, 4)
    while ledger.take([limit]).wait == 0:
        pass
    time.sleep(ledger.peek([limit])[0])
    last = ledger.take([limit])
    before = clock_of(bucket)
    time.sleep(0.05)  # much less than the four seconds that the burst holds, also on a busy machine

    ledger.answered([limit], last)

    assert clock_of(bucket) == before


def clock_of(bucket):
    with connection() as db:
        return db.execute("SELECT tat FROM quota WHERE bucket = %s", [bucket]).fetchone()[0]


@pytest.mark.parametrize("latency", [0.4, 1.5, 4.0])
def test_one_call_after_another_never_overdraws_however_uneven_their_ways(quota, bucket, latency):
    """Amazon's own bucket, filled by when a call arrives; each lies around for up to so many refills before it does."""
    ledger, limit, chance = quota().ledger, Limit(bucket, 50, 4), random.Random(7)
    level, then, refused = 4.0, None, 0
    for _ in range(60):
        while wait := (taken := ledger.take([limit])).wait:
            time.sleep(wait)
        time.sleep(chance.choice((0, 0, 0, latency)) / limit.rate)
        now = time.monotonic()
        level, then = min(4.0, level + (now - (then or now)) * limit.rate), now
        refused += level < 1
        level -= level >= 1
        ledger.answered([limit], taken)

    assert refused == 0


# Several limits


@pytest.fixture
def both(bucket):
    """The limit of application and account, and a narrower one of one report type."""
    return [Limit(bucket, 0.1, 10, stated=True), Limit(f"{bucket}:type", 0.01, 3)]


def spent(*limits):
    """How many requests each bucket lacks, to the nearest whole one."""
    with connection() as db:
        now = db.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()[0]
    return [max(0, round((clock_of(limit.bucket) - now) * limit.rate)) for limit in limits]


def test_a_call_takes_from_all_its_buckets_or_from_none(quota, both):
    ledger = quota().ledger
    taken = [ledger.take(both).wait == 0 for _ in range(6)]

    assert taken == [True, True, False, False, False, False]  # the third a moment later
    assert spent(*both) == [2, 2]
    assert ledger.take(both[:1]).wait == 0


def test_the_wait_is_that_of_the_narrowest_and_looking_knows_it(quota, both):
    ledger = quota().ledger
    while ledger.take(both).wait == 0:
        pass
    time.sleep(SLACK)
    ledger.take(both)

    wait = ledger.take(both).wait

    assert 90 < wait <= 100
    assert ledger.peek(both) == (pytest.approx(wait, abs=1), 0)
    assert spent(*both) == [3, 3]
    assert ledger.peek(both[:1])[0] == 0


def test_a_429_empties_the_bucket_that_has_least_left_and_no_other(quota, both):
    ledger = quota().ledger
    ledger.take(both)
    ledger.drain(both, 30)

    assert spent(both[0]) == [1]
    assert ledger.peek(both)[0] > 29
    assert ledger.take(both[:1]).wait == 0, "other report types go on"

    while ledger.take(both[:1]).wait == 0:
        pass
    fresh = [both[0], Limit(f"{both[1].bucket}:another", 0.01, 3)]
    ledger.drain(fresh, 30)
    assert ledger.peek(both[:1])[0] > 29


def test_a_429_of_equals_empties_the_narrower(quota, bucket):
    limits = [Limit(bucket, 0.1, 3), Limit(f"{bucket}:type", 0.1, 3)]
    quota().ledger.take(limits)

    quota().ledger.drain(limits, 30)

    assert spent(limits[0]) == [1]
    assert quota().ledger.peek(limits[1:])[0] > 29


def test_the_stated_rate_is_that_of_application_and_account_alone(quota, both):
    ledger = quota().ledger
    ledger.answered(both, ledger.take(both), 0.5)

    with connection() as db:
        rows = dict(db.execute("SELECT bucket, header_rate FROM quota WHERE bucket LIKE %s", [both[0].bucket + "%"]))
    assert rows == {both[0].bucket: 0.5, both[1].bucket: None}


def test_workers_that_name_the_same_limits_in_another_order_never_stand_in_each_others_way(quota, bucket):
    limits = [Limit(f"{bucket}:{number}", 200, 20) for number in range(3)]
    ends, taken = time.monotonic() + 1, []

    def work(number):
        mine, ordered = quota().ledger, limits[number:] + limits[:number]
        while time.monotonic() < ends:
            found = mine.take(ordered)
            if found.wait == 0:
                taken.append(1)
                mine.answered(ordered, found)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))

    with connection() as db:
        rows = db.execute("SELECT taken FROM quota WHERE bucket LIKE %s", [bucket + ":%"]).fetchall()
    assert rows == [(len(taken),)] * 3
    assert 19 <= len(taken) <= 20 + 200 * (time.monotonic() - ends + 1)


def test_so_many_calls_take_what_the_narrowest_limit_allows(quota, both):
    ledger = quota().ledger
    assert ledger.seconds_for(both, 0) == ledger.seconds_for(both, 3) == 0
    assert ledger.seconds_for(both, 13) == pytest.approx(1000)
    ledger.take(both)

    assert ledger.seconds_for(both, 12) == pytest.approx(1000, abs=1)
    assert ledger.seconds_for(both[:1], 12) == pytest.approx(30, abs=1)


# Who is next


def test_whoever_has_waited_longest_is_next(quota, bucket):
    mine = quota()
    mine.take(bucket, 4, 1)
    first, second = Place("first"), Place("second")
    assert mine.take(bucket, 4, 1, first) < mine.take(bucket, 4, 1, second)

    time.sleep(mine.peek(bucket, 4, 1)[0])

    assert mine.take(bucket, 4, 1, second) > 0
    assert mine.take(bucket, 4, 1, first) == 0
    assert mine.take(bucket, 4, 1, first) > 0, "once it had its turn, it stands behind the other"
    time.sleep(mine.peek(bucket, 4, 1)[0])
    assert mine.take(bucket, 4, 1, first) > 0
    assert mine.take(bucket, 4, 1, second) == 0


def test_the_newest_days_go_before_history_that_has_waited_longer(quota, bucket):
    mine = quota()
    mine.take(bucket, 4, 1)
    mine.take(bucket, 4, 1, Place("history"))
    mine.take(bucket, 4, 1, Place("more history"))
    mine.take(bucket, 4, 1, Place("edge", urgent=True))

    time.sleep(mine.peek(bucket, 4, 1)[0])

    assert mine.take(bucket, 4, 1, Place("history")) > 0
    assert mine.take(bucket, 4, 1, Place("edge", urgent=True)) == 0


def test_those_who_stand_in_line_do_not_hold_up_what_is_there_for_all(quota, bucket):
    mine = quota()
    while mine.take(bucket, 20, 5, Place("late")) == 0:
        pass
    time.sleep(0.3)  # there is one for whoever is late, and more

    assert mine.take(bucket, 20, 5, Place("newcomer")) == 0


def test_a_place_that_nobody_comes_back_to_is_lost(quota, bucket):
    mine = quota()
    mine.take(bucket, 4, 1)
    mine.take(bucket, 4, 1, Place("gone", urgent=True))
    with connection() as db:
        db.execute("UPDATE quota_place SET until = until - 60.2 - 0.5 WHERE bucket = %s", [bucket])

    time.sleep(mine.peek(bucket, 4, 1)[0])

    assert mine.take(bucket, 4, 1, Place("here")) == 0


def test_whoever_does_not_stand_in_line_goes_first(quota, bucket):
    """A person who waits at a page."""
    mine = quota()
    mine.take(bucket, 4, 1)
    mine.take(bucket, 4, 1, Place("edge", urgent=True))

    time.sleep(mine.peek(bucket, 4, 1)[0])

    assert mine.take(bucket, 4, 1) == 0


def test_a_long_line_comes_back_before_the_bucket_is_full(quota, bucket):
    """So nothing is lost when those ahead have gone away."""
    mine = quota()
    while mine.take(bucket, 0.01, 3) == 0:
        pass
    for number in range(20):
        wait = mine.take(bucket, 0.01, 3, Place(f"run {number}"))

    assert 290 <= wait <= 400 + SLACK  # 300, less the seconds in which the line was formed
