"""Calendar days and instants. Pure: words, dates and zones in, dates and half-open instants out."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from connector.catalogue.moments import moment

RELATIVE = re.compile(r"(?:today\s*-\s*)?(\d{1,5})$")


def zone_of(report, account):
    """The zone in which the report's days are counted for this account."""
    if report.zone != "marketplace":
        return report.zone
    return account.zone if account else "UTC"


def today(now, zone):
    """The calendar day that `now` falls on in the zone."""
    return now.astimezone(ZoneInfo(zone)).date()


def resolve(word, today):
    """The day that a person's word means: an ISO date, today, yesterday, today-7, or a number of days back.

    Raises ValueError with a sentence for people.
    """
    word = str(word).strip().lower()
    if word == "today":
        return today
    if word == "yesterday":
        return today - timedelta(days=1)
    if found := RELATIVE.match(word):
        try:
            return today - timedelta(days=int(found[1]))
        except OverflowError:
            raise ValueError(f"{word} days back is before the calendar begins.") from None
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise ValueError(
            f"'{word}' is not a day. Write a date such as 2026-10-01, or today, yesterday, today-7."
        ) from None


def bounds(day, zone):
    """The day's first instant and the next day's, in UTC: 23, 24 or 25 hours."""
    tz = ZoneInfo(zone)
    start = datetime.combine(day, time(), tz).astimezone(UTC)
    return start, datetime.combine(day + timedelta(days=1), time(), tz).astimezone(UTC)


def days(first, last):
    """Each day from first to last, both included, newest first."""
    return [last - timedelta(days=back) for back in range((last - first).days + 1)]


@dataclass(frozen=True)
class Span:
    """The days a dataset is to hold: first and last, both included; last < first means none."""

    first: date
    last: date

    def __len__(self):
        return max(0, (self.last - self.first).days + 1)


def span(start, end, *, today, newest=None, reach_days=None):
    """What the dataset's words mean today, cut at the newest day there can be and at how far back Amazon reaches."""
    first, last = resolve(start, today), min(resolve(end, today), newest or today)
    if reach_days is not None:
        first = max(first, today - timedelta(days=reach_days))
    return Span(first, last)


def over(span, rule, *, newest, earliest=None):
    """The whole periods in which the span's days lie, as far as they are over before `newest` and none begins before `earliest`."""
    if not len(span):
        return span
    one = timedelta(days=1)
    first, (begun, ends) = rule.period(span.first)[0], rule.period(span.last)
    if earliest is not None and first < earliest:
        first = rule.period(span.first)[1] + one
    return Span(first, ends if ends < newest else begun - one)


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


def day_finder(first, last, zone, *, dates=False):
    """A function from a moment's text to the local day it falls on, fast for instants near first..last.

    It reads what `connector.catalogue.moments` reads, and answers None for all else. A moment without a zone is of the day
    that it names. With `dates` the text is that of a column that counts dates: the day is the one written, whatever time
    and zone stand behind it (2025-04-10T00:00:00Z is 10 April everywhere).

    Amazon writes UTC as +00:00 or Z; of such text the hour is looked up as it stands, which is ten times as quick as
    parsing it.
    """
    tz = ZoneInfo(zone)
    known = {} if dates else hours(first, last, zone)

    def find(text):
        if type(text) is not str:
            return None
        if text.endswith(("Z", "+00:00")) and len(text) >= 20 and (day := known.get(text[:13])):
            return day
        at = moment(text)
        if at is None:
            return None
        try:
            return at.astimezone(tz).date() if at.tzinfo and not dates else at.date()
        except (ValueError, OverflowError):
            return None

    return find
