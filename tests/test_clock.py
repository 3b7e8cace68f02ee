"""A test run under another clock: `make test CLOCK=…`, and each of them with `make clocks`."""

import os
import subprocess
import sys
import urllib.request
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest
import redis
from django.conf import settings
from django.db import connection

from tests import clock, clocks
from tests.conftest import PROJECT

SOON = timedelta(minutes=1)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    try:
        return clock.build(tmp_path_factory.mktemp("clock"))
    except clock.CannotMove as problem:
        pytest.skip(str(problem))


def python(library, when, code):
    done = subprocess.run(
        [sys.executable, "-c", code], env=clock.moved(library, when), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("at", ["2012-02-29T23:59:59Z", "2028-02-29T12:00:00Z"])
def test_a_process_and_what_it_starts_go_by_the_named_clock(library, at):
    code = "import subprocess, time; print(time.time()); subprocess.run(['date', '+%s'])"

    found = python(library, clock.instant(at), code)

    for seconds in found:
        assert timedelta(0) <= datetime.fromtimestamp(float(seconds), UTC) - clock.instant(at) < SOON


@pytest.mark.parametrize("at", ["2012-02-29T23:59:59Z", "2028-02-29T12:00:00Z"])
def test_waits_last_as_long_as_ever(library, at):
    """Those of semaphores and conditions state a deadline in wall-clock time."""
    code = """
import multiprocessing, threading, time

def waited(wait):
    begun = time.monotonic()
    wait(0.2)
    assert time.monotonic() - begun > 0.19

waited(time.sleep)
waited(threading.Event().wait)
waited(lambda seconds: multiprocessing.Semaphore(0).acquire(timeout=seconds))
with (condition := multiprocessing.Condition()):
    waited(condition.wait)
print("waited")
"""
    assert python(library, clock.instant(at), code) == ["waited"]


def test_an_instant_names_its_offset_from_utc():
    assert clock.instant("2026-03-29T03:30:00+02:00") == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    for wrong in ("2026-03-29T01:30:00", "next Sunday"):
        with pytest.raises(ValueError):
            clock.instant(wrong)


def test_the_exit_code_is_that_of_what_ran(library):
    run = [sys.executable, "-m", "tests.clock", "2028-02-29T12:00:00Z", "-c", "raise SystemExit(3)"]

    assert subprocess.run(run, cwd=PROJECT, timeout=60).returncode == 3


@pytest.mark.django_db
def test_the_tests_their_servers_and_the_simulator_share_one_clock(simulator):
    """Whichever it is: this one says so of each run, under each clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        database = cursor.fetchone()[0]
    seen = {"database": database}
    with urllib.request.urlopen(f"{simulator.url}/simulator/clock", timeout=30) as answer:
        seen["simulator"] = parsedate_to_datetime(answer.headers["Date"])
    if settings.BROKER_URL.startswith("redis"):
        socket = urlsplit(settings.BROKER_URL).path if "+socket" in settings.BROKER_URL else None
        broker = redis.Redis(unix_socket_path=socket) if socket else redis.Redis.from_url(settings.BROKER_URL)
        seconds, millionths = broker.time()
        seen["broker"] = datetime.fromtimestamp(seconds + millionths / 1e6, UTC)

    now = datetime.now(UTC)

    assert {part: at for part, at in seen.items() if abs(now - at) > SOON} == {}
    if clock.is_moved():
        assert os.environ["LD_PRELOAD"]


def test_every_clock_has_its_week_and_each_week_its_clock():
    first = date(2026, 12, 21)  # a Monday
    assert {clocks.this_week(first + timedelta(days=n)) for n in range(7)} == {clocks.this_week(first)}
    assert {clocks.this_week(first + timedelta(weeks=n)) for n in range(len(clocks.CLOCKS))} == set(clocks.CLOCKS)
    assert all(clock.instant(each.at).utcoffset() == timedelta(0) for each in clocks.CLOCKS)
