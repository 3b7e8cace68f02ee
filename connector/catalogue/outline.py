"""Reads a shape from its outline: a text that is laid out as Amazon's answer is, with a column a line.

    reportSpecification:                         # an object: what is indented below stands in it
        dataStartTime  date  as start_date       # outside of the records, so repeated on each row
    orders[]:                                    # the records
        orderId              as amazon_order_id  key
        proceeds.grandTotal  money  as order_total
        programs by order_programs:              # one value, of which a function makes the columns below
            order_type
            is_prime         boolean
        orderItems[]:                            # a list in the record, whose members are the rows
            quantityOrdered  bigint              # how many were bought: the meaning of the column
            *                as other_fields     # what no line names, as JSON

A line without a list anywhere above or below it is a column of a flat file, known by its title; a title with spaces stands
in double quotes. Behind path or title come the type (text where none is named) and marks:

    as NAME           the column's name; else it is made of the title, or of the path's last step
    key               part of what makes a row unique
    personal          personal data of a buyer; after an object's colon it applies to every line below it
    by FUNCTION       the value is what the function makes of Amazon's
    titled "TITLE"    how people read it; a flat file's own title needs no saying
    also "TITLE"      a title in another language; may be repeated
    # TEXT            what it means; a line of this alone is a comment

`money` makes two columns, NAME_amount and NAME_currency; `json` keeps a list or an object as JSON; `words` joins a list
of words with commas. `Component[Type=Tax].Amount` takes of the list's entries the one whose Type is Tax. `+ NAME`
stands for all lines of another outline.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from connector.catalogue.names import safe_name
from connector.catalogue.outline_lines import FOLDER, BadOutline, Line, Opener, lines_of
from connector.catalogue.shape import TYPES, Column, Field, Shape
from connector.catalogue.values import amount_and_currency, as_text, joined, text_only

REST = "what Amazon sends and no other column holds, as JSON"

_OUTSIDE = Line("the outline", -1, "", "")
_TOLD_APART = re.compile(r"\[(\w+)=([^\]]*)\]")
_TAKES = {"json": as_text, "words": joined, "money": amount_and_currency}


def read(name: str, takes: Mapping[str, Callable] | None = None, **more: Any) -> Shape:
    """The shape in `shapes/NAME.txt`. `takes` are the functions that its lines name, `more` are further fields of the shape."""
    return parse((FOLDER / f"{name}.txt").read_text(encoding="utf-8"), takes, name=name, **more)


def parse(text: str, takes: Mapping[str, Callable] | None = None, *, name: str = "outline", **more: Any) -> Shape:
    """The shape of an outline; BadOutline where a line of it is wrong."""
    lines = list(lines_of(name, text))
    is_flat = not any(line.opener and line.opener.is_list for line in lines)
    outline = _Outline(takes or {}, is_flat=is_flat)
    for line in lines:
        outline.add(line)
    return outline.shape(name, more)


@dataclass
class _Block:
    """An object, a list or a function's value that is open; `inner` is how far the lines below it are indented."""

    line: Line
    path: str  # from the record; outside of the records from the answer's root
    outside: bool
    personal: bool = False
    take: Callable | None = None
    columns: list[Column] = field(default_factory=list)
    inner: int | None = None


