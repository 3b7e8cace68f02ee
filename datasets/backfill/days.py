"""Which days a run has to load. Pure: ledger entries in, days out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from connector.catalogue.windows import Aligned, Days
from datasets import calendar


@dataclass(frozen=True)
class Known:
    """A day whose rows are in: when Amazon was asked for it, and up to which instant."""

    day: date
    read_until: datetime | None
    landed_at: datetime | None


def settles_on(day: date, settling_days: int) -> date:
    """The date from which on a reading of the day is its last one: Amazon restates it no more."""
    return day + timedelta(days=settling_days)


def again(known: Iterable[Known], *, zone: str, now: datetime, settling_days: int) -> list[date]:
    """Of the days that are in, those to read once more, newest first.

    A day that was still open when it was read is read again. A day that Amazon restates is read again once a calendar day,
    until it has been read when `settling_days` old: however long no run took place.
    """
    today = calendar.today(now, zone)
    wanted = []
    for day in known:
        _, end = calendar.bounds(day.day, zone)
        still_open = day.read_until is not None and day.read_until < end
        read_on = calendar.today(day.landed_at, zone) if day.landed_at else today
        if still_open or read_on < min(settles_on(day.day, settling_days), today):
            wanted.append(day.day)
    return sorted(wanted, reverse=True)


def whole_periods(days: Iterable[date], rule: Days | Aligned) -> list[date]:
    """All days of the periods in which these days lie: a period comes in as a whole, or not at all."""
    found = set()
    for first, last in {rule.period(day) for day in days}:
        found.update(calendar.days(first, last))
    return sorted(found, reverse=True)
