"""How a document writes numbers and dates, where not as 1234.56 and 2026-01-31. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connector.catalogue.moments import moment

_PARTS = {"dmy": (3, 2, 1), "mdy": (3, 1, 2)}
_DATE = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})(?:[ T]+(\d{1,2}:\d\d(?::\d\d)?.*))?", re.ASCII)
_WORDS = re.compile(r"\b(?!UTC\b|Z\b)[A-Z]+", re.IGNORECASE)  # AM and PM, a zone's abbreviation: what no database reads
_SPACED = re.compile(r"[+-]?\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?:,\d+)?", re.ASCII)  # as in France
_SPACES = dict.fromkeys(map(ord, " \u00a0\u202f"))
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?", re.ASCII)
_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_MINUS = str.maketrans("\u2212", "-")


@dataclass(frozen=True)
class NumberDateFormat:
    """`decimal` is the sign before the decimals; `dates` the order of the parts: dmy, mdy, or empty for ISO 8601.

    A value that is not written so stays as it is, and may make its column text: nothing is guessed and nothing lost.
    """

    decimal: str = "."
    dates: str = ""

    def plain(self, type: str) -> Callable[[str], str] | None:
        """A function that makes a column's text plain; None where there is nothing to do."""
        if type in ("numeric", "bigint") and self.decimal == ",":
            return _number
        if type in ("date", "timestamptz") and self.dates:
            return self._date
        return None

    def _date(self, text: str) -> str:
        found = _DATE.fullmatch(text.strip())
        if found is None:
            return text
        year, month, day = (int(found[part]) for part in _PARTS[self.dates])
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return text
        clock = found[4]
        if clock and _WORDS.search(clock) and (at := moment(f"{year:04}-{month:02}-{day:02} {clock}")):
            return at.isoformat(sep=" ")
        return f"{year:04}-{month:02}-{day:02}" + (f" {clock.zfill(len(clock) + (clock[1] == ':'))}" if clock else "")


PLAIN = NumberDateFormat()


def made_plain(row: list[str], columns: Sequence[tuple[int, Callable[[str], str]]]) -> list[str]:
    """The row with numbers and dates as a database reads them; `columns` are (place, function)."""
    for place, plain in columns:
        if row[place]:
            row[place] = plain(row[place])
    return row


def _number(text: str) -> str:
    bare = text.strip().translate(_MINUS)
    if _SPACED.fullmatch(bare):
        return bare.translate(_SPACES).replace(",", ".")
    if _GROUPED.fullmatch(bare):
        return bare.replace(".", "").replace(",", ".")
    if _COMMA.fullmatch(bare):
        return bare.replace(",", ".")
    return text
