"""Which days a dataset is to hold: what its start and end mean today, within Amazon's retention."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from connector.catalogue.report import NoWindow, Report
from connector.catalogue.windows import Aligned, Days
from datasets import calendar
from datasets.backfill.window import zone_of
from datasets.models import Dataset, Day


@dataclass(frozen=True)
class Span:
    """The days a dataset is to hold: first and last, both included; last < first means none."""

    first: date
    last: date

    def __len__(self) -> int:
        return max(0, (self.last - self.first).days + 1)


def resolved_span(
    start: str, end: str, *, today: date, newest: date | None = None, reach_days: int | None = None
) -> Span:
    """What the dataset's words mean today, cut at the newest day there can be and at how far back Amazon reaches."""
    first, last = calendar.resolve(start, today), min(calendar.resolve(end, today), newest or today)
    if reach_days is not None:
        first = max(first, today - timedelta(days=reach_days))
    return Span(first, last)


def completed_periods(span: Span, rule: Days | Aligned, *, newest: date, earliest: date | None = None) -> Span:
    """The whole periods in which the span's days lie, as far as they are over before `newest` and none begins before `earliest`."""
    if not len(span):
        return span
    one = timedelta(days=1)
    first, (begun, ends) = rule.period(span.first)[0], rule.period(span.last)
    if earliest is not None and first < earliest:
        first = rule.period(span.first)[1] + one
    return Span(first, ends if ends < newest else begun - one)


def span_of(dataset: Dataset, report: Report, now: datetime) -> Span:
    """The days the dataset is to hold as of now."""
    zone = zone_of(report, dataset.account)
    newest = calendar.today(now - report.lag, zone)  # a day that has only just begun cannot be requested yet
    if isinstance(report.window, NoWindow):
        return Span(newest, newest)
    today = calendar.today(now, zone)
    span = resolved_span(dataset.start, dataset.end, today=today, newest=newest, reach_days=report.reach_days)
    if not report.window.completed_only:
        return span
    earliest = today - timedelta(days=report.reach_days) if report.reach_days else None
    return completed_periods(span, report.window, newest=newest, earliest=earliest)


def asked_for(dataset: Dataset, now: datetime) -> Callable[[Day], bool]:
    """Whether a run that begins now asks Amazon for a day of this dataset's ledger that is not in, or is to be read once more.

    These are the days in the dataset's range and, if the range has moved, loaded days outside of it that are marked to be read again, as
    far as Amazon reaches. A failed day outside of them is never tried again.
    """
    report = dataset.effective_report
    if report is None:
        return lambda day: False
    try:
        held = span_of(dataset, report, now)
    except ValueError:  # the dates were words that mean nothing any more
        return lambda day: False
    reached = calendar.today(now, zone_of(report, dataset.account)) - timedelta(days=report.reach_days or 0)

    def is_asked_for(day: Day) -> bool:
        if held.first <= day.day <= held.last:
            return True
        if not day.again or not report.has_dates or dataset.mode == Dataset.Mode.REPLACE:
            return False
        return not report.reach_days or day.day >= reached

    return is_asked_for
