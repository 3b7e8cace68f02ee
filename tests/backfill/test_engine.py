"""The life of a run against the simulator, over real HTTP: what arrives equals Amazon's truth, newest first."""

import base64
import shutil
import signal
import threading
from datetime import timedelta

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, connections, transaction

from connector.database.clock import database_now
from datasets.backfill import dispatch, engine, land, lease, lifecycle, runs
from datasets.definition import checks, save
from datasets.definition.definition import Definition
from datasets.definition.payload import read_payload
from datasets.models import Answer, Dataset, Day, Request, Run
from tests.backfill.conftest import finish
from tests.checker import Checker
from tests.days import day_before, day_of, meant_by
from tests.living import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration, pytest.mark.slow]

BY_ORDER_DATE = {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"}


@pytest.fixture
def check(simulator):
    """Makes checkers, and closes them."""
    made = []

    def check(dataset):
        made.append(Checker(dataset.pk, simulator))
        return made[-1]

    yield check
    for checker in made:
        checker.close()


def calls(simulator, operation):
    return simulator.control("/simulator/counts")["requests"].get(operation, 0)


def test_order_details_equal_amazons_truth_and_land_newest_first(make_dataset, fill, check):
    dataset = make_dataset(start="today-20", end="yesterday")

    run = fill(dataset)

    assert (run.state, run.days_done(), run.days_failed()) == ("succeeded", 20, 0), run.message
    assert check(dataset).assert_orders_equal_truth(day_before(20), day_before(1)) == dataset.rows > 0
    landed = check(dataset).landings_newest_first()
    assert landed == sorted(landed, reverse=True)


@pytest.mark.timeout(300)  # on a busy machine
def test_a_year_of_orders_begins_with_a_few_days_and_grows_with_what_is_known(make_dataset, fill):
    """Rows can be seen at once, whatever the first hours of today told about how busy a day is."""
    dataset = make_dataset(start="today-364", end="today")
    Day.objects.create(dataset=dataset, generation=1, day=day_before(0), state="empty")

    run = fill(dataset)

    assert run.state == "succeeded", run.message
    known = 1
    for first, last in Request.objects.filter(dataset=dataset).order_by("pk").values_list("first_day", "last_day"):
        width = (last - first).days + 1
        assert width <= max(2, 4 * known), f"{first} to {last} with {known} days known"
        known += width


def test_ninety_days_of_the_all_orders_file_equal_amazons_truth_in_four_reports(make_dataset, fill, check, simulator):
    dataset = make_dataset("create_and_download_report", options=BY_ORDER_DATE, start="today-90", end="yesterday")

    run = fill(dataset)

    assert run.state == "succeeded", run.message
    truth = check(dataset).truth(day_before(90), day_before(1), file=True, marketplaces="US,CA,MX")
    rows = check(dataset).orders_by_day("amazon_order_id")
    assert {day: set(found) for day, found in rows.items()} == {
        day: set(so["ids"]) for day, so in truth.items() if so["ids"]
    }
    assert {day: sum(found.values()) for day, found in rows.items()} == {
        day: so["rows"] for day, so in truth.items() if so["rows"]
    }
    assert calls(simulator, "createReport") <= 4
    landed = check(dataset).landings_newest_first()
    assert landed == sorted(landed, reverse=True)


def test_marketplace_participations_replace_what_was_there(make_dataset, fill):
    dataset = make_dataset("marketplace_participations", start="", end="", mode="replace")

    first, second = fill(dataset), fill(dataset)

    assert (first.state, second.state) == ("succeeded", "succeeded"), first.message
    assert dataset.generation == second.generation == first.generation + 1
    assert dataset.rows == 4


def test_a_second_run_on_the_same_day_asks_for_nothing(make_dataset, fill, simulator):
    dataset = make_dataset()
    fill(dataset)
    before = calls(simulator, "searchOrders")

    run = fill(dataset)

    assert run.state == "succeeded"
    assert "nothing to do" in run.message
    assert calls(simulator, "searchOrders") == before


def test_a_failed_day_is_the_only_one_that_the_next_run_asks_for(make_dataset, fill, simulator, check):
    dataset = make_dataset("create_and_download_report", options=BY_ORDER_DATE, start="today-12", end="yesterday")
    simulator.control("/simulator/faults", {"operation": "createReport", "kind": "400", "nth": 2})
    first = fill(dataset)
    before = calls(simulator, "createReport")

    second = fill(dataset)

    assert first.state == "partial"
    # The distance to the next try, here some seconds, may be over when the run ends on a busy machine.
    assert "UTC tries again" in first.message or "the next run tries them again" in first.message
    assert second.state == "succeeded", second.message
    assert calls(simulator, "createReport") == before + 1
    assert Day.objects.filter(dataset=dataset, state__in=Day.IN).count() == 12


def test_a_moved_start_date_fetches_only_the_days_that_are_missing(make_dataset, fill, simulator):
    dataset = make_dataset(start="today-3", end="yesterday")
    fill(dataset)
    dataset.start = day_of("today-5")
    dataset.save()

    run = fill(dataset)

    assert run.days_total == 2
    assert Day.objects.filter(dataset=dataset, state__in=Day.IN).count() == 5


def test_a_moved_start_date_deletes_nothing(make_dataset, fill):
    dataset = make_dataset(start="today-5", end="yesterday")
    fill(dataset)
    rows = dataset.rows
    dataset.start = day_of("today-2")
    dataset.save()

    fill(dataset)

    assert dataset.rows == rows


def test_reloaded_days_are_replaced_whole_and_not_doubled(make_dataset, fill, fast_amazon, check):
    dataset = make_dataset(start="today-6", end="yesterday")
    fill(dataset)
    rows = dataset.rows
    checker = check(dataset)
    checker.link.execute(f"DELETE FROM {checker.table()} WHERE _day = %s", [day_before(3)])
    Day.objects.filter(dataset=dataset, day=day_before(3)).update(checksum="other")

    run = finish(runs.reload(dataset, day_before(3), day_before(2), now=database_now()))

    assert (run.state, run.days_total) == ("succeeded", 2)
    dataset.refresh_from_db()
    assert checker.assert_orders_equal_truth(day_before(6), day_before(1)) == rows


def test_a_reload_of_a_day_outside_of_the_dates_brings_in_no_failed_day_between(make_dataset, fill, fast_amazon):
    dataset = make_dataset(start="today-9", end="yesterday")
    fill(dataset)
    Day.objects.filter(dataset=dataset, day=day_before(7)).update(state=Day.State.FAILED)
    Dataset.objects.filter(pk=dataset.pk).update(start=day_before(2).isoformat())
    dataset.refresh_from_db()

    finish(runs.reload(dataset, day_before(9), day_before(9), now=database_now()))

    assert not Day.objects.get(dataset=dataset, day=day_before(9)).again
    assert Day.objects.get(dataset=dataset, day=day_before(7)).state == "failed"


def test_a_day_from_before_a_start_that_was_moved_can_be_reloaded(make_dataset, fill, fast_amazon, check):
    """And only that day: what else lies before the start was not wanted any more, and is not fetched with it."""
    dataset = make_dataset(start="today-6", end="yesterday")
    fill(dataset)
    Day.objects.filter(dataset=dataset, day=day_before(4)).update(state=Day.State.WANTED, landed_at=None)
    checker = check(dataset)
    checker.link.execute(f"DELETE FROM {checker.table()} WHERE _day IN (%s, %s)", [day_before(5), day_before(4)])
    Day.objects.filter(dataset=dataset, day=day_before(5)).update(checksum="other")
    dataset.start = day_before(2).isoformat()
    dataset.save()

    run = finish(runs.reload(dataset, day_before(5), day_before(5), now=database_now()))

    assert (run.state, run.days_total, run.days_done()) == ("succeeded", 1, 1), run.message
    truth = checker.truth(day_before(6), day_before(1))
    assert {day: sum(rows.values()) for day, rows in checker.orders_by_day().items()} == {
        day: len(so["ids"]) for day, so in truth.items() if so["ids"] and day != day_before(4).isoformat()
    }


def test_only_one_run_at_a_time(make_dataset, fast_amazon):
    dataset = make_dataset()
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())

    with pytest.raises(runs.AlreadyRunning) as refused:
        runs.start(dataset, Run.Trigger.MANUAL, now=database_now())

    assert refused.value.run == run


