"""The rows of one page: keyset paging over the sort columns and `_id`, in one snapshot, by one statement.

Paging stays in the snapshot of its first page. Rows that land meanwhile have higher `_id`s and are left out; a replace
builds another table, and paging stays on the one it began on. If that is impossible (rows were deleted or changed in
place, the old table has been dropped) the response is 410 `version_gone`: start again.

What is true of the dataset and the rows come in one statement, hence from one moment, and in one round trip. It is written
for the table and the columns that the dataset had when it was looked up; where the answer says that it has others by now,
it is asked again. (PostgreSQL locks a table before it takes the statement's snapshot: a column that becomes text rewrites
the table, and to an older snapshot a rewritten table looks empty.)
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, cast

import orjson
import psycopg
from psycopg import errors, sql

from datasets.formats import cells
from datasets.models import Dataset
from datasets.problems import BadParameters, NotFound, VersionGone
from datasets.rows import cursors, query, row_request, snapshot, statement
from datasets.rows.policy import Policy
from datasets.rows.query import Query
from datasets.rows.snapshot import Snapshot
from datasets.rows.statement import Parameters

NULL, NOTHING = sql.SQL("NULL"), sql.SQL("")


class Page:
    """The rows of one page and what is to be said with them: `snapshot`, `query`, `rows` as (_id, texts …), `count`, `cursor`.

    `pairs` are the request's parameters, `defaults` a link's; `position` is where a walk has come to, None where it begins.
    Raises BadParameters, VersionGone and NotFound.
    """

    CURSOR = "_cursor"  # the parameter that leads on

    def __init__(
        self,
        connection: psycopg.Connection,
        dataset: Dataset,
        policy: Policy,
        pairs: Sequence[tuple[str, str]],
        position: cursors.Position | None,
        now: datetime,
        *,
        as_json: bool,
        defaults: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.connection, self.dataset, self.position, self.as_json = connection, dataset, position, as_json
        self.now = datetime.fromtimestamp(position.began, UTC) if position else now
        self.next: str | None = None
        self.snapshot, self._written_for = self._guess(policy), dataset.columns
        while True:
            self.query = self._parse(pairs, defaults)
            self._check_position()
            found, columns = self._look()
            if self._is_as_guessed(found, columns):
                break
            self._written_for = columns
            self.snapshot = replace(found, stored_columns=snapshot.stored(dataset, columns))
        self.snapshot = self._as_begun(found)
        self.count = self._count()
        goes_on = self._has_more and not self.query.is_capped
        self.cursor = self._cursor().written(sealed=policy.hides_rows) if goes_on else None

    # What subclasses override

    def _parse(self, pairs: Sequence[tuple[str, str]], defaults: Iterable[tuple[str, str]]) -> Query:
        return row_request.read(self.snapshot, pairs, defaults=defaults, controls=query.PAGE_CONTROLS)

    @property
    def _limit(self) -> int:
        """How many rows this page has at most; every page has such a number."""
        return cast(int, self.query.limit)

    def _types(self) -> dict[str, str]:
        """{name: type} of what the statement may name."""
        return self.snapshot.types

    # What the statement assumes, and what turns out to be true

    def _guess(self, policy: Policy) -> Snapshot:
        """The dataset as it was looked up; or the older table that the walk began on, which changes no more."""
        seen = snapshot.glance(self.dataset, policy, now=self.now)
        if self.position and self.position.generation != seen.generation:
            generation = self.position.generation
            columns = snapshot.columns_of_generation(self.connection, self.dataset, generation)
            seen = replace(seen, generation=generation, stored_columns=columns)
        return seen

    def _is_as_guessed(self, found: Snapshot, columns: list[dict]) -> bool:
        if self.position and self.position.generation != found.generation:
            return True
        return self.snapshot.generation == found.generation and self._written_for == columns

    def _as_begun(self, found: Snapshot) -> Snapshot:
        """What the page says of itself: where it is not the first one of its walk, what that said."""
        said: dict[str, Any] = {"generation": self.snapshot.generation}
        if begun := self.position:
            said |= {"version": begun.version, "stored_rows": begun.rows, "changed_at": _instant(begun.changed)}
        return replace(found, **said)

    def _check_position(self) -> None:
        if self.position and self.position.asked != self._asked():
            raise BadParameters(
                [(self.CURSOR, f"{self.CURSOR}: it belongs to other filters or another sort order. Start without one.")]
            )

    def _has_moved(self, found: Snapshot) -> bool:
        """Whether rows have landed, or been taken away or changed, in the walk's table since it began."""
        begun = self.position
        if begun is None:
            return False
        return begun.generation == found.generation and begun.changed != _seconds(found.changed_at)

    def _check_whole(self, found: Snapshot, came: int) -> None:
        """Raises where rows that the walk began on are not all there as they were: only a merge changes rows in place, and
        where others take rows away, fewer than at the beginning are left below the walk's highest `_id`."""
        began_with = self.position.rows if self.position else None
        if found.mode == Dataset.Mode.MERGE or found.stored_rows - came != began_with:
            raise VersionGone(
                "Rows of these pages have changed since the first page was read. Start again without _cursor."
            )

    # Asking

    def _look(self, counts_what_came: bool = False) -> tuple[Snapshot, list[dict]]:
        """Asks for the rows; answers the Snapshot that they are of, and the columns that the ledger has in it."""
        self.rows: list[tuple] = []
        self._max_id: Any = None
        self._counted: Any = None
        self._has_more = False
        try:
            answer = self._execute(*self._whole_statement(counts_what_came))
        except errors.ProgrammingError as problem:
            return self._without_rows(problem)
        head, rows = (answer[0], answer[1:]) if answer else (None, [])
        found, columns, (self._max_id, came, self._counted) = self._read_head(head)
        if self._has_moved(found):
            if not counts_what_came:
                return self._look(counts_what_came=True)
            self._check_whole(found, came)
        self._has_more = len(rows) > self._limit
        self.rows = rows[: self._limit]
        return found, columns

    def _without_rows(self, problem: psycopg.Error) -> tuple[Snapshot, list[dict]]:
        """The Snapshot in which there is no such table, or it has no such columns."""
        parameters = Parameters()
        head = next(iter(self._execute(self._head(parameters), parameters)), None)
        found, columns, _ = self._read_head(head)
        if not self._is_as_guessed(found, columns):
            return found, columns  # the retry will use the current one
        if not isinstance(problem, (errors.UndefinedTable, errors.InvalidSchemaName)):
            raise problem
        if self.position:
            raise VersionGone(
                "The rows of these pages have since been replaced and dropped. Start again without _cursor."
            )
        return replace(found, has_table=False), columns

    def _read_head(self, row: tuple | None) -> tuple[Snapshot, list[dict], list]:
        if row is None or row[0] is not None:
            raise NotFound("This dataset has just been deleted.")
        generation, version, rows, columns, changed_at, through, *more = orjson.loads(row[1])
        found = replace(
            self.snapshot,
            generation=generation,
            version=version,
            stored_rows=rows,
            changed_at=datetime.fromisoformat(changed_at) if changed_at else None,
            complete_through=date.fromisoformat(through) if through else None,
        )
        return found, columns, more

    def _execute(self, composed: sql.SQL | sql.Composed, parameters: Parameters) -> list[tuple]:
        with self.connection.cursor() as cursor:
            return cursor.execute(composed, parameters.values).fetchall()

    # The statement

    def _whole_statement(self, counts_what_came: bool) -> tuple[sql.Composed, Parameters]:
        """(the statement, its parameters): the head, which is the row without `_id`; then the rows, one more than wanted, to
        know whether there is a next page. What came since the walk began is counted only on demand: for its sake PostgreSQL
        would plan the statement again each time."""
        asked, types, parameters = self.query, self._types(), Parameters()
        table, layout = self._relation(parameters), self.query.layout
        kinds = tuple(types[name] for name in asked.select)
        names, written, blank = _columns(asked.select, kinds, layout.safe, layout.decimals, self.as_json)
        picked = sql.SQL("SELECT _id, {} FROM {}{}{} LIMIT {}{}").format(
            names,
            table,
            statement.where(asked.filters, parameters, *self._behind(parameters)),
            statement.order(asked.sort, types),
            sql.Literal(self._limit + 1),
            sql.SQL(" OFFSET {}").format(sql.Literal(asked.offset)) if asked.offset else NOTHING,
        )
        top: sql.Composable = NULL
        came: sql.Composable = NULL
        counted: sql.Composable = NULL
        if self.position is None:
            top = self.snapshot.highest_id()
        elif counts_what_came:
            came = self.snapshot.count_behind(self.position.max_id, parameters)
        if self._has_to_count() == "exact":
            counted = sql.SQL("(SELECT count(*) {})").format(self._counted_rows(parameters))
        head = self._head(parameters, sql.SQL(", ").join([top, came, counted]), blank)
        # Only the rows that were picked are written out, not all that were sorted.
        whole = sql.SQL("{} UNION ALL SELECT _id, {} FROM ({}) AS page").format(head, written, picked)
        return whole, parameters

    def _head(
        self, parameters: Parameters, more: sql.Composable = NULL, blank: sql.Composable = NOTHING
    ) -> sql.Composed:
        parameters.values |= snapshot.state_values(self.dataset, self.now)
        return sql.SQL(HEAD).format(more, blank)

    def _relation(self, parameters: Parameters) -> sql.Composable:
        return self.snapshot.relation(parameters, until=self.position.max_id if self.position else None)

    def _behind(self, parameters: Parameters) -> list[sql.Composable]:
        """The conditions that keep the walk in its moment and behind the last row it has given."""
        position = self.position
        if position is None:
            return []
        sort, types = self.query.sort, self._types()
        values: Sequence[str | None] = ()
        if sort:
            keys = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(one.column)) for one in sort)
            own = Parameters()
            look = sql.SQL("SELECT {} FROM {} WHERE _id = {}").format(
                keys, self._relation(own), own.add(position.last_id, "bigint")
            )
            last = next(iter(self._execute(look, own)), None)
            if last is None:
                raise VersionGone("The last row of the previous page no longer exists. Start again without _cursor.")
            values = last
        return [
            sql.SQL("_id <= {}").format(parameters.add(position.max_id, "bigint")),
            statement.after(sort, types, values, position.last_id, parameters),
        ]

    # How many there are

    def _has_to_count(self) -> str:
        """`exact` or `estimated` where rows have to be counted for it; nothing where the ledger knows or nobody asks. Where rows
        are hidden nothing is estimated: the planner's figures are of all rows."""
        asked, is_cut = self.query, self.snapshot.policy.hides_rows
        if not (asked.filters or is_cut) or asked.count not in ("exact", "estimated"):
            return ""
        return "exact" if is_cut else asked.count

    def _count(self) -> dict[str, Any] | None:
        if self.query.count == "none":
            return None
        if not self.snapshot.has_table:
            return {"value": 0, "exact": True}
        if not self.query.filters and self.snapshot.rows is not None:
            return {"value": self.snapshot.rows, "exact": True}  # the ledger knows: no row need be counted
        how = self._has_to_count()
        if not how:
            return None
        if how == "exact":
            return {"value": self._counted, "exact": True}
        parameters = Parameters()
        explain = sql.SQL("EXPLAIN (FORMAT JSON) SELECT {}").format(self._counted_rows(parameters))
        [[plan]] = self._execute(explain, parameters)
        return {"value": plan[0]["Plan"]["Plan Rows"], "exact": False}

    def _counted_rows(self, parameters: Parameters) -> sql.Composed:
        until = [sql.SQL("_id <= {}").format(parameters.add(self.position.max_id, "bigint"))] if self.position else []
        return sql.SQL("FROM {}{}").format(
            self._relation(parameters), statement.where(self.query.filters, parameters, *until)
        )

    # The way on

    def _cursor(self) -> cursors.Position:
        last_id = self.rows[-1][0]
        if self.position:
            return replace(self.position, last_id=last_id)
        return cursors.Position(
            pk=self.snapshot.pk,
            generation=self.snapshot.generation,
            version=self.snapshot.version,
            changed=_seconds(self.snapshot.changed_at),
            rows=self.snapshot.stored_rows,
            max_id=self._max_id,
            began=self.now.timestamp(),
            last_id=last_id,
            asked=self._asked(),
        )

    def _asked(self) -> str:
        """What the cursor is bound to: filters, order and policy. Columns, page size and format may change on the way."""
        return query.Query(filters=self.query.filters, sort=self.query.sort).fingerprint(*self.snapshot.marks)


