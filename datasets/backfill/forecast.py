"""What a dataset will ask of Amazon, and about how long that takes: said before saving and while running."""

import math
from dataclasses import dataclass, field
from datetime import date

from django.conf import settings
from django.db.models import Avg, Max

from connector.catalogue.report import NoWindow
from connector.spapi.operations import OPERATIONS
from datasets.backfill import plan, window
from datasets.models import Day, Request

REPORT_SECONDS = 60  # what Amazon usually needs to build a report, from asking to the document
GUESSED_ROWS_PER_DAY = 50  # for an account of which nothing is known yet


@dataclass(frozen=True)
class Forecast:
    """`requests` are calls that count against Amazon's narrowest limit; `seconds` is None where nothing can be said."""

    first: date | None
    last: date | None
    days: int
    requests: int
    seconds: float | None
    notes: list[str] = field(default_factory=list)


def forecast(report, account, first, last, mode="append"):
    """How many requests the days from first to last (both included) need, and about how long they take.

    The arithmetic is that of Amazon's limits: a burst at once, then one request every 1/rate seconds.
    """
    if isinstance(report.window, NoWindow):
        return Forecast(None, None, 1, 1, 5.0, ["This report shows the present and has no history."])
    days = window.days(first, last) if first <= last else []
    notes = []
    if report.source.is_report:
        operation = OPERATIONS["createReport"]
        zone = window.zone_of(report, account)
        requests = len(plan.for_report(report.window, days, zone, edge=last, spare=operation.burst))
        notes.append(report.window.note)
        seconds = seconds_for(requests, operation) + (REPORT_SECONDS / _factor() if requests else 0)
    else:
        operation = OPERATIONS[report.source.operation]
        per_day = _rows_per_day(account, report.key)
        guessed = per_day is None
        requests = _pages(len(days), per_day if per_day is not None else GUESSED_ROWS_PER_DAY, report)
        if guessed:
            notes.append(
                f"Reckoned with {GUESSED_ROWS_PER_DAY} orders a day, since nothing of this account has been loaded yet."
            )
        seconds = seconds_for(requests, operation)
    if report.settling_days:
        notes.append(f"Amazon corrects recent days, so each run reads the last {report.settling_days} days again.")
    return Forecast(first, last, len(days), requests, seconds, notes)


def remaining(dataset, run, report):
    """About how many seconds the open run still needs; None where nothing can be said."""
    if run is None or isinstance(report.window, NoWindow) or run.first_day is None:
        return None
    open_days = Day.objects.of_run(run).filter(Day.still_open())
    missing = sorted(open_days.values_list("day", flat=True), reverse=True)
    if not missing:
        return 0.0
    if report.source.is_report:
        operation = OPERATIONS["createReport"]
        asked = Request.objects.filter(dataset=dataset, generation=run.generation, state__in=Request.OPEN).exclude(
            state=Request.State.PLANNED
        )
        zone = window.zone_of(report, dataset.account)
        still = len(plan.for_report(report.window, missing, zone)) - asked.count()
        return max(0, still) / (operation.rate * _factor()) + REPORT_SECONDS / _factor()
    operation = OPERATIONS[report.source.operation]
    per_day = _rows_per_day(dataset.account, report.key) or GUESSED_ROWS_PER_DAY
    return _pages(len(missing), per_day, report) / (operation.rate * _factor())


def seconds_for(requests, operation):
    """How long so many calls take from a full bucket."""
    return max(0, requests - operation.burst) / (operation.rate * _factor())


def _pages(days, per_day, report):
    widest = plan.widest_for_pages(report.window.most, rows_per_day=per_day, page_rows=report.source.page_rows)
    chains = math.ceil(days / widest) if days else 0
    return max(chains, math.ceil(days * per_day / report.source.page_rows))


def _rows_per_day(account, report_key):
    """How busy the account's days are, from what was loaded last; None before the first day is in."""
    if account is None:
        return None
    known = Day.objects.filter(dataset__account=account, dataset__report=report_key, state__in=Day.IN)
    newest = known.aggregate(newest=Max("day"))["newest"]
    return known.order_by("-day")[:60].aggregate(mean=Avg("rows"))["mean"] if newest else None


def _factor():
    return settings.SPAPI_RATE_FACTOR


def words(seconds):
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
