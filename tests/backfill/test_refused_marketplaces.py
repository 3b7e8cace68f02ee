"""One marketplace of several that Amazon refuses: it is found out and named, the others load, and it comes back by itself."""

import urllib.request
from datetime import timedelta

import pytest

from connector.accounts import checkup
from connector.accounts.models import FirstLook, RefusedMarketplace
from connector.database.clock import database_now
from datasets.backfill import dataset_status, engine, runs
from datasets.definition import checks, save
from datasets.definition.definition import Definition
from datasets.definition.payload import read_payload
from datasets.models import Answer, Day, Run
from tests.backfill.conftest import finish
from tests.days import day_before

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration, pytest.mark.slow]

US, CA, MX = "ATVPDKIKX0DER", "A2EUQ1WTGCTBG2", "A1AM78C64UM0Y8"
BY_ORDER_DATE = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"
WORDS = "One of the marketplaces is not open to this seller."
REPORTS = {
    "order_details": ("searchOrders", {}),
    "create_and_download_report": ("createReport", {"report_type": BY_ORDER_DATE}),
}


@pytest.fixture
def three(account):
    account.marketplaces = ["US", "CA", "MX"]
    account.save()
    return account


@pytest.fixture
def refuse(simulator):
    """Amazon refuses what names one of these marketplaces, without saying which; answers how to heal that."""

    def refuse(*ids, operation="searchOrders", status=400):
        rule = {"operation": operation, "kind": "marketplace", "marketplaces": ids, "status": status, "details": WORDS}
        simulator.control("/simulator/faults", rule)

    return refuse


def heal(simulator):
    call = urllib.request.Request(f"{simulator}/simulator/faults", method="DELETE")
    urllib.request.urlopen(call, timeout=30).read()


def asked(simulator, operation):
    return len(simulator.control(f"/simulator/requests?operation={operation}")["requests"])


def a_day_later():
    for one in RefusedMarketplace.objects.exclude(looked_at=None):
        RefusedMarketplace.objects.filter(pk=one.pk).update(looked_at=one.looked_at - timedelta(days=1))


def lacks(dataset):
    return {tuple(day.lacking) for day in Day.objects.filter(dataset=dataset, state__in=Day.IN)}


def rows_of(checker):
    return {day: sum(rows.values()) for day, rows in checker.orders_by_day().items()}


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize("report", REPORTS)
def test_the_others_load_and_the_refused_one_is_named(
    three, make_dataset, fill, check, simulator, refuse, report, status
):
    operation, options = REPORTS[report]
    refuse(MX, operation=operation, status=status)
    dataset = make_dataset(report, options=options)

    run = fill(dataset)

    assert run.state == "partial"
    assert "without MX" in run.message and "Amazon refuses MX" in run.message
    assert f"{status}, " in run.message
    assert lacks(dataset) == {("MX",)}
    if report == "order_details":
        check(dataset).assert_orders_equal_truth(day_before(4), day_before(1), marketplaces="US,CA")
    else:
        assert rows_of(check(dataset))
    [one] = three.refused_marketplaces.all()
    assert (one.marketplace, one.what) == ("MX", options.get("report_type", operation))
    assert str(status) in one.words
    day = Day.objects.filter(dataset=dataset).latest("day")
    assert "Without MX" in day.message and "loaded again once Amazon answers" in day.message
    known = dataset_status.status_of(dataset)
    assert (known.state, known.days_lacking, known.days_failed) == ("partial", 4, 0)
    assert (
        known.complete_through is None and dataset_status.complete_through(dataset) is None
    )  # no day has all that was chosen


def test_once_known_it_is_left_out_without_asking(three, make_dataset, fill, simulator, refuse):
    refuse(MX)
    fill(make_dataset())
    before = asked(simulator, "searchOrders")

    other = make_dataset(options={"select_statuses": ["SHIPPED"]})
    run = fill(other)

    refused = simulator.control("/simulator/requests?operation=searchOrders&status=400")["requests"]
    assert run.state == "partial" and lacks(other) == {("MX",)}
    assert all(
        MX not in str(each)
        for each in simulator.control("/simulator/requests?operation=searchOrders")["requests"][before:]
    )
    assert len(refused) <= 2 + 1  # the whole question and MX alone


