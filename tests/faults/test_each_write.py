"""A worker killed at a network write of one run's life, for each of them: what it left is taken up as if nothing had been.

strace counts the writes and kills in the middle of the call. EVERY_WRITE=1 takes each (`make faults`), the suite each STEP-th.
"""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from connector.database.clock import database_now
from datasets.backfill import lifecycle, runs
from datasets.models import Dataset, Run
from tests.backfill.conftest import account, fast_amazon, make_dataset  # noqa: F401, F811
from tests.checker import Checker
from tests.days import day_before
from tests.faults.mortal import GO
from tests.faults.nursery import Nursery, Watch, expected

ALL = bool(os.environ.get("EVERY_WRITE"))
STEP = 1 if ALL else 45
MAX_WRITES = 500
DAYS = 2

# ruff: noqa: F811
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.timeout(3600 if ALL else 180),
]


def refusal():
    """Why strace cannot be used here; empty where it can."""
    if not shutil.which("strace"):
        return "strace is not installed (apt-get install strace)"
    tried = subprocess.run(
        ["strace", "-f", "-e", "trace=sendto", sys.executable, "-c", ""], capture_output=True, text=True, timeout=60
    )
    return "" if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.strip()[-200:]}"


@pytest.fixture(scope="module")
def strace():
    if why := refusal():
        pytest.skip(f"KILLS AT EACH NETWORK WRITE ARE NOT TRIED: {why}")


def work_until_write(nursery, number):
    """One worker goes on until it is about to write to the network for the n-th time; answers whether it was killed there."""
    pid = nursery.fork(until_over=True, waits=True)
    tracer = subprocess.Popen(
        ["strace", "-f", "-p", str(pid), "-e", "trace=sendto", "-e", f"inject=sendto:signal=SIGKILL:when={number}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while "attached" not in (line := tracer.stderr.readline()):
            assert line, "strace did not attach"
        os.kill(pid, GO)
        nursery.wait_for(pid, 60)
        return "killed by SIGKILL" in tracer.stderr.read()
    finally:
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGKILL)
        tracer.wait()
        tracer.stderr.close()


FILE = {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"}


@pytest.mark.parametrize(
    ("report", "mode", "by", "first"),
    [
        ("order_details", Dataset.Mode.APPEND, "created", 1),
        ("order_details", Dataset.Mode.REPLACE, "created", 16),
        ("orders_list_orders_upsert", Dataset.Mode.MERGE, "last_updated", 31),
    ],
)
def test_a_kill_at_any_network_write_changes_nothing(
    tmp_path,
    strace,
    make_dataset,
    simulator,
    report,
    mode,
    by,
    first,
):
    """A1, A2, A3, A4: pages."""
    dataset = make_dataset(report, start=f"today-{DAYS}", end="yesterday", mode=mode)
    checker = Checker(dataset.pk, simulator)
    truth = checker.truth(day_before(DAYS), day_before(1), by=by)
    number, began = 1 if ALL else first, time.monotonic()

    with Nursery(tmp_path) as nursery, Watch((dataset.pk, expected(truth))) as watch:
        if mode == Dataset.Mode.REPLACE:  # readers have an older generation in front of them
            runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
            nursery.finish()
        while number < MAX_WRITES:
            if mode != Dataset.Mode.REPLACE:
                with watch.closed_eyes():
                    lifecycle.clear(dataset)
            run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
            was_killed = work_until_write(nursery, number)
            nursery.finish()

            run.refresh_from_db()
            assert run.state == Run.State.SUCCEEDED, f"write {number}: {run.message}"
            assert run.interruptions <= 1
            dataset.refresh_from_db()
            rows = checker.assert_orders_equal_truth(day_before(DAYS), day_before(1), by=by)
            assert (dataset.rows, nursery.errors()) == (rows, []), f"write {number}"
            if not was_killed:
                break
            number += STEP

    assert number > 20, "the writes were not counted"
    assert watch.wrong == []
    print(f"\n{mode}: killed at {number - 1} writes in {time.monotonic() - began:.0f} s, {watch.looks} looks")
    checker.close()


def test_a_kill_at_any_network_write_of_a_report_asks_amazon_for_it_once(
    tmp_path,
    strace,
    make_dataset,
    simulator,
):
    """A5, A6: between createReport and its id, while it is built, between document and rows."""
    simulator.control("/simulator/settings", {"processing_seconds": 0.0})
    dataset = make_dataset("create_and_download_report", options=FILE, start=f"today-{DAYS}", end="yesterday")
    checker = Checker(dataset.pk, simulator)
    truth = checker.truth(day_before(DAYS), day_before(1), file=True, marketplaces="US,CA,MX")
    number, began = 1 if ALL else 9, time.monotonic()

    with Nursery(tmp_path) as nursery:
        while number < MAX_WRITES:
            lifecycle.clear(dataset)
            simulator.control("/simulator/reset", {})
            simulator.control("/simulator/settings", {"rate_factor": 1000.0, "processing_seconds": 0.0})
            simulator.control("/simulator/clock", {"freeze": True})
            run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
            was_killed = work_until_write(nursery, number)
            nursery.finish()

            run.refresh_from_db()
            assert run.state == Run.State.SUCCEEDED, f"write {number}: {run.message}"
            counts = {day: rows.total() for day, rows in checker.orders_by_day().items()}
            assert counts == {day: so["rows"] for day, so in truth.items() if so["rows"]}, f"write {number}"
            assert simulator.control("/simulator/counts")["requests"]["createReport"] == 1, f"write {number}"
            assert nursery.errors() == [], f"write {number}"
            if not was_killed:
                break
            number += STEP

    assert number > 20, "the writes were not counted"
    print(f"\nreport: killed at {number - 1} writes in {time.monotonic() - began:.0f} s")
    checker.close()


def test_a_kill_while_days_are_given_up_never_ends_in_a_success(tmp_path, strace, make_dataset, simulator):
    """A request and its days fail together or not at all, else the run would take its days for done."""
    dataset = make_dataset("order_details", start=f"today-{DAYS}", end="yesterday")
    number, began = 1 if ALL else 4, time.monotonic()

    with Nursery(tmp_path) as nursery:
        while number < MAX_WRITES:
            lifecycle.clear(dataset)
            simulator.control("/simulator/faults", {"operation": "searchOrders", "kind": "redirect", "location": "x"})
            run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
            was_killed = work_until_write(nursery, number)
            nursery.finish()

            run.refresh_from_db()
            assert run.state == Run.State.FAILED, f"write {number}: {run.message}"
            assert set(dataset.days.values_list("state", flat=True)) == {"failed"}, f"write {number}"
            assert nursery.errors() == [], f"write {number}"
            if not was_killed:
                break
            number += STEP

    assert number > 20, "the writes were not counted"
    print(f"\ngiven up: killed at {number - 1} writes in {time.monotonic() - began:.0f} s")
