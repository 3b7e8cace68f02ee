"""One page of rows, and the cursor to the next: keyset paging over the sort columns and `_id`.

A walk stays in the moment it began in. Rows that land meanwhile have higher `_id`s and are left out; a replace builds
another table, and the walk stays on the one it began on. Where that cannot be had (rows were taken away or changed in
place, the old table has been dropped) the answer is 410 `version_gone`: begin again.
"""

from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import urlencode

import orjson
from django.http import HttpResponse
from django.utils import timezone
from psycopg import errors, sql

from datasets import facts
from datasets.models import Dataset
from datasets.serving import cursors, moment, query, readings, statement, wishes
from datasets.serving.find import find_dataset
from datasets.serving.pool import pool
from datasets.serving.problems import BadParameters, BadRequest, NotFound, VersionGone, endpoint, nearest, shown
from datasets.serving.statement import Parameters
from datasets.serving.validators import is_known, with_validators, without_body
from datasets.serving.wording import absolute, instant
from datasets.storage import read

SECONDS = 60  # a page that takes longer is given up; the export has no such limit
SUFFIXES = ("json", "ndjson", "csv")


@endpoint("GET")
def rows(request, slug, suffix):
    """GET or HEAD /api/v1/datasets/{slug}/rows.{json,ndjson,csv}"""
    caller, pairs = wishes.of(request)
    dataset = find_dataset(caller, slug)
    if suffix not in SUFFIXES:
        raise NotFound(
            f"There is no rows.{shown(suffix)}.{nearest(suffix, SUFFIXES)} There are: {', '.join(SUFFIXES)}."
        )
    now = timezone.now()
    position = _position(pairs, dataset)
    if position is None and (request.method == "HEAD" or "If-None-Match" in request.headers):
        seen = moment.glance(dataset)
        asked = _parse(caller, pairs, seen, dataset, now)
        etag = _etag(seen, asked, suffix)
        if is_known(request, etag):
            return with_validators(without_body(304), seen, etag)
        if request.method == "HEAD":
            seen = replace(seen, complete_through=facts.complete_through(dataset, now))
            return _headed(without_body(), seen, asked, suffix, etag)
    try:
        with pool().connection() as connection:
            page = Page(connection, dataset, pairs, position, now, as_json=suffix != "csv", caller=caller)
    except errors.QueryCanceled:
        raise BadRequest(
            f"This page took more than {SECONDS} seconds. Narrow it with filters, or take the export, which has no limit.",
            code="too_slow",
        ) from None
    readings.note(request, caller, dataset, f"rows.{suffix}")
    etag = _etag(page.moment, page.query, suffix)
    if is_known(request, etag):
        return with_validators(without_body(304), page.moment, etag)
    page.next = _next(request, page)
    response = _headed(HttpResponse(BODIES[suffix](page)), page.moment, page.query, suffix, etag)
    if page.next:
        response["Link"] = f'<{page.next}>; rel="next"'
    return response


