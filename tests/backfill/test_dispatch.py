"""The tick: what is due runs once, what died is freed, what is lost is told again."""

import time as time_module
from datetime import UTC, datetime, time, timedelta

import psycopg
import pytest
from django.db import connection, transaction

from connector.accounts.models import Account, Application
from connector.database.clock import database_now
from datasets import retries
from datasets.backfill import dispatch, lease, tasks
from datasets.models import Dataset, Day, Request, Run
from tests.conftest import PROJECT

NOW = datetime(2026, 11, 22, 20, tzinfo=UTC)
OWNER = """
import django; django.setup()
from datasets.backfill import lease
print(lease.owner())
"""

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(alice):
    application = Application.objects.create(owner=alice, name="App", client_id="c", client_secret="s")
    return Account.objects.create(
        owner=alice, application=application, name="US", kind="seller", region="NA", marketplaces=["US"],
        refresh_token="r", authorized_at=NOW,
    )  # fmt: skip


@pytest.fixture
def scheduled(alice, account):
    def scheduled(slug="orders", **fields):
        return Dataset.objects.create(
            **{
                "slug": slug, "name": slug, "owner": alice, "account": account, "report": "order_details",
                "start": "today-7", "end": "yesterday", "mode": "append", "schedule_kind": "daily",
                "schedule_at": time(6), "schedule_zone": "America/Los_Angeles", "next_run_at": NOW - timedelta(minutes=1),
            } | fields
        )  # fmt: skip

    return scheduled


def test_a_worker_is_told_what_people_have_started_and_what_the_schedule(scheduled):
    dataset = scheduled()
    dispatch.start_due(NOW)
    by_hand = Run.objects.create(
        dataset=scheduled("other", next_run_at=None), generation=1, trigger=Run.Trigger.MANUAL,
        queued_at=NOW, deadline=NOW + timedelta(days=1),
    )  # fmt: skip

    assert set(dispatch.to_hint(NOW)) == {(dataset.runs.get().pk, 0.0, False), (by_hand.pk, 0.0, True)}


def test_what_is_due_runs_once_and_is_due_again_tomorrow(scheduled):
    dataset = scheduled()

    assert dispatch.start_due(NOW) == 1
    assert dispatch.start_due(NOW) == 0

    dataset.refresh_from_db()
    assert dataset.runs.get().trigger == "schedule"
    assert dataset.next_run_at == datetime(2026, 11, 23, 14, tzinfo=UTC)


def test_days_without_a_tick_become_one_run(scheduled):
    dataset = scheduled(next_run_at=NOW - timedelta(days=3))

    dispatch.start_due(NOW)

    dataset.refresh_from_db()
    assert dataset.runs.count() == 1
    assert dataset.next_run_at > NOW


def test_a_run_under_way_is_not_joined_by_a_second(scheduled):
    dataset = scheduled()
    Run.objects.create(dataset=dataset, generation=1, trigger="manual", queued_at=NOW, deadline=NOW + timedelta(days=1))

    dispatch.start_due(NOW)

    assert dataset.runs.count() == 1


@pytest.mark.parametrize("fields", [{"paused": True}, {"next_run_at": None}])
def test_a_paused_or_manual_dataset_is_never_due(scheduled, fields):
    scheduled(**fields)

    assert dispatch.start_due(NOW) == 0


def test_an_account_without_consent_waits_and_catches_up_once_it_is_back(scheduled, account):
    scheduled()
    Account.objects.filter(pk=account.pk).update(state="needs_consent")
    assert dispatch.start_due(NOW) == 0

    Account.objects.filter(pk=account.pk).update(state="connected")

    assert dispatch.start_due(NOW) == 1


def test_more_datasets_than_one_statement_takes_are_all_started(scheduled, monkeypatch):
    monkeypatch.setattr(dispatch, "CLAIM", 3)
    for number in range(7):
        scheduled(f"orders_{number}")

    assert dispatch.start_due(NOW) == 7
    assert Run.objects.count() == 7


@pytest.fixture
def run(scheduled):
    dataset = scheduled()
    return Run.objects.create(
        dataset=dataset, generation=1, trigger="manual", queued_at=NOW, deadline=NOW + timedelta(days=1)
    )


def test_the_broker_is_told_of_a_run_once_and_again_when_the_hint_was_lost(run):
    assert dispatch.to_hint(NOW) == [(run.pk, 0.0, True)]
    assert dispatch.to_hint(NOW + timedelta(seconds=3)) == []
    assert dispatch.to_hint(NOW + timedelta(seconds=31)) == [(run.pk, 0.0, True)]


def test_a_waiting_run_is_hinted_at_in_time_for_its_moment_and_not_before(run):
    Run.objects.filter(pk=run.pk).update(state="waiting", not_before=NOW + timedelta(seconds=60))

    assert dispatch.to_hint(NOW) == []
    assert dispatch.to_hint(NOW + timedelta(seconds=58)) == [(run.pk, pytest.approx(2), True)]
    assert dispatch.to_hint(NOW + timedelta(seconds=59)) == []