def test_a_cancelled_run_keeps_what_is_in_and_the_next_goes_on(make_dataset, fill, fast_amazon, check):
    dataset = make_dataset(start="today-9", end="yesterday")
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
    runs.cancel(run)

    assert finish(run).state == "cancelled"
    assert fill(dataset).state == "succeeded"
    check(dataset).assert_orders_equal_truth(day_before(9), day_before(1))


@pytest.fixture
def daily(make_dataset):
    """A dataset with a daily schedule whose time came half a minute ago, and that moment."""
    came = database_now() - timedelta(seconds=30)
    dataset = make_dataset(
        schedule_kind="daily",
        schedule_at=came.time(),
        schedule_zone="UTC",
        next_run_at=came + timedelta(days=1),
    )
    return dataset, came


def begun(dataset, at, *, deadline=timedelta(days=1)):
    """A run of the dataset that a worker took up at that moment, and that somebody may go on with."""
    run = runs.start(dataset, Run.Trigger.MANUAL, now=at)
    Run.objects.filter(pk=run.pk).update(started_at=at, deadline=at + deadline)
    run.refresh_from_db()
    return run


def test_a_run_that_goes_on_for_its_24_hours_is_followed_by_the_next_at_once(daily):
    """The next one came a whole day later, since its time had passed seconds before the 24 hours were over."""
    dataset, came = daily
    run = finish(begun(dataset, came - timedelta(hours=24) + timedelta(seconds=3)))

    started = dispatch.start_due(database_now())

    assert (run.state, started) == ("partial", 1), run.message
    assert finish(dataset.runs.open().get()).state == "succeeded"