def test_a_mended_marketplace_comes_back_by_itself(three, make_dataset, fill, check, simulator, refuse):
    refuse(MX)
    dataset = make_dataset()
    fill(dataset)
    heal(simulator)
    assert fill(dataset).state == "partial"  # nobody asks before a day is over

    a_day_later()
    run = fill(dataset)

    assert run.state == "succeeded", run.message
    assert lacks(dataset) == {()}
    assert not RefusedMarketplace.objects.exists()
    check(dataset).assert_orders_equal_truth(day_before(4), day_before(1), marketplaces="US,CA,MX")
    assert dataset_status.status_of(dataset).complete_through == day_before(1)
    assert run.days_total == run.days_done() == 4


def test_one_that_stays_refused_costs_one_question_a_day(three, make_dataset, fill, simulator, refuse):
    refuse(MX)
    dataset = make_dataset(start=day_before(30).isoformat(), end=day_before(10).isoformat())
    fill(dataset)
    a_day_later()
    before = asked(simulator, "searchOrders")

    run = fill(dataset)

    assert run.state == "partial" and "without MX" in run.message
    assert asked(simulator, "searchOrders") - before == 2  # MX alone, and the newest day once more
    assert RefusedMarketplace.objects.get().looked_at > database_now() - timedelta(minutes=5)
    assert lacks(dataset) == {("MX",)}


def test_an_account_that_is_checked_is_tried_again_by_the_next_run(three, make_dataset, fill, simulator, refuse):
    refuse(MX)
    dataset = make_dataset()
    fill(dataset)
    heal(simulator)

    findings = checkup.examine(three)

    assert any("Mexico" in finding.name and WORDS in finding.sentence for finding in findings)
    assert fill(dataset).state == "succeeded"
    assert lacks(dataset) == {()}


def test_rows_that_are_in_are_not_given_up_for_a_reading_without_their_marketplace(
    three, make_dataset, fill, check, simulator, refuse
):
    dataset = make_dataset()
    assert fill(dataset).state == "succeeded"
    before = rows_of(check(dataset))
    refuse(MX)

    run = finish(runs.reload(dataset, day_before(4), day_before(1), now=database_now()))

    assert run.state in ("failed", "partial")  # partial where a day had no rows to lose
    assert "the earlier rows, which include it, are kept" in run.message and "MX" in run.message
    assert rows_of(check(dataset)) == before

    heal(simulator)
    a_day_later()
    assert fill(dataset).state == "succeeded"
    assert rows_of(check(dataset)) == before


def test_a_replace_shows_the_others(three, make_dataset, fill, check, simulator, refuse):
    refuse(MX)
    dataset = make_dataset(mode="replace")

    run = fill(dataset)

    assert run.state == "partial" and "without MX" in run.message
    check(dataset).assert_orders_equal_truth(day_before(4), day_before(1), marketplaces="US,CA")


def test_a_replace_takes_no_rows_from_its_readers_for_a_marketplace_that_is_refused(
    three, make_dataset, fill, check, simulator, refuse
):
    """The new generation was shown without that marketplace's rows."""
    dataset = make_dataset(mode="replace")
    assert fill(dataset).state == "succeeded"
    before, generation = rows_of(check(dataset)), dataset.generation
    refuse(MX)

    for _ in range(2):  # and not by a run that finds everything in, either
        run = fill(dataset)

        assert run.state == "partial" and "without MX" in run.message
        assert "Readers keep the rows of the last complete run, which have MX." in run.message
        assert (dataset.generation, rows_of(check(dataset))) == (generation, before)
        known = dataset_status.status_of(dataset)
        assert (known.state, known.days_lacking, known.complete_through) == ("partial", 4, day_before(1))

    heal(simulator)
    a_day_later()
    assert fill(dataset).state == "succeeded"
    assert dataset.generation > generation and lacks(dataset) == {()}
    check(dataset).assert_orders_equal_truth(day_before(4), day_before(1), marketplaces="US,CA,MX")


