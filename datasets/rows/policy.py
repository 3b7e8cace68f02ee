"""Who reads which columns and rows of a dataset.

Every read of a dataset's rows, and of whatever is computed from them, requires a Policy; `access/policies.py` builds
it for the caller. What it hides does not exist for the reader: not in rows, columns, filters and orders (a hidden
column is an unknown one), nor in counts, sums, profiles or messages about the rows.

A Policy is a stack of Rules. Each rule sees only what the rules below it leave, so a link can never show more than its
creator sees. It becomes SQL in `snapshot.py`, as subqueries over the dataset's table.

Two things are not hidden: what the ledger knows of days (which are in, which failed), and the numbers of rows (`_id`), which
OData shows as `_row_id`: gaps in them tell that there are other rows, not what is in them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg import sql

from datasets.problems import BadParameters, Forbidden
from datasets.rows import query
from datasets.rows.filters import Filter
from datasets.rows.query import Sort
from datasets.storage.read import EXTRA

if TYPE_CHECKING:
    from datasets.models import Change


BROKEN = (
    "The rule that limits what you may see uses columns that have changed or no longer exist. Nothing is shown until "
    "the owner fixes the rule or creates a new link."
)
SILENCE = "The reason may contain values that you may not see. Ask the owner of this dataset."


class Transformation:
    """Replaces a column's values. The new column is text."""

    def expression(self, column: sql.Composable) -> sql.Composable:
        """The SQL of the new value; `column` is the SQL of the old one, of whatever type."""
        raise NotImplementedError


@dataclass(frozen=True)
class Hashed(Transformation):
    """Equal values stay equal, and nobody without the key can try out which value a hash is of: SHA-256 in hexadecimal."""

    key: str = field(repr=False)

    def expression(self, column: sql.Composable) -> sql.Composed:
        return sql.SQL("encode(sha256(convert_to({} || ({})::text, 'UTF8')), 'hex')").format(
            sql.Literal(self.key), column
        )


@dataclass(frozen=True)
class Last(Transformation):
    """The last characters behind an ellipsis; of a value that has no more than these, only the ellipsis."""

    count: int

    def expression(self, column: sql.Composable) -> sql.Composed:
        return sql.SQL(
            "CASE WHEN length(({0})::text) > {1} THEN '…' || right(({0})::text, {1}) WHEN {0} IS NOT NULL THEN '…' END"
        ).format(column, sql.Literal(self.count))


@dataclass(frozen=True)
class Rule:
    """What is left of the columns and rows below it.

    `only` names the columns there are, in their order; None: all, those to come as well. `rows` are alternatives, each a
    tuple of conditions written as a request's parameters, ("quantity__gte", "1"): a row is left where all of one alternative
    hold; None: every row, and no alternative: no row. With `limit` only the first rows by `sort` are left. Conditions and orders may name columns that the rule hides.
    `zone` says whose day a date means; the dataset's own when empty.
    """

    only: tuple[str, ...] | None = None
    hidden: frozenset[str] = frozenset()
    transformed: tuple[tuple[str, Transformation], ...] = ()
    rows: tuple[tuple[tuple[str, str], ...], ...] | None = None
    sort: str = ""
    limit: int | None = None
    zone: str = ""

    @property
    def hides_rows(self) -> bool:
        """Whether it can hide rows."""
        return self.rows is not None or self.limit is not None

    @property
    def _keeps_extra(self) -> bool:
        """Whether _extra is left as it is: values of any column may stand there, so a rule about columns has to name it."""
        named = {*(self.only or ()), *dict(self.transformed)}
        return EXTRA in named or not (self.hidden or self.transformed)

    def shows(self, name: str) -> bool:
        """Whether the column is there with its own values."""
        if name == EXTRA and not self._keeps_extra:
            return False
        return (
            (self.only is None or name in self.only) and name not in self.hidden and name not in dict(self.transformed)
        )

    def bind(self, columns: Sequence[dict], *, zone: str, now: datetime) -> Layer:
        """The Layer that this rule is over these columns; raises Forbidden where it names one that is not there any more."""
        shape = [("_select", ",".join(self.only))] if self.only is not None else []
        shape += [("_sort", self.sort)] if self.sort else []
        zoned = [("_tz", self.zone)] if self.zone else []
        try:
            asked = query.parse([*shape, *zoned], columns, zone=zone, now=now)
            alternatives = [
                query.parse([*pairs, *zoned], columns, zone=zone, now=now).filters for pairs in self.rows or ()
            ]
        except BadParameters as problem:
            raise Forbidden(BROKEN, code="policy_broken") from problem
        changed = dict(self.transformed)
        known = {column["name"]: column for column in columns}
        hidden = self.hidden if self._keeps_extra else self.hidden | {EXTRA}
        left = [known[name] for name in asked.select if name not in hidden]
        if not left:
            raise Forbidden("You may not see any column of this dataset.", code="no_columns")
        return Layer(
            columns=tuple(column | {"type": "text"} if column["name"] in changed else column for column in left),
            types=tuple((column["name"], column["type"]) for column in columns),
            filters=_any_of(alternatives) if self.rows is not None else (),
            transformed=tuple((name, how) for name, how in self.transformed if name in known),
            sort=asked.sort,
            limit=self.limit,
        )


