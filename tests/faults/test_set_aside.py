"""What Amazon cannot give, and what it never answers: E39 and E40. Tried again at increasing intervals, in nobody's
way."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings

from connector.accounts import direct
from connector.accounts.clients import client_for
from connector.catalogue import index
from connector.catalogue.windows import Aligned, Days
from connector.database.clock import database_now
from connector.spapi.explanations import EXPLANATIONS, explanation
from datasets import retries
from datasets.backfill import dataset_status, engine, runs
from datasets.backfill.set_aside import SetAside
from datasets.models import Day, Request, Run
from tests.backfill.conftest import finish
from tests.days import day_before, last_periods
from tests.faults.driving import Drive, begin

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]

TERMS = "GET_BRAND_ANALYTICS_SEARCH_TERMS_REPORT"
UNAVAILABLE = "The requested data is unavailable. Please try a different date range."
NOT_YET = (
    "Error in report request: The report data for the requested date range is not yet available. Try submitting this "
    "createReport request at a later time, or modify dataEndTime to be an earlier date."
)
UNKNOWN = "A client error occurred. Please double check that your parameters are valid."
WEEK = Aligned("week")


def document(words):
    """As Amazon writes it."""
    return json.dumps({"errorDetails": words})


def scheduled(dataset):
    """A run of the schedule, to its end."""
    driven = begin(dataset, Run.Trigger.SCHEDULE).to_end()
    dataset.refresh_from_db()
    return driven


def pass_time(dataset, span):
    """As if so much of Amazon's time had gone by since the days failed."""
    for day in dataset.days.exclude(not_before=None):
        day.not_before -= span / settings.SPAPI_RATE_FACTOR
        day.save(update_fields=["not_before"])


@pytest.fixture
def terms(amazon, make_dataset, settings):
    """Search terms of three weeks, the newest of them ended within the last week: (dataset, their first days)."""
    settings.SPAPI_RATE_FACTOR = 1.0
    amazon.set(rate_factor=1e6)
    end = last_periods(WEEK, 1)[0][1]
    ends = [end, end - timedelta(days=21), end - timedelta(days=28)]
    first = ends[1] - timedelta(days=6)

    def make(first=first, **fields):
        options = {"report_type": TERMS, "report_period": "WEEK"}
        return make_dataset("create_and_download_report", options=options, start=str(first), end=str(end), **fields)

    return make, end - timedelta(days=6), first


def words_of(dataset, day):
    return dataset.days.get(day=day)


# E39: Amazon has no data


def test_an_old_period_without_data_is_empty_by_amazons_word_and_asked_for_once(terms, amazon):
    """E39: three reports were asked for in each run for ever, and complete_through stood still."""
    make, newest, oldest = terms
    dataset = make()
    amazon.fault("createReport", "fatal", match={"dataStartTime": f"{oldest}T00:00:00Z"}, text=document(UNAVAILABLE))

    run = begin(dataset).to_end()

    assert run.state == "succeeded", run.message
    assert amazon.calls("createReport") == (newest - oldest).days // 7 + 1
    day = dataset.days.get(day=oldest)
    assert (day.state, day.rows, UNAVAILABLE in day.message) == ("empty", 0, True)
    assert "states that it has no data" in day.message
    assert dataset_status.status_of(dataset).complete_through == newest + timedelta(days=6)
    assert scheduled(dataset).days_total == 0


