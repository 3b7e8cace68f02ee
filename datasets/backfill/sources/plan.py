"""How wanted days are grouped into requests. Pure."""

from collections.abc import Callable, Collection
from datetime import date, timedelta
from typing import Any

from connector.catalogue.windows import Aligned, Days
from datasets.calendar import bounds

Window = tuple[date, date]  # the first and the last day, both included
Fits = Callable[[date, date], bool]  # whether one request may cover these days

TRUST = 4  # how many times the known days may be requested on the basis of their row counts
REPORTS_IN_FLIGHT = 15  # reports of one dataset in progress at a time: as many as Amazon accepts without a wait
EDGE_DAYS = 2  # today and yesterday arrive on their own, where a request can be spared for them


def windows(wanted: Collection[date], *, fits: Fits, edge: date | None = None, spare: int = 0) -> list[Window]:
    """Windows (first, last) that cover the wanted days with the fewest requests, newest first.

    `fits(first, last)` says whether one request may cover these days; whatever fits, its parts fit too.

    The cover is laid from the oldest day on, so whatever is left over, the small window, is the newest one.
    `edge` is the newest day the dataset is to hold: while it is wanted, and one more request fits into `spare`
    (calls that Amazon answers without a wait), the newest days get a request to themselves.
    """
    covered: list[list[date]] = []
    for day in sorted(set(wanted)):
        if covered and fits(covered[-1][0], day):
            covered[-1][1] = day
        else:
            covered.append([day, day])
    found = [(first, last) for first, last in reversed(covered)]
    if not found or found[0][1] != edge or len(found) + 1 > spare:
        return found
    first, last = found[0]
    if (last - first).days < EDGE_DAYS:
        return found
    split = last - timedelta(days=EDGE_DAYS - 1)
    older = [day for day in wanted if first <= day < split]
    return [(min(day for day in wanted if day >= split), last), (first, max(older)), *found[1:]]


def for_report(
    rule: Days | Aligned, wanted: Collection[date], zone: str, *, edge: date | None = None, spare: int = 0
) -> list[Window]:
    """The windows in which a report is asked for, newest first, by the report's own rule."""
    if isinstance(rule, Aligned):
        return periods(wanted, rule)
    return windows(wanted, fits=whole_days(rule, zone), edge=edge, spare=spare)


def periods(wanted: Collection[date], rule: Aligned) -> list[Window]:
    """Windows of whole periods that cover the wanted days with the fewest requests, newest first."""
    covered: list[list[Any]] = []  # [first, last, how many periods]
    for first, last in sorted({rule.period(day) for day in wanted}):
        if covered and covered[-1][2] < rule.most and first - covered[-1][1] == timedelta(days=1):
            covered[-1][1:] = last, covered[-1][2] + 1
        else:
            covered.append([first, last, 1])
    return [(first, last) for first, last, _ in reversed(covered)]


def at_most(days: int) -> Fits:
    """Fits: no more than so many calendar days."""
    return lambda first, last: (last - first).days < days


def whole_days(window_rule: Days, zone: str) -> Fits:
    """Fits: Amazon takes the instants from the first day's beginning to the last day's end, whose days have 23 to 25 hours."""
    return lambda first, last: window_rule.fits(bounds(first, zone)[0], bounds(last, zone)[1])


def widest_for_pages(
    most: int, *, rows_per_day: float | None, page_rows: int, pages: int = 15, known_days: int | None = None
) -> int:
    """How many days one page chain may cover, so that it is done after about `pages` pages.

    The last page of a chain is half empty as a rule, and each costs as much of the quota as a full one: so chains are
    long, and yet land something within the hour. While it is unknown how busy a day is, the first chain stays small;
    what a few days show (`known_days`) is trusted for a few more, even if nothing was sold in the first hours of today.
    """
    if rows_per_day is None:
        return min(most, EDGE_DAYS)
    if known_days is not None:
        most = min(most, max(EDGE_DAYS, TRUST * known_days))
    return max(1, min(most, int(pages * page_rows / max(rows_per_day, 1))))
