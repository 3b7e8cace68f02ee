"""Reads a shape from its outline: a text that is laid out as Amazon's answer is, with a column a line.

    reportSpecification:                         an object: what is indented below stands in it
        dataStartTime  date  as start_date       outside of the records, so repeated on each row
    orders[]:                                    the records
        orderId              as amazon_order_id  key
        proceeds.grandTotal  money  as order_total
        programs by order_programs:              one value, of which a function makes the columns below
            order_type
            is_prime         boolean
        orderItems[]:                            a list in the record, whose members are the rows
            quantityOrdered  bigint              # how many were bought
        *                    as other_fields     what no line names, as JSON

A line without a list anywhere above or below it is a column of a flat file, known by its title; a title with spaces stands
in double quotes. Behind path or title come the type (text where none is named) and marks:

    as NAME           the column's name; else it is made of the title, or of the path's last step
    key               part of what makes a row unique
    personal          tells of a buyer; behind an object's colon it is said of all that is below
    by FUNCTION       the value is what the function makes of Amazon's
    titled "TITLE"    how people read it; a flat file's own title needs no saying
    also "TITLE"      a title in another language; may be repeated
    # TEXT            what it means; a line of this alone is a comment

`money` makes two columns, NAME_amount and NAME_currency; `json` keeps a list or an object as JSON; `words` joins a list
of words with commas. `Component[Type=Tax].Amount` takes of the list's entries the one whose Type is Tax. `+ NAME`
stands for all lines of another outline.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from connector.catalogue.names import safe_name
from connector.catalogue.shape import TYPES, Column, Field, Shape
from connector.catalogue.values import amount_and_currency, as_text, joined, text_only

FOLDER = Path(__file__).with_name("shapes")
KINDS = (*TYPES, "money", "json", "words")
MARKS = ("as", "key", "personal", "by", "titled", "also")
REST = "what Amazon sends and no other column holds, as JSON"

_OPENER = re.compile(r'([^\s"]+?)(\[\])?(?:\s+by\s+(\w+))?:(?:\s+(personal))?')
_WORD = re.compile(r'"([^"]*)"|(\S+)')
_TOLD_APART = re.compile(r"\[(\w+)=([^\]]*)\]")
_TAKES = {"json": as_text, "words": joined}


class BadOutline(ValueError):
    """A line of an outline is wrong; the message names the line and what would be right."""


def read(name: str, takes: Mapping[str, Callable] | None = None, **more) -> Shape:
    """The shape in `shapes/NAME.txt`. `takes` are the functions that its lines name, `more` are further fields of the shape."""
    return parse((FOLDER / f"{name}.txt").read_text(encoding="utf-8"), takes, name=name, **more)


def parse(text: str, takes: Mapping[str, Callable] | None = None, *, name: str = "outline", **more) -> Shape:
    """The shape of an outline; BadOutline where a line of it is wrong."""
    lines = list(_lines(name, text))
    outline = _Outline(takes or {}, is_flat=not any(_opens_list(line.code) for line in lines))
    for line in lines:
        outline.add(line)
    return outline.shape(name, more)


@dataclass(frozen=True)
class _Line:
    where: str  # name and number
    indent: int
    code: str
    meaning: str

    def wrong(self, why: str) -> BadOutline:
        return BadOutline(f"{self.where}, '{self.code}': {why}")


def _lines(name: str, text: str) -> Iterator[_Line]:
    for number, raw in enumerate(text.splitlines(), 1):
        code, meaning = _without_meaning(raw.rstrip())
        if not code.strip() or code.lstrip().startswith("#"):
            continue
        line = _Line(f"{name}, line {number}", len(code) - len(code.lstrip()), " ".join(code.split()), meaning)
        if "\t" in raw[: line.indent + 1]:
            raise line.wrong("lines are indented by spaces, not by tabs.")
        if not line.code.startswith("+ "):
            yield line
            continue
        included = FOLDER / f"{line.code[2:]}.txt"
        if not included.exists():
            raise line.wrong(f"there is no outline {line.code[2:]}.")
        for each in _lines(included.stem, included.read_text(encoding="utf-8")):
            yield replace(each, indent=line.indent + each.indent)


def _without_meaning(raw: str) -> tuple[str, str]:
    """(code, meaning): the meaning begins at the first # that stands by itself and not in quotes."""
    for found in re.finditer(r"(?:(?<=\s)|^)#(?=\s|$)", raw):
        if raw.count('"', 0, found.start()) % 2 == 0:
            return raw[: found.start()].rstrip(), raw[found.end() :].strip()
    return raw, ""