def test_a_lease_that_ran_out_is_free_for_another_worker_and_the_old_fence_is_dead(run):
    fence = lease.take(run.pk)
    assert lease.take(run.pk) is None
    Run.objects.filter(pk=run.pk).update(lease_until=NOW, lease_owner="elsewhere/x/1/1")

    dispatch.release_dead_leases(NOW + timedelta(seconds=1))

    assert lease.take(run.pk) == fence + 2
    assert not run.give_back(fence=fence, until=None)


def test_a_neighbour_that_died_is_seen_at_once(run):
    import subprocess
    import sys

    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    lease.take(run.pk)
    host, boot, *_ = lease.owner().split("/")
    Run.objects.filter(pk=run.pk).update(lease_owner=f"{host}/{boot}/{dead.stdout.strip()}/12345")

    dispatch.release_dead_leases(database_now())

    run.refresh_from_db()
    assert (run.state, run.interruptions) == ("queued", 1)


def test_a_worker_whose_processes_are_numbered_anew_is_not_taken_for_dead(run):
    """Containers that share the host's name and boot, but not its process numbers: each tick took the others' runs away."""
    import subprocess
    import sys

    told = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", OWNER],
        capture_output=True,
        text=True,
        cwd=PROJECT,
    )
    if told.returncode:
        pytest.skip(f"no process numbers of one's own here: {told.stderr[-200:]}")
    lease.take(run.pk)
    Run.objects.filter(pk=run.pk).update(lease_owner=told.stdout.strip())

    dispatch.release_dead_leases(database_now())

    run.refresh_from_db()
    assert (run.state, run.interruptions) == ("running", 0)


def test_a_living_worker_keeps_its_lease(run):
    lease.take(run.pk)

    dispatch.release_dead_leases(database_now())

    run.refresh_from_db()
    assert run.state == "running"


def test_a_request_that_kills_three_workers_is_set_aside_and_says_so(run):
    request = Request.plan(run.dataset, 1, "2026-11-20", "2026-11-20", kind="pages", asked={}, state="collected")
    day = Day.objects.create(dataset=run.dataset, generation=1, day="2026-11-20", state="asked", request=request)
    for _ in range(3):
        lease.take(run.pk)
        request.refresh_from_db()
        request.claim()
        Run.objects.filter(pk=run.pk).update(lease_until=NOW, lease_owner="elsewhere/x/1/1")
        dispatch.release_dead_leases(NOW + timedelta(seconds=1))

    day.refresh_from_db()
    request.refresh_from_db()
    assert (day.state, request.state) == ("failed", "failed")
    assert "crashed three times" in day.message
    assert retries.LATER in day.message


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("part", [dispatch.release_dead_leases, dispatch.start_due])
def test_a_tick_that_stands_still_keeps_nobody_waiting_for_longer_than_a_lease(scheduled, part):
    Run.objects.create(
        dataset=scheduled(), generation=1, trigger=Run.Trigger.MANUAL, state=Run.State.RUNNING,
        queued_at=NOW, deadline=NOW + timedelta(days=1), lease_until=NOW + timedelta(minutes=1),
    )  # fmt: skip
    connection.close()  # of a fresh line nothing has been asked yet

    with transaction.atomic():
        part(NOW)
        assert standstill_allowed() == "1min"

    assert standstill_allowed() == "0"


def standstill_allowed():
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        return cursor.fetchone()[0]


def broken_off(do):
    """What is done with the tick's connection in the midst of its first transaction, once."""
    done = []

    def wrapper(execute, statement, parameters, many, context):
        found = execute(statement, parameters, many, context)
        if "idle_in_transaction_session_timeout" in statement and not done:
            done.append(statement)
            do()
        return found

    return connection.execute_wrapper(wrapper)


def stand_still():
    time_module.sleep(0.6)  # three times as long as a lease


def lose_the_server():
    psycopg_connection = connection.connection
    with psycopg.connect(
        psycopg_connection.info.dsn, password=psycopg_connection.info.password, autocommit=True
    ) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [psycopg_connection.info.backend_pid])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what_happens", [stand_still, lose_the_server])
@pytest.mark.parametrize("is_running", [True, False])  # in the release of dead leases, or at the start of what is due
def test_a_tick_whose_line_to_the_database_breaks_leaves_the_rest_to_the_next_one(
    scheduled, monkeypatch, caplog, what_happens, is_running
):
    """It ended with Django's InternalError, and a traceback in the log."""
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.2)
    now = database_now()
    dataset = scheduled(next_run_at=now)
    if is_running:
        Run.objects.create(
            dataset=scheduled("other", next_run_at=None), generation=1, trigger=Run.Trigger.MANUAL, state=Run.State.RUNNING,
            queued_at=now, deadline=now + timedelta(days=1), lease_until=now,
        )  # fmt: skip
    connection.close()  # of a fresh line nothing has been asked yet

    with broken_off(what_happens):
        tasks.tick()

    [line] = [record for record in caplog.records if record.name == "connector.database.away"]
    assert "the tick: the database was unavailable" in line.getMessage() and line.exc_info is None
    assert not dataset.runs.exists()
    tasks.tick()
    assert dataset.runs.get().trigger == "schedule"
    assert not Run.objects.filter(state=Run.State.RUNNING).exists()
