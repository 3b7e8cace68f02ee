"""One consistent snapshot of a dataset, as a policy shows it: everything that a reader sees comes from here.

This is the only module that makes statements which read a dataset's table. Code that needs rows, or anything computed
from rows, uses a Snapshot, which requires a Policy; its `relation` is the table with what the policy hides taken out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any

import psycopg
from psycopg import errors, sql

from datasets import personal
from datasets.backfill import dataset_status
from datasets.formats.format import RowSource
from datasets.models import Dataset
from datasets.rows import statement
from datasets.rows.policy import Layer, Policy
from datasets.rows.query import Query, Sort
from datasets.rows.statement import Literals, Parameters
from datasets.storage import read


@dataclass(frozen=True)
class Snapshot:
    """What of a dataset is true at one moment, for the reader that the policy is for."""

    dataset: Dataset = field(repr=False, compare=False)
    policy: Policy
    now: datetime  # what `today` means in the policy's rules
    generation: int
    version: int
    stored_rows: int  # whoever reads; `rows` is the count that may be shown
    stored_columns: tuple[
        dict, ...
    ]  # all that there are, in order, system columns last; `columns` are those to be seen
    changed_at: datetime | None
    complete_through: date | None = None
    has_table: bool = True

    @property
    def pk(self) -> int:
        return self.dataset.pk

    @property
    def slug(self) -> str:
        return self.dataset.slug

    @property
    def mode(self) -> str:
        return self.dataset.mode

    @property
    def label(self) -> str:
        """The version as readers are told it: v12."""
        return f"v{self.version}"

    @property
    def rows(self) -> int | None:
        """How many rows the table has; None where the policy hides some."""
        return self.policy.count(self.stored_rows)

    @cached_property
    def zone(self) -> str:
        """The time zone in which the dataset's days are counted."""
        return dataset_status.zone(self.dataset)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The policy's rules over the columns there are, the lowest first. Raises Forbidden where a rule names
        columns that are gone."""
        return self.policy.bind(self.stored_columns, zone=lambda: self.zone, now=self.now)

    @cached_property
    def columns(self) -> tuple[dict, ...]:
        """The columns to be seen, in order: {"name", "title", "type", "personal"}."""
        return self.layers[-1].columns if self.layers else self.stored_columns

    @cached_property
    def types(self) -> dict[str, str]:
        """{name: type} of the columns to be seen, and of those that the top rule's own order needs."""
        found = dict(self.layers[-1].types) if self.layers else {}
        kept = {one.column: found[one.column] for one in self.sort}
        return kept | {column["name"]: column["type"] for column in self.columns}

    @property
    def sort(self) -> tuple[Sort, ...]:
        """The order that holds where a reader names none."""
        return self.layers[-1].sort if self.layers else ()

    @property
    def marks(self) -> tuple[Layer, ...]:
        """Distinguishes what different policies show, for ETags and cursors; empty if everything is shown."""
        return self.layers

    @property
    def barrier(self) -> bool:
        """Whether a statement that others write has to be kept from looking at rows before the policy has."""
        return self.policy.hides_rows or any(layer.transformed for layer in self.layers)

    # SQL

    def relation(self, values: Parameters, *, until: int | None = None) -> sql.Composable:
        """What is read from, to stand behind FROM: the table, or the subqueries that leave what the policy shows of it.

        Its columns are `types` and `_id`. `values` takes what stands in the policy's conditions. With `until` rows of a higher
        `_id` had not come yet when a walk began, so that a rule's first rows stay the same.
        """
        found = self._stored_rows()
        last = len(self.layers) - 1
        for place, layer in enumerate(self.layers):
            edge = [] if until is None or place else [sql.SQL("_id <= {}").format(values.add(until, "bigint"))]
            found = _left_by(layer, found, values, edge, keeps_order=place == last)
        return found

    def _stored_rows(self) -> sql.Composable:
        """The table; where it has _extra, a subquery in which that is text, as every format writes it."""
        table, names = read.table(self.pk, self.generation), [column["name"] for column in self.stored_columns]
        if read.EXTRA not in names:
            return table
        columns = sql.SQL(", ").join(sql.Identifier(name) for name in ("_id", *names) if name != read.EXTRA)
        return sql.SQL("(SELECT {0}, {1}::text AS {1} FROM {2}) AS stored").format(
            columns, sql.Identifier(read.EXTRA), table
        )

    def highest_id(self) -> sql.Composed:
        """The `_id` of the last row, visible or not: where paging ends. For cursors, never shown to readers."""
        return sql.SQL("(SELECT max(_id) FROM {})").format(read.table(self.pk, self.generation))

    def count_behind(self, last_id: int, values: Parameters) -> sql.Composed:
        """How many rows come after this `_id`, visible or not: shows whether paging is still consistent. Never shown
        to readers."""
        return sql.SQL("(SELECT count(*) FROM {} WHERE _id > {})").format(
            read.table(self.pk, self.generation), values.add(last_id, "bigint")
        )

    def source(self, query: Query) -> RowSource:
        """The rows that the query asks for, for a format to write."""
        types = {name: self.types[name] for name in query.select}
        if not self.has_table:
            return RowSource(types, None, name=self.slug, changed_at=self.changed_at)
        ordered = self._select(query, statement.order(query.sort, self.types, always=query.limit is not None))
        unordered = ordered if query.limit is not None else self._select(query, sql.SQL(""))
        return RowSource(types, ordered, unordered, name=self.slug, changed_at=self.changed_at)

    def _select(self, query: Query, order: sql.Composable) -> sql.Composed:
        values = Literals()
        return sql.SQL("SELECT {} FROM {}{}{}{}").format(
            sql.SQL(", ").join(map(sql.Identifier, query.select)),
            self.relation(values),
            statement.where(query.filters, values),
            order,
            sql.SQL(" LIMIT {}").format(sql.Literal(query.limit)) if query.limit is not None else sql.SQL(""),
        )

    def view(self) -> sql.Composed:
        """A statement that gives all that is to be seen, _extra as jsonb; without a table, no rows."""
        if self.has_table:
            types = {column["name"]: column["type"] for column in self.columns}
            order = statement.order(self.sort, self.types, always=False)
            return sql.SQL("SELECT {} FROM {}{}").format(
                sql.SQL(", ").join(map(self._in_view, types)), self.relation(Literals()), order
            )
        nothing = sql.SQL(", ").join(
            sql.SQL("NULL::{} AS {}").format(sql.SQL(column["type"]), sql.Identifier(column["name"]))
            for column in self.columns
        )
        return sql.SQL("SELECT {} WHERE false").format(nothing)

    def _in_view(self, name: str) -> sql.Composable:
        column = sql.Identifier(name)
        is_json = name == read.EXTRA and self.policy.shows(name)
        return sql.SQL("{0}::jsonb AS {0}").format(column) if is_json else column


