"""A dataset whose questions are changed while Amazon still answers the old ones: no old answer lands as a new one."""

import pytest

from connector.database.clock import database_now
from datasets.backfill import engine, lease, lifecycle, runs, turn
from datasets.definition import checks, save
from datasets.definition.definition import Definition
from datasets.definition.payload import read_payload
from datasets.models import Day, Request, Run
from tests.backfill.conftest import finish
from tests.days import day_before

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration, pytest.mark.slow]

REPORT = "create_and_download_report"
BY_ORDER_DATE, BY_LAST_UPDATE = (
    {"report_type": f"GET_FLAT_FILE_ALL_ORDERS_DATA_BY_{by}_GENERAL"} for by in ("ORDER_DATE", "LAST_UPDATE")
)
SHIPPED = {"select_statuses": ["SHIPPED"]}


@pytest.fixture
def change(alice):
    """Saves other answers, as the page and the API do."""

    def change(dataset, **changed):
        dataset.refresh_from_db()
        now, proposal = database_now(), read_payload(alice, changed, Definition.of(dataset))
        save.change(dataset, checks.check(proposal, dataset=dataset, now=now), now=now)

    return change


def half_way(dataset, state):
    """A run whose first request has come to that state."""
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
    with pytest.MonkeyPatch.context() as short:
        short.setattr(turn, "TURN_SECONDS", 0)  # a step a turn: on a busy machine a whole run is over within one
        while not Request.objects.filter(dataset=dataset, state=state).exists():
            engine.advance(run.pk)
    return run


def statuses(checker):
    return {status for (status,) in checker.link.execute(f"SELECT DISTINCT order_status FROM {checker.table()}")}


def test_a_request_that_was_only_planned_is_not_sent_with_new_answers_under_its_old_name(
    make_dataset, fill, change, simulator, check
):
    """A neighbour that asks the old question took the new answer for its own, and lost rows."""
    dataset = make_dataset(start="today-2", end="yesterday")
    simulator.control("/simulator/faults", {"operation": "searchOrders", "kind": "503", "count": 1})
    run = half_way(dataset, "asked")
    change(dataset, options=SHIPPED)
    finish(run)

    neighbour = make_dataset(start="today-2", end="yesterday")
    fill(neighbour)

    assert statuses(check(dataset)) == {"SHIPPED"}
    check(neighbour).assert_orders_equal_truth(day_before(2), day_before(1))


def test_a_report_under_way_is_not_landed_as_the_answer_to_another_question(make_dataset, change, check):
    """Orders by their last update are others than those by their date; what is of no day asked for was left out."""
    dataset = make_dataset(REPORT, options=BY_ORDER_DATE, start="today-9", end="yesterday")
    run = half_way(dataset, "asked")

    change(dataset, options=BY_LAST_UPDATE)
    finish(run)

    truth = check(dataset).truth(day_before(9), day_before(1), by="last_updated", file=True, marketplaces="US,CA,MX")
    found = {day: sum(rows.values()) for day, rows in check(dataset).orders_by_day().items()}
    assert found == {day: so["rows"] for day, so in truth.items() if so["rows"]}


def test_days_built_aside_with_old_answers_are_not_shown_beside_new_ones(make_dataset, change, check, monkeypatch):
    dataset = make_dataset(start="today-6", end="yesterday", mode="replace")
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
    with monkeypatch.context() as short:
        short.setattr(turn, "TURN_SECONDS", 0)  # a step a turn
        while not (is_in := Day.objects.filter(dataset=dataset, state__in=Day.IN)).exists():
            engine.advance(run.pk)
    assert is_in.count() < 6

    change(dataset, options=SHIPPED)
    assert finish(run).state == "succeeded", run.message

    assert statuses(check(dataset)) == {"SHIPPED"}
    assert Day.objects.filter(dataset=dataset, state__in=Day.IN, again=False).count() == 6


def test_a_worker_in_the_middle_of_old_answers_lands_none_of_them(make_dataset, change, check):
    dataset = make_dataset(start="today-2", end="yesterday")
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
    old = lease.take(run.pk)
    change(dataset, options=SHIPPED)

    assert not Run.objects.filter(pk=run.pk, fence=old, state="running").exists()
    finish(run)
    assert statuses(check(dataset)) == {"SHIPPED"}


def test_what_a_replace_has_under_way_is_seen_once_the_mode_is_append(make_dataset, change, check):
    dataset = make_dataset(start="today-6", end="yesterday", mode="replace")
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())

    change(dataset, mode="append")

    assert finish(run).state == "succeeded"
    dataset.refresh_from_db()
    assert check(dataset).assert_orders_equal_truth(day_before(6), day_before(1)) == dataset.rows > 0


@pytest.mark.parametrize("changed", [{"mode": "replace"}, {"options": SHIPPED}], ids=["mode", "answers"])
def test_a_replay_whose_dataset_is_changed_asks_as_any_run(make_dataset, fill, change, check, changed):
    """It asks for nothing by itself: it ended as succeeded with nothing, and as a replace showed an empty table."""
    dataset = make_dataset(start="today-3", end="yesterday")
    fill(dataset)
    run = lifecycle.replay(dataset, day_before(3), day_before(1), now=database_now())

    change(dataset, **changed)

    assert finish(run).state == "succeeded", run.message
    assert Day.objects.of_run(run).filter(state__in=Day.IN, again=False).count() == 3
    dataset.refresh_from_db()
    assert dataset.rows > 0
    if "options" in changed:
        assert statuses(check(dataset)) == {"SHIPPED"}