def test_a_time_that_came_while_a_run_was_under_way_is_kept_when_it_ends(daily):
    dataset, came = daily
    run = finish(begun(dataset, came - timedelta(minutes=5)))

    assert (run.state, dispatch.start_due(database_now())) == ("succeeded", 1), run.message
    dataset.refresh_from_db()
    assert dataset.next_run_at == came + timedelta(days=1)


@pytest.mark.parametrize("end", [finish, lambda run: (runs.cancel(run), finish(run))[1]])
def test_a_run_that_met_no_time_of_the_schedule_or_was_cancelled_is_followed_by_none(daily, end):
    dataset, came = daily
    run = begun(dataset, came + timedelta(seconds=1) if end is finish else came - timedelta(minutes=5))

    end(run)

    assert dispatch.start_due(database_now()) == 0


def test_the_24_hours_of_a_run_begin_when_a_worker_takes_it_up(make_dataset, fast_amazon):
    """Whoever pressed Run now on Friday, with no worker until Monday, got nothing but the word that 24 hours were over."""
    run = runs.start(make_dataset(), Run.Trigger.MANUAL, now=database_now() - timedelta(days=3))

    assert finish(run).state == "succeeded", run.message


def test_a_run_at_whose_first_step_workers_die_ends_with_its_24_hours_too(make_dataset):
    run = runs.start(make_dataset(), Run.Trigger.MANUAL, now=database_now())
    Run.objects.filter(pk=run.pk).update(started_at=run.queued_at, deadline=run.queued_at, interruptions=3)

    assert finish(run).state == "partial"
    assert "24 hours" in run.message
    assert not run.dataset.days.exists(), "what a worker may die at was not begun once more"


@pytest.fixture
def limited(simulator):
    """A turn that is broken off, as Celery breaks off a task: by a signal, once the worker waits for the answer of a request that
    meets this fault for the nth time. So it needs no time that would be too short on a busy machine."""

    def broken_off(signum, frame):
        raise SoftTimeLimitExceeded

    def limited(run, fault, times):
        def break_off():
            wait_until(lambda: fired(fault) == times, seconds=60, every=0.02)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)

        other = threading.Thread(target=break_off, daemon=True)
        other.start()
        try:
            return engine.advance(run.pk)
        finally:
            other.join(60)

    def fired(fault):
        return next(rule["fired"] for rule in simulator.control("/simulator/faults")["faults"] if rule["id"] == fault)

    before = signal.signal(signal.SIGALRM, broken_off)
    yield limited
    signal.signal(signal.SIGALRM, before)


