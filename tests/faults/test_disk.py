"""A PostgreSQL whose journal finds no room, and one that dies the moment after a commit: rows and checkpoints stay together.

FAULTS_CRASHES is how often the server is killed right after a landing (3 in the suite, 50 in `make faults`).
"""

import os
import time

import pytest
from django.core.management import call_command
from django.db import connection

from connector.database.clock import database_now
from datasets.backfill import runs
from datasets.models import Run
from tests.backfill.conftest import account, fast_amazon, make_dataset  # noqa: F401
from tests.checker import Checker
from tests.days import day_before
from tests.faults.disk import Server
from tests.faults.nursery import Nursery
from tests.living import wait_until

# ruff: noqa: F811
CRASHES = int(os.environ.get("FAULTS_CRASHES", 3))
DAYS = 40

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.timeout(180 + 10 * CRASHES),
]


@pytest.fixture(scope="module")
def one_server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(transactional_db, one_server):
    """This process and those that it starts use that server, with an installation of their own on it."""
    before = dict(connection.settings_dict)
    postgres = one_server.postgres
    connection.close()
    connection.settings_dict.update(HOST=str(postgres.sockets), PORT="", NAME="backhaul", USER="backhaul", PASSWORD="")
    call_command("migrate", verbosity=0)
    yield one_server
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA data CASCADE; CREATE SCHEMA data")  # the next test's dataset has the same number
    call_command("flush", interactive=False, verbosity=0)
    connection.close()
    connection.settings_dict.update(before)


@pytest.fixture
def busy(server, make_dataset, simulator):
    """A dataset of so many days that their landing takes a while, and Amazon's truth about it."""
    dataset = make_dataset(start=f"today-{DAYS}", end="yesterday")
    checker = Checker(dataset.pk, simulator)
    yield dataset, checker.truth(day_before(DAYS), day_before(1))
    checker.close()


def landed(server, dataset):
    """{day: the orders of its rows} of the days that are in, at one moment; no row lies there for any other day."""
    with server.connect() as link:
        link.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        states = dict(link.execute("SELECT day::text, state FROM datasets_day WHERE dataset_id = %s", [dataset.pk]))
        found = {day: [] for day, state in states.items() if state in ("landed", "empty")}
        if link.execute("SELECT to_regclass(%s)", [f"data.ds_{dataset.pk}"]).fetchone()[0]:
            for day, order in link.execute(f"SELECT _day::text, amazon_order_id FROM data.ds_{dataset.pk}"):
                assert day in found, f"{day} has rows and is {states.get(day)}"
                found[day].append(order)
    return found


def assert_in_step(server, dataset, truth, *, at_least=()):
    """Each day is there with all its rows or not at all, and what was seen to be in is in."""
    found = landed(server, dataset)
    assert {day: sorted(orders) for day, orders in found.items()} == {day: sorted(truth[day]["ids"]) for day in found}
    assert set(at_least) <= set(found), "a day that was in is gone"
    return found


def until_another_day_is_in(server, dataset, so_far):
    """Answers the days that are in as soon as they are more than so many, as another connection sees them."""
    statement = "SELECT day::text FROM datasets_day WHERE dataset_id = %s AND state IN ('landed', 'empty')"
    with server.connect() as link:

        def more():
            days = {day for (day,) in link.execute(statement, [dataset.pk])}
            return days if len(days) > so_far else None

        return wait_until(more, seconds=60, every=0.002)


def finish(nursery, dataset):
    """The run continues automatically, or the next one does."""
    nursery.finish(90)
    if dataset.runs.latest("pk").state != Run.State.SUCCEEDED:
        runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
        nursery.finish(90)
    assert dataset.runs.latest("pk").state == Run.State.SUCCEEDED, dataset.runs.latest("pk").message


def test_a_journal_without_room_loses_nothing_and_the_run_goes_on_when_there_is_some(tmp_path, server, busy):
    """C8: PostgreSQL ends with a panic in the midst of landings."""
    dataset, truth = busy
    began = server.log.stat().st_size
    server.fill()
    with Nursery(tmp_path) as nursery:
        runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
        nursery.fork()
        until_another_day_is_in(server, dataset, 0)
        server.run_short(48 << 10)
        wait_until(lambda: "No space left on device" in server.log.read_text()[began:], seconds=60)
        assert "PANIC" in server.log.read_text()[began:]
        connection.close()
        time.sleep(0.5)  # whoever works meets a server that is away, or that comes back and goes again
        server.make_room()
        if server.is_down():
            server.start()
        server.postgres.wait_until_ready(server.process)
        found = assert_in_step(server, dataset, truth)
        finish(nursery, dataset)

    assert 0 < len(found) < DAYS
    assert len(assert_in_step(server, dataset, truth, at_least=found)) == DAYS
    print(f"\n{len(found)} of {DAYS} days were in when the journal had no room")


def test_a_server_that_dies_right_after_a_landing_keeps_its_rows_with_its_checkpoint(tmp_path, server, busy):
    """C3: with synchronous_commit as we leave it, a day that was seen to be in is in after the crash."""
    dataset, truth = busy
    crashes, seen = 0, {}
    with Nursery(tmp_path) as nursery:
        runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
        nursery.fork()
        while crashes < CRASHES:
            before = until_another_day_is_in(server, dataset, len(seen))
            server.kill()
            connection.close()
            crashes += 1
            server.start()
            seen = assert_in_step(server, dataset, truth, at_least=before)
            if len(seen) == DAYS:
                break
        finish(nursery, dataset)

    assert len(assert_in_step(server, dataset, truth, at_least=seen)) == DAYS
    print(f"\n{crashes} crashes right after a landing")