HEAD = f"""
SELECT NULL::bigint, json_build_array({snapshot.STATE}, {{}})::text{{}}
FROM datasets_dataset AS d WHERE id = %(id)s
"""


@lru_cache(maxsize=256)
def _columns(
    names: tuple[str, ...], kinds: tuple[str, ...], safe: bool, decimals: str, as_json: bool
) -> tuple[sql.SQL, sql.SQL, sql.SQL]:
    """(the columns as they are, the columns as a page writes them, what stands for all but one of these in the head): the
    longest part of a page's statement by far, so it is put together once."""
    types = dict(zip(names, kinds, strict=True))
    if as_json:
        listed = cells.listed(types, safe=safe, json=True, decimals=decimals)
        written, blank = sql.SQL("row_to_json((SELECT r FROM (SELECT {}) AS r))::text").format(listed), ""
    else:
        written = sql.SQL(", ").join(
            sql.SQL("({})::text").format(cells.cell(name, kind, safe=safe)) for name, kind in types.items()
        )
        blank = ", NULL" * (len(names) - 1)
    plain = sql.SQL(", ").join(map(sql.Identifier, names))
    return sql.SQL(plain.as_string()), sql.SQL(written.as_string()), sql.SQL(blank)


def _seconds(at: datetime | None) -> float | None:
    return at.timestamp() if at else None


def _instant(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