def test_a_step_that_fills_the_time_of_a_task_is_tried_three_times_without_waiting_for_the_lease(
    make_dataset, fill, limited, simulator, check
):
    """It was taken for a dead worker, found a minute later, and put down to the memory."""
    dataset = make_dataset(start="today-2", end="yesterday")
    rule = {"operation": "searchOrders", "kind": "delay", "seconds": 20, "count": 3}
    [fault] = simulator.control("/simulator/faults", rule)["ids"]
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())

    for times in (1, 2, 3):
        assert limited(run, fault, times) == 0
        run.refresh_from_db()
        assert (run.state, run.lease_until) == ("queued", None)
        assert "ten minutes" in run.message

    failed = Day.objects.filter(dataset=dataset, state=Day.State.FAILED)
    assert failed and all("too slow" in day.message for day in failed)
    finish(run)
    assert fill(dataset).state == "succeeded"
    check(dataset).assert_orders_equal_truth(day_before(2), day_before(1))


def beside_a_landing(run, fence, change):
    """What goes wrong with the change that another process makes while a day of the run lands."""
    problems = []

    def elsewhere():
        try:
            change(run.dataset)
        except Exception as problem:
            problems.append(problem)
        finally:
            connections.close_all()

    other = threading.Thread(target=elsewhere)
    with transaction.atomic():
        run.hold(fence)
        run.count(rows=1)
        other.start()
        wait_until(is_somebody_waiting_for_a_lock, seconds=20, every=0.01)
        Dataset.objects.get(pk=run.dataset_id).touch(change=0, active=True, changed=True)
    other.join(20)
    return problems


@pytest.mark.parametrize("change", [lifecycle.clear, lifecycle.remove])
def test_a_dataset_is_cleared_or_deleted_in_the_order_in_which_a_landing_locks(make_dataset, fast_amazon, change):
    """Each waited for what the other held, and the database ended one of them."""
    dataset = make_dataset(start="today-2", end="yesterday")
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
    fence = lease.take(run.pk)

    assert beside_a_landing(run, fence, change) == []
    assert not Run.objects.filter(pk=run.pk, fence=fence, state="running").exists()


def test_a_run_asked_for_while_another_lands_meets_no_deadlock(make_dataset, fast_amazon):
    dataset = make_dataset(start="today-2", end="yesterday")
    now = database_now()
    run = runs.start(dataset, Run.Trigger.MANUAL, now=now)
    fence = lease.take(run.pk)

    problems = beside_a_landing(run, fence, lambda same: runs.start(same, Run.Trigger.MANUAL, now=now))

    assert [type(problem) for problem in problems] == [runs.AlreadyRunning]


@pytest.mark.parametrize("ends", [True, False])
def test_a_tick_waits_for_no_run_that_lands_or_ends_and_misses_no_time(make_dataset, fast_amazon, ends):
    """The tick had the dataset and waited for the run, the worker had the run and waited for the dataset."""
    now = database_now()
    due = {"schedule_kind": "daily", "schedule_at": now.time(), "schedule_zone": "UTC", "next_run_at": now}
    dataset = make_dataset(start="today-2", end="yesterday", **due)
    run = runs.start(dataset, Run.Trigger.MANUAL, now=now)
    fence = lease.take(run.pk)

    def elsewhere():
        try:
            dispatch.start_due(database_now())
        finally:
            connections.close_all()

    other = threading.Thread(target=elsewhere)
    with transaction.atomic():
        run.hold(fence)
        run.end(fence=fence, state=Run.State.SUCCEEDED, message="") if ends else run.count(rows=1)
        other.start()
        other.join(10)
        assert not other.is_alive()
    dataset.refresh_from_db()
    assert dataset.next_run_at == now, "left to the next tick"

    dispatch.start_due(database_now())

    dataset.refresh_from_db()
    assert dataset.next_run_at > now
    assert dataset.runs.filter(trigger="schedule").count() == ends


def is_somebody_waiting_for_a_lock():
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]


def test_a_failed_report_is_shown_with_amazons_own_words_after_its_cool_down(make_dataset, fill, simulator):
    dataset = make_dataset("create_and_download_report", options=BY_ORDER_DATE, start="yesterday", end="yesterday")
    simulator.control(
        "/simulator/faults", {"operation": "createReport", "kind": "fatal", "text": "The period is not available yet."}
    )

    run = fill(dataset, seconds=90)

    assert run.state == "failed"
    assert "The period is not available yet." in run.message
    assert calls(simulator, "createReport") == 2


