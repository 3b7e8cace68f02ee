"""What a proposed definition will load, said before it is saved."""

from datetime import datetime

from connector.accounts.models import Account
from datasets import calendar
from datasets.backfill import window
from datasets.backfill.forecast import Forecast, forecast
from datasets.backfill.span import Span, completed_periods
from datasets.definition.definition import Proposal


def preview(proposal: Proposal, account: Account | None, span: Span | None, *, now: datetime) -> Forecast | None:
    """The days of the span that Amazon answers for by now, the requests for them and how long they take.

    None where account or report are not known yet, or the days of a report that has some.
    """
    report = proposal.effective_report
    if report is None or account is None or (report.has_dates and span is None):
        return None
    if span is None:
        return forecast(report, account, None, None, proposal.mode or report.modes[0])
    if report.dated_window.completed_only:
        newest = calendar.today(now - report.lag, window.zone_of(report, account))
        span = completed_periods(Span(span.first, min(span.last, newest)), report.dated_window, newest=newest)
    return forecast(report, account, span.first, span.last, proposal.mode or report.modes[0])
