"""An account whose marketplaces change while Amazon answers: each request is what was asked with it, and no row is lost or doubled."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from connector.accounts.models import Account
from connector.catalogue import index as catalogue
from connector.database.clock import database_now
from datasets.backfill import beginning, engine, lease, runs, turn
from datasets.backfill.sources.asking import Asking
from datasets.models import Answer, Dataset, Day, Request, Run
from tests.backfill.conftest import finish
from tests.days import day_before

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration, pytest.mark.slow]

BY_ORDER_DATE = {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"}
REPORTS = {"create_and_download_report": BY_ORDER_DATE, "order_details": {}}
LONDON = "Europe/London"


@pytest.fixture
def under_way(make_dataset, monkeypatch):
    """A dataset of two days, and its run whose only request Amazon has been asked and has not answered."""

    def under_way(report, **options):
        dataset = make_dataset(report, options=REPORTS[report] | options, start="today-2", end="yesterday")
        run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
        with monkeypatch.context() as short:
            short.setattr(turn, "TURN_SECONDS", 0)  # a step a turn
            engine.advance(run.pk)
        assert [request.state for request in Request.objects.filter(dataset=dataset)] == ["asked"]
        return dataset, run

    return under_way


def counted(checker, **how):
    """{day: rows} in the table, and by Amazon's truth."""
    found = {day: sum(rows.values()) for day, rows in checker.orders_by_day().items()}
    truth = checker.truth(day_before(2), day_before(1), **how)
    return found, {day: so["rows"] if "rows" in so else len(so["ids"]) for day, so in truth.items() if so["ids"]}


def at_home_in_london(account):
    account.marketplaces = ["UK", "US"]
    account.save()


def test_a_report_under_way_stays_the_answer_to_its_question_when_the_account_gains_marketplaces(
    account, under_way, check
):
    """Amazon's answer names the marketplaces that were asked for: it was taken for another report, and its days failed."""
    dataset, run = under_way("create_and_download_report")
    account.add_marketplaces(["CA", "MX"])

    assert finish(run).state == "succeeded", run.message

    assert Request.objects.get().answer.marketplaces == ["US"]
    found, truth = counted(check(dataset), file=True, marketplaces="US,CA,MX")  # Amazon's file is the region's
    assert found == truth


def test_a_chain_of_pages_goes_on_with_the_marketplaces_it_was_begun_with(
    account, under_way, fill, make_dataset, check
):
    dataset, run = under_way("order_details")
    account.add_marketplaces(["CA", "MX"])

    assert finish(run).state == "succeeded", run.message

    check(dataset).assert_orders_equal_truth(day_before(2), day_before(1), marketplaces="US")
    neighbour = make_dataset("order_details", start="today-2", end="yesterday")
    fill(neighbour)  # asks another question by now, and does not take the answer for its own
    check(neighbour).assert_orders_equal_truth(day_before(2), day_before(1), marketplaces="US,CA,MX")


@pytest.mark.parametrize("report", REPORTS)
def test_what_is_under_way_is_asked_anew_when_the_days_begin_at_other_instants(account, under_way, check, report):
    """A home marketplace elsewhere moves the zone in which days are counted: rows between the old and the new bounds were lost."""
    dataset, run = under_way(report, marketplaces=["US"])
    at_home_in_london(account)

    assert finish(run).state == "succeeded", run.message

    if report == "order_details":
        check(dataset).assert_orders_equal_truth(day_before(2), day_before(1), zone=LONDON)
    else:
        found, truth = counted(check(dataset), file=True, zone=LONDON)
        assert found == truth
    assert set(Request.objects.filter(state="done").values_list("answer__zone", flat=True)) == {LONDON}


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_days_that_are_in_are_read_again_when_they_begin_at_other_instants(account, make_dataset, fill, check, mode):
    """Beside days of another zone they would leave rows out, or have them twice."""
    dataset = make_dataset(options={"marketplaces": ["US"]}, mode=mode)
    fill(dataset)
    check(dataset).assert_orders_equal_truth(day_before(4), day_before(1))
    at_home_in_london(account)

    run = fill(dataset)

    assert run.state == "succeeded", run.message
    check(dataset).assert_orders_equal_truth(day_before(4), day_before(1), zone=LONDON)
    assert not Day.objects.filter(dataset=dataset, generation=dataset.generation, again=True).exists()
    before = Request.objects.count()
    if mode == "append":
        fill(dataset)
        done = {request.first_day for request in Request.objects.order_by("pk")[before:]}
        assert all(day >= day_before(4) for day in done)
        check(dataset).assert_orders_equal_truth(day_before(4), day_before(1), zone=LONDON)


def test_a_report_that_shows_the_present_has_no_days_to_read_again(account, make_dataset, fill):
    dataset = make_dataset("marketplace_participations", start="", end="")
    fill(dataset)
    at_home_in_london(account)

    assert fill(dataset).state == "succeeded"
    assert not Day.objects.filter(dataset=dataset, again=True).exists()


def test_a_request_that_was_only_planned_asks_as_the_account_is_now(account, make_dataset, check):
    dataset = make_dataset(start="today-2", end="yesterday")
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
    fence = lease.take(run.pk)
    run.refresh_from_db()
    worker = turn.Turn(run, fence, threading.Event())
    beginning.begin(worker.asking)
    planned = worker.schedule.next(database_now())
    run.give_back(fence=fence, until=None)
    account.add_marketplaces(["CA", "MX"])

    assert finish(run).state == "succeeded", run.message

    planned, asked = planned.answer, Request.objects.get(pk=planned.pk).answer
    assert (planned.marketplaces, asked.marketplaces) == (["US"], ["US", "CA", "MX"])
    assert asked.fingerprint != planned.fingerprint
    check(dataset).assert_orders_equal_truth(day_before(2), day_before(1), marketplaces="US,CA,MX")


def test_requests_of_the_version_before_are_taken_to_ask_as_the_account_is_now(under_way, check):
    dataset, run = under_way("order_details")
    Answer.objects.update(marketplaces=[], zone="")
    Dataset.objects.update(days_zone="")

    assert finish(run).state == "succeeded", run.message

    assert Request.objects.filter(dataset=dataset).count() == 1
    check(dataset).assert_orders_equal_truth(day_before(2), day_before(1))


def test_where_a_question_names_few_marketplaces_none_takes_the_place_of_a_refused_one():
    """Amazon's answer for the third one chosen would stand where that for the first was chosen."""
    report = catalogue.effective("create_and_download_report", BY_ORDER_DATE)
    report = replace(report, source=replace(report.source, most_marketplaces=2))
    run = SimpleNamespace(pk=1, dataset=SimpleNamespace(options={}))
    account = Account(marketplaces=["US", "CA", "MX"])
    asking = Asking(run, 1, report, account, "America/Los_Angeles", threading.Event())

    assert asking.countries() == ["US", "CA"]
    assert asking.countries(["US"]) == ["CA"]
