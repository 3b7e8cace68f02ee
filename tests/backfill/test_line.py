"""Datasets that share an account's quota: each gets on, and the newest days never wait behind another's history.

Minutes pass here by moving the ledgers' clocks, ours and Amazon's; nobody waits for them. What a busy machine takes for itself
is taken out of ours again, as Amazon's stands still: these tests count requests to the minute.
"""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from connector.accounts import clients, direct, quota
from connector.catalogue import index
from connector.catalogue.report import Days
from connector.database.clock import database_now
from connector.spapi.client import Call
from connector.spapi.operations import OPERATIONS, Further
from datasets.backfill import engine, forecast, lifecycle, runs
from datasets.models import Day, Request, Run
from tests.days import day_before, even_days

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration, pytest.mark.slow]

TYPES = (
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL",
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL",
)
REPORT = "create_and_download_report"


class Account:
    """One account at Amazon's own pace: a report a minute, and its burst is used up."""

    def __init__(self, account, amazon):
        self.account, self.amazon, self.runs = account, amazon, []
        self.spend()

    def spend(self):
        operation = OPERATIONS["createReport"]
        clients.client_for(self.account)._quota_take(Call(operation))
        quota.drain(self.account, Call(operation), 60)
        self.amazon.control("/simulator/drain", {"operation": "createReport"})
        self.at = self._now()

    def hold(self):
        """As if no time had gone by since the last look at our ledger."""
        lost = self._now() - self.at
        link = direct.line()
        link.execute("UPDATE quota SET tat = tat + %s", [lost])
        link.execute("UPDATE quota_place SET since = since + %s, until = until + %s", [lost, lost])
        self.at += lost

    def let_pass(self, seconds):
        """So much time goes by for both ledgers."""
        self.hold()
        link = direct.line()
        link.execute("UPDATE quota SET tat = tat - %s", [seconds])
        link.execute("UPDATE quota_place SET since = since - %s, until = until - %s", [seconds, seconds])
        self.amazon.control("/simulator/clock", {"advance": seconds})

    def start(self, dataset):
        self.runs.append(runs.start(dataset, Run.Trigger.MANUAL, now=database_now()))
        return self.runs[-1]

    def look(self):
        """Each run gets a turn, the first one always first."""
        for run in self.runs:
            Run.objects.filter(pk=run.pk).update(not_before=None)
            Request.objects.filter(dataset=run.dataset_id).update(not_before=None)
            self.hold()
            engine.advance(run.pk)

    def minutes(self, number):
        """(report type, newest day asked for) of the reports asked for in so many minutes, as Amazon saw them."""
        before = self._asked()
        self.look()
        for _ in range(number):
            self.let_pass(60)
            self.look()
        return self._asked()[len(before) :]

    def left(self, run):
        """Seconds that the run still needs, as it would be said now."""
        run.refresh_from_db()
        self.hold()
        return forecast.remaining(run.dataset, run, index.effective(run.dataset.report, run.dataset.options))

    def forecast(self, report, first=date(2026, 6, 2), last=date(2026, 6, 14)):  # noqa: B008
        """What is said of that history before anything is saved: thirteen days, seven reports."""
        self.hold()
        return forecast.forecast(report, self.account, first, last)

    def _now(self):
        return direct.line().execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()[0]

    def _asked(self):
        entries = self.amazon.control("/simulator/requests?operation=createReport")["requests"]
        assert {entry["status"] for entry in entries} <= {202}, "no 429 of our own making"
        return [(entry["body"]["reportType"], entry["body"]["dataEndTime"][:10]) for entry in entries]


@pytest.fixture
def shared(account, fast_amazon, settings, monkeypatch):
    """An account whose reports cover two days each, so that a few weeks are a long history."""
    settings.SPAPI_RATE_FACTOR = 1
    fast_amazon.control("/simulator/settings", {"rate_factor": 1, "processing_seconds": 0.0})
    monkeypatch.setitem(index._BY_KEY, REPORT, replace(index.get(REPORT), window=Days(2)))
    yield Account(account, fast_amazon)
    for run in Run.objects.open():
        lifecycle.clear(run.dataset)


def between(days):
    """A dataset's dates, from the first to the last of these."""
    first, last = days
    return {"start": first.isoformat(), "end": last.isoformat()}