def test_a_day_without_data_is_empty_by_amazons_word_and_costs_one_report(make_dataset, fill, simulator):
    dataset = make_dataset("create_and_download_report", options=BY_ORDER_DATE, start="yesterday", end="yesterday")
    simulator.control("/simulator/faults", {"operation": "createReport", "kind": "cancelled"})

    run = fill(dataset)

    assert run.state == "succeeded"
    assert Day.objects.get(dataset=dataset).state == "empty"
    assert calls(simulator, "createReport") == 1


def test_a_report_whose_id_was_never_written_down_is_found_again_and_not_asked_for_twice(
    make_dataset, fast_amazon, simulator
):
    dataset = make_dataset("create_and_download_report", options=BY_ORDER_DATE, start="yesterday", end="yesterday")
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
    while not Request.objects.filter(dataset=dataset, state="asked").exists():
        engine.advance(run.pk)
    request = Request.objects.get(dataset=dataset)
    Request.objects.filter(pk=request.pk).update(state="planned", not_before=None)
    Answer.objects.filter(pk=request.answer_id).update(amazon_id="", progress={})
    Run.objects.filter(pk=run.pk).update(not_before=None)

    assert finish(run).state == "succeeded"

    assert calls(simulator, "createReport") == 1


def test_a_withdrawn_consent_stops_the_run_with_what_to_do(make_dataset, fill, simulator, account):
    dataset = make_dataset()
    simulator.control("/simulator/revoke", {"selling_partner_id": account.selling_partner_id})
    type(account).objects.filter(pk=account.pk).update(access_token="", access_fresh_until=None)

    run = fill(dataset)

    account.refresh_from_db()
    assert (run.state, account.state) == ("failed", "needs_consent")
    assert run.message


def test_a_secret_whose_key_is_missing_stops_the_run_and_names_the_key(make_dataset, fill, account, settings, check):
    """Its days were given up one after another as too large for a worker's memory."""
    dataset, keys = make_dataset(), settings.FIELD_KEYS
    type(account).objects.filter(pk=account.pk).update(access_fresh_until=None)
    settings.FIELD_KEYS = [base64.urlsafe_b64encode(bytes(32)).decode()]

    run = fill(dataset, seconds=5)

    assert (run.state, run.interruptions) == ("failed", 0)
    assert "Add that key to the end of FIELD_KEYS again" in run.message
    settings.FIELD_KEYS = keys
    assert fill(dataset).state == "succeeded"
    check(dataset).assert_orders_equal_truth(day_before(4), day_before(1))


def test_a_run_of_a_report_that_the_catalogue_has_dropped_says_so(make_dataset, fill):
    """Each of its workers fell over it, without end, and nobody was told."""
    dataset = make_dataset()
    Dataset.objects.filter(pk=dataset.pk).update(report="order_detail")

    run = fill(dataset, seconds=5)

    assert run.state == "failed"
    assert run.message.startswith(
        "There is no report 'order_detail'. The nearest one is 'order_details'. Loaded rows are kept."
    )


def test_a_cleared_dataset_begins_anew(make_dataset, fill, check):
    dataset = make_dataset(start="today-3", end="yesterday")
    fill(dataset)

    lifecycle.clear(dataset)
    assert (dataset.rows, dataset.days.count()) == (0, 0)

    assert fill(dataset).state == "succeeded"
    check(dataset).assert_orders_equal_truth(day_before(3), day_before(1))


def test_a_cleared_dataset_can_become_a_merge_as_the_refusal_says(make_dataset, fill, alice, check):
    """Clearing was what the refusal told one to do, and it was refused all the same."""
    dataset = make_dataset()
    fill(dataset)
    merge, now = read_payload(alice, {"mode": "merge"}, Definition.of(dataset)), database_now()
    assert "mode" in checks.review(merge, dataset=dataset, now=now).errors

    lifecycle.clear(dataset)
    merged = save.change(dataset, checks.check(merge, dataset=dataset, now=now), now=now)

    assert fill(merged).state == "succeeded"
    check(dataset).assert_orders_equal_truth(day_before(4), day_before(1))


def test_a_zombies_landing_changes_nothing(make_dataset, fast_amazon, check):
    dataset = make_dataset(start="today-3", end="yesterday")
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
    from datasets.backfill import lease

    fence = lease.take(run.pk)
    Run.objects.filter(pk=run.pk).update(lease_until=database_now() - timedelta(minutes=5))
    dispatch.release_dead_leases(database_now())
    run.refresh_from_db()

    assert run.fence > fence
    assert not run.end(fence=fence, state=Run.State.FAILED, message="from the grave")
    assert finish(run).state == "succeeded"
    check(dataset).assert_orders_equal_truth(day_before(3), day_before(1))


