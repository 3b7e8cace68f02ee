"""Which spans of days a report may be asked for. Pure calendar: no clock, no zone."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

_NAMED = {"week": "weeks (Sunday to Saturday)", "month": "calendar months", "quarter": "calendar quarters"}


@dataclass(frozen=True)
class NoWindow:
    """The answer is as of now: no dates are asked and the dataset holds one day."""


@dataclass(frozen=True)
class Days:
    """The widest window that one request may cover. With `completed_only`, Amazon does not answer for today."""

    most: int
    completed_only: bool = False

    def fits(self, from_at: datetime, until_at: datetime) -> bool:
        """Whether Amazon takes the window: its days have 24 hours, ours 23 to 25."""
        return until_at - from_at <= timedelta(days=self.most)

    def period(self, day: date) -> tuple[date, date]:
        """(first, last) of what Amazon answers for as a whole: here, each day."""
        return day, day

    @property
    def note(self) -> str:
        """What a user should know before loading."""
        return f"Amazon builds up to {_counted(self.most, 'day')} into one report, and takes about a minute for each."


@dataclass(frozen=True)
class Aligned:
    """Whole weeks (Sunday to Saturday), calendar months or quarters, only completed ones; up to `most` of them in a request.

    Days stay the checkpoints: the rows of a period belong to its first day, its other days are empty by declaration.
    """

    unit: str
    most: int = 1
    completed_only = True

    def __post_init__(self) -> None:
        if self.unit not in _NAMED:
            raise ValueError(f"{self.unit} is not one of {', '.join(_NAMED)}.")

    def period(self, day: date) -> tuple[date, date]:
        """(first, last) of the period that the day lies in."""
        if self.unit == "week":
            first = day - timedelta(days=day.isoweekday() % 7)
            return first, first + timedelta(days=6)
        months = 1 if self.unit == "month" else 3
        begins = (day.month - 1) // months * months  # months of the year before the period
        ends = begins + months
        return date(day.year, begins + 1, 1), date(day.year + ends // 12, ends % 12 + 1, 1) - timedelta(days=1)

    @property
    def note(self) -> str:
        """What a user should know before loading."""
        return (
            f"Amazon answers only for whole, completed {_NAMED[self.unit]}. The rows of a {self.unit} are stored on "
            f"its first day; one report covers {_counted(self.most, self.unit)}."
        )


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
