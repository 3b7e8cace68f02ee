"""Assigns each row of an answer to its day, and says why a day without rows cannot be called empty.

Only Amazon can say that a day is empty. If rows cannot be assigned to a day, they may belong to any day without rows.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from connector.catalogue.moments import moment
from datasets.backfill.answers.raw import Raw
from datasets.calendar import bounds, days
from datasets.retries import LATER

MAX_QUOTED = 60  # characters of a value in a sentence
_A_SECOND = timedelta(seconds=1)


class Placing:
    """To which day of the answer a moment belongs; what belongs to none is counted, with the first of its kind."""

    def __init__(self, asked: Raw, zone: str, column: str, *, dates: bool = False) -> None:
        """`asked` has the `first_day`, the `last_day` and the `until_at` that Amazon was asked for, or that are taken from a file."""
        self.asked, self.column, self.dates = asked, column, dates
        self._find = day_finder(asked.first_day, asked.last_day, zone, dates=dates)
        self.undated = 0  # rows without a day that can be read
        self.out_of_window = 0  # rows of days outside of the window
        self.on_edge = 0  # out-of-window rows of the very instant at which the request ends, which Amazon includes
        self._first_undated: str | None = None
        self._first_out_of_window: str | None = None

    def day(self, said: object) -> date | None:
        """The day of a row whose day column says this; None where it is none that Amazon was asked for."""
        day = self._find(said)
        if day is not None and self.asked.first_day <= day <= self.asked.last_day:
            return day
        if day is None:
            self.undated += 1
            if self._first_undated is None:
                self._first_undated = quoted(said)
        else:
            self.out_of_window += 1
            if self._is_edge(said):
                self.on_edge += 1
            elif self._first_out_of_window is None:
                self._first_out_of_window = quoted(said)
        return None

    def _is_edge(self, said: object) -> bool:
        at, until = cast(datetime, moment(cast(str, said))), self.asked.until_at  # its day could be read
        return not self.dates and at.tzinfo is not None and until is not None and abs(at - until) < _A_SECOND

    def notes(self) -> list[str]:
        """Sentences for the days that have rows."""
        found = []
        if self.out_of_window:
            first = f" (the first is of {self._first_out_of_window})" if self._first_out_of_window else ""
            some = "1 row is" if self.out_of_window == 1 else f"{self.out_of_window:,} rows are"
            if self.asked.is_of_file:
                found.append(
                    f"{some} of days that are already loaded or that Amazon provides{first}, and were left out."
                )
            else:
                found.append(
                    f"{some} of days outside this request{first} and were left out: those days are loaded by their own requests."
                )
        if self.undated:
            belong = (
                "cannot be assigned to a day; it is" if self.undated == 1 else "cannot be assigned to a day; they are"
            )
            found.append(f"{self._unreadable()} and {belong} only in the raw file.")
        return found

    def doubt(self, set_aside: int, has_rows: bool) -> str:
        """Why a day without rows cannot be called empty; empty text where nothing speaks against it.

        `set_aside` is how many rows could not be read as rows, and `has_rows` whether any row found its day.
        """
        reasons = []
        if self.undated:
            reasons.append(f"{self._unreadable()}.")
        if set_aside:
            some = "1 row" if set_aside == 1 else f"{set_aside:,} rows"
            reasons.append(f"{some} of Amazon's answer could not be read and had to be set aside.")
        if reasons:
            return f"{' '.join(reasons)} Such a row may belong to this day, {_NOT_EMPTY}"
        if self.out_of_window > self.on_edge and not has_rows:
            all_rows = "The only row" if self.out_of_window == 1 else f"All {self.out_of_window:,} rows"
            verb = "is" if self.out_of_window == 1 else "are"
            return (
                f"{all_rows} of Amazon's answer {verb} of other days than {self._days_asked()}, which Amazon was asked for; the "
                f"first is of {self._first_out_of_window}. So Amazon has not said that this day has no rows, {_NOT_EMPTY}"
            )
        return ""

    def _unreadable(self) -> str:
        some = "1 row of Amazon's answer has" if self.undated == 1 else f"{self.undated:,} rows of Amazon's answer have"
        return f"{some} no readable {self.column} (the first is {self._first_undated})"

    def _days_asked(self) -> str:
        first, last = self.asked.first_day, self.asked.last_day
        return f"{first}" if first == last else f"{first} to {last}"


_NOT_EMPTY = (
    f"so it is not marked empty, and its earlier rows are kept. It is {LATER}. If the result is the same, compare "
    "this day with Amazon's own site, and report the value shown here to the people who run this installation."
)


def quoted(said: object) -> str:
    """A value of Amazon's in a sentence: short, in quotes, or in words where there is none."""
    if said is None or said == "":
        return "empty"
    text = str(said)
    text = text[:MAX_QUOTED] + ("…" if len(text) > MAX_QUOTED else "")
    return "'" + "".join(sign if sign.isprintable() else "\ufffd" for sign in text) + "'"


def hours(first: date, last: date, zone: str) -> dict[str, date]:
    """{"2026-01-31T08": day} for each hour of UTC that lies wholly within one of the days."""
    known = {}
    for day in days(first, last):
        hour, end = bounds(day, zone)
        hour += timedelta(seconds=-hour.timestamp() % 3600)
        while hour + timedelta(hours=1) <= end:
            known[hour.strftime("%Y-%m-%dT%H")] = day
            hour += timedelta(hours=1)
    return known


def day_finder(first: date, last: date, zone: str, *, dates: bool = False) -> Callable[[object], date | None]:
    """A function from a moment's text to the local day it falls on, fast for instants near first..last.

    It reads what `connector.catalogue.moments` reads, and answers None for all else. A timestamp without a zone
    belongs to the day it names. With `dates` the text is that of a column that counts dates: the day is the one
    written, whatever time and zone follow it (2025-04-10T00:00:00Z is 10 April everywhere).

    Amazon writes UTC as +00:00 or Z; of such text the hour is looked up as it stands, which is ten times as fast as
    parsing it.
    """
    tz = ZoneInfo(zone)
    known = {} if dates else hours(first, last, zone)

    def find(text: object) -> date | None:
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