def test_a_replace_with_a_failed_day_keeps_the_old_rows(make_dataset, fill, simulator, check):
    dataset = make_dataset(start="today-5", end="yesterday", mode="replace")
    fill(dataset)
    before, rows = dataset.generation, dataset.rows
    simulator.control("/simulator/faults", {"operation": "searchOrders", "kind": "400", "nth": 1})

    failed = fill(dataset)
    assert (failed.state, dataset.generation, dataset.rows) == ("partial", before, rows)
    assert "old rows" in failed.message

    assert fill(dataset).state == "succeeded"
    assert (dataset.generation, dataset.rows) == (failed.generation, rows)
    check(dataset).assert_orders_equal_truth(day_before(5), day_before(1))


def test_a_replace_shows_the_range_and_nothing_else(make_dataset, fill, check):
    dataset = make_dataset(start="today-6", end="yesterday", mode="replace")
    fill(dataset)
    dataset.start = day_of("today-3")
    dataset.save()

    fill(dataset)

    assert set(check(dataset).orders_by_day()) <= {str(day_before(n)) for n in (1, 2, 3)}
    check(dataset).assert_orders_equal_truth(day_before(3), day_before(1))


def test_orders_that_changed_are_merged_into_one_row_each(make_dataset, fill, check, simulator):
    dataset = make_dataset("orders_list_orders_upsert", start="today-8", end="today", mode="merge")
    fill(dataset)
    known = sum(
        check(dataset).orders_by_day().values(), start=type(next(iter(check(dataset).orders_by_day().values())))()
    )
    simulator.control("/simulator/clock", {"advance": 3 * 86400})
    Day.objects.filter(dataset=dataset).update(again=True, checksum="")
    simulator.control("/simulator/clock", {"advance": -3 * 86400})

    fill(dataset)

    after = check(dataset).orders_by_day()
    counted = [order for day in after.values() for order in day.elements()]
    assert len(counted) == len(set(counted)) == len(known)


def test_a_value_of_another_type_widens_its_column_and_nothing_is_lost(make_dataset, fill, simulator, check):
    dataset = make_dataset("create_and_download_report", options=BY_ORDER_DATE, start="today-3", end="yesterday")
    fill(dataset)
    checker = check(dataset)
    rows = dataset.rows
    from datasets.backfill import land
    from datasets.storage import modes

    with land.cursor() as c:
        c.execute("SELECT set_config('backhaul.day', '2026-01-01', false), set_config('backhaul.batch', '1', false)")
    with pytest.raises(land.column_types.MISFITS) as misfit, land.cursor() as c:
        modes.append(c, dataset.pk, 1, ["quantity"], (), None, [b"a dozen\n"], "")
    assert land.column_types.misfit(misfit.value) == "quantity"

    with land.cursor() as c:
        land.column_types.widen(c, dataset.pk, 1, "quantity")
        modes.append(c, dataset.pk, 1, ["quantity"], (), None, [b"a dozen\n"], "")

    assert checker.link.execute(f"SELECT count(quantity) FROM {checker.table()}").fetchone()[0] == rows + 1


def test_settling_days_are_read_again_the_next_day_and_kept_where_nothing_changed(make_dataset, fill, check):
    dataset = make_dataset(start="today-6", end="yesterday")
    fill(dataset)
    version = dataset.version
    Day.objects.filter(dataset=dataset).update(landed_at=database_now() - timedelta(days=1))

    run = fill(dataset)

    settling, today = engine.index.get("order_details").settling_days, meant_by("today")
    assert run.days_total == sum((today - day_before(back)).days <= settling for back in range(1, 7)) > 0
    assert run.rows == 0  # Amazon sent the same: not a row was written
    assert dataset.version == version + run.days_total
    check(dataset).assert_orders_equal_truth(day_before(6), day_before(1))


