"""What every kind of source can do: how its requests are planned, asked, collected and read, and how long that takes.

To add a kind: a module beside this one with a subclass of `Source`, and its line in `index.py`. What is declared of it stands in
the catalogue (`connector.catalogue.report`), under the same name of the kind. Nothing outside of this folder asks which kind
it has before it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.db.models.functions import Now

from connector.catalogue.report import Report
from datasets.backfill.answers.raw import Raw, Split
from datasets.backfill.sources.asking import Asking, marketplace_ids
from datasets.backfill.sources.plan import Window
from datasets.backfill.sources.progress import Progress
from datasets.models import Answer, Day, Request

Quota = Callable[[str, int, str], float]  # (operation, calls, report type or "") → seconds until the last may go out


@dataclass(frozen=True, slots=True)
class Phase:
    """A state on the way of a request, in words for people."""

    state: str
    words: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many calls days need that count against Amazon's narrowest limit, and what is to be said of that number."""

    calls: int
    notes: list[str] = field(default_factory=list)


class Source(ABC):
    """A kind of source, for one report. It keeps nothing: what a request has come to stands on it and on its answer."""

    kind: ClassVar[str]  # as Answer.kind keeps it
    phases: ClassVar[tuple[Phase, ...]]  # the way of a request, as pages show it
    in_flight: ClassVar[int] = 1  # how many requests of one dataset may be under way together
    one_answer_seconds: ClassVar[float] = (
        0.0  # what a report that is a single call and its answer takes on top of that call
    )

    def __init__(self, report: Report) -> None:
        self.report = report

    # What is asked

    def wish(self, asking: Asking, request: Request, countries: Iterable[str] | None = None) -> dict[str, Any]:
        """What to ask of Amazon: for the request's marketplaces, or for these countries."""
        named = asking.countries_of(request) if countries is None else countries
        edges = self.bounds(request, asking.zone_of(request))
        return self.report.request(*edges, marketplace_ids(named), asking.options)

    def bounds(self, request: Request, zone: str) -> tuple[datetime | None, datetime | None]:
        """The instants of the request, [from, until), as this source is told them."""
        return request.answer.from_at, request.answer.until_at

    # Planning

    @abstractmethod
    def windows(self, wanted: Collection[date], *, zone: str, edge: date, days_in: QuerySet[Day]) -> list[Window]:
        """The windows that cover the wanted days with the fewest requests, newest first.

        `edge` is the newest day that the dataset is to hold; `days_in` are the run's days that are in, which tell how busy a
        day is.
        """

    # The forecast

    @abstractmethod
    def estimate(self, days: Collection[date], *, zone: str, edge: date | None, days_in: QuerySet[Day]) -> Estimate:
        """How many calls these days need. `days_in` are days of the account that are in for this report."""

    @abstractmethod
    def seconds(self, calls: int, quota: Quota) -> float:
        """How long so many calls take, from the first question to the last answer."""

    @abstractmethod
    def seconds_left(self, calls: int, under_way: QuerySet[Request], quota: Quota) -> float:
        """The same while requests are under way that have made some of these calls."""

    # The life of a request

    def progress(self, request: Request) -> Progress:
        """How far the request's answer is."""
        return Progress.of(request.answer)

    def resume(self, asking: Asking, request: Request) -> bool:
        """Whether a question of which nobody knows if it reached Amazon was found there: then the request has got on.

        Raises errors.NotReady where that cannot be told yet.
        """
        return False

    def intend(
        self, request: Request, *, asked_at: datetime, from_at: datetime | None, until_at: datetime | None
    ) -> None:
        """Writes down that Amazon is about to be asked, while nobody else can decide to ask the same."""
        request.intend(asked_at=asked_at, from_at=from_at, until_at=until_at)

    @abstractmethod
    def ask(self, asking: Asking, request: Request) -> None:
        """Planned and intended → asked: sends the question, where that is a step of its own. Raises spapi.errors."""

    @abstractmethod
    def collect(self, asking: Asking, request: Request) -> None:
        """One step of the way from asked to collected: looks how far Amazon is, or fetches what it has made.

        It goes as far as it gets without waiting. Raises spapi.errors, of which ComeBackLater is the ordinary one.
        """

    @abstractmethod
    def is_here(self, answer: Answer) -> bool:
        """Whether all of the raw answer, which was collected, lies on this machine."""

    @abstractmethod
    def has_raw(self, asking: Asking, request: Request) -> bool:
        """Whether the raw answer lies on this machine; if not, the request has gone back to where it can be had again.

        Raises errors.NotReady where it is left to the machine that has it.
        """

    @abstractmethod
    def read(self, asking: Asking, request: Request, raw: Raw) -> Split:
        """The raw answer, split by day. Raises errors.DocumentRefused where it is of no use."""

    @staticmethod
    def nothing(request: Request, note: str) -> None:
        """Amazon has said that there is nothing: the request's days are empty by its word, which `note` tells."""
        request.collect(Progress(nothing=note).stored(), answered_at=Now())

    # Which of several marketplaces Amazon refuses

    def is_begun(self, request: Request) -> bool:
        """Whether Amazon has answered a part of the question: then it does not refuse it."""
        return False

    @abstractmethod
    def probe(self, asking: Asking, wish: Mapping[str, Any]) -> str:
        """Asks only to see whether Amazon takes the question; the id of what it makes of it, "" where it answers at once."""

    @abstractmethod
    def withdraw(self, asking: Asking, made: str) -> None:
        """What a probe made, by its id, is not wanted."""
