"""What a dataset will ask of Amazon, and about how long that takes: said before saving and while running."""

from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import cast

from connector.accounts import quota
from connector.accounts.models import Account
from connector.catalogue.report import NoWindow, Report
from connector.spapi.operations import OPERATIONS, Further, Operation
from datasets import calendar
from datasets.backfill import days as day_rules
from datasets.backfill import runs, window
from datasets.backfill.sources import index
from datasets.backfill.sources.waits import scaled
from datasets.backfill.span import Span
from datasets.models import Dataset, Day, DayQuerySet, Request, Run


@dataclass(frozen=True)
class Forecast:
    """`requests` are calls that count against Amazon's narrowest limit; `seconds` is None where nothing can be said.

    `days` are those of the dates, `to_load` those of them that are asked for: fewer where some are in already.
    """

    first: date | None
    last: date | None
    days: int
    requests: int
    seconds: float | None
    notes: list[str] = field(default_factory=list)
    to_load: int = 0


def forecast(
    report: Report,
    account: Account | None,
    first: date | None,
    last: date | None,
    *,
    to_load: list[date] | None = None,
) -> Forecast:
    """How many requests the days from first to last (both included) need, and about how long they take.

    `to_load` are those of them that are to be asked for; all of them where it is None.

    The arithmetic is that of Amazon's limits, all that the calls count against: what the ledger says may go out now, and
    then one request every 1/rate seconds.
    """
    source, quota_of_account = index.of(report), partial(_quota_seconds, account)
    if isinstance(report.window, NoWindow):
        seconds = source.seconds(1, quota_of_account) + source.one_answer_seconds
        return Forecast(None, None, 1, 1, seconds, ["This report shows the current state and has no history."], 1)
    first, last = cast(date, first), cast(date, last)  # which a report with dates has
    days = calendar.days(first, last) if first <= last else []
    zone = window.zone_of(report, account)
    to_load = days if to_load is None else to_load
    needed = source.estimate(to_load or days, zone=zone, edge=last, days_in=_days_in(account, report))
    notes = list(needed.notes)
    if report.settling_days:
        notes.append(
            f"Amazon corrects recent days, so the first run of each day loads the last {report.settling_days} days again. "
            "A day that is not over yet is loaded again by every run."
        )
    calls = needed.calls if to_load else 0
    return Forecast(first, last, len(days), calls, source.seconds(calls, quota_of_account), notes, len(to_load))


def days_to_load(dataset: Dataset, report: Report, span: Span, now: datetime) -> list[date]:
    """The days of the span that a run which begins now asks Amazon for, newest first: those that are not in, and those that are to be
    read once more. A replace asks for all of them."""
    wanted = calendar.days(span.first, span.last) if len(span) else []
    if dataset.mode == Dataset.Mode.REPLACE:
        return wanted
    found = Day.objects.filter(dataset=dataset, generation=dataset.generation, state__in=Day.IN, again=False)
    found = found.filter(day__range=(span.first, span.last)).only("day", "read_until", "landed_at")
    known = {day.day: day_rules.Known(day.day, day.read_until, day.landed_at) for day in found}
    zone = window.zone_of(report, dataset.account)
    repeated = day_rules.again(known.values(), zone=zone, now=now, settling_days=report.settling_days)
    missing = {day for day in wanted if day not in known} | set(repeated)
    return day_rules.whole_periods(missing, report.dated_window)


def remaining(dataset: Dataset, run: Run | None, report: Report) -> float | None:
    """About how many seconds the open run still needs; None where nothing can be said."""
    if run is None or isinstance(report.window, NoWindow) or run.first_day is None:
        return None
    # A day whose second reading has failed is left to a later run.
    open_days = Day.objects.of_run(run).filter(Day.still_open()).exclude(again=True, attempts__gt=0, run=run)
    missing = sorted(open_days.values_list("day", flat=True), reverse=True)
    if not missing:
        return 0.0
    source, zone = index.of(report), window.zone_of(report, dataset.account)
    needed = source.estimate(missing, zone=zone, edge=None, days_in=_days_in(dataset.account, report))
    under_way = Request.objects.filter(dataset=dataset, generation=run.generation, state__in=Request.OPEN)
    return source.seconds_left(needed.calls, under_way, partial(_quota_seconds, dataset.account, run=run))


def _quota_seconds(
    account: Account | None, operation: str, calls: int, kind: str = "", *, run: Run | None = None
) -> float:
    """Seconds until the last of these calls may go out, if each run that queues for the quota gets one call after each of ours."""
    if account is None or account.pk is None:
        declared = OPERATIONS[operation]
        limits: list[Operation | Further] = [declared, *declared.further_for(kind)]
        return max(scaled(max(0, calls - limit.burst) / limit.rate) for limit in limits)
    others = quota.others_waiting(account, operation, kind, but=runs.place_of(run) if run else "")
    return quota.seconds_for(account, operation, calls * (1 + others), kind)


def _days_in(account: Account | None, report: Report) -> DayQuerySet:
    """The account's days that are in for this report, which tell how busy its days are."""
    if account is None or account.pk is None:
        return Day.objects.none()
    return Day.objects.filter(dataset__account=account, dataset__report=report.key, state__in=Day.IN)


def words(seconds: float | None) -> str:
    """A length of time for people: about 2 h, about 5 min, less than a minute."""
    if seconds is None:
        return ""
    if seconds < 60:
        return "less than a minute"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    if seconds < 48 * 3600:
        return f"about {round(seconds / 3600)} h"
    return f"about {round(seconds / 86400)} days"
