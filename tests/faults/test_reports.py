"""A report that Amazon builds late, badly, twice or not at all: E12 to E14, and E31. Of several reports: test_series.py."""

import time
from datetime import timedelta

import pytest

from connector.database.clock import database_now
from datasets.backfill import engine, runs
from datasets.models import Day, Request, Run
from tests.backfill.conftest import finish
from tests.days import day_before
from tests.faults.driving import Drive, begin
from tests.faults.nursery import Nursery
from tests.living import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]

LATE = 2  # seconds


def until_it_waits(run, times=1):
    for _ in range(times):
        run.hurry()
        while run.turn() and run.state != Run.State.WAITING:
            pass
    return run


@pytest.mark.parametrize("kind", ["stuck", "stuck_in_progress"])
def test_a_report_that_hangs_is_waited_for_up_to_three_days_and_never_asked_for_twice(file, kind):
    """E12."""
    file.amazon.fault("createReport", kind)
    for age in ("a day", "two days"):
        run = until_it_waits(begin(file.dataset), 3)
        assert run.waits[-1][1] > 0 and "building the report" in run.message, age
        run.pass_time(timedelta(hours=23))
        assert until_it_waits(run, 3).state == "waiting", age
        run.pass_time(timedelta(hours=2))  # its 24 hours are over; the report is not given up with the run
        assert run.to_end().state == "partial", age
    run = until_it_waits(begin(file.dataset))
    assert file.amazon.calls("createReport") == 1

    run.pass_time(timedelta(hours=23))
    run.to_end()

    assert (run.state, file.amazon.calls("createReport")) == ("failed", 1)
    assert "72 hours" in run.message
    assert set(Day.objects.filter(dataset=file.dataset).values_list("state", flat=True)) == {"failed"}
    file.amazon.heal()
    assert file.drive().state == "succeeded"
    assert file.amazon.calls("createReport") == 1
    file.assert_whole()


def test_a_report_that_hung_for_a_while_lands_in_the_end(file):
    """E12."""
    file.amazon.fault("createReport", "stuck", seconds=60)
    run = until_it_waits(begin(file.dataset), 3)
    file.amazon.simulator.control("/simulator/clock", {"advance": 60})

    run.to_end()

    assert run.state == "succeeded", run.message
    assert file.amazon.calls("createReport") == 1
    file.assert_whole(prices=False)  # a minute has gone by since the report was asked for


def test_a_report_that_failed_is_asked_for_again_after_its_cool_down(file):
    """E13."""
    file.amazon.fault("createReport", "fatal", nth=1, text="Internal error in the report factory.")

    run = file.drive()

    assert run.state == "succeeded", run.message
    assert file.amazon.calls("createReport") == 2
    message, seconds = next((message, seconds) for message, seconds in run.waits if "could not build" in message)
    assert "Internal error in the report factory." in message
    assert seconds > 1  # half an hour, a thousand times as quick
    file.assert_whole()


def test_what_goes_wrong_once_uses_up_no_patience_with_something_else(file):
    """A report that failed once and whose document came broken twice was given up as one whose document is never whole."""
    file.amazon.fault("createReport", "fatal", nth=1, text="Internal error in the report factory.")
    file.amazon.fault("downloadDocument", "truncated_gzip", nth=[2, 3])  # the first one is Amazon's reason

    run = file.drive()

    assert run.state == "succeeded", run.message
    assert Request.objects.get(dataset=file.dataset).failures_by == {"fatal": 1, "document": 2}
    file.assert_whole()


REASONS = (  # how it fails, what Amazon's document says, what the person reads
    ("fatal", "Le rapport a échoué.\0", "Le rapport a échoué."),
    ("fatal", '{"errorDetails": "The period is not available."}', "The period is not available."),
    ("fatal_without_document", "", "Amazon gave no reason."),
)


def test_a_report_that_fails_again_fails_its_days_with_amazons_own_words(file):
    """E13: after its cool-down it was asked for once more, and then each of its two days by itself."""
    for kind, text, said in REASONS:
        file.again()
        file.amazon.fault("createReport", kind, text=text)

        run = file.drive()

        assert (run.state, file.amazon.calls("createReport")) == ("failed", 2 + 2)
        assert said in run.message
    file.amazon.heal()
    assert file.drive().state == "succeeded"
    file.assert_whole()


@pytest.mark.parametrize("operation", ["getReportDocument", "downloadDocument"])
def test_amazons_own_words_are_waited_for_where_they_cannot_be_had_just_now(file, operation):
    """E13: a failed report was said to be without a reason while the quota for documents was used up."""
    file.amazon.fault("createReport", "fatal", nth=1, text="The period is not available.")
    file.amazon.fault(operation, "429" if operation == "getReportDocument" else "503", count=2)

    run = file.drive()

    assert (run.state, file.amazon.calls("createReport")) == ("succeeded", 2), run.message
    assert any("The period is not available." in message for message, _ in run.waits), run.waits


