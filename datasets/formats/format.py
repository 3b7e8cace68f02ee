"""What a format is, what it writes, and how it refuses."""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import psycopg
from psycopg import sql


@dataclass(frozen=True)
class Layout:
    """How rows are to be written, as far as a format leaves a choice; each format names in `options` what it understands."""

    header: bool = True  # a line of column names first
    bom: bool = False  # a byte order mark first
    safe: bool = False  # an apostrophe before text that a spreadsheet would treat as a formula
    decimals: str = "number"  # how JSON writes numbers: "string" decimals as text, "ieee754" whole numbers too


@dataclass(frozen=True)
class RowSource:
    """Rows to be written.

    `types` are the columns in order, {name: type of storage, or json}. `select` is a statement that gives them as they are
    stored, values in place; None where there is no table yet. `unordered` gives the same rows in any order, for cases
    where sorting is costly.
    """

    types: dict[str, str]
    select: sql.Composable | None
    unordered: sql.Composable | None = None
    name: str = ""  # of what the rows are of
    changed_at: datetime | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(self.types)

    @property
    def in_any_order(self) -> sql.Composable | None:
        """The cheapest statement that gives the rows; None where there is no table yet."""
        return self.unordered if self.unordered is not None else self.select


class CannotHold(Exception):
    """The format cannot hold these rows; they are refused completely and nothing is truncated. `code` names the reason
    for programs."""

    def __init__(self, detail: str, *, code: str) -> None:
        super().__init__(detail)
        self.detail, self.code = detail, code


@dataclass(frozen=True)
class Format:
    """A file format: `name` is also its extension and what it is called in addresses, `title` what people read."""

    name: str
    title: str
    media_type: str
    options: tuple[str, ...] = ()
    in_pages: bool = False  # also of single pages of rows
    in_menus: bool = False  # offered to people on pages, not only to programs
    is_text = True
    is_packed = False  # compressed in itself, and made by `pack` instead of `statement`, `start`, `join` and `end`

    def content_type(self, layout: Layout) -> str:
        """The media type with its parameters."""
        return self.media_type

    def check(self, rows: int | None) -> None:
        """Raises CannotHold where it is known before a row is read that so many do not fit; None: their number is not known."""


@dataclass(frozen=True)
class TextFormat(Format):
    """Rows come from COPY a batch at a time: `start`, then `join` of each batch, then `end`."""

    def statement(self, source: RowSource, layout: Layout) -> sql.Composable:
        """COPY … TO STDOUT of the source's rows, each as one line of the file. The source has a `select`."""
        raise NotImplementedError

    def start(self, source: RowSource, layout: Layout) -> bytes:
        """What stands before the first row."""
        return b""

    def join(self, rows: Sequence[bytes | memoryview], first: bool) -> bytes:
        """The bytes of a batch; `first` is True for the first one."""
        return b"\n".join(rows) + b"\n"

    def end(self, is_empty: bool) -> bytes:
        """What stands behind the last row; `is_empty` where there was none."""
        return b""


class PackedFile(Protocol):
    """A finished or running file, as an iterator of its bytes."""

    @property
    def is_done(self) -> bool:
        """Whether nothing runs in the database any more."""

    def __iter__(self) -> Iterator[bytes]: ...

    def stop(self) -> None:
        """Ends the work in the database, wherever it is."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class PackedFormat(Format):
    """A file that is made from rows by `pack`."""

    is_text = False
    is_packed = True

    def pack(
        self, connection: psycopg.Connection, source: RowSource, layout: Layout, reader: socket.socket | None
    ) -> PackedFile:
        """The file.

        `reader` is the socket of whoever reads, where it is known: their leaving stops the work. Raises
        CannotHold, or psycopg's errors.
        """
        raise NotImplementedError