def test_two_histories_over_one_account_take_turns(shared, make_dataset):
    """However the workers come: here the first dataset's is always there first."""
    for kind in TYPES:
        shared.start(make_dataset(REPORT, options={"report_type": kind}, **between(even_days(40))))

    asked = [kind for kind, _ in shared.minutes(8)]

    assert 7 <= len(asked) <= 9
    assert abs(asked.count(TYPES[0]) - asked.count(TYPES[1])) <= 1


def test_the_newest_days_of_a_dataset_go_before_the_history_of_others(shared, make_dataset):
    """An even number of even days: the first request of each history has its two newest, and no other has one of them."""
    first, last = even_days(40)
    quoted = {"report_type": TYPES[0], "csv_report_quote_character": "single"}
    shared.start(make_dataset(REPORT, options={"report_type": TYPES[0]}, **between((first, last))))
    shared.start(make_dataset(REPORT, options=quoted, **between((first, last - timedelta(days=8)))))
    shared.minutes(3)

    shared.start(make_dataset(REPORT, options={"report_type": TYPES[1]}, **between((last, last))))
    asked = shared.minutes(1)

    assert [kind for kind, _ in asked] == [TYPES[1]]


# What is said of it in advance


def test_the_forecast_knows_what_is_left_in_the_bucket(shared, settings):
    settings.SPAPI_RATE_FACTOR = 1
    report = index.effective(REPORT, index.check_answers(REPORT, {"report_type": TYPES[0]}))
    found = shared.forecast(report)
    assert found.requests == 7  # six of two days, and the newest day
    assert found.seconds == pytest.approx(7 * 60 + 60, rel=0.05)

    shared.let_pass(3 * 60)

    assert shared.forecast(report).seconds == pytest.approx(4 * 60 + 60, rel=0.05)
    shared.let_pass(3600)
    assert shared.forecast(report).seconds == pytest.approx(60)  # seven at once, a minute each


@pytest.mark.parametrize(
    ("first", "last", "requests"),
    [
        (date(2026, 6, 3), date(2026, 6, 14), 6),
        (date(2026, 3, 3), date(2026, 3, 14), 6),  # one of 23 hours
        (date(2026, 10, 26), date(2026, 11, 6), 7),  # one of 25 hours: with another day it is more than Amazon takes
    ],
)
def test_the_forecast_counts_the_hours_of_each_day(shared, first, last, requests):
    report = index.effective(REPORT, index.check_answers(REPORT, {"report_type": TYPES[0]}))

    assert shared.forecast(report, first, last).requests == requests


def test_the_forecast_knows_every_limit_that_a_call_counts_against(shared, monkeypatch):
    shared.let_pass(3600)
    report = index.effective(REPORT, index.check_answers(REPORT, {"report_type": TYPES[0]}))
    further = (Further(1 / 900, 1, kind=TYPES[0]), Further(0.0001, 1, kind="ANOTHER"))
    monkeypatch.setitem(OPERATIONS, "createReport", replace(OPERATIONS["createReport"], further=further))

    assert shared.forecast(report).seconds == pytest.approx(6 * 900 + 60, rel=0.01)


def test_what_is_left_to_wait_shrinks_with_each_page_of_a_chain(shared, make_dataset):
    """A page costs three minutes, and a chain of fifteen lands nothing before its last one."""
    dataset = make_dataset(start="today-100")
    run = shared.start(dataset)
    Day.objects.bulk_create(
        Day(dataset=dataset, generation=1, day=day_before(back), state="landed" if back < 20 else "asked", rows=100)
        for back in range(101)
    )
    Run.objects.filter(pk=run.pk).update(first_day=day_before(100), last_day=day_before(0))
    chain = Request.plan(dataset, 1, day_before(34), day_before(20), kind="pages", asked={}, state="asked")
    begun = shared.left(run)
    chain.keep(told={"progress": {"pages": 10}})

    assert begun - shared.left(run) == pytest.approx(10 / OPERATIONS["searchOrders"].rate, rel=0.01)


def test_what_is_left_to_wait_shrinks_as_it_goes_and_counts_those_who_stand_in_line_too(shared, make_dataset):
    days = between(even_days(20))
    runs = [shared.start(make_dataset(REPORT, options={"report_type": kind}, **days)) for kind in TYPES]
    shared.minutes(2)
    early = shared.left(runs[0])
    shared.minutes(8)
    late = shared.left(runs[0])

    reports = Request.objects.filter(dataset=runs[0].dataset_id).count()
    assert early == pytest.approx(2 * 60 * (10 - 1), rel=0.25)
    assert early - late == pytest.approx(8 * 60, rel=0.25)
    assert reports >= 5
