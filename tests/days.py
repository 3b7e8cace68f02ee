"""Days as the American marketplace counts them, and as far as Amazon can be asked for them.

A test counts its days from here, from the day on which it began: none goes by the date of its machine or of UTC, and midnight
may pass while it runs.
"""

from datetime import UTC, datetime, timedelta

from datasets import calendar

ZONE = "America/Los_Angeles"
ASKED_LATE = timedelta(minutes=31)  # Amazon cannot be asked for a day in its first half hour
_began = None


def begin():
    """From now on days are counted from this instant."""
    global _began
    _began = datetime.now(UTC)


def day_before(n):
    """So many days before the newest that Amazon can be asked for: today, but in its first half hour still the day before."""
    return calendar.today((_began or datetime.now(UTC)) - ASKED_LATE, ZONE) - timedelta(days=n)


def meant_by(word):
    """The day that the product means by a word that people typed: to it today is today in its first half hour, too."""
    return calendar.resolve(word, calendar.today(_began or datetime.now(UTC), ZONE))


def day_of(word):
    """The day that a dataset's word means (today-7, yesterday, 2026-11-01), counted like this, as such a date's text."""
    return calendar.resolve(word, day_before(0)).isoformat()


def even_days(count):
    """(first, last) of the newest so many days before today that have 24 hours each: in America no clock is changed in them."""
    for ago in range(1, 200):
        first, last = day_before(ago + count - 1), day_before(ago)
        begins, ends = calendar.bounds(first, ZONE)[0], calendar.bounds(last, ZONE)[1]
        if ends - begins == timedelta(days=count) and all(_hours(day) == 24 for day in calendar.days(first, last)):
            return first, last
    raise ValueError(f"No {count} days in a row have 24 hours each.")


def last_periods(rule, count):
    """(first, last) of the newest so many periods of which Amazon has the figures, oldest first."""
    found, day = [], day_before(1)
    while len(found) < count:
        first, last = rule.period(day)
        if last < day_before(1):
            found.insert(0, (first, last))
        day = first - timedelta(days=1)
    return found


def _hours(day):
    begins, ends = calendar.bounds(day, ZONE)
    return (ends - begins) / timedelta(hours=1)
