"""What Amazon restated, in words and numbers for people. Pure: the ledger's changes in, what is to be shown out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet

from datasets.models import Change
from datasets.rows.policy import Policy
from datasets.rows.snapshot import Snapshot

SHOWN = 12  # the last ones; the API has them all


@dataclass(frozen=True)
class Sum:
    """One column's sum before and after."""

    title: str
    before: Decimal | None
    after: Decimal | None

    @property
    def by(self) -> Decimal:
        return (self.after or Decimal(0)) - (self.before or Decimal(0))

    @property
    def by_words(self) -> str:
        return f"{'+' if self.by >= 0 else '−'}{abs(self.by):,}"  # a minus sign as wide as the plus


@dataclass(frozen=True)
class Restatement:
    """One time that a day came back different."""

    seen_at: datetime
    run_id: int | None
    words: str
    sums: list[Sum]


def told(changes: QuerySet[Change], seen: Snapshot) -> list[Restatement]:
    """The changes of one day, newest first, as far as the dataset's Snapshot lets them be told."""
    titles = {column["name"]: column["title"] for column in seen.columns}
    return [_told(change, titles, seen.policy) for change in changes.order_by("-pk")[:SHOWN]]


def _told(change: Change, titles: Mapping[str, str], policy: Policy) -> Restatement:
    sums = [
        Sum(titles.get(name) or name, _number(before), _number(after))
        for name, before, after in policy.differences(change)
    ]
    words = "The number of rows is not shown because you may see only some of them."
    if not policy.hides_rows:
        words = _words(change.rows_before, change.rows_after, sums)
    return Restatement(change.seen_at, change.run_id, words, sums)


def _words(before: int, after: int, sums: Sequence[Sum]) -> str:
    if before == after:
        rows = f"Still {before:,} {'row' if before == 1 else 'rows'}"
        return f"{rows}, with different sums." if sums else f"{rows}, with the same sums: only text values changed."
    more = after - before
    return f"{before:,} {'row' if before == 1 else 'rows'} became {after:,}: {abs(more):,} {'more' if more > 0 else 'fewer'}."


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
