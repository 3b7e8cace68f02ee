"""A definition in a few words: its days, its schedule, its next runs. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, time
from typing import cast
from zoneinfo import ZoneInfo

from connector.catalogue.report import Report
from datasets import schedule
from datasets.backfill.forecast import Forecast


def days_line(report: Report | None, plan: Forecast | None, start: str, end: str) -> str:
    """last 90 days, 1 Oct – 5 Nov 2026, as of now; empty where they are not known. `start` and `end` are as they were typed."""
    if not report or not report.has_dates:
        return "as of now" if report else ""
    if not plan:
        return ""
    if not plan.days:
        return "nothing yet"
    first, last = cast(date, plan.first), cast(date, plan.last)  # which a report with dates has
    start, end = start.strip().lower(), end.strip().lower()
    if end in ("", "yesterday", "today") and not start[:4].isdigit():
        return f"last {plan.days} days" if plan.days != 1 else end or "yesterday"
    if start[:4].isdigit() and end in ("", "yesterday", "today"):
        return f"since {day_words(first)}"
    return f"{day_words(first)} – {day_words(last)}"


def day_words(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def schedule_line(is_daily: bool, at: time | None, zone: str) -> str:
    """manual, or daily 06:00 Los Angeles; a question mark for a time that is none."""
    if not is_daily:
        return "manual"
    return f"daily {at.strftime('%H:%M') if at else '?'} {zone.rpartition('/')[2].replace('_', ' ')}"


def next_runs(at: time, zone: str, now: datetime, most: int = 5) -> Iterator[tuple[str, str]]:
    """(instant in ISO form, its words) of the next daily runs, by the clock of the zone; none where there is no such zone."""
    try:
        local_zone = ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        return
    after = now
    for _ in range(most):
        after = cast(datetime, schedule.next_run("daily", at, zone, after))  # a daily schedule never ends
        local = after.astimezone(local_zone)
        yield local.isoformat(), f"{local:%a} {local.day} {local:%b %H:%M} {local.tzname()}"
