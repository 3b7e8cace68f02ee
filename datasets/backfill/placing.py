"""Gives each row of an answer to its day, and says why a day without rows cannot be called empty.

"Empty" is Amazon's word only. Where rows came that belong to no day, any day without rows may be theirs.
"""

from datetime import date, timedelta

from connector.catalogue.moments import moment
from datasets.backfill import window

LONGEST_SHOWN = 60  # characters of a value in a sentence
_A_SECOND = timedelta(seconds=1)


class Placing:
    """To which wanted day a moment belongs; what belongs to none is counted, with the first of its kind."""

    def __init__(self, request, wanted, zone, column, *, dates=False):
        self.request, self.wanted, self.column, self.dates = request, wanted, column, dates
        self._find = window.day_finder(request.first_day, request.last_day, zone, dates=dates)
        self.homeless = 0  # rows without a day that can be read
        self.strays = 0  # rows of days outside of the request
        self.on_edge = 0  # strays of the very instant at which the request ends, which Amazon includes
        self.others_came = False  # rows of the request's own days that are not wanted here, by now
        self._first_homeless = self._first_stray = None

    def day(self, said) -> date | None:
        """The wanted day of a row whose day column says this; None where there is none."""
        day = self._find(said)
        if day in self.wanted:
            return day
        if day is None:
            self.homeless += 1
            if self._first_homeless is None:
                self._first_homeless = shown(said)
        elif self.request.first_day <= day <= self.request.last_day:
            self.others_came = True
        else:
            self.strays += 1
            if self._is_edge(said):
                self.on_edge += 1
            elif self._first_stray is None:
                self._first_stray = shown(said)
        return None

    def _is_edge(self, said):
        at, until = moment(said), self.request.until_at
        return not self.dates and at.tzinfo is not None and until is not None and abs(at - until) < _A_SECOND

    def notes(self) -> list[str]:
        """Sentences for the days that have rows."""
        found = []
        if self.strays:
            first = f" (the first is of {self._first_stray})" if self._first_stray else ""
            some = "1 row is" if self.strays == 1 else f"{self.strays:,} rows are"
            found.append(
                f"{some} of days that Amazon was not asked for here{first}, and left out: those days bring their own."
            )
        if self.homeless:
            belong = "belongs to no day; it is" if self.homeless == 1 else "belong to no day; they are"
            found.append(f"{self._unreadable()} and {belong} in the raw file only.")
        return found

    def doubt(self, set_aside: int, has_rows: bool) -> str:
        """Why a day without rows cannot be called empty; empty text where nothing speaks against it.

        `set_aside` is how many rows could not be read as rows, and `has_rows` whether any row found its day.
        """
        reasons = []
        if self.homeless:
            reasons.append(f"{self._unreadable()}.")
        if set_aside:
            some = "1 row" if set_aside == 1 else f"{set_aside:,} rows"
            reasons.append(f"{some} of Amazon's answer could not be read and had to be set aside.")
        if reasons:
            return f"{' '.join(reasons)} Such a row may be of this day, {_NOT_EMPTY}"
        if self.strays > self.on_edge and not has_rows and not self.others_came:
            all_rows = "The only row" if self.strays == 1 else f"All {self.strays:,} rows"
            verb = "is" if self.strays == 1 else "are"
            return (
                f"{all_rows} of Amazon's answer {verb} of other days than {self._asked()}, which Amazon was asked for; the "
                f"first is of {self._first_stray}. So Amazon has not said that this day has no rows, {_NOT_EMPTY}"
            )
        return ""

    def _unreadable(self):
        some = (
            "1 row of Amazon's answer has" if self.homeless == 1 else f"{self.homeless:,} rows of Amazon's answer have"
        )
        return f"{some} no readable {self.column} (the first is {self._first_homeless})"

    def _asked(self):
        first, last = self.request.first_day, self.request.last_day
        return f"{first}" if first == last else f"{first} to {last}"


_NOT_EMPTY = (
    "so it is not called empty: what it had before stays. The next run asks Amazon again. If the same comes back, compare this "
    "day with Amazon's own site, and report the value that is shown here to those who look after this installation."
)


def shown(said) -> str:
    """A value of Amazon's in a sentence: short, in quotes, or in words where there is none."""
    if said is None or said == "":
        return "empty"
    text = str(said)
    text = text[:LONGEST_SHOWN] + ("…" if len(text) > LONGEST_SHOWN else "")
    return "'" + "".join(sign if sign.isprintable() else "\ufffd" for sign in text) + "'"
