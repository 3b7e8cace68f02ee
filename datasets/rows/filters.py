"""One comparison of a column with a value: read from text into a Filter. Pure."""

import csv
import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from datasets import calendar
from datasets.problems import printable

OPERATORS = ("ne", "gt", "gte", "lt", "lte", "in", "contains", "startswith", "isnull")
MAX_LISTED = 1000

NUMBER = re.compile(r"[+-]?(\d{1,60}(\.\d{0,60})?|\.\d{1,60})([eE][+-]?\d{1,3})?", re.ASCII)
WORD_OF_DAY = re.compile(r"\s*(today(\s*-\s*\d{1,5})?|yesterday|\d{4}-\d{2}-\d{2})\s*", re.IGNORECASE | re.ASCII)
LOST_PLUS = re.compile(r"(:\d{2}(?:\.\d+)?) (\d{2}:?\d{2})$")  # a + in a URL, decoded as a space
FLAGS = {"1": True, "true": True, "on": True, "yes": True, "0": False, "false": False, "off": False, "no": False}
BOOLEANS = FLAGS | {"t": True, "f": False}


@dataclass(frozen=True)
class Filter:
    """`op` is one of OPERATORS, or eq, endswith, within, outside (a half-open range of instants); or it is made of other
    Filters and has no column: all, any (of several), not, untrue (of one), always, never."""

    column: str
    type: str
    op: str
    value: Any


class Comparisons:
    """Reads the text of comparisons; `zone` says whose day a date means, `now` what today is. Raises ValueError with a sentence."""

    def __init__(self, zone: str, now: datetime) -> None:
        self.zone, self.now = zone, now

    def build(self, column: str, kind: str, op: str, text: str) -> Filter:
        """The Filter of a column of this type, one of OPERATORS or eq, and the value's text."""
        if op == "isnull":
            return Filter(column, kind, "isnull", flag(text))
        if op in ("contains", "startswith"):
            if kind != "text":
                raise ValueError(f"{op} is for columns of text, and this one is {kind}.")
            return Filter(column, kind, op, text)
        if op == "in":
            return self.one_of(column, kind, text)
        if kind == "timestamptz" and WORD_OF_DAY.fullmatch(text):
            return self.day_of_instant(column, op, self.day(text))
        return Filter(column, kind, op, self.value(kind, text))

    def one_of(self, column: str, kind: str, text: str) -> Filter:
        """The Filter for a list as a line of CSV."""
        try:
            listed = next(csv.reader([text], strict=True), [])
        except csv.Error:
            raise ValueError(
                "the list could not be read. Separate values with commas; quote a value that contains a comma."
            ) from None
        if not listed:
            raise ValueError("the list is empty.")
        if len(listed) > MAX_LISTED:
            raise ValueError(f"at most {MAX_LISTED} values can be listed.")
        if kind == "timestamptz":
            return Filter(column, kind, "any", tuple(self.build(column, kind, "eq", item) for item in listed))
        return Filter(column, kind, "in", tuple(self.value(kind, item) for item in listed))

    def day_of_instant(self, column: str, op: str, day: date) -> Filter:
        """The Filter of a column of instants compared with a whole day in the zone."""
        start, end = self.bounds(day)
        if op in ("eq", "ne"):
            return Filter(column, "timestamptz", "within" if op == "eq" else "outside", (start, end))
        edge = {"gte": ("gte", start), "gt": ("gte", end), "lt": ("lt", start), "lte": ("lt", end)}
        return Filter(column, "timestamptz", *edge[op])

    def value(self, kind: str, text: str) -> object:
        """The text as a value of the column's type."""
        if kind == "text":
            return text
        if not text.strip():
            raise ValueError(f"a value is missing; the column is {kind}. For rows without a value use __isnull=1.")
        if kind in ("bigint", "numeric"):
            return _number(text)
        if kind == "boolean":
            found = BOOLEANS.get(text.strip().lower())
            if found is None:
                raise ValueError(f"'{printable(text)}' is not true or false.")
            return found
        if kind == "date":
            return self.day(text)
        if kind == "timestamptz":
            return self.instant(text)
        return text

    def day(self, text: str) -> date:
        """The calendar day that a word means."""
        text = text.strip().lower()
        if not WORD_OF_DAY.fullmatch(text):
            raise ValueError(
                f"'{printable(text)}' is not a day. Write a date such as 2026-10-01, or today, yesterday, today-7."
            )
        return calendar.resolve(text, calendar.today(self.now, self.zone))

    def bounds(self, day: date) -> tuple[datetime, datetime]:
        """The day's first instant and the next day's, in UTC."""
        try:
            return calendar.bounds(day, self.zone)
        except OverflowError:
            raise ValueError(f"{day} is outside the supported calendar range.") from None

    def instant(self, text: str) -> datetime:
        """The instant in UTC; one without an offset is of the zone."""
        text = LOST_PLUS.sub(r"\1+\2", text.strip())
        try:
            found = datetime.fromisoformat(text)
            if found.tzinfo is None:
                found = found.replace(tzinfo=ZoneInfo(self.zone))
            return found.astimezone(ZoneInfo("UTC"))
        except (ValueError, OverflowError):
            raise ValueError(
                f"'{printable(text)}' is not an instant. Write 2026-10-01T07:00:00Z, a date, or today, yesterday, today-7."
            ) from None


def flag(text: str) -> bool:
    """Yes or no, in any of the usual words; ValueError with a sentence for another one."""
    found = FLAGS.get(text.strip().lower())
    if found is None:
        raise ValueError(f"'{printable(text)}' is not 1 or 0. Write 1 or 0.")
    return found


def _number(text: str) -> int | Decimal:
    text = text.strip()
    if not NUMBER.fullmatch(text):
        raise ValueError(f"'{printable(text)}' is not a number.")
    found = Decimal(text)
    if found == found.to_integral_value() and abs(found) < 2**63:
        return int(found)  # so that an index on whole numbers is used
    return found
