"""How far an answer is: typed views of the JSON in `Answer.progress`, which is read and written only here.

Each kind of source has a view of its own, a subclass of `Progress`. A field that has its default is not stored, and a stored
member that a view does not know is passed over, so answers of other versions can be read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from django.db.models import Q

from datasets.models import Answer

TRACED = Q(answer__progress__has_key="traced")  # of requests whose marketplaces were each asked for, in vain


@dataclass(frozen=True, slots=True)
class Trace:
    """The search for the marketplaces that Amazon refuses, each of which is asked for by itself (`backfill/tracing.py`).

    `left` are the countries still to be asked for. `fine` has the id of the report that was made for a country, or "" where
    pages answer; `refused` has Amazon's words. `kind`, `fact` and `facts` are of the error that began the search.
    """

    left: tuple[str, ...]
    kind: str
    fact: str
    facts: Mapping[str, Any]
    fine: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """What an answer of any kind can have come to."""

    nothing: str | None = None  # Amazon has said that there is nothing: in which words the days tell it
    tracing: Trace | None = None
    traced: bool = False  # each marketplace was asked for by itself, and that was not it

    @classmethod
    def of(cls, answer: Answer) -> Self:
        known = {each.name for each in fields(cls)}
        found = {name: value for name, value in answer.progress.items() if name in known}
        if found.get("tracing"):
            found["tracing"] = Trace(**found["tracing"] | {"left": tuple(found["tracing"]["left"])})
        return cls(**found)

    def stored(self) -> dict[str, Any]:
        """As JSON, for `Answer.progress`."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        told = {each.name: told[each.name] for each in fields(self) if told[each.name] != each.default}
        if self.tracing:
            told["tracing"] = {each.name: getattr(self.tracing, each.name) for each in fields(Trace)}
        return told