def test_a_day_that_settled_while_nobody_was_there_is_read_once_more(make_dataset, fill, check):
    """It was read the day after, and then the workers were away for longer than Amazon restates."""
    dataset = make_dataset(start="today-20", end="yesterday")
    fill(dataset)
    Day.objects.filter(dataset=dataset, day=day_before(14)).update(landed_at=database_now() - timedelta(days=13))

    run, after = fill(dataset), fill(dataset)

    assert (run.days_total, after.days_total) == (1, 0)
    assert [day.day for day in run.days.all()] == [day_before(14)]


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_what_amazon_restated_is_written_down_with_the_sums_before_and_after(make_dataset, fill, check, mode):
    dataset = make_dataset(start="today-9", end="yesterday", mode=mode)
    fill(dataset)
    checker, day = check(dataset), dataset.days.order_by("-rows").first().day  # some have a lone order without a total
    checker.link.execute(f"UPDATE {checker.table()} SET order_total_amount = 1 WHERE _day = %s", [day])
    Day.objects.filter(dataset=dataset, day=day).update(again=True, checksum="as it was")

    fill(dataset)

    change = dataset.changes.get()
    assert (change.day, change.rows_before) == (day, change.rows_after)
    assert "order_total_amount" in [column for column, _, _ in change.differences()]
    checker.assert_orders_equal_truth(day_before(9), day_before(1))


@pytest.mark.parametrize("by", ["created", "last_updated"])
def test_a_merge_that_finds_all_as_it_was_or_an_order_changed_since_tells_of_no_restatement(
    make_dataset, fill, check, by
):
    """By last update an order leaves its day with each change: what is left of the day is not news."""
    dataset = make_dataset(start="today-2", end="yesterday", mode="merge", options={"query_date_type": by})
    fill(dataset)
    if by == "last_updated":
        checker = check(dataset)
        checker.link.execute(f"UPDATE {checker.table()} SET order_total_amount = 1")
    Day.objects.filter(dataset=dataset).update(again=True, checksum="in another order")

    fill(dataset)

    assert not dataset.changes.exists()


def test_days_are_landed_again_from_the_kept_answers_without_a_call(make_dataset, fill, fast_amazon, check, simulator):
    dataset = make_dataset("create_and_download_report", options=BY_ORDER_DATE, start="today-6", end="yesterday")
    fill(dataset)
    rows, checker = dataset.rows, check(dataset)
    checker.link.execute(f"UPDATE {checker.table()} SET sku = 'misread'")
    before = simulator.control("/simulator/counts")["total"]

    run = finish(lifecycle.replay(dataset, day_before(6), day_before(1), now=database_now()))

    assert (run.state, run.days_total) == ("succeeded", 6), run.message
    assert simulator.control("/simulator/counts")["total"] == before
    assert checker.link.execute(
        f"SELECT count(*) FILTER (WHERE sku = 'misread'), count(*) FROM {checker.table()}"
    ).fetchone() == (0, rows)


def test_a_replay_says_of_nothing_that_amazon_has_restated_it(make_dataset, fill, fast_amazon):
    dataset = make_dataset("create_and_download_report", options=BY_ORDER_DATE, start="today-3", end="yesterday")
    fill(dataset)
    before = dict(dataset.days.values_list("day", "landed_at"))

    finish(lifecycle.replay(dataset, day_before(3), day_before(1), now=database_now()))

    assert not dataset.changes.exists()
    assert dict(dataset.days.values_list("day", "landed_at")) == before, "no fresher: still to be read again today"


def test_a_replay_leaves_a_day_that_is_still_wanted_to_the_next_run(make_dataset, fill, simulator):
    dataset = make_dataset("create_and_download_report", options=BY_ORDER_DATE, start="today-6", end="yesterday")
    fill(dataset)
    Day.objects.filter(dataset=dataset, day=day_before(4)).update(state=Day.State.WANTED, checksum="", landed_at=None)
    before = simulator.control("/simulator/counts")["total"]

    run = finish(lifecycle.replay(dataset, day_before(6), day_before(1), now=database_now()))

    assert run.state == "succeeded", run.message
    assert simulator.control("/simulator/counts")["total"] == before
    assert fill(dataset).days_total == 1