@pytest.mark.parametrize("said", [UNAVAILABLE, NOT_YET])
def test_a_young_period_is_not_published_yet_and_waits_for_its_next_try(terms, amazon, said):
    """E39: one report a try, the tries ever farther apart, whoever starts the runs in between."""
    make, newest, _ = terms
    dataset = make(first=newest - timedelta(days=7))
    amazon.fault("createReport", "fatal", match={"dataStartTime": f"{newest}T00:00:00Z"}, text=document(said))

    run = begin(dataset, Run.Trigger.SCHEDULE).to_end()

    assert (run.state, amazon.calls("createReport")) == ("partial", 2)
    assert "has not published" in run.message and said[:60] in run.message and "UTC tries again" in run.message
    assert dataset_status.status_of(dataset).complete_through == newest - timedelta(days=1)

    again = scheduled(dataset)

    assert (again.state, again.days_total, amazon.calls("createReport")) == ("partial", 7, 2)
    assert "7 of 7 days could not be loaded; the first run after" in again.message
    pass_time(dataset, timedelta(hours=1))
    assert (scheduled(dataset).state, amazon.calls("createReport")) == ("failed", 3)
    pass_time(dataset, timedelta(hours=1))
    assert (scheduled(dataset).state, amazon.calls("createReport")) == ("partial", 3)
    pass_time(dataset, timedelta(hours=3))
    amazon.heal()
    assert scheduled(dataset).state == "succeeded"
    assert set(dataset.days.values_list("attempts", "not_before")) == {(0, None)}
    assert dataset.days.get(day=newest).state == "landed"


def test_an_old_period_of_which_amazon_promises_data_is_never_taken_to_be_empty(terms, amazon):
    """E39."""
    make, _, oldest = terms
    dataset = make()
    amazon.fault("createReport", "fatal", match={"dataStartTime": f"{oldest}T00:00:00Z"}, text=document(NOT_YET))

    assert begin(dataset).to_end().state == "partial"

    assert dataset.days.get(day=oldest).state == "failed"


def test_rows_that_are_in_are_not_taken_away_by_amazons_word(terms, amazon):
    """E39: an old week that was reloaded."""
    make, newest, oldest = terms
    dataset = make()
    assert begin(dataset).to_end().state == "succeeded"
    rows = dataset.days.get(day=oldest).rows
    amazon.fault("createReport", "fatal", text=document(UNAVAILABLE))

    run = Drive(runs.reload(dataset, oldest, oldest, now=database_now())).to_end()

    assert (run.state, rows > 0) == ("failed", True)
    assert "their earlier rows are kept" in run.message
    day = dataset.days.get(day=oldest)
    assert (day.state, day.rows, day.again, day.attempts) == ("landed", rows, True, 1)


