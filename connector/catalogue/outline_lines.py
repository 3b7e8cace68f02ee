"""The lines of an outline: how far each is indented, what it opens or declares, and what its words mean one by one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from connector.catalogue.shape import TYPES

FOLDER = Path(__file__).with_name("shapes")
KINDS = (*TYPES, "money", "json", "words")
MARKS = ("as", "key", "personal", "by", "titled", "also")

_OPENER = re.compile(r'([^\s"]+?)(\[\])?(?:\s+by\s+(\w+))?:(?:\s+(personal))?')
_WORD = re.compile(r'"([^"]*)"|(\S+)')
_MEANING = re.compile(r"(?:(?<=\s)|^)#(?=\s|$)")


class BadOutline(ValueError):
    """A line of an outline is wrong; the message names the line and what would be right."""


@dataclass(frozen=True)
class Opener:
    """What a line with a colon opens: an object, a list, or a value of which a function makes columns."""

    step: str
    is_list: bool
    by: str
    personal: bool


@dataclass(frozen=True)
class Words:
    """What a line declares. `source` is a path, a title or, below a function, a name; `by` names a function."""

    source: str
    kind: str
    name: str
    title: str
    also: tuple[str, ...]
    by: str
    is_key: bool
    personal: bool


@dataclass(frozen=True)
class Line:
    """A line of an outline that says something. `opener` and `words` read it, each when it is asked for."""

    where: str  # the outline's name and the line's number
    indent: int
    code: str
    meaning: str

    def wrong(self, why: str) -> BadOutline:
        """The error to raise: where the line stands, and why it cannot be read."""
        return BadOutline(f"{self.where}, '{self.code}': {why}")

    @cached_property
    def opener(self) -> Opener | None:
        """What the line opens; None where it declares a column."""
        found = _OPENER.fullmatch(self.code)
        return Opener(found[1], bool(found[2]), found[3] or "", bool(found[4])) if found else None

    @cached_property
    def words(self) -> Words:
        """BadOutline where a word is neither a type nor a mark, or a mark lacks what belongs behind it."""
        source, *rest = [quoted or word for quoted, word in _WORD.findall(self.code)]
        kind = rest.pop(0) if rest and rest[0] in KINDS else "text"
        found: dict[str, str] = {}
        also: list[str] = []
        while rest:
            mark = rest.pop(0)
            if mark not in MARKS:
                raise self.wrong(f"'{mark}' is neither a type ({', '.join(KINDS)}) nor a mark ({', '.join(MARKS)}).")
            if mark in found:
                raise self.wrong(f"'{mark}' is said twice.")
            if mark in ("key", "personal"):
                found[mark] = mark
            elif not rest:
                raise self.wrong(f"something is missing behind '{mark}'.")
            elif mark == "also":
                also.append(rest.pop(0))
            else:
                found[mark] = rest.pop(0)
        return Words(
            source, kind, found.get("as", ""), found.get("titled", ""), tuple(also), found.get("by", ""), "key" in found,
            "personal" in found,
        )  # fmt: skip


def lines_of(name: str, text: str) -> Iterator[Line]:
    """The lines that say something, those of other outlines in the place of the line that names them."""
    for number, raw in enumerate(text.splitlines(), 1):
        code, meaning = _without_meaning(raw.rstrip())
        if not code:
            continue
        line = Line(f"{name}, line {number}", len(code) - len(code.lstrip()), code.strip(), meaning)
        if "\t" in code[: line.indent]:
            raise line.wrong("lines are indented by spaces, not by tabs.")
        if line.code.startswith("+ "):
            yield from _included(line)
        else:
            yield line


def _included(line: Line) -> Iterator[Line]:
    path = FOLDER / f"{line.code[2:].strip()}.txt"
    if not path.exists():
        raise line.wrong(f"there is no outline {path.stem}.")
    for each in lines_of(path.stem, path.read_text(encoding="utf-8")):
        yield replace(each, indent=line.indent + each.indent)


def _without_meaning(raw: str) -> tuple[str, str]:
    """(code, meaning): the meaning begins at the first # that stands by itself and not in quotes."""
    for found in _MEANING.finditer(raw):
        if raw.count('"', 0, found.start()) % 2 == 0:
            return raw[: found.start()].rstrip(), raw[found.end() :].strip()
    return raw, ""