class Page:
    """The rows of one page and what is to be said with them, read in one snapshot."""

    CURSOR = "_cursor"  # the parameter that leads on

    def __init__(self, connection, dataset, pairs, position, now, *, as_json, caller=None):
        self.position, self.as_json = position, as_json
        self.now = datetime.fromtimestamp(position.began, UTC) if position else now
        self.next = None
        try:
            self.moment = self._moment(connection, dataset)
            self.query = self._parse(caller, pairs, dataset)
            self._read(connection)
        except BaseException:
            connection.rollback()
            raise
        connection.commit()  # nothing was written; a rollback would make psycopg forget what it has prepared

    def _parse(self, caller, pairs, dataset):
        return _parse(caller, pairs, self.moment, dataset, self.now)

    def _moment(self, connection, dataset):
        position = self.position
        found = moment.snapshot(
            connection, dataset, now=self.now, seconds=SECONDS, generation=position.generation if position else None
        )
        if found is None:
            raise NotFound("This dataset has just been deleted.")
        if position is None:
            return found
        if not found.has_table:
            raise VersionGone(
                "The rows this walk began on have been replaced and dropped since. Begin again without _cursor."
            )
        if position.generation != dataset.generation:
            with connection.cursor() as cursor:
                columns = read.describe(cursor, found.pk, found.generation)
            found = replace(found, columns=moment.served(dataset, columns))
        elif _seconds(found.changed_at) != position.changed and not self._is_whole(connection, found):
            raise VersionGone("Rows of these pages have changed since this walk began. Begin again without _cursor.")
        changed_at = datetime.fromtimestamp(position.changed, UTC) if position.changed is not None else None
        return replace(found, version=position.version, rows=position.rows, changed_at=changed_at)

    def _is_whole(self, connection, found):
        """Whether the rows the walk began on are all still there as they were: only a merge changes rows in place,
        and where others take rows away, fewer than at the beginning are left below the walk's highest `_id`."""
        if found.mode == Dataset.Mode.MERGE:
            return False
        came = connection.execute(
            sql.SQL("SELECT count(*) FROM {} WHERE _id > %s").format(found.table), [self.position.max_id]
        ).fetchone()[0]
        return found.rows - came == self.position.rows

    def _read(self, connection):
        asked, found, position = self.query, self.moment, self.position
        if position and position.asked != self._asked():
            raise BadParameters(
                [(self.CURSOR, f"{self.CURSOR}: it belongs to other filters or another order. Begin without one.")]
            )
        self.rows, self.count, self.cursor = [], None, None
        if found.has_table:
            more = self._read_page(connection)
            self.count = self._count(connection)
            if more and not asked.is_capped:
                self.cursor = self._cursor().written()
        elif asked.count != "none":
            self.count = {"value": 0, "exact": True}

    def _read_page(self, connection):
        """Reads one row more than asked for, to know whether there is a next page; answers that."""
        asked, types = self.query, self.moment.types
        parameters = Parameters()
        behind = self._behind(connection, parameters)
        kinds = tuple(types[name] for name in asked.select)
        names, written = _columns(asked.select, kinds, asked.safe, asked.decimals, self.as_json)
        picked = sql.SQL("SELECT _id, {} FROM {}{}{} LIMIT {}{}").format(
            names,
            self.moment.table,
            statement.where(asked.filters, parameters, *behind),
            statement.order(asked.sort, types),
            sql.Literal(asked.limit + 1),
            sql.SQL(" OFFSET {}").format(sql.Literal(asked.offset)) if asked.offset else sql.SQL(""),
        )
        # Only the rows that were picked are written out, not all that were sorted.
        page = sql.SQL("SELECT _id, {}, {} FROM ({}) AS page").format(written, self._highest(), picked)
        with connection.cursor() as cursor:
            read_rows = cursor.execute(page, parameters.values or None).fetchall()
        self.rows = [row[:-1] for row in read_rows[: asked.limit]]
        self.max_id = read_rows[0][-1] if read_rows else None
        return len(read_rows) > asked.limit

    def _highest(self):
        """The walk's highest `_id`; on its first page it is looked up."""
        if self.position:
            return sql.SQL("NULL")
        return sql.SQL("(SELECT max(_id) FROM {})").format(self.moment.table)

    def _behind(self, connection, parameters):
        """The conditions that keep the walk in its moment and behind the last row it has given."""
        position = self.position
        if position is None:
            return []
        sort, types = self.query.sort, self.moment.types
        values = []
        if sort:
            keys = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(one.column)) for one in sort)
            values = connection.execute(
                sql.SQL("SELECT {} FROM {} WHERE _id = %s").format(keys, self.moment.table), [position.last_id]
            ).fetchone()
            if values is None:
                raise VersionGone("The row this walk had come to is gone. Begin again without _cursor.")
        return [
            sql.SQL("_id <= {}").format(parameters.add(position.max_id, "bigint")),
            statement.after(sort, types, values, position.last_id, parameters),
        ]

    def _count(self, connection):
        asked = self.query
        if asked.count == "none" or (asked.filters and not asked.count):
            return None
        if not asked.filters:
            return {"value": self.moment.rows, "exact": True}  # the ledger knows: no row need be counted
        parameters = Parameters()
        until = [sql.SQL("_id <= {}").format(parameters.add(self.position.max_id, "bigint"))] if self.position else []
        rest = sql.SQL("FROM {}{}").format(self.moment.table, statement.where(asked.filters, parameters, *until))
        if asked.count == "exact":
            value = connection.execute(sql.SQL("SELECT count(*) {}").format(rest), parameters.values).fetchone()[0]
            return {"value": value, "exact": True}
        plan = connection.execute(
            sql.SQL("EXPLAIN (FORMAT JSON) SELECT {}").format(rest), parameters.values
        ).fetchone()[0]
        return {"value": plan[0]["Plan"]["Plan Rows"], "exact": False}

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
            max_id=self.max_id,
            began=self.now.timestamp(),
            last_id=last_id,
            asked=self._asked(),
        )

    def _asked(self):
        """What the cursor is bound to: filters and order. Columns, page size and format may change on the way."""
        return query.Query(filters=self.query.filters, sort=self.query.sort).fingerprint()


