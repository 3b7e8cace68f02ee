"""Nothing is lost, doubled or seen half done, whatever dies and whenever: the short form of `make faults`.

FAULTS_KILLS is how many kills each mode gets (12 in the suite, hundreds in `make faults`), FAULTS_POOL_KILLS how many Celery's own
processes get.
"""

import os
import random
import time

import pytest

from connector.database.clock import database_now
from datasets.backfill import runs, tasks
from datasets.models import Dataset, Day, Run
from tests.backfill.conftest import account, fast_amazon, make_dataset  # noqa: F401
from tests.checker import Checker
from tests.days import day_before
from tests.faults.nursery import Nursery, Watch, expected
from tests.living import Installation, wait_until

POOL_KILLS = int(os.environ.get("FAULTS_POOL_KILLS", 4))
KILLS = int(os.environ.get("FAULTS_KILLS", 12))
DAYS = 25 if KILLS > 50 else 14
WORKERS = 2

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.timeout(240 + 3 * KILLS + 6 * POOL_KILLS),
]

MODES = [
    ("order_details", Dataset.Mode.APPEND, "created"),
    ("order_details", Dataset.Mode.REPLACE, "created"),
    ("orders_list_orders_upsert", Dataset.Mode.MERGE, "last_updated"),
]


def keep_busy(dataset):
    """The run under way, or a new one that has to write every day once more."""
    found = dataset.open_run()
    if found:
        return found
    dataset.refresh_from_db()
    Day.objects.filter(dataset=dataset, state__in=Day.IN).update(again=True, checksum="written again")
    return runs.start(dataset, Run.Trigger.MANUAL, now=database_now())


@pytest.mark.parametrize(("report", "mode", "by"), MODES)
def test_workers_killed_at_random_lose_and_double_nothing(tmp_path, make_dataset, simulator, report, mode, by):  # noqa: F811
    """A1, A2, A6, A7, A13: two workers at the same run, one after the other killed at any moment."""
    chance = random.Random(KILLS)
    dataset = make_dataset(report, start=f"today-{DAYS}", end="yesterday", mode=mode)
    checker = Checker(dataset.pk, simulator)
    truth = checker.truth(day_before(DAYS), day_before(1), by=by)
    killed, began = 0, time.monotonic()

    with Nursery(tmp_path) as nursery, Watch((dataset.pk, expected(truth))) as watch:
        while killed < KILLS:
            while len(nursery.alive) < WORKERS:
                nursery.fork()
            keep_busy(dataset)
            time.sleep(chance.uniform(0.0, 0.5))
            killed += nursery.kill(chance.choice(nursery.alive))
        seconds = time.monotonic() - began
        for pid in list(nursery.alive):
            nursery.kill(pid)
        keep_busy(dataset)
        nursery.finish()
        last = dataset.runs.latest("pk")
        if last.state != Run.State.SUCCEEDED:  # three kills in a row set a request aside: the next run brings it in
            last = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
            nursery.finish()

    last.refresh_from_db()
    assert nursery.errors() == []
    assert last.state == Run.State.SUCCEEDED, last.message
    assert checker.assert_orders_equal_truth(day_before(DAYS), day_before(1), by=by) > 0
    assert watch.wrong == []
    assert watch.looks > KILLS
    report_of(mode, killed, seconds, watch, dataset)
    checker.close()


@pytest.fixture
def installation(tmp_path, fast_amazon):  # noqa: F811
    living = Installation(tmp_path)
    living.start("beat")
    living.start("worker")
    yield living
    living.stop()


def test_celerys_own_processes_killed_at_random_lose_and_double_nothing(installation, make_dataset, simulator):  # noqa: F811
    """A4, A7, A10, A11: children of the worker's pool, the whole worker and beat, through the broker of this installation."""
    chance = random.Random(POOL_KILLS)
    dataset = make_dataset("order_details", start=f"today-{DAYS}", end="yesterday")
    checker = Checker(dataset.pk, simulator)
    truth = checker.truth(day_before(DAYS), day_before(1))

    with Watch((dataset.pk, expected(truth))) as watch:
        for number in range(POOL_KILLS):
            keep_busy(dataset)
            wait_until(lambda: installation.supervise() or installation.children("worker"), seconds=60)
            time.sleep(chance.uniform(0.1, 1.0))
            if number % 10 == 2:
                installation.stop_as_the_supervisor_does("worker")
                installation.start("worker")
            elif number % 10 == 3:
                victim = chance.choice(("worker", "beat"))
                installation.kill(victim)
                installation.start(victim)
            else:
                installation.kill_child("worker", chance)
        run = keep_busy(dataset)
        wait_until(lambda: installation.supervise() or is_over(run), seconds=200)
        if run.state != Run.State.SUCCEEDED:
            run = tasks.start(dataset)
            wait_until(lambda: is_over(run), seconds=200)

    assert run.state == Run.State.SUCCEEDED, run.message
    assert checker.assert_orders_equal_truth(day_before(DAYS), day_before(1)) > 0
    assert watch.wrong == []
    checker.close()


def is_over(run):
    run.refresh_from_db()
    return not run.is_open


def report_of(mode, killed, seconds, watch, dataset):
    """What `make faults` shows with -s."""
    runs = dataset.runs.count()
    days = Day.objects.filter(dataset=dataset).count()
    print(
        f"\n{mode}: {killed} kills in {seconds:.0f} s; {runs} runs, {days} days in the ledger, "
        f"{watch.looks} looks ({watch.whole} at all days), 0 lost, 0 doubled, 0 half days"
    )
