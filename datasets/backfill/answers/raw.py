"""What a reader is given, and what it answers: the seam between those who fetch an answer of Amazon's and those who land it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from connector.catalogue.report import Report
from connector.spapi.charsets import Choice
from datasets.retries import LATER
from datasets.storage import stage

DAYS = "days-"  # what the names of folders with the files of days begin with, beside the raw answer
Columns = list[dict[str, str]]  # [{"name", "title", "type"}], as datasets.storage has them


@dataclass(frozen=True, slots=True)
class Raw:
    """A raw answer on this machine, and what it takes to read it.

    `first_day` to `last_day` are what Amazon was asked for, `until_at` the instant it was asked up to. Days are counted in `zone`. `options` are the dataset's answers, `country` is that of the
    account's home marketplace. Files that are being written bear the `mark`, so that a worker which lost the run writes into
    nobody's. `take_columns` makes the table take columns and answers the type of each one that it has then; `types` are
    those that the declared columns have got by it.
    """

    report: Report
    options: Mapping
    country: str
    zone: str
    first_day: date
    last_day: date
    until_at: datetime | None
    folder: Path
    mark: str
    take_columns: Callable[[Columns], dict[str, str]]
    types: Mapping[str, str] = field(default_factory=dict)
    is_of_file: bool = False  # the document is one that a person has uploaded

    @property
    def declared(self) -> Columns:
        """The columns that the report declares."""
        return [{"name": c.name, "title": c.title or c.name, "type": c.type} for c in self.report.columns]

    @property
    def whose(self) -> str:
        """How sentences call the document."""
        return "the uploaded file" if self.is_of_file else "Amazon's file"

    @property
    def again(self) -> str:
        """What comes after a document of which nothing could be loaded, in a sentence."""
        if self.is_of_file:
            return "Correct the file and load it again."
        return f"It is downloaded again; if that does not help, its days are {LATER}."


@dataclass(frozen=True, slots=True)
class Split:
    """An answer, split into a file for each of its days that has rows.

        `names` are the columns of each row, `null` is how the files write a value that is missing. `note` is told of each day.
    `doubt` says why a day without rows cannot be
        called empty; it is empty where nothing speaks against it. `out_of_window` counts rows from outside of the days that were asked for.
        `charset` is what a document was read as; None for pages.
    """

    names: list[str] = field(default_factory=list)
    null: str = stage.NULL
    staged: Mapping[date, stage.Staged] = field(default_factory=dict)
    note: str = ""
    doubt: str = ""
    out_of_window: int = 0
    charset: Choice | None = None

    def of(self, days: Collection[date]) -> dict[date, stage.Staged]:
        """Those of these days that have rows."""
        return {day: self.staged[day] for day in days if day in self.staged}