@lru_cache(maxsize=256)
def _columns(names, kinds, safe, decimals, as_json):
    """(the columns as they are, the columns as a page writes them): the longest part of a page's statement by far, so it
    is put together once."""
    types = dict(zip(names, kinds, strict=True))
    if as_json:
        listed = statement.listed(names, types, safe=safe, json=True, decimals=decimals)
        written = sql.SQL("row_to_json((SELECT r FROM (SELECT {}) AS r))::text").format(listed)
    else:
        written = sql.SQL(", ").join(
            sql.SQL("({})::text").format(statement.shown(name, types[name], safe=safe)) for name in names
        )
    plain = sql.SQL(", ").join(map(sql.Identifier, names))
    return sql.SQL(plain.as_string()), sql.SQL(written.as_string())


def _position(pairs, dataset):
    given = [value for name, value in pairs if name == "_cursor"]
    return cursors.read(given[0], dataset.pk) if len(given) == 1 and given[0] else None


def _parse(caller, pairs, seen, dataset, now):
    return wishes.read(caller, pairs, seen.columns, dataset, now, query.PAGE_CONTROLS)


def _next(request, page):
    if page.cursor is None:
        return None
    given = query.pairs_of(request.META.get("QUERY_STRING", ""))  # with a link's token: the next page needs it as well
    kept = [(name, value) for name, value in given if name != "_cursor"]
    return absolute(request, f"{request.path}?{urlencode([*kept, ('_cursor', page.cursor)])}")


def _seconds(at):
    return at.timestamp() if at else None


# Bodies


def _json(page):
    seen = page.moment
    head = {
        "dataset": seen.slug,
        "version": seen.label,
        "as_of": instant(seen.changed_at),
        "complete_through": seen.complete_through.isoformat() if seen.complete_through else None,
        "columns": [{"name": name, "type": seen.types[name]} for name in page.query.select],
    }
    tail = {"count": page.count, "next": page.next}
    text = ",".join(row[1] for row in page.rows)
    return b'%b, "rows": [%b], %b' % (orjson.dumps(head)[:-1], text.encode(), orjson.dumps(tail)[1:])


def _ndjson(page):
    return "".join(f"{row[1]}\n" for row in page.rows).encode()


def _csv(page):
    asked = page.query
    lines = [",".join(asked.select)] if asked.header else []
    lines += [",".join(map(_cell, row[1:])) or '""' for row in page.rows]
    mark = "\ufeff" if asked.bom else ""
    return (mark + "".join(f"{line}\r\n" for line in lines)).encode()


def _cell(value):
    """As COPY writes it: nothing for no value, quotes only where needed."""
    if value is None:
        return ""
    if not value or "," in value or '"' in value or "\n" in value or "\r" in value:
        return '"' + value.replace('"', '""') + '"'
    return value


BODIES = {"json": _json, "ndjson": _ndjson, "csv": _csv}
TYPES = {"json": "application/json", "ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


def _etag(seen, asked, suffix):
    also = (seen.pk, seen.generation, suffix, asked.cursor, asked.count, [column["name"] for column in seen.columns])
    return f'"{seen.label}-{asked.fingerprint(*also)}"'


def _headed(response, seen, asked, suffix, etag):
    response["Content-Type"] = TYPES[suffix]
    if asked.download:
        response["Content-Disposition"] = f'attachment; filename="{seen.slug}.{suffix}"'
    if seen.complete_through:
        response["X-Data-Complete-Through"] = seen.complete_through.isoformat()
    response["X-Dataset-Version"] = seen.label
    return with_validators(response, seen, etag)
