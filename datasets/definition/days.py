"""The days that a definition's words mean today. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from connector.accounts.models import Account
from connector.catalogue.report import Report
from datasets import calendar
from datasets.backfill import window
from datasets.backfill.span import Span

LAST_WHOLE_DAY = "yesterday"  # the end, where none is given


@dataclass(frozen=True, slots=True)
class Days:
    """The span, or {field: sentence} of what is wrong with `start` and `end`; neither for a report without dates."""

    span: Span | None = None
    errors: Mapping[str, str] = field(default_factory=dict)


def read_days(report: Report, account: Account, start: str, end: str, *, now: datetime, kept_start: str = "") -> Days:
    """The days from `start` to `end`, both included, in the zone in which the report counts them for this account.

    A start that lies before Amazon's reach is refused unless it is `kept_start`, the one that the dataset has already.
    """
    if not report.has_dates:
        return Days()
    zone = window.zone_of(report, account)
    today = calendar.today(now, zone)
    found: dict[str, date] = {}
    errors: dict[str, str] = {}
    for name, word in (("start", start), ("end", end or LAST_WHOLE_DAY)):
        if not word:
            errors[name] = "Enter the first day to load."
            continue
        try:
            day = calendar.resolve(word, today)
        except ValueError as problem:
            errors[name] = str(problem)
            continue
        if day > today:
            return Days(errors=errors | {name: f"{day} is in the future; today is {today} in {zone}."})
        found[name] = day
    if errors:
        return Days(errors=errors)
    first, last = found["start"], found["end"]
    if first > last:
        return Days(
            errors={
                "end": f"The end, {last}, is before the start, {first}. Swap them, or choose a later end.",
            }
        )
    earliest = today - timedelta(days=report.reach_days) if report.reach_days else None
    if earliest and first < earliest and start != kept_start:
        return Days(
            errors={
                "start": f"Amazon keeps {report.reach_days} days of this report: {earliest} is the earliest day to load.",
            }
        )
    return Days(Span(first, last))