def _left_by(
    layer: Layer, below: sql.Composable, values: Parameters, edge: Sequence[sql.Composable], *, keeps_order: bool
) -> sql.Composed:
    """The subquery of what a layer leaves of what is below it, with `_id` always."""
    changed, types = dict(layer.transformed), dict(layer.types)
    names = [column["name"] for column in layer.columns]
    if keeps_order:
        names += [one.column for one in layer.sort if one.column not in names]
    chosen: list[sql.Composable] = [sql.SQL("_id")]
    for name in names:
        column = sql.Identifier(name)
        how = changed.get(name)
        chosen.append(sql.SQL("{} AS {}").format(how.expression(column), column) if how else column)
    first: sql.Composable = sql.SQL("")
    if layer.limit is not None:
        first = sql.SQL("{} LIMIT {}").format(statement.order(layer.sort, types), sql.Literal(layer.limit))
    return sql.SQL("(SELECT {} FROM {}{}{}) AS seen").format(
        sql.SQL(", ").join(chosen), below, statement.where(layer.filters, values, *edge), first
    )


def stored(dataset: Dataset, columns: Sequence[dict] | None = None) -> tuple[dict, ...]:
    """All columns there are: the table's own, or as long as there is no table the catalogue's; then the system's,
    of which _extra stands in `columns` where rows have it."""
    columns = columns if columns is not None else dataset.columns
    if not columns:
        columns = personal.declared(dataset)
    elif "personal" not in columns[0]:  # written down before the mark was kept; the next landing writes it
        columns = personal.marked(dataset, columns)
    extra = [column for column in columns if column["name"] == read.EXTRA]
    return (*(column for column in columns if column not in extra), *read.SYSTEM_COLUMNS, *extra)