class _Outline:
    """Takes the lines of an outline one by one, and gives the shape that they make."""

    def __init__(self, takes: Mapping[str, Callable], *, is_flat: bool) -> None:
        self._takes, self._is_flat = takes, is_flat
        self._open = [_Block(_OUTSIDE, "", outside=True)]
        self._path = self._each = ""
        self._fields: list[Field] = []
        self._head: list[str] = []
        self._joined: list[str] = []
        self._key: list[str] = []
        self._told_apart: dict[str, str] = {}
        self._rest: Column | None = None
        self._seen: dict[str, str] = {}  # name -> where it was declared

    def add(self, line: Line) -> None:
        block = self._block_of(line)
        if self._rest:
            raise line.wrong("what no line names is the last column; nothing comes behind it.")
        if block.take:
            self._add_to_take(line, block)
        elif line.opener:
            if self._is_flat:
                raise line.wrong(
                    "nothing says which list holds the records: NAME[]: A title with a colon stands in quotes."
                )
            self._add_block(line, block, line.opener)
        else:
            self._add_column(line, block)

    def shape(self, name: str, more: Mapping) -> Shape:
        self._close_to(1)
        if not self._fields:
            raise BadOutline(f"{name} has no column.")
        return Shape(
            path=self._path,
            each=self._each,
            head=tuple(self._head),
            told_apart=MappingProxyType(dict(self._told_apart)),
            joined=tuple(self._joined),
            fields=tuple(self._fields),
            rest=self._rest,
            key=tuple(self._key),
            **more,
        )

    def _block_of(self, line: Line) -> _Block:
        """The block that the line stands in, by its indentation; those that end before it are closed."""
        depth = len(self._open)
        while depth > 1 and line.indent <= self._open[depth - 1].line.indent:
            depth -= 1
        self._close_to(depth)
        block = self._open[-1]
        if block.inner is None:
            block.inner = line.indent
        if line.indent != block.inner:
            raise line.wrong(f"is indented by {line.indent} spaces, the lines around it by {block.inner}.")
        return block

    def _close_to(self, depth: int) -> None:
        while len(self._open) > depth:
            block = self._open.pop()
            if block.inner is None:
                raise block.line.wrong("nothing is indented below it.")
            if block.take and len(block.columns) < 2:
                raise block.line.wrong("a function that makes one column stands in the column's own line: by NAME.")
            if block.take:
                self._add_field(block.line, block, tuple(block.columns), block.path, block.take)

    # What a line opens

    def _add_block(self, line: Line, block: _Block, opener: Opener) -> None:
        opened = _Block(
            line,
            self._told(line, f"{block.path}.{opener.step}" if block.path else opener.step),
            block.outside,
            personal=opener.personal or block.personal,
            take=self._function(line, opener.by),
        )
        if opener.is_list:
            self._open_list(line, opened)
        self._open.append(opened)

    def _open_list(self, line: Line, opened: _Block) -> None:
        if opened.take:
            raise line.wrong("a function makes columns of a value, not of a list of rows: leave out [] or by.")
        if opened.outside:
            if self._path:
                raise line.wrong(f"the records are those of {self._path}[] already; another list is another shape.")
            self._path, opened.path, opened.outside = opened.path, "", False
        elif self._each:
            raise line.wrong(f"the rows are those of {self._each}[] already; a list in it is a shape of its own.")
        else:
            self._each = opened.path

    # What a line declares

    def _add_column(self, line: Line, block: _Block) -> None:
        words = line.words
        if words.source == "*" and not self._is_flat:
            self._add_rest(line, block)
            return
        column = self._column(line, block)
        columns: tuple[Column, ...] = (column,)
        take = self._function(line, words.by) or _TAKES.get(words.kind)
        if words.by and words.kind not in TYPES:
            raise line.wrong(f"what a function makes is of one of the types {', '.join(TYPES)}.")
        if words.kind == "money":
            columns = _amount_and_currency(column, f"{column.source}.amount", f"{column.source}.currencyCode")
        if words.kind == "words":
            self._joined.append(column.source)
        if words.is_key:
            if words.kind != "text" or words.by:
                raise line.wrong("a key is plain text.")
            self._key.append(column.name)
            take = text_only
        self._add_field(line, block, tuple(self._named(line, each) for each in columns), column.source, take)

    def _column(self, line: Line, block: _Block) -> Column:
        words = line.words
        kind = words.kind if words.kind in TYPES else "text"
        if self._is_flat:
            name, title, path = words.name or safe_name(words.source), words.source, words.source
        else:
            path = self._told(line, f"{block.path}.{words.source}" if block.path else words.source)
            name, title = words.name or safe_name(words.source.rpartition(".")[2]), words.title
        return Column(name, kind, title, path, words.personal or block.personal, words.also, line.meaning)

    def _add_rest(self, line: Line, block: _Block) -> None:
        if block.path != self._each or block.outside:
            raise line.wrong("it says what no line of a row names, so it stands among the row's own lines.")
        words = line.words
        self._rest = self._named(line, Column(words.name or "other_fields", "text", words.title, REST))

    def _add_to_take(self, line: Line, block: _Block) -> None:
        words = line.words
        if words.kind not in (*TYPES, "money") or words.name or words.by or words.is_key or words.also:
            raise line.wrong(f"below a function stand names of columns and their types: {', '.join(TYPES)} or money.")
        personal = words.personal or block.personal
        column = Column(words.source, words.kind, words.title, block.path, personal, meaning=line.meaning)
        made = _amount_and_currency(column, block.path, block.path) if words.kind == "money" else (column,)
        block.columns += [self._named(line, each) for each in made]

    def _add_field(
        self, line: Line, block: _Block, columns: tuple[Column, ...], path: str, take: Callable | None
    ) -> None:
        if len({column.personal for column in columns}) > 1:
            raise line.wrong("the columns of one value are all personal or none is.")
        if take and len(columns) > 1 and len(take(None)) != len(columns):
            raise line.wrong(f"the function makes {len(take(None))} values, and these are {len(columns)} columns.")
        if block.outside and not self._is_flat:
            self._head.append(path)
        self._fields.append(Field(columns, path, take))

    def _named(self, line: Line, column: Column) -> Column:
        """The column, if no other has its name and the name needs no quoting in SQL."""
        if safe_name(column.name) != column.name:
            raise line.wrong(f"'{column.name}' is no name of a column; {safe_name(column.name)} would be one.")
        if before := self._seen.get(column.name):
            raise line.wrong(f"there is a column {column.name} already, {before}. Name it otherwise: as NAME.")
        self._seen[column.name] = line.where
        return column

    def _told(self, line: Line, path: str) -> str:
        """The path as the reader writes it; the members that tell entries of lists apart are noted."""
        while found := _TOLD_APART.search(path):
            place = path[: found.start()]
            if self._told_apart.setdefault(place, found[1]) != found[1]:
                raise line.wrong(f"entries of {place} are told apart by {self._told_apart[place]} already.")
            path = f"{place}[{found[2]}]{path[found.end() :]}"
        return path

    def _function(self, line: Line, name: str) -> Callable | None:
        if name and not callable(self._takes.get(name)):
            known = ", ".join(name for name, take in self._takes.items() if callable(take)) or "none"
            raise line.wrong(f"there is no function {name} here. Known: {known}.")
        return self._takes[name] if name else None


def _amount_and_currency(column: Column, amount: str, currency: str) -> tuple[Column, Column]:
    return (
        replace(column, name=f"{column.name}_amount", type="numeric", source=amount),
        replace(column, name=f"{column.name}_currency", type="text", source=currency),
    )