def test_a_replace_goes_on_without_a_marketplace_that_a_person_leaves_out(
    alice, three, make_dataset, fill, check, refuse
):
    dataset = make_dataset(mode="replace")
    assert fill(dataset).state == "succeeded"
    generation = dataset.generation
    refuse(MX)
    assert fill(dataset).state == "partial"

    changed = {"options": dataset.options | {"marketplaces": ["US", "CA"]}}
    now, proposal = database_now(), read_payload(alice, changed, Definition.of(dataset))
    save.change(dataset, checks.check(proposal, dataset=dataset, now=now), now=now)

    run = fill(dataset)
    assert run.state == "succeeded", run.message
    assert dataset.generation > generation
    check(dataset).assert_orders_equal_truth(day_before(4), day_before(1), marketplaces="US,CA")


def test_a_replace_that_never_had_a_marketplace_goes_on_without_it(three, make_dataset, fill, check, refuse):
    refuse(MX)
    dataset = make_dataset(mode="replace")
    fill(dataset)
    generation = dataset.generation

    assert fill(dataset).state == "partial"

    assert dataset.generation > generation
    check(dataset).assert_orders_equal_truth(day_before(4), day_before(1), marketplaces="US,CA")


def test_a_single_one_that_is_left_is_read_from_the_report_that_found_out(
    account, make_dataset, fill, simulator, refuse
):
    """Amazon cancels the same question for one marketplace that comes twice within minutes."""
    account.marketplaces = ["US", "MX"]
    account.save()
    refuse(MX, operation="createReport")
    simulator.control("/simulator/settings", {"report_spacing_seconds": 3600})
    dataset = make_dataset("create_and_download_report", options={"report_type": BY_ORDER_DATE})

    run = fill(dataset)

    assert run.state == "partial" and lacks(dataset) == {("MX",)}, run.message
    reports = simulator.control("/simulator/reports")["reports"]
    assert len({(report["dataStartTime"], report["dataEndTime"]) for report in reports}) == len(reports)
    assert Day.objects.filter(dataset=dataset, rows__gt=0).exists()


def test_where_each_is_refused_the_message_says_so(three, make_dataset, fill, simulator, refuse):
    refuse(US, CA, MX)

    run = fill(make_dataset())

    assert run.state == "failed"
    assert "Each of US, CA and MX asked for by itself is refused" in run.message and WORDS in run.message
    assert not RefusedMarketplace.objects.exists()
    assert asked(simulator, "searchOrders") <= 5  # found out once, whatever the number of requests


def test_a_refusal_of_something_else_is_not_traced(three, make_dataset, fill, simulator):
    rule = {"operation": "searchOrders", "kind": "400", "details": "Invalid value for fulfillmentStatuses."}
    simulator.control("/simulator/faults", rule)

    run = fill(make_dataset(start="yesterday"))

    assert run.state == "failed" and "fulfillmentStatuses" in run.message
    assert asked(simulator, "searchOrders") == 1


def test_with_one_marketplace_the_refusal_is_said_as_it_is(make_dataset, fill, simulator, refuse):
    refuse(US)

    run = fill(make_dataset(start="yesterday", options={"marketplaces": ["US"]}))

    assert run.state == "failed" and "Amazon was asked for US." in run.message and WORDS in run.message
    assert asked(simulator, "searchOrders") == 1


def test_a_worker_that_dies_in_between_asks_for_none_twice(three, make_dataset, simulator, refuse):
    refuse(MX)
    simulator.control("/simulator/faults", {"operation": "searchOrders", "kind": "503", "nth": 2})
    run = runs.start(make_dataset(start="yesterday"), Run.Trigger.MANUAL, now=database_now())

    while not any(answer.progress.get("tracing", {}).get("fine") for answer in Answer.objects.all()):
        engine.advance(run.pk)
    assert list(Answer.objects.get().progress["tracing"]["fine"]) == ["US"]

    assert finish(run).state == "partial"
    alone = [
        each
        for each in simulator.control("/simulator/requests?operation=searchOrders")["requests"]
        if "maxResultsPerPage=1&" in str(each) or "maxResultsPerPage=1'" in str(each)
    ]
    assert len(alone) <= 4
    assert not FirstLook.objects.exists()
