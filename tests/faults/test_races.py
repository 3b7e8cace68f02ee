"""Two at once where one may: leases, ticks and messages raced against each other, and a request that kills whoever takes it.

FAULTS_RACES is how many races are run (100 in the suite, 10,000 in `make faults`).
"""

import os
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection

from connector.database.clock import database_now
from datasets.backfill import dispatch, lease, runs, tasks
from datasets.models import Dataset, Day, Request, Run
from tests.backfill.conftest import account, fast_amazon, make_dataset  # noqa: F401
from tests.faults.nursery import Nursery
from tests.living import wait_until

# ruff: noqa: F811
RACES = int(os.environ.get("FAULTS_RACES", 100))

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.timeout(120 + RACES // 10),
]


class Lanes:
    """Threads, each with a connection of its own, that do the same thing at the same moment, again and again."""

    def __init__(self, count):
        self.barrier = threading.Barrier(count + 1, timeout=60)
        self.what, self.answers = None, []
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.what = None
        self.barrier.wait()
        for thread in self.threads:
            thread.join()

    def _run(self):
        try:
            while True:
                self.barrier.wait()
                if self.what is None:
                    return
                try:
                    self.answers.append(self.what())
                except Exception as problem:
                    self.answers.append(problem)
                self.barrier.wait()
        finally:
            connection.close()

    def race(self, what):
        """The answers of all lanes."""
        self.what, self.answers = what, []
        self.barrier.wait()
        self.barrier.wait()
        return self.answers


def test_of_workers_that_reach_for_the_same_run_one_gets_it(make_dataset):
    """A13."""
    run = runs.start(make_dataset(), Run.Trigger.MANUAL, now=database_now())
    with Lanes(2) as lanes:
        for number in range(RACES):
            fences = lanes.race(lambda: lease.take(run.pk))

            assert sorted(fences, key=lambda fence: fence or 0) == [None, number + 1]
            assert run.give_back(fence=number + 1, until=None)


def test_of_two_ticks_one_starts_what_is_due(make_dataset):
    """A16: two beats, or two workers with a tick each."""
    dataset = make_dataset(schedule_kind="daily", schedule_zone="UTC", schedule_at="06:00")
    with Lanes(3) as lanes:
        for _ in range(RACES // 5):
            now = database_now()
            Dataset.objects.filter(pk=dataset.pk).update(next_run_at=now - timedelta(minutes=1))
            Run.objects.all().delete()

            answers = lanes.race(lambda now=now: dispatch.start_due(now))

            assert sorted(answers) == [0, 0, 1]
            assert dataset.runs.count() == 1
            assert sorted(len(told) for told in lanes.race(lambda now=now: dispatch.to_hint(now))) == [0, 0, 1]


def test_five_copies_of_a_message_are_one_application(make_dataset, simulator):
    """A14: at the same time, and once more when all is done."""
    dataset = make_dataset(start="today-2", end="yesterday")
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
    with Lanes(5) as lanes:
        for _ in range(20):
            for answer in lanes.race(lambda: tasks.advance(run_id=run.pk)):
                assert answer is None
            run.refresh_from_db()
            if not run.is_open:
                break
            time.sleep(0.05)
        assert run.state == Run.State.SUCCEEDED, run.message
        dataset.refresh_from_db()
        asked, version = simulator.control("/simulator/counts")["requests"]["searchOrders"], dataset.version

        assert lanes.race(lambda: tasks.advance(run_id=run.pk)) == [None] * 5

    dataset.refresh_from_db()
    assert dataset.version == version
    assert simulator.control("/simulator/counts")["requests"]["searchOrders"] == asked
    assert run.rows == dataset.rows


def interruptions(run):
    """Of the run, when dead workers' leases have been released: the system may take a moment to bury a worker."""
    dispatch.release_dead_leases(database_now())
    return Run.objects.get(pk=run.pk).interruptions


def test_a_request_that_kills_three_workers_is_set_aside_and_the_others_go_on(tmp_path, make_dataset, simulator):
    """A8, A9: whatever kills them, memory that runs out or a fault of ours."""
    dataset = make_dataset(start="today-2", end="yesterday")
    simulator.control("/simulator/faults", {"operation": "searchOrders", "kind": "delay", "seconds": 2, "count": 3})
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())

    with Nursery(tmp_path) as nursery:
        for killed in range(1, 4):
            worker = nursery.fork()
            # Asked, and not before: who plans what is to be asked has got on by it.
            at_it = dataset.requests.filter(in_hand=True, state=Request.State.ASKED)
            wait_until(at_it.exists, seconds=30, every=0.01)
            nursery.kill(worker)
            wait_until(lambda killed=killed: interruptions(run) == killed, seconds=30, every=0.05)
        first = set(Day.objects.filter(dataset=dataset, state="failed").values_list("day", flat=True))
        other = make_dataset("marketplace_participations", start="", end="", mode="replace")
        beside = runs.start(other, Run.Trigger.MANUAL, now=database_now())
        worker = nursery.fork()
        wait_until(lambda: not Run.objects.get(pk=beside.pk).is_open, seconds=30)

    assert first, "nothing was set aside"
    assert "crashed three times" in Day.objects.filter(dataset=dataset, state="failed").first().message
    assert Run.objects.get(pk=beside.pk).state == Run.State.SUCCEEDED
    assert Run.objects.get(pk=run.pk).interruptions == 3
