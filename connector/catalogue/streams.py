"""Reads JSON and XML documents as streams of records: one record is held at a time, whatever the size of the document.

A document that is incomplete or malformed is rejected as a whole: it raises Broken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, TextIO
from xml.parsers import expat

from connector.catalogue.nested import Number, at
from connector.catalogue.shape import Shape

MAX_RECORD = 16 << 20  # characters
_BLOCK = 1 << 16
_DEEPEST = 100
_LOST = "\ufffd"


class Broken(ValueError):
    """The document cannot be read to its end; the message is for people."""


def _broken(what: str) -> Broken:
    return Broken(
        f"Amazon's document {what}, so nothing was loaded from it. It is downloaded again; if that does not help, a "
        "later run requests a new report."
    )


# JSON

_SPACE = re.compile(r"[ \t\n\r]*")
_ODD = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|\0")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def _no_number(word: str) -> NoReturn:
    raise _broken(f"contains {word}, which is not valid JSON")


_DECODE = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_no_number, strict=False).raw_decode


def json_records(text: TextIO, records: Shape, replaced: Callable[[], object]) -> Iterator[tuple[Any, dict[str, str]]]:
    """(record, head) for each record of a JSON document."""
    head = json_head(text, records.head) if records.head else {}
    reader = _Json(text, replaced)
    for record in reader.at(records.path.split(".")):
        yield record, head
    reader.end()
    if not reader.arrived:
        raise _broken(f"has no {records.path}")


def json_head(text: TextIO, paths: Iterable[str]) -> dict[str, str]:
    """{path: text} of values outside of the records, wherever they stand; the text is back at its beginning afterwards.

    Objects and lists are JSON text; a path that the document does not have is left out or empty.
    """
    wanted = {path: path.split(".")[0] for path in paths}
    head: dict[str, str] = {}
    roots = set(wanted.values())
    reader = _Json(text, lambda: None)
    if reader.peek() == "{":
        for name in reader.members():
            if name not in roots:
                reader.skip()
                continue
            value = reader.value()
            head |= {path: at({name: value}, path) for path, root in wanted.items() if root == name}
            if len(head) == len(wanted):
                break
    text.seek(0)
    return head


class _Json:
    """A reader that knows where in the document it stands. Numbers come as they are written."""

    def __init__(self, text: TextIO, replaced: Callable[[], object]) -> None:
        self._text, self._replaced = text, replaced
        self._buffer, self._at = "", 0
        self.arrived = False  # whether the place of the records was met

    def at(self, steps: list[str]) -> Iterator[Any]:
        """The records at the end of these steps."""
        if not steps:
            self.arrived = True
            if self.peek() == "[":
                yield from self._items()
            elif (value := self.value()) is not None:
                yield value
            return
        if self.peek() not in ("{", ""):
            raise _broken("does not have a report's structure")
        for name in self.members():
            if name == steps[0]:
                yield from self.at(steps[1:])
            else:
                self.skip()

    def members(self) -> Iterator[str]:
        """The names of the members of the object that begins here; after each, its value is to be read or skipped."""
        self._take("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            if self.peek() != '"':
                raise self._bad()
            name = self.value()
            self._take(":")
            yield name
            if self._take(",}") == "}":
                return

    def _items(self) -> Iterator[Any]:
        self._take("[")
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield self.value()
            if self._take(",]") == "]":
                return

    def value(self) -> Any:
        """The whole value that begins here."""
        self.peek()
        while True:
            begin = self._at
            try:
                found, end = _DECODE(self._buffer, begin)
            except RecursionError:
                raise _broken("is nested too deeply") from None
            except ValueError as problem:
                if isinstance(problem, Broken):
                    raise
                if len(self._buffer) - begin > MAX_RECORD:
                    raise self._bad() from None
                found, end = None, None
            # A number may go on behind what was read so far.
            if end is not None and (end < len(self._buffer) or self._buffer[begin] in '{["'):
                self._at = end
                return self._storable(found) if _ODD.search(self._buffer, begin, end) else found
            if not self._more():
                if end is None:
                    raise self._bad()
                self._at = end
                return found

    def skip(self) -> None:
        """Passes over the value that begins here, however large."""
        kind = self.peek()
        if kind == "{":
            for _ in self.members():
                self.skip()
        elif kind == "[":
            for _ in self._items():
                pass
        else:
            self.value()

    def end(self) -> None:
        """Nothing may follow."""
        if self.peek():
            raise _broken("has data after its end")

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            self._at = _SPACE.match(self._buffer, self._at).end()  # type: ignore[union-attr]  # it matches nothing, too
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def _take(self, expected: str) -> str:
        found = self.peek()
        if not found or found not in expected:
            raise self._bad()
        self._at += 1
        return found

    def _more(self) -> bool:
        block = self._text.read(
            max(_BLOCK, len(self._buffer) - self._at)
        )  # doubling: a long record is not gone over for ever
        self._buffer, self._at = self._buffer[self._at :] + block, 0
        return bool(block)

    def _bad(self) -> Broken:
        return _broken("is cut off or damaged")

    def _storable(self, value: Any) -> Any:
        """The value without what no database keeps: NUL and half surrogates."""
        if isinstance(value, str):
            found, count = _UNSTORABLE.subn(_LOST, value)
            for _ in range(count):
                self._replaced()
            return found
        if isinstance(value, list):
            return [self._storable(each) for each in value]
        if isinstance(value, dict):
            return {self._storable(name): self._storable(each) for name, each in value.items()}
        return value


# XML

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_REFERENCE = re.compile(r"&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,9}));")
_MAX_REFERENCE = 12
_AN_ELEMENT = 8  # characters that an element counts for, however short
_ENDS_EARLY = {
    expat.errors.codes[word]
    for word in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
}
_DECLARED = re.compile(r"<\?xml[^>]*?\sencoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']")


def declared_charset(head: str) -> str:
    """The charset that an XML document names in its first line; empty where it names none."""
    found = _DECLARED.match(head.lstrip("\ufeff"))
    return found[1] if found else ""


def xml_records(text: TextIO, records: Shape, replaced: Callable[[], object]) -> Iterator[tuple[Any, dict[str, str]]]:
    """(record, head) for each record of an XML document. Attributes and elements are members alike; text of both is text."""
    head = _xml_head(text, records, replaced) if records.head else {}
    reader, count = _Xml(records.path.split(".")), 0
    for block in _clean_blocks(text, replaced):
        for record in reader.feed(block):
            count += 1
            yield record, head
    for record in reader.end():
        count += 1
        yield record, head
    if reader.others and not count:
        raise _broken(f"has no {records.path} but a {reader.others}")


def _xml_head(text: TextIO, records: Shape, replaced: Callable[[], object]) -> dict[str, str]:
    """The values that are repeated on each row, of their first occurrence."""
    wanted = {tuple(path.split(".")): path for path in records.head}
    head = dict.fromkeys(records.head, "")
    for steps, path in wanted.items():
        reader = _Xml(list(steps))
        for block in _clean_blocks(text, lambda: None):
            found = reader.feed(block)
            if found:
                head[path] = at({"value": found[0]}, "value")
                break
        text.seek(0)
    return head


def _clean_blocks(text: TextIO, replaced: Callable[[], object]) -> Iterator[str]:
    """The text in blocks, without characters that are no XML; Amazon lets some through that buyers type."""

    def legal(found: re.Match[str]) -> str:
        number = int(found[1], 16) if found[1] else int(found[2])
        if number in (9, 10, 13) or (
            32 <= number <= 0x10FFFF and number not in (0xFFFE, 0xFFFF) and number >> 11 != 27
        ):
            return found[0]
        replaced()
        return _LOST

    left = ""
    while block := text.read(_BLOCK):
        block = left + block
        begun = block.rfind("&", max(0, len(block) - _MAX_REFERENCE))
        left = block[begun:] if begun >= 0 and ";" not in block[begun:] else ""
        block = block[: len(block) - len(left)]
        block, count = _ILLEGAL.subn(_LOST, block)
        for _ in range(count):
            replaced()
        yield _REFERENCE.sub(legal, block) if "&#" in block else block
    yield left


class _Xml:
    """Builds the records below one path, and nothing else. Entities of the document's own are refused before they are read."""

    def __init__(self, steps: list[str]) -> None:
        self._steps = steps
        self._path: list[str] = []
        self._records: list = []
        self._open: list[tuple[dict, list[str]]] = []
        self._size = 0
        self.others = ""  # the first element that stands where records should
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse

    def feed(self, block: str) -> list:
        """The records that are whole now."""
        self._parse(block, False)
        return self._ready()

    def end(self) -> list:
        self._parse("", True)
        return self._ready()

    def _ready(self) -> list:
        ready, self._records = self._records, []
        return ready

    def _parse(self, block: str, is_last: bool) -> None:
        try:
            self._parser.Parse(block, is_last)
        except expat.ExpatError as problem:
            if is_last and problem.code in _ENDS_EARLY:
                raise _broken("is cut off") from None
            raise _broken(f"is no well-formed XML from line {problem.lineno} on") from None

    def _refuse(self, *_: object) -> NoReturn:
        raise _broken("brings definitions of its own (a DOCTYPE), which no report of Amazon's does")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        name = name.rpartition(":")[2]
        if not self._path and name != self._steps[0]:
            raise _broken(f"is no {self._steps[0]} but a {name[:60]}")
        self._path.append(name)
        if len(self._path) > _DEEPEST:
            raise _broken("is nested too deeply")
        if not self.others and self._is_beside_records():
            self.others = name
        if self._open or self._path == self._steps:
            if not self._open:
                self._size = 0
            self._grow(_AN_ELEMENT + len(name) + sum(map(len, attributes.values())))
            self._open.append((dict(attributes), []))

    def _is_beside_records(self) -> bool:
        """Whether this stands where a record should. Directly below the root a header may stand beside the records."""
        above = self._steps[:-1]
        return len(above) > 1 and self._path[:-1] == above and self._path[-1] != self._steps[-1]

    def _text(self, text: str) -> None:
        if self._open:
            self._grow(len(text))
            self._open[-1][1].append(text)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_RECORD:
            raise _broken("holds a record that is longer than any report's")

    def _end(self, name: str) -> None:
        self._path.pop()
        if not self._open:
            return
        members, texts = self._open.pop()
        text = "".join(texts)
        value: Any = text
        if members:
            value = members
            if text.strip():
                value[""] = text
        if not self._open:
            self._records.append(value)
            return
        parent, name = self._open[-1][0], name.rpartition(":")[2]
        if name not in parent:
            parent[name] = value
        elif isinstance(parent[name], list):
            parent[name].append(value)
        else:
            parent[name] = [parent[name], value]


READERS = {"json": json_records, "xml": xml_records}
