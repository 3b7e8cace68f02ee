"""The formats of exports, declared: what COPY is told, and how rows become the bytes of a file.

CSV and TSV follow RFC 4180: UTF-8, CRLF between records, quotes only where needed, doubled inside; newlines inside cells
stay as they are. No value is an empty field, an empty text is `""`. JSON comes through COPY's csv format with a quote and
a delimiter that cannot occur in JSON, because the text format would double every backslash.
"""

from dataclasses import dataclass

from psycopg import sql

from datasets.rows import statement
from datasets.rows.statement import Parameters

AS_IT_IS = sql.SQL("(FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')")


@dataclass(frozen=True)
class File:
    """A format: `join` makes a chunk of a batch of rows, `first` is True for the first batch."""

    suffix: str
    content_type: str
    is_packed = False  # compressed in itself, and made by a library instead of `start`, `join` and `end`

    def check(self, query, seen):
        """Raises where it is known before a row is read that the format cannot hold the result."""

    def start(self, query):
        return b""

    def join(self, rows, first):
        return b"\n".join(rows) + b"\n"

    def end(self, is_empty):
        return b""


@dataclass(frozen=True)
class Separated(File):
    delimiter: bytes
    copy_options: sql.SQL

    def type_for(self, query):
        return f"{self.content_type}; header={'present' if query.header else 'absent'}"

    def start(self, query):
        mark = "\ufeff".encode() if query.bom else b""
        header = self.delimiter.join(map(self._cell, query.select)) + b"\r\n" if query.header else b""
        return mark + header

    def _cell(self, name):
        """A column's name; one that somebody gave it in a statement may hold anything."""
        is_plain = name and not any(mark in name for mark in (self.delimiter.decode(), '"', "\n", "\r"))
        return (name if is_plain else '"' + name.replace('"', '""') + '"').encode()

    def join(self, rows, first):
        return b"\r\n".join(rows) + b"\r\n"

    def statement(self, query, moment, parameters):
        types = moment.types
        columns = statement.selected(query, types)
        if len(query.select) == 1:  # a lone missing value would be an empty line, which readers skip: write "" instead
            name = query.select[0]
            columns = sql.SQL("coalesce(({})::text, '')").format(statement.shown(name, types[name], safe=query.safe))
        return sql.SQL("COPY ({}) TO STDOUT {}").format(_rows(columns, query, moment, parameters), self.copy_options)


@dataclass(frozen=True)
class Json(File):
    def type_for(self, query):
        return self.content_type

    def statement(self, query, moment, parameters):
        columns = statement.selected(query, moment.types, json=True)
        return sql.SQL("COPY (SELECT row_to_json(r) FROM ({}) AS r) TO STDOUT {}").format(
            _rows(columns, query, moment, parameters), AS_IT_IS
        )


@dataclass(frozen=True)
class JsonArray(Json):
    def join(self, rows, first):
        return (b"[\n" if first else b",\n") + b",\n".join(rows)

    def end(self, is_empty):
        return b"[]\n" if is_empty else b"\n]\n"


def _rows(columns, query, moment, parameters):
    """The query's rows of the moment. Without a wish they come as they lie; a limit without an order takes the first by `_id`."""
    return sql.SQL("SELECT {} FROM {}{}{}{}").format(
        columns,
        moment.table,
        statement.where(query.filters, parameters),
        statement.order(query.sort, moment.types, always=query.limit is not None),
        sql.SQL(" LIMIT {}").format(sql.Literal(query.limit)) if query.limit is not None else sql.SQL(""),
    )


def rows_of(columns, query, moment, mogrify):
    """The statement as text, with its values in place."""
    parameters = Parameters()
    statement = _rows(columns, query, moment, parameters)
    return mogrify(statement, parameters.values or None)


TEXT_FILES = {
    file.suffix: file
    for file in (
        Separated("csv", "text/csv; charset=utf-8", b",", sql.SQL("(FORMAT csv)")),
        Separated("tsv", "text/tab-separated-values; charset=utf-8", b"\t", sql.SQL("(FORMAT csv, DELIMITER E'\\t')")),
        JsonArray("json", "application/json"),
        Json("ndjson", "application/x-ndjson"),
    )
}
