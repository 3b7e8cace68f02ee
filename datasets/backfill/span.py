"""Which days a dataset is to hold: what its words mean today, as far as Amazon reaches."""

from dataclasses import dataclass
from datetime import date, timedelta

from connector.catalogue.report import NoWindow
from datasets import calendar
from datasets.backfill.window import zone_of


@dataclass(frozen=True)
class Span:
    """The days a dataset is to hold: first and last, both included; last < first means none."""

    first: date
    last: date

    def __len__(self):
        return max(0, (self.last - self.first).days + 1)


def resolved_span(start, end, *, today, newest=None, reach_days=None) -> Span:
    """What the dataset's words mean today, cut at the newest day there can be and at how far back Amazon reaches."""
    first, last = calendar.resolve(start, today), min(calendar.resolve(end, today), newest or today)
    if reach_days is not None:
        first = max(first, today - timedelta(days=reach_days))
    return Span(first, last)


def completed_periods(span, rule, *, newest, earliest=None) -> Span:
    """The whole periods in which the span's days lie, as far as they are over before `newest` and none begins before `earliest`."""
    if not len(span):
        return span
    one = timedelta(days=1)
    first, (begun, ends) = rule.period(span.first)[0], rule.period(span.last)
    if earliest is not None and first < earliest:
        first = rule.period(span.first)[1] + one
    return Span(first, ends if ends < newest else begun - one)


def span_of(dataset, report, now) -> Span:
    """The days the dataset is to hold as of now."""
    zone = zone_of(report, dataset.account)
    newest = calendar.today(now - report.lag, zone)  # a day that has only just begun cannot be asked for yet
    if isinstance(report.window, NoWindow):
        return Span(newest, newest)
    today = calendar.today(now, zone)
    span = resolved_span(dataset.start, dataset.end, today=today, newest=newest, reach_days=report.reach_days)
    if not report.window.over:
        return span
    earliest = today - timedelta(days=report.reach_days) if report.reach_days else None
    return completed_periods(span, report.window, newest=newest, earliest=earliest)
