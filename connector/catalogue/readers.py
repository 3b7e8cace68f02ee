"""Reads the documents of Amazon's reports as streams of rows."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

MAX_LINE = 16 << 20  # characters; a longer one is set aside
_BLOCK = 1 << 18
PEEKED = 50  # lines that say how the file ends its lines
SURE, NEARLY_ALL = 3, 0.9  # so many lines, and such a share of them, say what no header says
MAX_JOINED = 200  # lines that one quoted value may run over
_END_OF_FILE = "\x1a"  # as old systems wrote it into the file
_PADDING = "\0\t\r " + _END_OF_FILE
QUOTES = {"double": '"', "single": "'", "null": None}


def flat_file(
    text: TextIO,
    quote: str = "null",
    ragged: Callable[[int, list[str]], object] | None = None,
    replaced: Callable[[int], object] | None = None,
    repeated: Callable[[int], object] | None = None,
) -> tuple[list[str], Iterator[list[str]]]:
    """(titles, rows) of a tab-separated file; rows are lists with one string for each title.

    Amazon's own files quote nothing, and a lone quote is data. So a line that has as many values as there are titles is
    a row as it stands, whatever quotes are in it; only a value that is fenced in wholly loses its fence. The quote
    character may fence in tabs and line breaks, which is believed where the fence closes, the values are then as many
    as the titles, and no line but the first is a row by that count: two rows must never become one. A line that fits in no way is handed to
    `ragged(line number, values)` instead of shifting columns. `replaced(line number)` hears of NUL characters, which
    no database keeps and which become U+FFFD. A line that repeats the header, as where files were joined, is no row, and
    `repeated(line number)` hears of it.

    A line ends at its line feed, whatever number of carriage returns stand before it. A line without any value, such as the
    spaces or NUL characters that fill a file up at its end, is no row, and there is nothing to tell of it.
    """
    lines = _Lines(text, ragged, replaced)
    mark = QUOTES[quote]
    first = next(filter(str.strip, lines), None)
    if first is None:
        return [], iter(())
    cells = first.rstrip("\r").split("\t")
    titles = [unfenced(cell, mark).strip() for cell in cells]
    while titles and not titles[-1]:
        titles.pop()
    rows = _rows(lines, len(titles), _tail(lines, len(titles), len(cells)), mark)
    return unique(titles), _without_header(rows, titles, lines, repeated)


def _without_header(
    rows: Iterator[list[str]], titles: list[str], lines: _Lines, repeated: Callable[[int], object] | None
) -> Iterator[list[str]]:
    first = titles[0] if titles else None
    for row in rows:
        if row[0] == first and row == titles:
            if repeated:
                repeated(lines.number)
            continue
        yield row


def unique(titles: Sequence[str]) -> list[str]:
    """Titles that are all different and none empty; the first of its kind stays as it is."""
    found, taken = [], set(titles)
    seen: set[str] = set()
    for number, title in enumerate(titles, 1):
        name = title or f"Column {number}"
        count = 1
        while name in seen or (count > 1 and name in taken):
            count += 1
            name = f"{title or f'Column {number}'} ({count})"
        seen.add(name)
        found.append(name)
    return found


def _tail(lines: _Lines, width: int, of_header: int) -> int:
    """How many delimiters the file puts behind the last value, as nearly all of its first lines have it.

    One or two lines say nothing, nor does a mere majority, unless the header is like them: a tab within a value may have
    pushed out the last, empty one, and to take that for the file's way would shift all values behind the tab.
    """
    taken: list[tuple[int, str]] = []
    number = lines.number
    while len(taken) < PEEKED and (line := lines.take()):
        taken.append(line)
    lines.give_back(taken, number)
    splits = [line.rstrip("\r").split("\t") for _, line in taken]
    tails = Counter(len(cells) - width for cells in splits if len(cells) >= width and not any(cells[width:]))
    tail = max(tails, key=lambda tail: (tails[tail], -tail), default=0)
    is_way = tails[tail] >= SURE and tails[tail] >= NEARLY_ALL * tails.total()
    return tail if is_way or width + tail == of_header else 0


def _whole(cells: list[str], width: int, tail: int) -> list[str]:
    """The values without the delimiters behind the last one."""
    return cells[:width] if tail and len(cells) == width + tail and not any(cells[width:]) else cells


def _rows(lines: _Lines, width: int, tail: int, mark: str | None) -> Iterator[list[str]]:
    for line in lines:
        bare = line.rstrip("\r") if line[-1:] == "\r" else line
        if not bare.strip("\t"):
            continue  # no value at all
        cells = _whole(bare.split("\t"), width, tail) if tail else bare.split("\t")
        count = len(cells)
        if count == width and (mark is None or mark not in bare):
            yield cells
        elif mark is None:
            lines.set_aside(cells)
        elif is_row(cells, width, mark):
            yield [unfenced(cell, mark) for cell in cells]
        else:
            found = _fenced(lines, line, width, tail, mark)
            if found:
                yield found
            elif count == width:
                yield [unfenced(cell, mark) for cell in cells]
            else:
                lines.set_aside(cells)


def is_row(cells: list[str], width: int, mark: str) -> bool:
    """Whether these are a whole row: one value a title, and no fence that opens and does not close."""
    return len(cells) == width and not any(cell.startswith(mark) and unfenced(cell, mark) is cell for cell in cells)


def _fenced(lines: _Lines, line: str, width: int, tail: int, mark: str) -> list[str] | None:
    """The row that begins with this line when quotes fence in tabs and line breaks; None when it comes to nothing."""
    number = lines.number
    taken: list[tuple[int, str]] = []
    while True:
        cells, is_open = split(line, mark)
        if not is_open:
            cells = _whole(cells, width, tail)
            if len(cells) == width:
                return cells
            break
        follows = lines.take() if len(taken) < MAX_JOINED and len(line) < MAX_LINE else None
        if follows is None:
            break
        taken.append(follows)
        if follows[1].count("\t") == width - 1 > 0:
            break  # the next line is a row by itself
        line += "\n" + follows[1]
    lines.give_back(taken, number)
    return None


def split(line: str, mark: str) -> tuple[list[str], bool]:
    """(values, whether the last one is still open), honouring fences: a value is fenced when its closing mark ends it."""
    cells: list[str] = []
    at, end = 0, len(line.rstrip("\r"))
    while True:
        if line.startswith(mark, at):
            close = at + 1
            while True:
                close = line.find(mark, close)
                if close < 0 or not line.startswith(mark, close + 1):
                    break
                close += 2
            if close < 0:
                return cells, True
            after = close + 1
            if after >= end or line[after] == "\t":
                cells.append(line[at + 1 : close].replace(mark * 2, mark))
                if after >= end:
                    return cells, False
                at = after + 1
                continue
        tab = line.find("\t", at)
        if tab < 0:
            cells.append(line[at:end])
            return cells, False
        cells.append(line[at:tab])
        at = tab + 1


def unfenced(cell: str, mark: str | None) -> str:
    """The value without the quotes that fence it in wholly; any other quote is data."""
    if mark and len(cell) > 1 and cell[0] == cell[-1] == mark:
        inside = cell[1:-1]
        if mark not in inside.replace(mark * 2, ""):
            return inside.replace(mark * 2, mark)
    return cell


class _Lines:
    """The lines of a text without their line feed; some may be taken and given back."""

    def __init__(
        self, text: TextIO, ragged: Callable[[int, list[str]], object] | None, replaced: Callable[[int], object] | None
    ) -> None:
        self.number = 0  # of the line given out last
        self._ragged = ragged or (lambda number, cells: None)
        self._replaced = replaced or (lambda number: None)
        self._back: deque[tuple[int, str]] = deque()
        self._fresh = self._read(text)

    def __iter__(self) -> Iterator[str]:
        while True:
            while self._back:
                self.number, line = self._back.popleft()
                yield line
            for line in self._fresh:
                yield line
                if self._back:
                    break
            else:
                if not self._back:
                    return

    def take(self) -> tuple[int, str] | None:
        """(number, line) of the next line, or None at the end."""
        if self._back:
            self.number, line = self._back.popleft()
            return self.number, line
        fresh = next(self._fresh, None)
        return None if fresh is None else (self.number, fresh)

    def give_back(self, taken: list[tuple[int, str]], number: int) -> None:
        """These lines are given out again; the line given out last is the one of this number."""
        self._back.extendleft(reversed(taken))
        self.number = number

    def set_aside(self, cells: list[str]) -> None:
        if "".join(cells).replace(_END_OF_FILE, " ").strip():
            self._ragged(self.number, cells)

    def _read(self, text: TextIO) -> Iterator[str]:
        number, end = 0, "\n"
        left = text.read(_BLOCK).removeprefix("\ufeff")
        if "\r" in left[:-1] and "\n" not in left:
            end = "\r"  # a file without line feeds, as old systems wrote them
        more = True
        while more:
            block = text.read(_BLOCK)
            more = bool(block)
            block = left + block
            has_nul = "\0" in block
            lines = block.split(end)
            left = lines.pop() if more else ""
            for line in lines:
                number += 1
                if has_nul and "\0" in line:
                    if line.strip(_PADDING):
                        self._replaced(number)
                        line = line.replace("\0", "\ufffd")
                    else:
                        line = ""
                self.number = number
                yield line
            if len(left) > MAX_LINE:
                number += 1
                self._ragged(number, [left[:100]])
                left = _after(end, text)


def _after(end: str, text: TextIO) -> str:
    """What follows the line that is too long to be held."""
    while block := text.read(_BLOCK):
        _, found, rest = block.partition(end)
        if found:
            return rest
    return ""


READERS = {"flat_file": flat_file}