def test_a_report_that_failed_is_not_held_up_for_ever_by_a_reason_that_cannot_be_had(file):
    """E13."""
    file.amazon.fault("createReport", "fatal", nth=1, text="The period is not available.")
    file.amazon.fault("downloadDocument", "503", count=4)

    run = file.drive()

    assert (run.state, file.amazon.calls("createReport")) == ("succeeded", 2), run.message
    assert any("Amazon gave no reason." in message for message, _ in run.waits), run.waits


def test_a_report_that_amazon_never_knows_is_asked_for_three_times_and_no_more(file):
    """Each time after a while: Amazon was asked for it without end, as fast as it answered."""
    file.amazon.fault("getReport", "404")

    run = file.drive()

    assert (run.state, file.amazon.calls("createReport")) == ("failed", 3), run.message
    assert "did not know the report" in run.message
    assert [seconds > 0.5 for message, seconds in run.waits if "no longer knows" in message] == [True, True]
    file.amazon.heal()
    assert file.drive().state == "succeeded"
    file.assert_whole()


def test_days_without_data_are_empty_and_cost_one_report(file):
    """E14: nothing else is asked for but the list of reports."""
    file.amazon.fault("createReport", "cancelled")

    run = file.drive()

    assert run.state == "succeeded", run.message
    assert (file.amazon.calls("createReport"), file.amazon.calls("getReports")) == (1, 1)
    assert set(Day.objects.filter(dataset=file.dataset).values_list("state", "rows")) == {("empty", 0)}
    assert "has no data" in file.notes()


def test_a_report_cancelled_for_coming_too_soon_takes_the_one_before_it(file):
    """E14: the twin that is done serves, and nothing is asked for again."""
    file.amazon.set(report_spacing_seconds=3600)
    file.drive()
    rows = file.assert_whole()

    run = Drive(runs.reload(file.dataset, file.first, file.last, now=database_now())).to_end()

    assert run.state == "succeeded", run.message
    assert file.amazon.calls("createReport") == 2  # one for each reading
    assert file.assert_whole() == rows


def test_a_report_cancelled_while_its_twin_is_being_built_waits_for_the_twin(file):
    """E14."""
    file.amazon.set(report_spacing_seconds=3600)
    file.amazon.fault("createReport", "stuck", nth=1, seconds=1.5)
    until_it_waits(begin(file.dataset)).hurry()
    runs.cancel(Run.objects.get(dataset=file.dataset))
    engine.advance(Run.objects.get(dataset=file.dataset).pk)

    run = file.drive()

    assert run.state == "succeeded", run.message
    assert file.amazon.calls("createReport") == 2
    file.assert_whole()


def test_a_report_cancelled_after_one_that_failed_is_asked_for_once_more(file):
    """E14: not taken for a day without data."""
    file.amazon.set(report_spacing_seconds=1.0)
    file.amazon.fault("createReport", "fatal", nth=1)
    run = begin(file.dataset)
    for reason in ("Amazon says", "too soon"):  # the second one is asked for before its time
        while reason not in run.message:
            run.hurry()
            run.turn()

    assert finish(run.run).state == "succeeded"
    assert file.amazon.calls("createReport") == 3
    file.assert_whole()


def test_orders_that_show_up_late_are_in_after_the_day_was_read_again(chain, account):
    """E31: one order in forty is not seen until days later."""
    amazon, dataset = chain.amazon, chain.dataset
    account.marketplaces = ["US", "CA", "MX"]
    account.save()
    dataset.start, dataset.end = day_before(2).isoformat(), day_before(1).isoformat()
    dataset.save()
    days = {"first": day_before(2), "last": day_before(1), "marketplaces": "US,CA,MX"}
    amazon.set(late_seconds=20 * 86400.0)
    assert chain.drive().state == "succeeded"
    early = chain.checker.assert_orders_equal_truth(**days)
    amazon.set(late_seconds=0.0)
    Day.objects.filter(dataset=dataset).update(landed_at=database_now() - timedelta(days=1))

    assert chain.drive().state == "succeeded"

    rows = chain.checker.assert_orders_equal_truth(**days)
    assert rows == dataset.rows
    assert rows > early or rows < 150  # where there are few orders, it may be that none of them is late


def test_a_report_that_amazon_enters_after_its_asker_died_is_found_and_not_asked_for_again(tmp_path, file):
    """A5: who takes over looks for it at once, and once more before asking again."""
    file.amazon.fault("createReport", "late", seconds=LATE, count=1)
    run = begin(file.dataset)

    def was_asked():
        return file.amazon.simulator.control("/simulator/faults")["faults"][0]["fired"]

    with Nursery(tmp_path) as nursery:
        worker = nursery.fork()
        wait_until(was_asked, seconds=30, every=0.01)
        nursery.kill(worker)
        nursery.finish()
        assert nursery.errors() == []

    time.sleep(LATE)  # by now Amazon has certainly entered the first one
    run.refresh_from_db()
    assert run.state == "succeeded", run.message
    assert file.amazon.calls("createReport") == 1
    file.assert_whole()
