"""Days as the American marketplace counts them, and as far as Amazon can be asked for them."""

from datetime import UTC, datetime, timedelta

from datasets import calendar

ZONE = "America/Los_Angeles"


def day_before(n):
    """So many days before the newest that Amazon can be asked for: today, but in its first half hour still the day before."""
    return calendar.today(datetime.now(UTC) - timedelta(minutes=31), ZONE) - timedelta(days=n)