def _opens_list(code: str) -> bool:
    found = _OPENER.fullmatch(code)
    return bool(found and found[2])


@dataclass
class _Block:
    """An object, a list or a function's value that is open; `inner` is how far the lines below it are indented."""

    line: _Line | None
    path: str  # from the record; outside of the records from the answer's root
    outside: bool
    personal: bool = False
    take: Callable | None = None
    columns: list[Column] = field(default_factory=list)
    inner: int | None = None


class _Outline:
    """Takes the lines of an outline one by one, and gives the shape that they make."""

    def __init__(self, takes: Mapping[str, Callable], *, is_flat: bool):
        self._takes, self._is_flat = takes, is_flat
        self._open = [_Block(None, "", outside=True)]
        self._path = self._each = ""
        self._fields, self._head, self._joined, self._key = [], [], [], []
        self._told_apart, self._rest, self._seen = {}, None, {}

    def add(self, line: _Line):
        block = self._block_of(line)
        if self._rest:
            raise line.wrong("what no line names is the last column; nothing comes behind it.")
        if block.take:
            self._add_to_take(line, block)
        elif opener := _OPENER.fullmatch(line.code):
            if self._is_flat:
                raise line.wrong(
                    "nothing says which list holds the records: NAME[]: A title with a colon stands in quotes."
                )
            self._add_block(line, block, opener)
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

    def _block_of(self, line: _Line) -> _Block:
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

    def _close_to(self, depth: int):
        while len(self._open) > depth:
            block = self._open.pop()
            if block.inner is None:
                raise block.line.wrong("nothing is indented below it.")
            if block.take:
                self._add_field(block.line, block, tuple(block.columns), block.path, block.take)

    # What a line opens

    def _add_block(self, line: _Line, block: _Block, opener: re.Match):
        step, is_list, take, personal = opener.groups()
        opened = _Block(
            line, self._told(line, f"{block.path}.{step}" if block.path else step), block.outside,
            personal=bool(personal) or block.personal, take=self._function(line, take) if take else None,
        )  # fmt: skip
        if is_list:
            self._open_list(line, opened)
        self._open.append(opened)

    def _open_list(self, line: _Line, opened: _Block):
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

    def _add_column(self, line: _Line, block: _Block):
        source, kind, marks = self._words(line, block)
        if source == "*" and not self._is_flat:
            if block.path != self._each or block.outside:
                raise line.wrong("it says what no line of a row names, so it stands among the row's own lines.")
            self._rest = self._named(line, Column(marks.name or "other_fields", "text", marks.title, REST))
            return
        path = self._told(line, f"{block.path}.{source}" if block.path and not self._is_flat else source)
        name = marks.name or safe_name(source if self._is_flat else source.rpartition(".")[2])
        title = source if self._is_flat else marks.title
        column = Column(
            name, kind if kind in TYPES else "text", title, path, marks.personal or block.personal, marks.also, line.meaning
        )  # fmt: skip
        if kind == "money":
            amount, currency = _amount_and_currency(column)
            columns = replace(amount, source=f"{path}.amount"), replace(currency, source=f"{path}.currencyCode")
            take = amount_and_currency
        else:
            columns, take = (column,), marks.take or (text_only if marks.is_key else _TAKES.get(kind))
        if kind == "words":
            self._joined.append(path)
        if marks.is_key:
            if kind != "text" or marks.take:
                raise line.wrong("a key is plain text.")
            self._key.append(name)
        self._add_field(line, block, tuple(self._named(line, each) for each in columns), path, take)

    def _add_to_take(self, line: _Line, block: _Block):
        name, kind, marks = self._words(line, block)
        if kind not in (*TYPES, "money") or marks.name or marks.take or marks.is_key or marks.also:
            raise line.wrong(f"below a function stand names of columns and their types: {', '.join(TYPES)} or money.")
        column = Column(
            name, kind, marks.title, block.path, marks.personal or block.personal, meaning=line.meaning
        )  # fmt: skip
        made = _amount_and_currency(column) if kind == "money" else (column,)
        block.columns += [self._named(line, each) for each in made]

    def _add_field(self, line: _Line, block: _Block, columns: tuple[Column, ...], path: str, take: Callable | None):
        if len({column.personal for column in columns}) > 1:
            raise line.wrong("the columns of one value are all personal or none is.")
        if len(columns) > 1 and len(take(None)) != len(columns):
            raise line.wrong(f"the function makes {len(take(None))} values, and these are {len(columns)} columns.")
        if block.outside and not self._is_flat:
            self._head.append(path)
        self._fields.append(Field(columns, path, take))

    def _named(self, line: _Line, column: Column) -> Column:
        """The column, if no other has its name and the name needs no quoting in SQL."""
        if safe_name(column.name) != column.name:
            raise line.wrong(f"'{column.name}' is no name of a column; {safe_name(column.name)} would be one.")
        if before := self._seen.get(column.name):
            raise line.wrong(f"there is a column {column.name} already, {before}. Name it otherwise: as NAME.")
        self._seen[column.name] = line.where
        return column

    def _told(self, line: _Line, path: str) -> str:
        """The path as the reader writes it; the members that tell entries of lists apart are noted."""
        while found := _TOLD_APART.search(path):
            place = path[: found.start()]
            if self._told_apart.setdefault(place, found[1]) != found[1]:
                raise line.wrong(f"entries of {place} are told apart by {self._told_apart[place]} already.")
            path = f"{place}[{found[2]}]{path[found.end() :]}"
        return path

    def _words(self, line: _Line, block: _Block) -> tuple[str, str, "_Marks"]:
        """(path, title or name; kind; marks) of a line."""
        source, *words = [quoted or word for quoted, word in _WORD.findall(line.code)]
        kind = words.pop(0) if words and words[0] in KINDS else "text"
        return source, kind, self._marks(line, words)

    def _marks(self, line: _Line, words: list[str]) -> "_Marks":
        found, rest = {"also": ()}, list(words)
        while rest:
            mark = rest.pop(0)
            if mark not in MARKS:
                raise line.wrong(f"'{mark}' is neither a type ({', '.join(KINDS)}) nor a mark ({', '.join(MARKS)}).")
            if mark in ("key", "personal"):
                found[mark] = True
                continue
            if not rest:
                raise line.wrong(f"something is missing behind '{mark}'.")
            word = rest.pop(0)
            found[mark] = (*found["also"], word) if mark == "also" else word
        return _Marks(
            found.get("as", ""), found.get("titled", ""), found["also"], "key" in found, "personal" in found,
            self._function(line, found["by"]) if "by" in found else None,
        )  # fmt: skip

    def _function(self, line: _Line, name: str) -> Callable:
        if not callable(self._takes.get(name)):
            known = ", ".join(name for name, take in self._takes.items() if callable(take)) or "none"
            raise line.wrong(f"there is no function {name} here. Known: {known}.")
        return self._takes[name]


def _amount_and_currency(column: Column) -> tuple[Column, Column]:
    return (
        replace(column, name=f"{column.name}_amount", type="numeric"),
        replace(column, name=f"{column.name}_currency", type="text"),
    )


@dataclass(frozen=True)
class _Marks:
    name: str
    title: str
    also: tuple[str, ...]
    is_key: bool
    personal: bool
    take: Callable | None
