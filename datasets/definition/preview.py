"""What a proposed definition will load, said before it is saved."""

from datetime import datetime

from connector.accounts.models import Account
from datasets import calendar
from datasets.backfill import window
from datasets.backfill.forecast import Forecast, days_to_load, forecast
from datasets.backfill.span import Span, completed_periods
from datasets.definition.definition import Proposal, same_answers
from datasets.models import Dataset


def preview(
    proposal: Proposal, account: Account | None, span: Span | None, *, dataset: Dataset | None = None, now: datetime
) -> Forecast | None:
    """The days of the span that Amazon answers for by now, the requests for them and how long they take.

    `dataset` is the one that is changed: where it goes on to ask for the same, days that are in are not asked for again.

    None where account or report are not known yet, or the days of a report that has some.
    """
    report = proposal.effective_report
    if report is None or account is None or (report.has_dates and span is None):
        return None
    if span is None:
        return forecast(report, account, None, None)
    if report.dated_window.completed_only:
        newest = calendar.today(now - report.lag, window.zone_of(report, account))
        span = completed_periods(Span(span.first, min(span.last, newest)), report.dated_window, newest=newest)
    mode = proposal.mode or report.modes[0]
    to_load = days_to_load(dataset, report, span, now) if dataset and _asks_the_same(dataset, proposal, mode) else None
    return forecast(report, account, span.first, span.last, to_load=to_load)


def _asks_the_same(dataset: Dataset, proposal: Proposal, mode: str) -> bool:
    """Whether the days that are in stay as they are when the dataset becomes what is proposed."""
    if proposal.answered is None or (dataset.report, dataset.account, dataset.mode) != (
        proposal.report,
        proposal.account,
        mode,
    ):
        return False
    return same_answers(proposal.report, dataset.options, proposal.answered.answers)
