"""Calendar days and instants. Pure: words, dates and zones in, dates and half-open instants out."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

RELATIVE = re.compile(r"(?:today\s*-\s*)?(\d{1,5})$")


def today(now: datetime, zone: str) -> date:
    """The calendar day that `now` falls on in the zone."""
    return now.astimezone(ZoneInfo(zone)).date()


def written(at: datetime) -> str:
    """An instant for display, in UTC: 28 Nov 2026 14:32 UTC."""
    return f"{at.astimezone(UTC):%d %b %Y %H:%M} UTC"


def resolve(word: object, today: date) -> date:
    """The day that a user's word means: an ISO date, today, yesterday, today-7, or a number of days back.

    Raises ValueError with a message for users.
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
            raise ValueError(f"{word} days back is before the first supported date.") from None
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise ValueError(
            f"'{word}' is not a day. Write a date such as 2026-10-01, or today, yesterday, today-7."
        ) from None


def bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """The day's first instant and the next day's, in UTC: 23, 24 or 25 hours. OverflowError at the edges of the
    calendar."""
    tz = ZoneInfo(zone)
    start = datetime.combine(day, time(), tz).astimezone(UTC)
    return start, datetime.combine(day + timedelta(days=1), time(), tz).astimezone(UTC)


def days(first: date, last: date) -> list[date]:
    """Each day from first to last, both included, newest first."""
    return [last - timedelta(days=back) for back in range((last - first).days + 1)]
