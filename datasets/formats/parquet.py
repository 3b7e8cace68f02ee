"""Parquet as it is made: COPY's rows become row groups, each goes out before the next is read.

Types are exact. A decimal column is decimal128 with as many places as its values need; where 38 digits do not hold them
it is text, with every digit.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from datasets.formats.cells import cell
from datasets.formats.copy_to_stdout import CopyOut
from datasets.formats.format import Layout, PackedFormat, RowSource

if TYPE_CHECKING:
    import pyarrow
    from _typeshed import ReadableBuffer


GROUP_BYTES = 8 << 20  # of CSV: what a row group is made of, and all that is held at once
DIGITS = 38


@dataclass(frozen=True)
class Parquet(PackedFormat):
    """Columns of exact types, made row group by row group while the rows come."""

    def pack(
        self, connection: psycopg.Connection, source: RowSource, layout: Layout, reader: socket.socket | None
    ) -> RowGroups:
        return RowGroups(connection, source, reader)


class RowGroups:
    """The file as an iterator of bytes, over a COPY that runs."""

    def __init__(self, connection: psycopg.Connection, source: RowSource, reader: socket.socket | None) -> None:
        self._names = list(source.names)
        self._copy: CopyOut | None = None
        scales = _scales(connection, source, reader) if source.select is not None else {}
        self._schema = _schema(source.types, scales)
        if source.select is not None:
            columns = sql.SQL(", ").join(
                sql.SQL("{} AS {}").format(cell(name, kind), sql.Identifier(name))
                for name, kind in source.types.items()
            )
            statement = sql.SQL("COPY (SELECT {} FROM ({}) AS r) TO STDOUT (FORMAT csv)").format(columns, source.select)
            self._copy = CopyOut(connection, statement.as_bytes(connection), reader)

    @property
    def is_done(self) -> bool:
        return self._copy is None or self._copy.is_done

    def stop(self) -> None:
        if self._copy is not None:
            self._copy.stop()

    def close(self) -> None:
        pass

    def __iter__(self) -> Iterator[bytes]:
        from pyarrow import parquet

        out = _Pipe()
        with parquet.ParquetWriter(out, self._schema, compression="zstd", compression_level=1) as writer:
            while group := self._group():
                writer.write_table(self._table(group))
                yield out.take()
        yield out.take()

    def _group(self) -> bytes:
        """The next rows as lines of CSV, b"" at the end."""
        lines, size = [], 0
        while size < GROUP_BYTES and self._copy is not None and (rows := self._copy.batch()):
            lines.append(b"\n".join(rows) + b"\n")
            size += len(lines[-1])
        return b"".join(lines)

    def _table(self, group: bytes) -> pyarrow.Table:
        from pyarrow import BufferReader, csv

        return csv.read_csv(
            BufferReader(group),
            csv.ReadOptions(use_threads=False, block_size=len(group) + 1, column_names=self._names),
            csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types=self._schema,
                null_values=[""],
                true_values=["true"],
                false_values=["false"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,  # an empty text is not no value
            ),
        )


class _Pipe(io.RawIOBase):
    """What the writer writes to: it counts everything, and holds only what has not gone out yet."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, part: ReadableBuffer) -> int:
        part = bytes(part)
        self._parts.append(part)
        self._written += len(part)
        return len(part)

    def tell(self) -> int:
        return self._written

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _schema(types: Mapping[str, str], scales: Mapping[str, int | None]) -> pyarrow.Schema:
    import pyarrow

    plain = {
        "bigint": pyarrow.int64(),
        "boolean": pyarrow.bool_(),
        "date": pyarrow.date32(),
        "timestamptz": pyarrow.timestamp("us", tz="UTC"),
    }

    def kind_of(name: str, kind: str) -> pyarrow.DataType:
        if kind == "numeric":
            scale = scales.get(name, 0)
            return pyarrow.string() if scale is None else pyarrow.decimal128(DIGITS, scale)
        return plain.get(kind, pyarrow.string())

    return pyarrow.schema([(name, kind_of(name, kind)) for name, kind in types.items()])


def _scales(connection: psycopg.Connection, source: RowSource, reader: socket.socket | None) -> dict[str, int | None]:
    """For each decimal column how many places its values have; None where they do not fit into 38 digits."""
    names = [name for name, kind in source.types.items() if kind == "numeric"]
    if not names:
        return {}
    facts = sql.SQL(", ").join(
        sql.SQL(
            "max(scale({0})), max(length(trunc(abs({0}))::text)),"
            " coalesce(bool_or({0} = 'NaN' OR abs({0}) = 'Infinity'), false)"
        ).format(sql.Identifier(name))
        for name in names
    )
    statement = sql.SQL("COPY (SELECT {} FROM ({}) AS r) TO STDOUT (FORMAT csv)").format(facts, source.in_any_order)
    copy, line = CopyOut(connection, statement.as_bytes(connection), reader), b""
    while rows := copy.batch():
        line += b"".join(rows)
    found = line.decode().split(",")
    scales: dict[str, int | None] = {}
    for place, name in enumerate(names):
        scale, digits, is_odd = found[3 * place : 3 * place + 3]
        fits = is_odd == "f" and int(scale or 0) + int(digits or 0) <= DIGITS
        scales[name] = int(scale or 0) if fits else None
    return scales
