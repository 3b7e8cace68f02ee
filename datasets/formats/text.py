"""The formats of lines: what COPY is told, and how rows become the bytes of a file.

CSV and TSV follow RFC 4180: UTF-8, CRLF between records, quotes only where needed, doubled inside; newlines inside cells
stay as they are. No value is an empty field, an empty text is `""`. JSON comes through COPY's csv format with a quote and
a delimiter that cannot occur in JSON, because the text format would double every backslash.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from datasets.formats.cells import cell, listed
from datasets.formats.format import Layout, RowSource, TextFormat

AS_IT_IS = sql.SQL("(FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')")


@dataclass(frozen=True)
class Separated(TextFormat):
    """Values side by side, parted by `delimiter`."""

    delimiter: bytes = b","
    copy_options: str = "(FORMAT csv)"
    options: tuple[str, ...] = ("header", "bom", "safe")

    def content_type(self, layout: Layout) -> str:
        return f"{self.media_type}; charset=utf-8; header={'present' if layout.header else 'absent'}"

    def start(self, source: RowSource, layout: Layout) -> bytes:
        mark = "\ufeff".encode() if layout.bom else b""
        header = self.delimiter.join(map(self._cell, source.names)) + b"\r\n" if layout.header else b""
        return mark + header

    def _cell(self, name: str) -> bytes:
        """A column's name; one that somebody gave it in a statement may hold anything."""
        is_plain = name and not any(mark in name for mark in (self.delimiter.decode(), '"', "\n", "\r"))
        return (name if is_plain else '"' + name.replace('"', '""') + '"').encode()

    def join(self, rows: Sequence[bytes | memoryview], first: bool) -> bytes:
        return b"\r\n".join(rows) + b"\r\n"

    def statement(self, source: RowSource, layout: Layout) -> sql.Composed:
        columns = listed(source.types, safe=layout.safe)
        if len(source.types) == 1:  # a lone missing value would be an empty line, which readers skip: write "" instead
            [(name, kind)] = source.types.items()
            columns = sql.SQL("coalesce(({})::text, '')").format(cell(name, kind, safe=layout.safe))
        return sql.SQL("COPY (SELECT {} FROM ({}) AS r) TO STDOUT {}").format(
            columns, source.select, sql.SQL(self.copy_options)
        )


@dataclass(frozen=True)
class JsonLines(TextFormat):
    """An object a line."""

    options: tuple[str, ...] = ("safe", "decimals")

    def statement(self, source: RowSource, layout: Layout) -> sql.Composed:
        columns = listed(source.types, safe=layout.safe, json=True, decimals=layout.decimals)
        return sql.SQL("COPY (SELECT row_to_json(r) FROM (SELECT {} FROM ({}) AS r) AS r) TO STDOUT {}").format(
            columns, source.select, AS_IT_IS
        )


@dataclass(frozen=True)
class JsonArray(JsonLines):
    """One list of objects."""

    def join(self, rows: Sequence[bytes | memoryview], first: bool) -> bytes:
        return (b"[\n" if first else b",\n") + b",\n".join(rows)

    def end(self, is_empty: bool) -> bytes:
        return b"[]\n" if is_empty else b"\n]\n"