def test_several_periods_in_one_report_are_asked_for_one_by_one(terms, amazon, monkeypatch):
    """E39: of several weeks Amazon does not say which one it means."""
    make, newest, oldest = terms
    key = "create_and_download_report"
    _widen(monkeypatch, key, Aligned("week", 8))
    amazon.fault("createReport", "fatal", covers=f"{oldest + timedelta(days=3)}T12:00:00Z", text=document(UNAVAILABLE))
    dataset = make()

    run = begin(dataset).to_end()

    assert run.state == "succeeded", run.message
    assert {day: state for day, state in dataset.days.values_list("day", "state") if day == oldest} == {oldest: "empty"}
    starts = [oldest + timedelta(days=7 * number) for number in range(1, (newest - oldest).days // 7 + 1)]
    assert set(dataset.days.filter(day__in=starts).values_list("state", flat=True)) == {"landed"}


def _widen(monkeypatch, key, window):
    effective = index.effective

    def wide(found, answers):
        report = effective(found, answers)
        return replace(report, window=window) if found == key else report

    monkeypatch.setattr(index, "effective", wide)


def test_an_unknown_explanation_is_tried_at_growing_distances(series, settings):
    """E39: at the first, the middle and the last report of a series, whose other days are in and stay it."""
    settings.SPAPI_RATE_FACTOR = 100.0  # an hour is 36 seconds, and no run takes so long
    for place, day, _ in series.places():
        series.again()
        series.fault("createReport", "fatal", day, text=document(UNKNOWN))
        assert scheduled(series.dataset).state == "partial", place
        calls = 2 + 2
        waits = [*retries.DISTANCES, retries.DISTANCES[-1]] if place == "middle" else retries.DISTANCES[:1]
        for failures, wait in enumerate(waits, start=1):
            found = Day.objects.get(dataset=series.dataset, day=day)
            assert (found.attempts, UNKNOWN in found.message) == (failures, True), place
            assert (scheduled(series.dataset).state, series.amazon.calls("createReport")) == ("partial", calls), place
            pass_time(series.dataset, wait)
            calls += 1
            assert (scheduled(series.dataset).state, series.amazon.calls("createReport")) == ("failed", calls), place
        series.assert_but(day, "failed")

        series.amazon.heal()
        assert scheduled(series.dataset).state == "partial", place
        run = Drive(runs.reload(series.dataset, day, day, now=database_now())).to_end()
        assert (run.state, series.amazon.calls("createReport")) == ("succeeded", 1), place
        series.dataset.refresh_from_db()
        assert series.assert_whole() == series.dataset.rows


def test_new_days_come_before_those_that_have_failed(series):
    """E39: and no request reaches over a day that has failed."""
    days = series.days()
    series.fault("createReport", "fatal", days[1])
    series.dataset.start = series.dataset.end = str(days[1])
    series.dataset.save()
    assert scheduled(series.dataset).state == "failed"
    series.dataset.start, series.dataset.end = str(days[2]), str(days[0])
    series.dataset.save()
    series.amazon.heal()
    pass_time(series.dataset, timedelta(hours=1))

    assert scheduled(series.dataset).state == "succeeded"

    asked = series.amazon.simulator.control("/simulator/reports")["reports"]
    newest_first = [report["dataStartTime"][:10] for report in reversed(asked)][-3:]
    assert newest_first == [str(days[0]), str(days[2]), str(days[1])]


def test_a_person_who_presses_run_now_does_not_wait_and_a_script_does(file, settings):
    """E39."""
    settings.SPAPI_RATE_FACTOR = 100.0
    file.amazon.fault("createReport", "400")
    begin(file.dataset).to_end()
    calls = file.amazon.calls("createReport")

    by_script = runs.start(file.dataset, Run.Trigger.MANUAL, now=database_now(), at_once=False)
    by_script = finish(by_script)

    assert (by_script.state, file.amazon.calls("createReport")) == ("partial", calls)
    file.amazon.heal()
    assert file.drive().state == "succeeded"
    file.assert_whole()


def test_a_changed_definition_forgets_what_another_question_failed_by(file):
    """E39."""
    file.amazon.fault("createReport", "fatal")
    file.drive()
    file.dataset.ask_again()

    assert set(file.dataset.days.values_list("attempts", "not_before")) == {(0, None)}


def test_a_failure_is_counted_once_and_by_the_worker_that_has_the_run(file):
    """E39: a worker that lost its run counts nothing."""
    run = begin(file.dataset)
    run.turn()
    request = Request.objects.get(dataset=file.dataset)
    request.held_by = run.pk, run.fence + 7
    with pytest.raises(engine.lease.LeaseLost):
        request.fail("it failed", run=run.run)
    assert set(file.dataset.days.values_list("attempts", flat=True)) == {0}


def test_each_known_explanation_has_a_date_and_a_source():
    for known in EXPLANATIONS:
        assert known.words == known.words.lower() and known.source.startswith("https://github.com/")
        assert explanation(f"Error:\n  {known.words.capitalize()}  .") is known
    assert explanation(UNKNOWN) is None


# E40: a request that is never answered, while others are


@pytest.fixture
def quick(amazon, settings):
    """Half an hour of patience is a moment."""
    settings.SPAPI_RATE_FACTOR = 1e6
    amazon.set(rate_factor=1e6)


def covering(day):
    return f"{day}T20:00:00Z"  # its noon there, in summer and in winter


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_chain_that_is_never_answered_is_set_aside_and_its_well_days_come_in(make_chain, quick, mode):
    """E40: at the start, in the middle and at the end of its pages; the run waited for 24 hours and nothing else came in."""
    report = "order_details" if mode == "append" else "orders_list_orders_upsert"
    chain = make_chain(report, mode=mode)
    for place, number in chain.places():
        chain.again()
        chain.amazon.fault("searchOrders", "500", nth=list(range(number, number + retries.MIN_TRIES)))

        run = chain.drive()

        assert run.state == "succeeded", f"{place}: {run.message}"  # in two halves it was answered
        assert Request.objects.filter(dataset=chain.dataset, part_of__isnull=False).count() == 2, place


def test_the_one_day_of_a_list_that_is_never_answered_is_alone_in_failing(chain, quick, settings):
    """E40."""
    for poisoned, well in ((chain.first, chain.last), (chain.last, chain.first)):
        chain.again()
        chain.amazon.fault("searchOrders", "500", covers=covering(poisoned))

        run = begin(chain.dataset, Run.Trigger.SCHEDULE).to_end()

        states = dict(chain.dataset.days.values_list("day", "state"))
        assert (run.state, states) == ("partial", {poisoned: "failed", well: "landed"}), run.message
        assert "while it answers others" in run.message and "500" in run.message
        assert chain.amazon.calls("searchOrders") <= retries.MIN_TRIES + retries.MIN_TRIES_OF_A_PART + chain.pages
        assert chain.amazon.calls("getMarketplaceParticipations") >= 1
        calls = chain.amazon.calls("searchOrders")
        settings.SPAPI_RATE_FACTOR = 1.0  # its wait of an hour, a million times as quick, is over by now
        pass_time(chain.dataset, -timedelta(hours=1))
        assert scheduled(chain.dataset).state == "partial"
        assert chain.amazon.calls("searchOrders") == calls

        settings.SPAPI_RATE_FACTOR = 1e6
        chain.amazon.heal()
        assert chain.drive().state == "succeeded"
        assert chain.assert_whole() == chain.dataset.rows


@pytest.mark.parametrize(
    "operations",
    [("createReport", "getReport", "getReportDocument"), ("downloadDocument", "createReport", "getReport")],
)
def test_a_report_that_is_never_answered_fails_its_own_day_only(series, operations):
    """E40: at the first, the middle and the last report, wherever on its way."""
    for operation, (place, day, _) in zip(operations, series.places(), strict=True):
        series.again()
        series.fault(operation, "503", day)

        run = begin(series.dataset, Run.Trigger.SCHEDULE).to_end()

        assert run.state == "partial", f"{place}: {run.message}"
        series.assert_but(day, "failed")
        assert "while it answers others" in run.message
        assert Request.objects.filter(dataset=series.dataset, state__in=Request.OPEN).count() == 0
        series.amazon.heal()
        assert series.drive().state == "succeeded", place
        assert series.assert_whole() == series.dataset.rows


def test_an_answer_from_before_an_outage_proves_nothing(file, settings):
    """E40: within the five minutes for which an answer proves, Amazon may have gone away."""
    settings.SPAPI_RATE_FACTOR = 1.0
    direct.execute("DELETE FROM quota", {})
    dataset, now = file.dataset, database_now()
    run = runs.start(dataset, Run.Trigger.SCHEDULE, now=now)
    report = index.effective(dataset.report, dataset.options)
    request = Request.plan(
        dataset, run.generation, day_before(1), day_before(1), kind="report", asked={}, part_of=1,
        attempts=8, failing_since=now - timedelta(minutes=1), answered_at=now - timedelta(minutes=2),
    )  # fmt: skip
    file.amazon.fault("getMarketplaceParticipations", "503")

    def is_due():
        return SetAside(run, report, lambda: client_for(dataset.account)).is_due(request, now)

    assert not is_due()
    Request.objects.filter(pk=request.pk).update(answered_at=now - timedelta(seconds=30))
    assert is_due()


def test_a_report_that_amazon_gives_up_has_been_answered(file):
    """E40: one poll that failed before counted it among the unanswered, and three of these ended the run."""
    file.amazon.fault("createReport", "fatal", text=document(UNKNOWN))
    file.amazon.fault("getReport", "503", count=1)

    file.drive()

    assert set(file.dataset.requests.values_list("failing_since", flat=True)) == {None}
    assert "did not answer" not in Run.objects.latest("pk").message


def test_an_outage_sets_nothing_aside(series, chain, quick):
    """E40, the other way round: while nothing is answered everything waits, however long."""
    series.amazon.fault("*", "503")
    for each in (series, chain):
        run = begin(each.dataset)
        for _ in range(2 * retries.MIN_TRIES):
            run.hurry()
            run.turn()
        assert run.state == "waiting", run.message
        assert not Request.objects.filter(dataset=each.dataset, state=Request.State.FAILED).exists()
        assert not each.dataset.days.filter(attempts__gt=0).exists()
        run.refresh_from_db()
    series.amazon.heal()
    for each in (series, chain):
        assert Drive(each.dataset.open_run()).to_end().state == "succeeded"


def test_the_sign_in_service_proves_nothing(chain, quick):
    """E40: Amazon's API is down, and its sign-in service, which is another one, still gives tokens."""
    for operation in ("searchOrders", "getMarketplaceParticipations", "getReports", "createReport"):
        chain.amazon.fault(operation, "503")
    run = begin(chain.dataset)
    for _ in range(2 * retries.MIN_TRIES):
        run.hurry()
        run.turn()

    assert run.state == "waiting" and chain.amazon.calls("token") >= 1
    assert not chain.dataset.days.filter(attempts__gt=0).exists()


def test_the_list_that_proves_for_others_is_proven_by_another(amazon, make_dataset, quick):
    """E40."""
    dataset = make_dataset("marketplace_participations", start="", end="", mode="replace")
    amazon.fault("getMarketplaceParticipations", "500")

    run = begin(dataset).to_end()

    assert (run.state, "while it answers others" in run.message) == ("failed", True)
    assert amazon.calls("getReports") >= 1


def test_the_answers_of_another_dataset_are_evidence_enough(chain, make_dataset, settings):
    """E40: then no call is made to find out."""
    chain.amazon.fault("searchOrders", "500")
    run = begin(chain.dataset)
    for _ in range(retries.MIN_TRIES + 1):
        run.hurry()
        run.turn()
    now = database_now()
    other = make_dataset(start="", end="", slug="other")
    Request.plan(other, 1, chain.first, chain.first, kind="report", asked={}, answered_at=now)
    settings.SPAPI_RATE_FACTOR = 1.0
    direct.execute("DELETE FROM quota", {})  # what the tests before have used up would take minutes to come back
    since = now - retries.UNANSWERED_TIMEOUT
    Request.objects.filter(dataset=chain.dataset).update(failing_since=since)
    calls = chain.amazon.calls("getMarketplaceParticipations")
    run.hurry()
    run.turn()

    assert Request.objects.filter(dataset=chain.dataset, part_of__isnull=False).count() == 2
    assert run.to_end().state == "failed"
    assert chain.amazon.calls("searchOrders") == retries.MIN_TRIES + 2 + 2 * retries.MIN_TRIES_OF_A_PART
    # The two halves fail later than that answer came: they want one of their own, each or together.
    assert chain.amazon.calls("getMarketplaceParticipations") - calls in (1, 2)


def test_patience_is_half_an_hour_however_many_the_tries(chain, settings):
    """E40."""
    chain.amazon.fault("searchOrders", "500")
    settings.SPAPI_RATE_FACTOR = 1.0
    chain.amazon.set(rate_factor=1e6)
    calls = chain.amazon.calls("getMarketplaceParticipations")
    run = begin(chain.dataset)
    for _ in range(2 * retries.MIN_TRIES):
        run.hurry()
        run.turn()
    assert not Request.objects.filter(dataset=chain.dataset, part_of__isnull=False).exists()
    assert chain.amazon.calls("getMarketplaceParticipations") == calls

    Request.objects.filter(dataset=chain.dataset).update(failing_since=database_now() - retries.UNANSWERED_TIMEOUT)
    run.hurry()
    run.turn()

    assert Request.objects.filter(dataset=chain.dataset, part_of__isnull=False).count() == 2


def until(run, **so):
    """The run gets on until a request of its dataset is so."""
    for _ in range(100):
        if Request.objects.filter(dataset=run.dataset_id, **so).exists():
            return
        run.hurry()
        run.turn()
    pytest.fail(f"no request is {so}: {run.message}")


def throttled_for(dataset, span):
    """As if the request had met nothing but 429 for so long."""
    Request.objects.filter(dataset=dataset, throttled_since__isnull=False).update(
        throttled_since=database_now() - span / settings.SPAPI_RATE_FACTOR
    )


def test_a_kind_of_report_that_is_throttled_without_end_is_set_aside(file):
    """E40: a 429 is waited out, but the run of a report whose quota never comes back waited for 24 hours."""
    file.amazon.fault("createReport", "429")
    run = begin(file.dataset)
    until(run, throttled_since__isnull=False)
    throttled_for(file.dataset, timedelta(minutes=10))  # as quick as this clock is, the hour is over in four seconds
    run.hurry()
    run.turn()
    assert run.is_open and not run.days_failed()

    throttled_for(file.dataset, timedelta(minutes=61))
    run.to_end()

    assert run.state == "failed" and "only with 429 (too many requests)" in run.message
    assert file.dataset.days.exclude(not_before=None).count() == 2  # tried again at increasing intervals
    file.amazon.heal()
    assert file.drive().state == "succeeded"
    file.assert_whole()


def test_where_amazon_answers_nothing_a_429_is_waited_out(file):
    """E40."""
    file.amazon.fault("*", "429")
    run = begin(file.dataset)
    until(run, throttled_since__isnull=False)

    throttled_for(file.dataset, timedelta(hours=20))
    run.hurry()
    run.turn()

    assert run.is_open and not run.days_failed()


def test_an_answer_in_between_ends_the_count_of_429s(file):
    """E40."""
    file.amazon.fault("createReport", "429", count=1)
    run = begin(file.dataset)
    until(run, throttled_since__isnull=False)
    until(run, answer__amazon_id__gt="")

    assert not Request.objects.filter(dataset=file.dataset, throttled_since__isnull=False).exists()
    assert run.to_end().state == "succeeded"


def test_a_replace_with_a_day_set_aside_keeps_the_old_rows(make_chain, quick):
    """E40: one dataset, one chain, nothing else under way."""
    chain = make_chain(mode="replace")
    assert chain.drive().state == "succeeded"
    rows, version, shown = chain.dataset.rows, chain.dataset.version, chain.dataset.generation
    chain.amazon.fault("searchOrders", "500", covers=covering(chain.last))

    run = chain.drive()

    assert (run.state, "old rows" in run.message) == ("partial", True), run.message
    assert (chain.dataset.generation, chain.dataset.rows) == (shown, rows)
    assert chain.assert_whole() == rows
    chain.amazon.heal()
    assert chain.drive().state == "succeeded"
    assert chain.dataset.generation > shown and chain.dataset.version > version
    assert chain.assert_whole() == rows


def test_a_list_that_is_never_answered_at_all_ends_its_run_before_long(chain, quick, monkeypatch):
    """E40: of many chains only a few are tried, each but the first with little patience."""
    key = chain.dataset.report
    monkeypatch.setitem(index._BY_KEY, key, replace(index.get(key), window=Days(2)))
    chain.dataset.start = str(chain.last - timedelta(days=19))
    chain.dataset.save()
    chain.amazon.fault("searchOrders", "500")

    run = begin(chain.dataset, Run.Trigger.SCHEDULE).to_end()

    assert run.state == "failed"
    assert "the next run" in run.message and "were not requested" in run.message
    assert chain.amazon.calls("searchOrders") < retries.MIN_TRIES + 6 * retries.MIN_TRIES_OF_A_PART
    assert chain.dataset.days.filter(state="wanted", attempts=0).count() >= 10


def test_a_day_that_waits_says_so_on_its_page_and_in_the_api(file, client, alice):
    """E39: Amazon's words, how many tries, when the next one is."""
    file.amazon.fault("createReport", "fatal", text=document(UNKNOWN))
    file.drive()
    at = database_now() + timedelta(hours=3)
    Day.objects.filter(dataset=file.dataset).update(not_before=at)
    client.force_login(alice)

    seen = client.get(f"/datasets/{file.dataset.slug}/days/{file.last}").content.decode()

    assert UNKNOWN in seen and "It has failed once" in seen and f"{at:%H:%M} UTC" in seen
    assert "Try this day now" in seen
    run = client.get(f"/runs/{file.dataset.runs.last().pk}").content.decode()
    assert f"{at:%d %b %Y %H:%M} UTC" in run