def _any_of(alternatives: Sequence[tuple[Filter, ...]]) -> tuple[Filter, ...]:
    """The filters that hold where all filters of one alternative do."""
    if len(alternatives) == 1:
        return alternatives[0]
    if not alternatives:
        return (Filter("", "", "never", None),)
    parts = tuple(
        Filter("", "", "all", filters) if filters else Filter("", "", "always", None) for filters in alternatives
    )
    return (Filter("", "", "any", parts),)


@dataclass(frozen=True)
class Layer:
    """A Rule over the columns that are there: `columns` those it leaves, `types` of all that it is over."""

    columns: tuple[dict, ...]
    types: tuple[tuple[str, str], ...]
    filters: tuple[Filter, ...]
    transformed: tuple[tuple[str, Transformation], ...]
    sort: tuple[Sort, ...]
    limit: int | None


@dataclass(frozen=True)
class Policy:
    """Who it is for (a name under which limits are counted and reading is noted), and the rules, the lowest first."""

    who: str
    rules: tuple[Rule, ...] = ()

    def with_rule(self, rule: Rule) -> Policy:
        """The same with another rule on top."""
        return replace(self, rules=(*self.rules, rule))

    @property
    def is_open(self) -> bool:
        """Whether everything is visible as stored."""
        return not self.rules

    @property
    def hides_rows(self) -> bool:
        """Whether there may be rows that are not to be seen."""
        return any(rule.hides_rows for rule in self.rules)

    def shows(self, name: str) -> bool:
        """Whether the column is visible with its own values, so that values computed from it may be shown."""
        return all(rule.shows(name) for rule in self.rules)

    def bind(self, columns: Sequence[dict], *, zone: Callable[[], str], now: datetime) -> tuple[Layer, ...]:
        """The rules as Layers over these columns, the lowest first. `zone` is called where a rule needs the dataset's."""
        layers = []
        for rule in self.rules:
            layer = rule.bind(columns, zone=zone(), now=now)
            layers.append(layer)
            columns = layer.columns
        return tuple(layers)

    # What the ledger records about the rows

    def count(self, rows: int | None) -> int | None:
        """A number of rows; None if some of them are hidden."""
        return None if self.hides_rows else rows

    def cut(self, entry: Any) -> Any:
        """A ledger entry (a day, run or request) as this reader may see it: a redacted copy that must not be saved, or
        the entry itself if all of it is visible."""
        if self.is_open or entry is None:
            return entry
        shown = copy.copy(entry)
        shown.message = self.words(entry.message)
        if hasattr(entry, "rows"):
            shown.rows = self.count(entry.rows)
        shown.save = None
        return shown

    def words(self, text: str) -> str:
        """A message about the rows: it may contain values and columns, so it is shown only to readers who see all of
        them."""
        return text if self.is_open or not text else SILENCE

    def differences(self, change: Change) -> list[tuple[str, str | None, str | None]]:
        """[(column, sum before, sum after)] of a Change, as text, as far as these columns and all rows are seen."""
        if self.hides_rows:
            return []
        return [each for each in change.differences() if self.shows(each[0])]
