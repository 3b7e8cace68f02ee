"""What a dataset is to hold: its definition, and one that somebody proposes.

A browser's form and a program's JSON are both read into a Proposal (`formdata.py`, `payload.py`); the checks make a
Definition of it or say what is wrong (`checks.py`); only a Definition is written (`save.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time

from connector.accounts.models import Account
from connector.catalogue import index
from connector.catalogue.report import Report
from datasets.models import Dataset

MODES = tuple(Dataset.Mode.values)
SCHEDULES = tuple(Dataset.Schedule.values)


@dataclass(frozen=True, slots=True)
class Schedule:
    """`kind` is one of SCHEDULES, `at` a time of day by the clock of `zone`, an IANA name.

    In a proposal `at` may be None and `zone` empty: six o'clock, and the marketplace's own.
    """

    kind: str = Dataset.Schedule.MANUAL.value
    at: time | None = None
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """All that people decide about a dataset, checked: `options` have their defaults filled in, `start` and `end` are an
    ISO date or words such as yesterday and today-7, and both are empty where the report has no dates."""

    name: str
    description: str
    account: Account
    report: str  # a key of the catalogue
    options: Mapping[str, object]
    start: str
    end: str
    mode: str
    schedule: Schedule

    @classmethod
    def of(cls, dataset: Dataset) -> "Definition":
        """The definition that a dataset has; its report may be one that the catalogue has dropped since."""
        return cls(
            name=dataset.name,
            description=dataset.description,
            account=dataset.account,
            report=dataset.report,
            options=dataset.options,
            start=dataset.start,
            end=dataset.end,
            mode=dataset.mode,
            schedule=Schedule(dataset.schedule_kind, dataset.schedule_at, dataset.schedule_zone),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A definition as somebody proposes it, nothing of it checked but the answers to the report's questions.

    Values have their types; what could not be read is missing here, and `unread` has a sentence for its field. Texts
    that nobody gave are empty. `answered` is None where there is no such report.
    """

    name: str = ""
    description: str = ""
    account: Account | None = None
    report: str = ""
    answered: index.Answered | None = None
    start: str = ""
    end: str = ""
    mode: str = ""
    schedule: Schedule = Schedule()
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def effective_report(self) -> Report | None:
        """The report as the answers make it."""
        return self.answered.report if self.answered else None


class InvalidDefinition(ValueError):
    """A proposal that is not taken. `errors` are {field: [sentence]}, in the order in which they were found.

    Fields are those of Proposal, with schedule_kind, schedule_at and schedule_zone for the schedule's, and the names of
    the report's options; `options` and `schedule` are those whose shape is wrong.
    """

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__(" ".join(sentence for sentences in errors.values() for sentence in sentences))
        self.errors = {name: list(sentences) for name, sentences in errors.items()}


def same_answers(report: str, before: Mapping[str, object], after: Mapping[str, object]) -> bool:
    """Whether both, of this report, ask Amazon the same. A box ticked sooner or later does not matter, nor does a default that
    was not written down when the dataset was made: the report has asked the question only since."""
    if before == after:
        return True
    was = index.answered(index.get(report), lambda option: before.get(option.name))
    return not was.wrong and _unordered(was.answers) == _unordered(after)


def _unordered(answers: Mapping[str, object]) -> dict[str, object]:
    return {name: sorted(value) if isinstance(value, list) else value for name, value in answers.items()}
