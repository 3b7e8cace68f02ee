"""Rows on their way in: split by day into files that COPY takes as they are."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from datasets.storage import read
from datasets.storage.fit import Fit

FLUSH_LINES = 500
MAX_CELL = 1 << 20  # characters; longer values are cut; the raw file has them in full
MAX_PENDING = 32  # blocks on their way to the disk
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\x00": "\ufffd"})
NULL = "\\N"


@dataclass(frozen=True)
class Staged:
    """One day's rows in a file in COPY's text format."""

    path: Path
    rows: int
    checksum: str
    has_extra: bool = False  # whether a row has values that found no column
    unfit: frozenset[str] = frozenset()  # the columns that a value of the day does not fit


class DayFiles:
    """One file a day below a folder. Close it to get what was staged.

    `names` are the columns of each row; they are part of the checksum, since the same bytes under other
    columns are other rows. With `null=""` an empty cell is null, as in Amazon's flat files. `types` are those of the
    table; each day knows the columns that one of its values does not fit, `cut` counts the cells that were too long.
    """

    def __init__(
        self, folder: str | Path, names: Iterable[str], *, null: str = NULL, types: Mapping[str, str] | None = None
    ) -> None:
        self.folder, self.names, self.null = Path(folder), list(names), null
        self._types, self.cut = types or {}, 0
        self.moments = Fit(self.names, self._types).moments  # places of the columns that hold dates and instants
        self._keeps_extra = self.names[-1:] == [read.EXTRA]
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._days: dict[date, _DayFile] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="staging")  # hashing and writing need no Python lock
        self._room = threading.BoundedSemaphore(MAX_PENDING)

    def add(self, day: date, values: Sequence[Any]) -> None:
        """A row of that day, its values in the order of the names."""
        file = self._days.get(day) or self._open(day)
        file.fit.look(values)
        row = text_line(values) if self.null == "" else line(values, self.null)
        if len(row) > MAX_CELL and any(len(value) > MAX_CELL for value in values if type(value) is str):
            values = [self._short(value) for value in values]
            row = text_line(values) if self.null == "" else line(values, self.null)
        self.add_line(day, row.encode())
        if self._keeps_extra and values[-1]:
            file.has_extra = True

    def _short(self, value: Any) -> Any:
        if type(value) is not str or len(value) <= MAX_CELL:
            return value
        self.cut += 1
        return value[:MAX_CELL]

    def add_line(self, day: date, row: bytes) -> None:
        """A row that is in COPY's text format already, as bytes without a line feed."""
        file = self._days.get(day) or self._open(day)
        file.lines.append(row)
        if len(file.lines) >= FLUSH_LINES:
            self._flush(file)

    def _open(self, day: date) -> _DayFile:
        fit = Fit(self.names, self._types)
        file = self._days[day] = _DayFile(self.folder / f"{day.isoformat()}.copy", self.names, fit)
        return file

    def _flush(self, file: _DayFile) -> None:
        block = file.take()
        self._room.acquire()
        self._writer.submit(file.write, block).add_done_callback(self._written)

    def _written(self, done: Future[None]) -> None:
        self._room.release()
        self._problem = self._problem or done.exception()

    _problem: BaseException | None = None

    def discard(self) -> None:
        """Ends the writing and removes what was staged. Others may stage in the same folder afterwards."""
        self._writer.shutdown(wait=True, cancel_futures=True)
        for file in self._days.values():
            file.close().path.unlink(missing_ok=True)

    def close(self) -> dict[date, Staged]:
        """{day: Staged} of the days that have rows."""
        for file in self._days.values():
            if file.lines:
                self._flush(file)
        self._writer.shutdown(wait=True)
        if self._problem:
            raise self._problem
        return {day: file.close() for day, file in self._days.items()}


def line(values: Iterable[object], null: str = NULL) -> str:
    """One row of values in COPY's text format."""
    return "\t".join([null if value is None else escaped(value) for value in values])


def escaped(value: object) -> str:
    """A value as one cell."""
    cell = value if type(value) is str else text(value)
    if "\\" in cell or "\t" in cell or "\n" in cell or "\r" in cell or "\x00" in cell:
        return cell.translate(ESCAPES)
    return cell


def text_line(cells: Sequence[str]) -> str:
    """One row of text in COPY's text format; fast for the ordinary row, which contains nothing to escape."""
    plain = "\t".join(cells)
    if "\\" in plain or "\n" in plain or "\r" in plain or "\x00" in plain or plain.count("\t") != len(cells) - 1:
        return "\t".join([cell.translate(ESCAPES) for cell in cells])
    return plain


def text(value: object) -> str:
    """A value as PostgreSQL reads it."""
    if value is True:
        return "true"  # as the database writes it, should the column become text
    if value is False:
        return "false"
    if isinstance(value, (dict, list)):
        return orjson.dumps(value).decode()
    return str(value)


class _DayFile:
    def __init__(self, path: Path, names: Iterable[str], fit: Fit) -> None:
        self.path, self.rows, self.has_extra, self.fit = path, 0, False, fit
        self.lines: list[bytes] = []
        self._file = path.open("wb")
        self._hash = hashlib.sha256("\t".join(names).encode())

    def take(self) -> bytes:
        """The buffered lines as one block."""
        self.rows += len(self.lines)
        self.lines.append(b"")
        block = b"\n".join(self.lines)
        self.lines.clear()
        return block

    def write(self, block: bytes) -> None:
        self._hash.update(block)
        self._file.write(block)

    def close(self) -> Staged:
        self._file.close()
        return Staged(self.path, self.rows, self._hash.hexdigest(), self.has_extra, frozenset(self.fit.unfit))


def is_whole(staged: Staged, names: Iterable[str]) -> bool:
    """Whether the file is here, with the very rows of these columns that it was written with."""
    found = hashlib.sha256("\t".join(names).encode())
    try:
        for chunk in chunks(staged.path):
            found.update(chunk)
    except FileNotFoundError:
        return False
    return found.hexdigest() == staged.checksum


def chunks(path: str | Path, size: int = 1 << 18) -> Iterator[bytes]:
    """The file's bytes, a quarter of a megabyte at a time."""
    with Path(path).open("rb") as file:
        while block := file.read(size):
            yield block
