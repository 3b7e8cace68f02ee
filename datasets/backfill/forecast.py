"""What a dataset will ask of Amazon, and about how long that takes: said before saving and while running."""

import math
from dataclasses import dataclass, field
from datetime import date

from django.conf import settings
from django.db.models import Avg, Max

from connector.accounts import quota
from connector.catalogue.report import NoWindow
from connector.spapi.operations import OPERATIONS
from datasets import calendar
from datasets.backfill import plan, runs, window
from datasets.models import Day, Request

REPORT_SECONDS = 60  # what Amazon usually needs to build a report, from asking to the document
ONE_ANSWER_SECONDS = 5  # for a report that is one call and its answer
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

    The arithmetic is that of Amazon's limits, all that the calls count against: what the ledger says may go out now, and
    then one request every 1/rate seconds.
    """
    if isinstance(report.window, NoWindow):
        seconds = _seconds(account, report, 1) + (0.0 if report.source.is_report else ONE_ANSWER_SECONDS)
        return Forecast(None, None, 1, 1, seconds, ["This report shows the present and has no history."])
    days = calendar.days(first, last) if first <= last else []
    notes = []
    if report.source.is_report:
        zone = window.zone_of(report, account)
        spare = OPERATIONS["createReport"].burst
        requests = len(plan.for_report(report.window, days, zone, edge=last, spare=spare))
        notes.append(report.window.note)
        if not days:
            notes.append("None lies within these dates yet; the runs to come bring them in.")
    else:
        per_day = _rows_per_day(account, report.key)
        guessed = per_day is None
        requests = _pages(len(days), per_day if per_day is not None else GUESSED_ROWS_PER_DAY, report)
        if guessed:
            notes.append(
                f"Reckoned with {GUESSED_ROWS_PER_DAY} orders a day, since nothing of this account has been loaded yet."
            )
    if report.settling_days:
        notes.append(f"Amazon corrects recent days, so each run reads the last {report.settling_days} days again.")
    return Forecast(first, last, len(days), requests, _seconds(account, report, requests), notes)


def remaining(dataset, run, report):
    """About how many seconds the open run still needs; None where nothing can be said."""
    if run is None or isinstance(report.window, NoWindow) or run.first_day is None:
        return None
    open_days = Day.objects.of_run(run).filter(Day.still_open())
    missing = sorted(open_days.values_list("day", flat=True), reverse=True)
    if not missing:
        return 0.0
    if not report.source.is_report:
        per_day = _rows_per_day(dataset.account, report.key) or GUESSED_ROWS_PER_DAY
        chains = Request.objects.filter(dataset=dataset, generation=run.generation, state=Request.State.ASKED)
        read = sum(cursor.get("pages", 0) for cursor in chains.values_list("cursor", flat=True))
        return _seconds(dataset.account, report, max(1, _pages(len(missing), per_day, report) - read), run)
    zone = window.zone_of(report, dataset.account)
    asked = Request.objects.filter(dataset=dataset, generation=run.generation, state__in=Request.OPEN).exclude(
        state=Request.State.PLANNED
    )
    still = len(plan.for_report(report.window, missing, zone)) - asked.count()
    return _seconds(dataset.account, report, max(0, still), run) or REPORT_SECONDS / _factor()


def _seconds(account, report, requests, run=None):
    """How long so many requests take: whatever is slowest, the calls of Amazon's narrowest limit or the building of the reports."""
    if not report.source.is_report:
        return _quota_seconds(account, report.source.operation, requests, run)
    if not requests:
        return 0.0
    asking = _quota_seconds(account, "createReport", requests, run, report.source.report_type)
    fetching = _quota_seconds(account, "getReportDocument", requests, run)
    building = (math.ceil(requests / plan.REPORTS_IN_FLIGHT) - 1) * REPORT_SECONDS / _factor()
    return max(asking, fetching, building) + REPORT_SECONDS / _factor()


def _quota_seconds(account, operation, calls, run, kind=""):
    """Until the last of so many calls may go out, with one of somebody else's after each while others stand in line too."""
    if account is None or account.pk is None:
        declared = OPERATIONS[operation]
        limits = [declared, *declared.further_for(kind)]
        return max(max(0, calls - limit.burst) / (limit.rate * _factor()) for limit in limits)
    others = quota.others_waiting(account, operation, kind, but=runs.place_of(run) if run else "")
    return quota.seconds_for(account, operation, calls * (1 + others), kind)


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
