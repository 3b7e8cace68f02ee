"""The rows of one page: keyset paging over the sort columns and `_id`, in one moment, by one statement.

A walk stays in the moment it began in. Rows that land meanwhile have higher `_id`s and are left out; a replace builds
another table, and the walk stays on the one it began on. Where that cannot be had (rows were taken away or changed in
place, the old table has been dropped) the answer is 410 `version_gone`: begin again.

What is true of the dataset and the rows come in one statement, hence from one moment, and in one round trip. It is written
for the table and the columns that the dataset had when it was looked up; where the answer says that it has others by now,
it is asked again. (PostgreSQL locks a table before it takes the statement's snapshot: a column that becomes text rewrites
the table, and to an older snapshot a rewritten table looks empty.)
"""

from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache

import orjson
from psycopg import errors, sql

from datasets.models import Dataset
from datasets.problems import BadParameters, NotFound, VersionGone
from datasets.rows import cursors, query, row_request, snapshot, statement
from datasets.rows.statement import Parameters
from datasets.storage import read

NULL, NOTHING = sql.SQL("NULL"), sql.SQL("")


class Page:
    """The rows of one page and what is to be said with them: `moment`, `query`, `rows` as (_id, texts …), `count`, `cursor`."""

    CURSOR = "_cursor"  # the parameter that leads on

    def __init__(self, connection, dataset, pairs, position, now, *, as_json, caller=None):
        self.connection, self.dataset, self.position, self.as_json = connection, dataset, position, as_json
        self.now = datetime.fromtimestamp(position.began, UTC) if position else now
        self.next = None
        self.moment, self._written_for = self._guess(), dataset.columns
        while True:
            self.query = self._parse(caller, pairs, dataset)
            self._check_position()
            found = self._look()
            if self._is_as_guessed(found):
                break
            self._written_for = found.columns
            self.moment = self._seen(replace(found, columns=snapshot.served(dataset, found.columns)))
        self.moment = self._as_begun(found)
        self.count = self._count()
        self.cursor = self._cursor().written() if self._has_more and not self.query.is_capped else None

    # What subclasses say in their own words

    def _parse(self, caller, pairs, dataset):
        return row_request.read(caller, pairs, self.moment.columns, dataset, self.now, query.PAGE_CONTROLS)

    def _seen(self, found):
        return found

    # What the statement is written for, and what turns out to be true

    def _guess(self):
        """The dataset as it was looked up; or the older table that the walk began on, which changes no more."""
        seen = snapshot.glance(self.dataset)
        if self.position and self.position.generation != seen.generation:
            with self.connection.cursor() as cursor:
                columns = read.describe(cursor, seen.pk, self.position.generation)
            columns = snapshot.served(self.dataset, columns)
            seen = replace(seen, generation=self.position.generation, columns=columns)
        return self._seen(seen)

    def _is_as_guessed(self, found):
        if self.position and self.position.generation != found.generation:
            return True
        return self.moment.generation == found.generation and self._written_for == found.columns

    def _as_begun(self, found):
        """What the page says of itself: where it is not the first one of its walk, what that said."""
        said = {"generation": self.moment.generation, "columns": self.moment.columns}
        if begun := self.position:
            said |= {"version": begun.version, "rows": begun.rows, "changed_at": _instant(begun.changed)}
        return replace(found, **said)

    def _check_position(self):
        if self.position and self.position.asked != self._asked():
            raise BadParameters(
                [(self.CURSOR, f"{self.CURSOR}: it belongs to other filters or another order. Begin without one.")]
            )

    def _has_moved(self, found):
        """Whether rows have landed, or been taken away or changed, in the walk's table since it began."""
        begun = self.position
        return bool(begun) and begun.generation == found.generation and begun.changed != _seconds(found.changed_at)

    def _check_whole(self, found, came):
        """Raises where rows that the walk began on are not all there as they were: only a merge changes rows in place, and
        where others take rows away, fewer than at the beginning are left below the walk's highest `_id`."""
        if found.mode == Dataset.Mode.MERGE or found.rows - came != self.position.rows:
            raise VersionGone("Rows of these pages have changed since this walk began. Begin again without _cursor.")

    # Asking

    def _look(self, counts_what_came=False):
        """Asks for the rows; answers the Moment that they are of, with the columns that the dataset has in it."""
        self.rows, self._max_id, self._counted, self._has_more = [], None, None, False
        try:
            head, *rows = self._execute(*self._whole_statement(counts_what_came)) or [None]
        except errors.ProgrammingError as problem:
            return self._without_rows(problem)
        found, (self._max_id, came, self._counted) = self._read_head(head)
        if self._has_moved(found):
            if not counts_what_came:
                return self._look(counts_what_came=True)
            self._check_whole(found, came)
        self._has_more = len(rows) > self.query.limit
        self.rows = rows[: self.query.limit]
        return found

    def _without_rows(self, problem):
        """The Moment in which there is no such table, or it has no such columns."""
        parameters = Parameters()
        [head] = self._execute(self._head(parameters), parameters) or [None]
        found, _ = self._read_head(head)
        if not self._is_as_guessed(found):
            return found  # asked again, it will be
        if not isinstance(problem, (errors.UndefinedTable, errors.InvalidSchemaName)):
            raise problem
        if self.position:
            raise VersionGone(
                "The rows this walk began on have been replaced and dropped since. Begin again without _cursor."
            )
        return replace(found, has_table=False)

    def _read_head(self, row):
        if row is None or row[0] is not None:
            raise NotFound("This dataset has just been deleted.")
        generation, version, rows, columns, changed_at, through, *more = orjson.loads(row[1])
        found = replace(
            self.moment,
            generation=generation,
            version=version,
            rows=rows,
            columns=columns,
            changed_at=datetime.fromisoformat(changed_at) if changed_at else None,
            complete_through=date.fromisoformat(through) if through else None,
        )
        return found, more

    def _execute(self, composed, parameters):
        with self.connection.cursor() as cursor:
            return cursor.execute(composed, parameters.values).fetchall()

    # The statement

    def _whole_statement(self, counts_what_came):
        """(the statement, its parameters): the head, which is the row without `_id`; then the rows, one more than wanted, to
        know whether there is a next page. What came since the walk began is counted only on demand: for its sake PostgreSQL
        would plan the statement anew each time."""
        asked, types, table, parameters = self.query, self.moment.types, self.moment.table, Parameters()
        kinds = tuple(types[name] for name in asked.select)
        names, written, blank = _columns(asked.select, kinds, asked.safe, asked.decimals, self.as_json)
        picked = sql.SQL("SELECT _id, {} FROM {}{}{} LIMIT {}{}").format(
            names,
            table,
            statement.where(asked.filters, parameters, *self._behind(parameters)),
            statement.order(asked.sort, types),
            sql.Literal(asked.limit + 1),
            sql.SQL(" OFFSET {}").format(sql.Literal(asked.offset)) if asked.offset else NOTHING,
        )
        top = came = counted = NULL
        if self.position is None:
            top = sql.SQL("(SELECT max(_id) FROM {})").format(table)
        elif counts_what_came:
            came = sql.SQL("(SELECT count(*) FROM {} WHERE _id > {})").format(
                table, parameters.add(self.position.max_id, "bigint")
            )
        if asked.filters and asked.count == "exact":
            counted = sql.SQL("(SELECT count(*) {})").format(self._counted_rows(parameters))
        head = self._head(parameters, sql.SQL(", ").join([top, came, counted]), blank)
        # Only the rows that were picked are written out, not all that were sorted.
        whole = sql.SQL("{} UNION ALL SELECT _id, {} FROM ({}) AS page").format(head, written, picked)
        return whole, parameters

    def _head(self, parameters, more=NULL, blank=NOTHING):
        parameters.values |= snapshot.state_values(self.dataset, self.now)
        return sql.SQL(HEAD).format(more, blank)

    def _behind(self, parameters):
        """The conditions that keep the walk in its moment and behind the last row it has given."""
        position = self.position
        if position is None:
            return []
        sort, types = self.query.sort, self.moment.types
        values = []
        if sort:
            keys = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(one.column)) for one in sort)
            values = self.connection.execute(
                sql.SQL("SELECT {} FROM {} WHERE _id = %s").format(keys, self.moment.table), [position.last_id]
            ).fetchone()
            if values is None:
                raise VersionGone("The row this walk had come to is gone. Begin again without _cursor.")
        return [
            sql.SQL("_id <= {}").format(parameters.add(position.max_id, "bigint")),
            statement.after(sort, types, values, position.last_id, parameters),
        ]

    # How many there are

    def _count(self):
        asked = self.query
        if asked.count == "none":
            return None
        if not self.moment.has_table:
            return {"value": 0, "exact": True}
        if not asked.filters:
            return {"value": self.moment.rows, "exact": True}  # the ledger knows: no row need be counted
        if not asked.count:
            return None
        if asked.count == "exact":
            return {"value": self._counted, "exact": True}
        parameters = Parameters()
        explain = sql.SQL("EXPLAIN (FORMAT JSON) SELECT {}").format(self._counted_rows(parameters))
        [[plan]] = self._execute(explain, parameters)
        return {"value": plan[0]["Plan"]["Plan Rows"], "exact": False}

    def _counted_rows(self, parameters):
        until = [sql.SQL("_id <= {}").format(parameters.add(self.position.max_id, "bigint"))] if self.position else []
        return sql.SQL("FROM {}{}").format(self.moment.table, statement.where(self.query.filters, parameters, *until))

    # The way on

    def _cursor(self):
        last_id = self.rows[-1][0]
        if self.position:
            return replace(self.position, last_id=last_id)
        return cursors.Position(
            pk=self.moment.pk,
            generation=self.moment.generation,
            version=self.moment.version,
            changed=_seconds(self.moment.changed_at),
            rows=self.moment.rows,
            max_id=self._max_id,
            began=self.now.timestamp(),
            last_id=last_id,
            asked=self._asked(),
        )

    def _asked(self):
        """What the cursor is bound to: filters and order. Columns, page size and format may change on the way."""
        return query.Query(filters=self.query.filters, sort=self.query.sort).fingerprint()


HEAD = f"""
SELECT NULL::bigint, json_build_array({snapshot.STATE}, {{}})::text{{}}
FROM datasets_dataset AS d WHERE id = %(id)s
"""


@lru_cache(maxsize=256)
def _columns(names, kinds, safe, decimals, as_json):
    """(the columns as they are, the columns as a page writes them, what stands for all but one of these in the head): the
    longest part of a page's statement by far, so it is put together once."""
    types = dict(zip(names, kinds, strict=True))
    if as_json:
        listed = statement.listed(names, types, safe=safe, json=True, decimals=decimals)
        written, blank = sql.SQL("row_to_json((SELECT r FROM (SELECT {}) AS r))::text").format(listed), ""
    else:
        written = sql.SQL(", ").join(
            sql.SQL("({})::text").format(statement.shown(name, types[name], safe=safe)) for name in names
        )
        blank = ", NULL" * (len(names) - 1)
    plain = sql.SQL(", ").join(map(sql.Identifier, names))
    return sql.SQL(plain.as_string()), sql.SQL(written.as_string()), sql.SQL(blank)


def _seconds(at):
    return at.timestamp() if at else None


def _instant(seconds):
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