@pytest.mark.parametrize("newer", ["is on another machine", "said that there is nothing"])
def test_a_replay_never_takes_a_day_back_to_an_older_answer(make_dataset, fill, fast_amazon, settings, newer):
    dataset = make_dataset("create_and_download_report", options=BY_ORDER_DATE, start="yesterday", end="yesterday")
    fill(dataset)
    nothing = newer == "said that there is nothing"
    fault = {"operation": "createReport" if nothing else "downloadDocument"}
    fast_amazon.control("/simulator/faults", fault | {"kind": "done_without_document" if nothing else "row_missing"})
    finish(runs.reload(dataset, day_before(1), day_before(1), now=database_now()))
    newest = dataset.requests.order_by("-answer__asked_at").first()
    shutil.rmtree(newest.answer.folder, ignore_errors=True)
    dataset.refresh_from_db()
    rows = dataset.rows

    with pytest.raises(lifecycle.NothingToReplay, match="Reload"):
        finish(lifecycle.replay(dataset, day_before(1), day_before(1), now=database_now()))

    dataset.refresh_from_db()
    assert dataset.rows == rows


def test_a_replay_knows_the_newer_answer_of_a_run_that_was_cancelled_after_it_had_landed_a_day(
    make_dataset, fill, fast_amazon, monkeypatch
):
    dataset = make_dataset("create_and_download_report", options=BY_ORDER_DATE, start="today-3", end="yesterday")
    fill(dataset)
    Day.objects.filter(dataset=dataset).update(again=True)
    landing = land.land

    def land_and_cancel(one):
        if Day.objects.filter(dataset=dataset, run=one.run).exists():
            runs.cancel(one.run)
            raise OperationalError("The line broke.")
        return landing(one)

    with monkeypatch.context() as broken:
        broken.setattr(land, "land", land_and_cancel)
        assert fill(dataset, Run.Trigger.RELOAD).state == "cancelled"
    assert not Day.objects.get(dataset=dataset, day=day_before(1)).again

    with pytest.raises(lifecycle.NothingToReplay, match="Reload"):
        lifecycle.replay(dataset, day_before(1), day_before(1), now=database_now())


def test_a_replay_without_kept_answers_says_what_to_do_instead(make_dataset, fill, settings):
    dataset = make_dataset(start="today-2", end="yesterday")
    fill(dataset)
    shutil.rmtree(settings.DATA_DIR / "raw")

    with pytest.raises(lifecycle.NothingToReplay, match="Reload"):
        lifecycle.replay(dataset, day_before(2), day_before(1), now=database_now())

    assert not dataset.runs.open().exists()


def test_a_table_that_somebody_holds_is_waited_for_and_nothing_is_lost(
    make_dataset, fast_amazon, check, fill, monkeypatch
):
    import psycopg

    from tests.living import database_url

    dataset = make_dataset(start="today-3", end="yesterday")
    fill(dataset)
    Day.objects.filter(dataset=dataset, day=day_before(2)).update(again=True, checksum="other")
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
    with psycopg.connect(database_url()) as holder:
        holder.execute(f"LOCK TABLE data.ds_{dataset.pk} IN SHARE ROW EXCLUSIVE MODE")
        while not Request.objects.filter(dataset=dataset, message__contains="the table is being read").exists():
            engine.advance(run.pk)

    assert finish(run).state == "succeeded"
    check(dataset).assert_orders_equal_truth(day_before(3), day_before(1))


@pytest.mark.parametrize("quote", ["double", "null"])
def test_a_file_of_the_whole_region_is_kept_for_the_chosen_marketplaces_only(make_dataset, fill, check, account, quote):
    type(account).objects.filter(pk=account.pk).update(marketplaces=["US", "CA", "MX"])
    options = BY_ORDER_DATE | {"marketplaces": ["CA"], "csv_report_quote_character": quote}
    dataset = make_dataset("create_and_download_report", options=options, start="today-20", end="yesterday")

    run = fill(dataset)

    assert run.state == "succeeded", run.message
    truth = check(dataset).truth(day_before(20), day_before(1), file=True, marketplaces="CA")
    found = {day: sum(rows.values()) for day, rows in check(dataset).orders_by_day().items()}
    assert found == {day: so["rows"] for day, so in truth.items() if so["rows"]}


def test_what_a_run_came_to_stays_so_when_a_later_one_lands_its_days_again(make_dataset, fill, fast_amazon):
    dataset = make_dataset(start="today-4", end="yesterday")
    first = fill(dataset)

    finish(runs.reload(dataset, day_before(4), day_before(1), now=database_now()))

    first.refresh_from_db()
    assert (first.days_done(), first.days_failed()) == (4, 0)
