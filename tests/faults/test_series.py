"""A backfill of several reports of which the first, the middle or the last goes wrong: E12 to E16, E21, E31 and E36 of reports.

The other reports' days are Amazon's truth whatever befalls the one; how its own day ends is said on it.
"""

from datetime import timedelta

import pytest

from connector.database.clock import database_now
from datasets.backfill import runs
from datasets.models import Day
from tests.faults.driving import Drive, begin
from tests.faults.test_reports import until_it_waits

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]


def assert_all_is_well(series, place, run, *, reports=3):
    """Everything is in, and not one report too many was asked for."""
    assert run.state == "succeeded", f"{place}: {run.message}"
    assert series.amazon.calls("createReport") == reports, place
    assert series.assert_whole() == series.dataset.rows, place


def assert_one_failed(series, place, day, run, said):
    """That day failed with its reason, the others are in; the next run has only that day to fix."""
    assert (run.state, said in run.message) == ("partial", True), f"{place}: {run.message}"
    series.assert_but(day, "failed")
    series.amazon.heal()
    assert_all_is_well(series, place, series.drive(), reports=1)


def test_a_series_has_a_first_a_middle_and_a_last_report(series):
    """The ground the others stand on."""
    assert_all_is_well(series, "all well", series.drive())
    asked = series.amazon.simulator.control("/simulator/reports")["reports"]
    assert [report["dataStartTime"][:10] for report in reversed(asked)] == [str(day) for day in series.days()]
    assert [day for _, day, _ in series.places()] == series.days()


def test_a_report_that_hangs_holds_up_its_own_day_only(series):
    """E12: the others land beside it; it is never asked for twice, and given up after three days."""
    for kind, (place, day, _) in zip(("stuck", "stuck_in_progress", "stuck"), series.places(), strict=True):
        series.again()
        series.fault("createReport", kind, day)
        run = until_it_waits(begin(series.dataset), 2)
        run.pass_time(timedelta(minutes=16))  # so long at most do older days wait for a newer one
        until_it_waits(run)
        series.assert_but(day, "asked")
        run.pass_time(timedelta(hours=73))
        assert run.to_end().state == "partial", place

        run = begin(series.dataset).to_end()

        assert (run.state, series.amazon.calls("createReport")) == ("failed", 3), place
        assert "72 hours" in run.message
        series.assert_but(day, "failed")
        series.amazon.heal()
        assert_all_is_well(series, place, series.drive(), reports=1)


def test_a_report_that_failed_once_is_asked_for_again_and_the_others_only_once(series):
    """E13."""
    for place, day, _ in series.places():
        series.again()
        series.fault("createReport", "fatal", day, count=1)

        assert_all_is_well(series, place, series.drive(), reports=4)


def test_a_report_that_fails_again_fails_its_own_day_only(series):
    """E13, without end."""
    for place, day, _ in series.places():
        series.again()
        series.fault("createReport", "fatal", day, text="The period is not available.")

        run = series.drive()

        assert series.amazon.calls("createReport") == 2 + 2, place
        assert_one_failed(series, place, day, run, "The period is not available.")


def test_a_cancelled_report_is_one_empty_day(series):
    """E14."""
    for place, day, _ in series.places():
        series.again()
        series.fault("createReport", "cancelled", day)

        run = series.drive()

        assert run.state == "succeeded", f"{place}: {run.message}"
        assert (series.amazon.calls("createReport"), series.amazon.calls("getReports")) == (3, 1), place
        series.assert_but(day, "empty")


def test_a_report_cancelled_for_coming_too_soon_takes_its_own_twin(series):
    """E14: of the three reports that Amazon holds, the one for the very same day."""
    series.amazon.set(report_spacing_seconds=3600)
    for place, day, _ in series.places():
        series.again()
        series.drive()

        run = Drive(runs.reload(series.dataset, day, day, now=database_now())).to_end()

        assert_all_is_well(series, place, run, reports=3 + 1)


@pytest.mark.parametrize(
    ("operation", "kind"), [("createReport", "done_without_document"), ("downloadDocument", "header_only")]
)
def test_a_report_without_rows_is_one_empty_day(series, operation, kind):
    """E15: done without a document, and a document without rows."""
    for place, day, _ in series.places():
        series.again()
        series.fault(operation, kind, day)

        run = series.drive()

        assert (run.state, series.amazon.calls("createReport")) == ("succeeded", 3), f"{place}: {run.message}"
        series.assert_but(day, "empty")


def test_an_address_that_ran_out_twice_is_asked_for_again(series):
    """E16."""
    for place, day, _ in series.places():
        series.again()
        series.fault("downloadDocument", "expired", day, count=2)

        assert_all_is_well(series, place, series.drive())
        assert series.amazon.calls("getReportDocument") == 3 + 2, place


def test_addresses_that_always_run_out_fail_their_own_day_only(series):
    """E16, without end."""
    for place, day, _ in series.places():
        series.again()
        series.fault("downloadDocument", "expired", day)

        run = series.drive()

        assert series.amazon.calls("getReportDocument") == 2 + 3, place
        assert_one_failed(series, place, day, run, "address has expired")


def test_a_document_that_drips_is_over_at_the_deadline_and_read_again(series, monkeypatch):
    """E21: by itself it would take hours, though something comes all the time. What the run says that it waits for is what its newest
    day waits for, and no proof: on a busy machine that may be another report."""
    from connector.spapi.client import Client

    monkeypatch.setattr(Client.download, "__defaults__", (2.0,))
    for place, day, _ in series.places():
        series.again()
        fault = series.fault("downloadDocument", "drip", day, count=1, bytes=1, seconds=0.5)

        run = series.drive(seconds=100)

        assert_all_is_well(series, place, run)
        rules = series.amazon.simulator.control("/simulator/faults")["faults"]
        assert [rule["fired"] for rule in rules if rule["id"] == fault] == [1], place
        assert series.amazon.calls("downloadDocument") >= 3 + 1, place


def test_a_document_that_points_elsewhere_fails_its_own_day_only(series, simulator):
    """E36."""
    for place, day, _ in series.places():
        series.again()
        series.fault("downloadDocument", "redirect", day, location=f"{simulator.url}/trap")

        run = series.drive()

        assert series.amazon.calls("unknown") == 0, place
        assert_one_failed(series, place, day, run, "refuses the report's document (302)")


def test_a_row_that_shows_up_late_is_in_after_its_day_was_read_again(series):
    """E31: at the start, in the middle and at the end of the document, too."""
    for place, day, share in series.places():
        series.again()
        series.fault("downloadDocument", "row_missing", day, count=1, at=share)
        assert series.drive().state == "succeeded", place
        series.assert_but(day, "landed", rows=series.truth()[str(day)]["rows"] - 1)
        Day.objects.filter(dataset=series.dataset).update(landed_at=database_now() - timedelta(days=1))

        assert_all_is_well(series, place, series.drive(), reports=3 + 3)
