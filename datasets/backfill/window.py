"""A report's days in its time zone, and instants as Amazon writes them. Pure: no clock, no model."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from datasets.calendar import bounds, days, today


def zone_of(report, account):
    """The zone in which the report's days are counted for this account."""
    if report.zone != "marketplace":
        return report.zone
    return account.zone if account else "UTC"


def as_dates(from_at, until_at, zone):
    """The first and the last day of the instants, as midnights of UTC: for reports whose bounds Amazon reads as dates, both included."""
    edges = today(from_at, zone), today(until_at - timedelta(microseconds=1), zone)
    return tuple(datetime.combine(day, time(), UTC) for day in edges)


def hours(first, last, zone):
    """{"2026-01-31T08": day} for each hour of UTC that lies wholly within one of the days."""
    known = {}
    for day in days(first, last):
        hour, end = bounds(day, zone)
        hour += timedelta(seconds=-hour.timestamp() % 3600)
        while hour + timedelta(hours=1) <= end:
            known[hour.strftime("%Y-%m-%dT%H")] = day
            hour += timedelta(hours=1)
    return known


def day_finder(first, last, zone):
    """A function from an instant's text (ISO 8601) to the local day it falls on, fast for instants near first..last.

    It answers None for what is no instant. Amazon writes UTC as +00:00 or Z; of such text the hour is looked up as it
    stands, which is ten times as quick as parsing it.
    """
    tz = ZoneInfo(zone)
    known = hours(first, last, zone)

    def find(text):
        if type(text) is not str:
            return None
        if text.endswith(("Z", "+00:00")) and len(text) >= 20 and (day := known.get(text[:13])):
            return day
        try:
            moment = datetime.fromisoformat(text)
            return moment.astimezone(tz).date() if moment.tzinfo else moment.date()
        except (ValueError, OverflowError):
            return None

    return find
