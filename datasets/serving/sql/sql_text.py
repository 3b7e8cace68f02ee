"""What PostgreSQL would not accept in a statement: `table` as a table's name, as Domo writes it, and names in
backticks.

Strings and quoted names stay as they are, comments become spaces: PostgreSQL is slow with some of them. If this gets
something wrong, PostgreSQL reports it: nothing relies on it.
"""

import re
from collections.abc import Iterable, Iterator

WORD = re.compile(r"[^\W\d][\w$]*")
DOLLARS = re.compile(r"\$(?:[^\W\d]\w*)?\$")
ESCAPED = re.compile(r"(?:[^'\\]|\\.|'')*", re.DOTALL)
COMMENT_EDGE = re.compile(r"/\*|\*/")
SIGNS = re.compile(r"[~!@#^&|`?+\-*/%<>=]{100}")
NAMES_BEHIND = ("from", "join", ",")  # a table's name may follow these


def readable(text: str, *, has_table: bool) -> tuple[str, list[int]]:
    """The statement as PostgreSQL takes it, and the places (1-based, in the new text) where a character was put in."""
    out: list[str] = []
    added: list[int] = []
    size, before = 0, ""

    def put(piece: str, *places: int) -> None:
        nonlocal size
        added.extend(size + place for place in places)
        out.append(piece)
        size += len(piece)

    for kind, start, end in _pieces(text):
        piece = text[start:end]
        if kind == "backticks" and '"' not in piece and len(piece) > 2:
            piece = '"' + piece[1:-1] + '"'
        if kind == "comment":
            piece = " " * len(piece)
        elif kind == "open comment":
            piece = "/*"
        if has_table and kind == "word" and piece.lower() == "table" and _is_name(before, text, end):
            put('"table"', 1, 7)
        else:
            put(piece)
        if kind not in ("space", "comment"):
            before = piece.lower()
    return "".join(out), added


def _is_name(before: str, text: str, end: int) -> bool:
    return before in NAMES_BEHIND or text[end : end + 1] == "."


def is_endless(text: str) -> bool:
    """Whether it holds a run of signs that is no operator and that PostgreSQL would take very long to read."""
    return SIGNS.search(text) is not None


def original(position: int, added: Iterable[int]) -> int:
    """Where a position of the new text stood in the statement as it came."""
    return max(1, position - sum(1 for place in added if place <= position))


def names(text: str) -> set[str]:
    """Every word that could name a table, in small letters."""
    return {text[start:end].lower() for kind, start, end in _pieces(text) if kind == "word"} | {
        text[start + 1 : end - 1] for kind, start, end in _pieces(text) if kind in ("quoted", "backticks")
    }


def name_at(text: str, position: int) -> str:
    """The name that begins at this 1-based position, with its schema where it has one."""
    found = re.compile(r'(?:"(?:[^"]|"")*"|[\w$]+)(?:\s*\.\s*(?:"(?:[^"]|"")*"|[\w$]+))*').match(text, position - 1)
    return found[0].replace('"', "") if found else ""


def place_of(text: str, name: str) -> int | None:
    """The 1-based position of the first word that is this name, or None."""
    for kind, start, end in _pieces(text):
        if (kind == "word" and text[start:end].lower() == name) or (
            kind in ("quoted", "backticks") and text[start + 1 : end - 1] == name
        ):
            return start + 1
    return None


def _pieces(text: str) -> Iterator[tuple[str, int, int]]:
    """(kind, start, end) one after the other: word, string, quoted, backticks, comment, space, or another character."""
    start = 0
    while start < len(text):
        kind, end = _piece(text, start)
        yield kind, start, end
        start = end


def _piece(text: str, start: int) -> tuple[str, int]:
    letter, pair = text[start], text[start : start + 2]
    if pair in ("e'", "E'"):
        inside = ESCAPED.match(text, start + 2)
        return "string", min((inside.end() if inside else start + 2) + 1, len(text))
    if found := WORD.match(text, start):
        return "word", found.end()
    if letter.isspace():
        return "space", start + 1
    if letter == "'":
        return "string", _closed(text, start, "'")
    if letter == '"':
        return "quoted", _closed(text, start, '"')
    if letter == "`":
        return "backticks", _closed(text, start, "`")
    if pair == "--":
        ends = [end for mark in "\n\r" if (end := text.find(mark, start)) >= 0]
        return "comment", min(ends, default=len(text))
    if pair == "/*":
        return _comment(text, start)
    if letter == "$" and (found := DOLLARS.match(text, start)):
        end = text.find(found[0], found.end())
        return "string", len(text) if end < 0 else end + len(found[0])
    return "other", start + 1


def _closed(text: str, start: int, mark: str) -> int:
    """Behind the closing mark; a doubled one is part of the text."""
    end = start + 1
    while (end := text.find(mark, end)) >= 0:
        if text[end + 1 : end + 2] != mark:
            return end + 1
        end += 2
    return len(text)


def _comment(text: str, start: int) -> tuple[str, int]:
    """PostgreSQL's comments hold comments."""
    depth = 0
    for edge in COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return "comment", edge.end()
    return "open comment", len(text)
