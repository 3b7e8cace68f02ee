"""Days as a calendar, as bars and in words: the ledger's days in, what is to be drawn or said out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from datasets.backfill.span import Span, asked_for
from datasets.calendar import bounds
from datasets.models import Dataset, Day
from datasets.rows.policy import Policy

SYMBOLS = {"landed": "✓", "empty": "0", "open": "◷", "again": "↻", "asked": "…", "wanted": "", "failed": "✕"}
LEGEND = {
    "landed": "loaded",
    "empty": "loaded, no rows",
    "open": "loaded, still open",
    "again": "loaded, being read again",
    "asked": "in progress",
    "failed": "failed",
    "wanted": "not loaded yet",
}
OUTSIDE = "outside"  # a day that is none of the dataset's: no run ever loads it
BARS = 90
HEIGHT, STEP, GAP = 120, 10, 2


@dataclass(frozen=True)
class Cell:
    """One day as the calendar shows it."""

    day: date
    state: str
    rows: int | None = 0  # None: not to be shown
    attempts: int = 0
    lacking: tuple[str, ...] = ()  # marketplaces that Amazon refused when it was read

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.state]

    @property
    def weekday(self) -> int:
        return self.day.isoweekday()

    @property
    def words(self) -> str:
        said = LEGEND[self.state]
        if self.state in ("landed", "open", "again") and self.rows is not None:
            said += f", {self.rows:,} {'row' if self.rows == 1 else 'rows'}"
        elif self.state == "failed" and self.attempts:
            said += f" after {self.attempts} {'try' if self.attempts == 1 else 'tries'}"
        if self.lacking:
            said += f", without {', '.join(self.lacking)}"
        return f"{self.day:%a} {self.day.day} {self.day:%b %Y}: {said}"


@dataclass(frozen=True)
class Month:
    first: date
    cells: list[Cell]


def state_of(day: Day, zone: str) -> str:
    """The state of a ledger's day in the words of the calendar."""
    if day.again and day.request_id is None and day.attempts:
        return "failed"
    if day.again:
        return "again"
    if day.state in Day.IN and day.read_until is not None and day.read_until < bounds(day.day, zone)[1]:
        return "open"
    return str(day.state)


@dataclass(frozen=True, slots=True)
class Listed:
    """A day of the ledger in a list of days."""

    day: Day
    state: str
    next_try: (
        datetime | None
    )  # the first run after it tries again; None where the day does not wait, or no run asks for it any more


def listed(days: Iterable[Day], dataset: Dataset, zone: str, policy: Policy, now: datetime) -> list[Listed]:
    """The days as a list shows them to whom the policy is of."""
    is_asked_for = asked_for(dataset, now)
    return [
        Listed(policy.cut(day), state_of(day, zone), day.not_before if day.waits(now) and is_asked_for(day) else None)
        for day in days
    ]


def first_try(dataset: Dataset, waiting: Iterable[Day], now: datetime) -> datetime | None:
    """When the first of these waiting days is tried again; None where no run asks for any of them."""
    is_asked_for = asked_for(dataset, now)
    return min((day.not_before for day in waiting if day.not_before is not None and is_asked_for(day)), default=None)


def cell_of(day: Day, zone: str, policy: Policy) -> Cell:
    return Cell(day.day, state_of(day, zone), policy.count(day.rows), day.attempts, tuple(day.lacking))


def shown_cells(
    days: Iterable[Day],
    dataset: Dataset,
    span: Span | None,
    zone: str,
    policy: Policy,
    now: datetime,
    *,
    is_loading: bool,
) -> dict[date, Cell]:
    """The days that belong to the dataset: those that its ledger knows, and all of the span, its own dates.

    A day of the span that the ledger does not know yet is wanted. One outside of it that no run would load is left out, even where
    a run before was to load it.
    """
    is_asked_for = asked_for(dataset, now)
    cells = {
        day.day: cell_of(day, zone, policy)
        for day in days
        if day.state != Day.State.WANTED or is_loading or is_asked_for(day)
    }
    if span:
        for number in range(len(span)):
            own = span.first + timedelta(days=number)
            cells.setdefault(own, Cell(own, "wanted"))
    return cells


def months(cells: Mapping[date, Cell]) -> list[Month]:
    """The months in which there are days, newest first. Days between them that are none of the dataset's are "outside"."""
    found: list[Month] = []
    for day in sorted(cells, reverse=True):
        if not found or found[-1].first != day.replace(day=1):
            found.append(Month(day.replace(day=1), []))
        here = found[-1].cells
        while here and here[0].day - day > timedelta(days=1):
            here.insert(0, Cell(here[0].day - timedelta(days=1), OUTSIDE))
        here.insert(0, cells[day])
    return found


def legend(cells: Iterable[Cell]) -> list[tuple[str, str, str, int]]:
    """(state, symbol, words, how many) of the states that occur."""
    counts = dict.fromkeys(LEGEND, 0)
    for cell in cells:
        if cell.state != OUTSIDE:
            counts[cell.state] += 1
    return [(state, SYMBOLS[state], LEGEND[state], count) for state, count in counts.items() if count]


@dataclass(frozen=True)
class Bar:
    cell: Cell
    x: int
    y: float
    height: float


@dataclass(frozen=True)
class Bars:
    """Rows per day, oldest left."""

    bars: list[Bar]
    most: int
    total: int
    width: int
    first: date
    last: date
    height = HEIGHT
    bar_width = STEP - GAP

    @property
    def words(self) -> str:
        holes = sum(bar.cell.state in ("wanted", "asked", "failed") for bar in self.bars)
        missing = f" {holes} of these days are not loaded." if holes else ""
        return f"{self.total:,} rows from {self.first:%d %b %Y} to {self.last:%d %b %Y}, at most {self.most:,} a day.{missing}"


def bars(cells: Mapping[date, Cell], first: date, last: date) -> Bars | None:
    """The last 90 days; None where nothing is in, or how much may not be told."""
    first = max(first, last - timedelta(days=BARS - 1))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    shown = [cells.get(day) or Cell(day, OUTSIDE) for day in days]
    most = max((cell.rows or 0 for cell in shown), default=0)
    if not most:
        return None
    drawn = []
    for number, cell in enumerate(shown):
        height = max(round(cell.rows / most * HEIGHT, 1), 1.5) if cell.rows else 0
        drawn.append(Bar(cell, number * STEP, round(HEIGHT - height, 1), height))
    return Bars(drawn, most, sum(cell.rows or 0 for cell in shown), len(days) * STEP - GAP, first, last)
