"""The timestamps in Amazon's documents, as far as they are unambiguous. Pure.

Read are ISO 8601 in all its forms, an ISO date with a zone's abbreviation or AM and PM, and dates with an English month's
name. What leaves it open which number is the day and which the month (11/05/2026) is not read here: a report that writes
so declares it (`NumberDateFormat`).
"""

import re
from datetime import datetime, timedelta, timezone

# Hours east of UTC. Abbreviations that mean several zones (CST, IST, EST, MST) are not read.
ZONES = {
    "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "MET": 1, "MEST": 2, "EET": 2, "EEST": 3,
    "PST": -8, "PDT": -7, "JST": 9, "AEST": 10, "AEDT": 11,
}  # fmt: skip
_NAMES = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_MONTHS = {word: number for number, name in enumerate(_NAMES, 1) for word in (name, name[:3])} | {"sept": 9}
_DATES = tuple(
    re.compile(pattern + r"(?:(?:,? +|T)(?P<clock>\d{1,2}:.+))?", re.ASCII)
    for pattern in (
        r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)",
        r"(?P<day>\d{1,2})[ .-] ?(?P<month>[A-Za-z]{3,9})[ .,-] ?(?P<year>\d{4})",
        r"(?P<month>[A-Za-z]{3,9})\.? (?P<day>\d{1,2}),? (?P<year>\d{4})",
    )
)
_CLOCK = re.compile(
    r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?: ?([AP])\.?M\.?)?(?: ?(?:([A-Z]{1,4})|([+-])(\d\d):?(\d\d)?))?",
    re.ASCII,
)


def moment(text: str) -> datetime | None:
    """The datetime that a text means, with its zone where it names one; None where it is none, or can be read in two ways."""
    text = text.strip()
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for pattern in _DATES:
        if found := pattern.fullmatch(text):
            return _made(found["year"], found["month"], found["day"], found["clock"])
    return None


def _made(year: str, month: str, day: str, clock: str | None) -> datetime | None:
    number = int(month) if month.isdigit() else _MONTHS.get(month.lower())
    later, zone = _clock(clock) if clock else (timedelta(0), None)
    if number is None or later is None:
        return None
    try:
        return datetime(int(year), number, int(day), tzinfo=zone) + later
    except (ValueError, OverflowError):
        return None


def _clock(text: str) -> tuple[timedelta | None, timezone | None]:
    """(time since midnight, zone or None); (None, None) where it is none. 24:00 and a leap second end the day or minute."""
    found = _CLOCK.fullmatch(text.strip().upper())
    if found is None:
        return None, None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    half, name, sign = found[5], found[6], found[7]
    if half:
        if not 1 <= hour <= 12:
            return None, None
        hour = hour % 12 + (12 if half == "P" else 0)
    later = timedelta(hours=hour, minutes=minute, seconds=second, microseconds=int((found[4] or "").ljust(6, "0")[:6]))
    if minute > 59 or second > 60 or later > timedelta(days=1) or (name and name not in ZONES):
        return None, None
    if name:
        return later, timezone(timedelta(hours=ZONES[name]))
    if sign:
        east = timedelta(hours=int(found[8]), minutes=int(found[9] or 0))
        if east >= timedelta(days=1):
            return None, None
        return later, timezone(-east if sign == "-" else east)
    return later, None