def glance(dataset: Dataset, policy: Policy, *, now: datetime) -> Snapshot:
    """The snapshot as Django's models have just read it: enough for HEAD, 304 and the check of parameters."""
    return Snapshot(
        dataset=dataset,
        policy=policy,
        now=now,
        generation=dataset.generation,
        version=dataset.version,
        stored_rows=dataset.rows,
        stored_columns=stored(dataset),
        changed_at=dataset.changed_at,
    )


STATE = (
    f"generation, version, rows, columns, changed_at, ({dataset_status.THROUGH})"  # of datasets_dataset AS d, in SQL
)


def state_values(dataset: Dataset, now: datetime) -> dict[str, Any]:
    """What a statement with STATE is to be given; `id` says which dataset."""
    return dataset_status.through_values(dataset, now) | {"id": dataset.pk}


def take(connection: psycopg.Connection, dataset: Dataset, policy: Policy, *, now: datetime) -> Snapshot | None:
    """Opens a read-only transaction on the connection and answers what is true in it; None when the dataset is gone.

    A statement in it may take as long as it takes. The table is locked (against nothing but being rebuilt) before the
    snapshot is taken: a column that becomes text rewrites the table, and to an older snapshot a rewritten table looks empty.
    """
    wanted = dataset.generation
    while True:
        has_table = _begin(connection, read.table(dataset.pk, wanted))
        found = _read(connection, glance(dataset, policy, now=now), has_table)
        if found is None or found.generation == wanted:
            return found
        connection.rollback()
        wanted = found.generation


def _begin(connection: psycopg.Connection, table: sql.Identifier) -> bool:
    """Whether the table is there; the connection is in a snapshot either way."""
    opening = sql.SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout TO 0")
    try:
        connection.execute(sql.SQL("{}; LOCK TABLE {} IN ACCESS SHARE MODE").format(opening, table))
        return True
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        connection.rollback()
        connection.execute(opening)
        return False


def _read(connection: psycopg.Connection, seen: Snapshot, has_table: bool) -> Snapshot | None:
    row = connection.execute(
        f"SELECT {STATE} FROM datasets_dataset AS d WHERE id = %(id)s", state_values(seen.dataset, seen.now)
    ).fetchone()
    if row is None:
        return None
    generation, version, rows, columns, changed_at, through = row
    return replace(
        seen,
        generation=generation,
        version=version,
        stored_rows=rows,
        stored_columns=stored(seen.dataset, columns),
        changed_at=changed_at,
        complete_through=through,
        has_table=has_table,
    )


def columns_of_generation(connection: psycopg.Connection, dataset: Dataset, generation: int) -> tuple[dict, ...]:
    """All columns of the table of this generation, for a walk that began on it."""
    with connection.cursor() as cursor:
        columns = read.describe_served(cursor, dataset.pk, generation)
    return stored(dataset, personal.marked(dataset, columns))


# Several datasets in one transaction


def with_table(connection: psycopg.Connection, datasets: Iterable[Dataset]) -> set[int]:
    """The keys of those whose table is there, as the ledger was read."""
    names = {f"{read.SCHEMA}.{read.table_name(each.pk, each.generation)}": each.pk for each in datasets}
    there = connection.execute("SELECT n FROM unnest(%s::text[]) AS n WHERE to_regclass(n) IS NOT NULL", [list(names)])
    return {names[name] for (name,) in there.fetchall()}


def lock(datasets: Sequence[Dataset]) -> sql.Composable:
    """The statement that keeps these tables from being rebuilt, for a transaction's beginning; nothing for none."""
    tables = sql.SQL(", ").join(read.table(each.pk, each.generation) for each in datasets)
    return sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(tables) if datasets else sql.SQL("")
