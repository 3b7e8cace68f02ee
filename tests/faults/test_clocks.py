"""Clocks that are wrong or jump, and workers that stand still: leases and runs go by the database's clock.

FAULTS_PAUSES is how many workers are stopped for three times their lease (2 in the suite, dozens in `make faults`).
"""

import os
import random
import signal
import time

import pytest

from connector.database.clock import database_now
from datasets.backfill import runs
from datasets.models import Day, Request, Run
from tests.backfill.conftest import account, fast_amazon, make_dataset  # noqa: F401
from tests.checker import Checker
from tests.days import day_before
from tests.faults.mortal import AHEAD, BACK
from tests.faults.nursery import Nursery, Watch, expected
from tests.living import wait_until

# ruff: noqa: F811
PAUSES = int(os.environ.get("FAULTS_PAUSES", 2))
DAYS = 14
LEASE = 0.8  # seconds, for those who are to lose theirs

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.timeout(120 + 20 * PAUSES),
]


def is_over(run):
    run.refresh_from_db()
    return not run.is_open


def test_workers_with_wrong_clocks_that_jump_do_each_day_once(tmp_path, make_dataset, simulator):
    """D1, D4: two are ahead, two are behind, and all are set while they work."""
    dataset = make_dataset("order_details", start=f"today-{DAYS}", end="yesterday")
    checker = Checker(dataset.pk, simulator)
    truth = checker.truth(day_before(DAYS), day_before(1))
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())

    with Nursery(tmp_path) as nursery, Watch((dataset.pk, expected(truth))) as watch:
        workers = [nursery.fork(clock=clock) for clock in (86400, -86400, 300, -300)]
        jumps = 0
        while not is_over(run):
            os.kill(workers[jumps % 4], (AHEAD, BACK)[jumps % 2])
            lease = Run.objects.filter(pk=run.pk).values_list("lease_until", flat=True).get()
            assert lease is None or -1 < (lease - database_now()).total_seconds() < 61
            jumps += 1
            time.sleep(0.02)
        assert nursery.errors() == []

    assert run.state == Run.State.SUCCEEDED, run.message
    assert (run.interruptions, jumps > 2) == (0, True)
    assert checker.assert_orders_equal_truth(day_before(DAYS), day_before(1)) == run.rows  # each row was written once
    assert abs((run.ended_at - database_now()).total_seconds()) < 60
    assert watch.wrong == []
    checker.close()


def state_of(dataset):
    """What a zombie must not change."""
    dataset.refresh_from_db()
    days = Day.objects.filter(dataset=dataset).order_by("day")
    requests = Request.objects.filter(dataset=dataset).order_by("pk")
    return (
        dataset.version,
        list(days.values_list("day", "state", "rows", "run_id", "request_id", "landed_at", "checksum", "again")),
        list(requests.values_list("pk", "state", "answer__progress", "answer__amazon_id", "in_hand", "message")),
        list(dataset.runs.order_by("pk").values_list("pk", "state", "fence", "rows", "message")),
    )


@pytest.mark.parametrize("report", ["order_details", "create_and_download_report"])
def test_a_worker_that_stood_still_for_three_leases_changes_nothing_any_more(tmp_path, make_dataset, simulator, report):
    """A12: it is stopped at any moment, another one takes over and is done, then it wakes up."""
    chance = random.Random(PAUSES)
    simulator.control("/simulator/settings", {"processing_seconds": 0.1})
    options = {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"} if "report" in report else {}
    dataset = make_dataset(report, options=options, start=f"today-{DAYS}", end="yesterday")
    stopped = 0

    with Nursery(tmp_path) as nursery:
        while stopped < PAUSES:
            Day.objects.filter(dataset=dataset, state__in=Day.IN).update(again=True, checksum="written again")
            run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
            zombie = nursery.fork(lease=LEASE)
            wait_until(lambda run=run: is_over(run) or run.state == Run.State.RUNNING, seconds=30, every=0.002)
            time.sleep(chance.uniform(0.0, 0.2))
            os.kill(zombie, signal.SIGSTOP)
            run.refresh_from_db()
            has_it = run.state == Run.State.RUNNING
            if has_it:
                time.sleep(3 * LEASE)
            nursery.finish()
            before = state_of(dataset)

            os.kill(zombie, signal.SIGCONT)
            time.sleep(0.5)

            assert state_of(dataset) == before
            run.refresh_from_db()
            assert run.state == Run.State.SUCCEEDED, run.message
            assert run.interruptions == has_it
            nursery.kill(zombie)
            stopped += has_it
        assert nursery.errors() == []


STANDING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state LIKE 'idle in transaction%'
        AND clock_timestamp() - state_change > interval '50 milliseconds'
"""  # for so long that no statement is still on its way


def test_a_worker_that_stood_still_in_a_transaction_gives_its_run_back(tmp_path, make_dataset, simulator):
    """A12: PostgreSQL has cut its line, so that its locks kept nobody waiting; nobody else was there to go on."""
    dataset = make_dataset("order_details", start=f"today-{DAYS}", end="yesterday")
    checker = Checker(dataset.pk, simulator)

    def stands_in_a_transaction():
        return checker.link.execute(STANDING).fetchone()[0] > 0

    with Nursery(tmp_path) as nursery:
        worker = nursery.fork(lease=LEASE)
        run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
        wait_until(lambda: is_over(run) or run.state == Run.State.RUNNING, seconds=30, every=0.002)
        end = time.monotonic() + 60
        while True:
            assert time.monotonic() < end, "it was never met in a transaction"
            os.kill(worker, signal.SIGSTOP)
            time.sleep(0.1)  # PostgreSQL ends the statement in hand, if there is one
            if stands_in_a_transaction():
                break
            os.kill(worker, signal.SIGCONT)
            time.sleep(0.003)
            if is_over(run):
                Day.objects.filter(dataset=dataset, state__in=Day.IN).update(again=True, checksum="written again")
                run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
        wait_until(lambda: not stands_in_a_transaction(), seconds=30, every=0.05)
        os.kill(worker, signal.SIGCONT)
        wait_until(lambda: is_over(run), seconds=30, every=0.05)
        errors = nursery.errors()

    assert errors == []
    assert run.state == Run.State.SUCCEEDED, run.message
    assert checker.assert_orders_equal_truth(day_before(DAYS), day_before(1)) > 0
    checker.close()
