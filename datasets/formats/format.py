"""What a format is, what it is given to write, and how it says that it cannot."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import sql


@dataclass(frozen=True)
class Layout:
    """How rows are to be written, as far as a format leaves a choice; each format names in `options` what it understands."""

    header: bool = True  # a line of column names first
    bom: bool = False  # a byte order mark in front
    safe: bool = False  # an apostrophe in front of text that a spreadsheet would take for a formula
    decimals: str = "number"  # how JSON writes numbers: "string" decimals as text, "ieee754" whole numbers too


@dataclass(frozen=True)
class Source:
    """Rows to be written.

    `types` are the columns in order, {name: type of storage, or json}. `select` is a statement that gives them as they are
    stored, values in place; None where there is no table yet. `unordered` gives the same rows in whatever order, where
    the order costs something.
    """

    types: dict[str, str]
    select: sql.Composable | None
    unordered: sql.Composable | None = None
    name: str = ""  # of what the rows are of
    changed_at: datetime | None = None

    @property
    def names(self):
        return tuple(self.types)

    @property
    def in_any_order(self):
        return self.unordered if self.unordered is not None else self.select


class CannotHold(Exception):
    """The format cannot hold these rows; they are refused whole, and nothing is cut. `code` names the reason for programs."""

    def __init__(self, detail, *, code):
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

    def content_type(self, layout):
        """The media type with its parameters."""
        return self.media_type

    def check(self, rows):
        """Raises CannotHold where it is known before a row is read that so many do not fit; None: their number is not known."""


@dataclass(frozen=True)
class TextFormat(Format):
    """Rows come from COPY a batch at a time: `start`, then `join` of each batch, then `end`."""

    def statement(self, source, layout):
        """COPY … TO STDOUT of the source's rows, each as one line of the file. The source has a `select`."""
        raise NotImplementedError

    def start(self, source, layout):
        return b""

    def join(self, rows, first):
        """The bytes of a batch; `first` is True for the first one."""
        return b"\n".join(rows) + b"\n"

    def end(self, is_empty):
        return b""


@dataclass(frozen=True)
class PackedFormat(Format):
    """A file that is made from rows by `pack`."""

    is_text = False
    is_packed = True

    def pack(self, connection, source, layout, reader):
        """The file as an iterator of bytes with `is_done` (nothing runs in the database any more), `stop` and `close`.

        `reader` is the socket of whoever reads, where it is known: their leaving stops the work. Raises CannotHold, or
        psycopg's errors.
        """
        raise NotImplementedError
