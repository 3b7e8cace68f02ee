"""What one kind of row is: where its records stand in an answer of Amazon's, and what becomes of them.

The same declaration holds for the pages of an operation (read by `pages.py`), for JSON and XML documents (`streams.py`
and `nested.py`) and for flat files (`readers.py`). It is written as an outline: see `outline.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

TYPES = ("text", "bigint", "numeric", "boolean", "date", "timestamptz")


@dataclass(frozen=True)
class Column:
    """`source` says where Amazon keeps the value (a path, or a flat file's title), `also` how it titles it in other
    languages. `personal` marks buyers' personal data.
    """

    name: str
    type: str = "text"
    title: str = ""
    source: str = ""
    personal: bool = False
    also: tuple[str, ...] = ()
    meaning: str = ""

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "type": self.type,
            "title": self.title or self.name,
            "meaning": self.meaning,
            "personal": self.personal,
        }


@dataclass(frozen=True)
class Field:
    """One column, or several that `take` fills from one value, as a tuple of as many values as there are columns.

    `path` is dotted, from the record; that of a value outside of the records is from the answer's root.
    """

    columns: tuple[Column, ...]
    path: str
    take: Callable | None = None

    @property
    def personal(self) -> bool:
        return self.columns[0].personal


@dataclass(frozen=True)
class Shape:
    """One kind of row. Paths are dotted; those of XML begin with the root's name.

    Each thing at `path` is a record; without a path it is a line of a flat file. Where `each` names a list in the
    record, that list's members are the rows, and the rest of the record is repeated on each; so are the values at
    `head`, which stand outside of the records. The entries of a list in `told_apart` become columns of their own, by
    the member that tells them apart: Component[Tax].Amount. The words of a list in `joined` become one text. `proof`
    is where a document repeats what it was asked for. `rest` is the column for what no field knows, as JSON.
    """

    path: str = ""
    each: str = ""
    head: tuple[str, ...] = ()
    told_apart: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    joined: tuple[str, ...] = ()
    proof: str = ""
    fields: tuple[Field, ...] = ()
    rest: Column | None = None
    key: tuple[str, ...] = ()

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """In the order of the rows."""
        found = [column for field in self.fields for column in field.columns]
        return tuple(found if self.rest is None else [*found, self.rest])
