"""When a dataset runs next. Pure: an instant in, an instant out."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

DEFAULT_AT = time(6)


def next_run(kind: str, at: time | None, zone: str | None, after: datetime) -> datetime | None:
    """The first instant later than `after` (aware) that the schedule names, in UTC; None for a manual one.

    A local time that a clock change skips is moved forward by the change; one that happens twice counts once, the first time.
    """
    if kind != "daily":
        return None
    tz = ZoneInfo(zone or "UTC")
    day = after.astimezone(tz).date() - timedelta(days=1)
    while True:
        moment = datetime.combine(day, at or DEFAULT_AT, tz).astimezone(UTC)
        if moment > after:
            return moment
        day += timedelta(days=1)
