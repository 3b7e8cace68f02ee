"""Splits an ordinary flat file by day on its bytes: no text is made of it, and one pass is enough.

The result is that of `connector.catalogue.readers.flat_file` and `storage.stage.DayFiles`, to the byte; a test
holds the two together. What is not ordinary (another charset than UTF-8, a value that runs over lines, a ragged
line) raises NotStandard, and the file is read by the full parser.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from connector.catalogue import readers
from connector.spapi.charsets import label_of
from datasets.backfill.answers.placing import hours
from datasets.storage import stage
from datasets.storage.fit import FITS

MARKS = {"double": b'"', "single": b"'", "null": None}


def may_try(content_type: str) -> bool:
    """Whether the label leaves it open that the file is UTF-8. Under any other label the day would need a note."""
    return label_of(content_type).lower().replace("_", "-") in ("", "utf-8", "utf8")


class NotStandard(Exception):
    """The file needs the full parser."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where in a line the day stands and, where lines of some channels are passed over, the sales channel; and the files to fill."""

    day: int
    channel: int | None
    files: stage.DayFiles


def split(
    pieces: Iterable[bytes],
    header: Callable[[list[str]], Places],
    *,
    quote: str,
    first: date,
    last: date,
    zone: str,
    out_of_range: Callable[[str], date | None],
    dates: bool = False,
    other_channels: frozenset[str] = frozenset(),
) -> int:
    """Puts each line of the document into its day's file; answers how many lines are of a foreign channel.

    `pieces` are the document's bytes. `header(titles)` is told the titles and answers Places. Lines of a `other_channels` channel are
    passed over.
    `out_of_range(text)` decides about a moment that is not plainly within the days; with `dates` about each, since the column
    counts dates.
    """
    mark = MARKS[quote]
    known = {} if dates else {hour.encode(): day for hour, day in hours(first, last, zone).items()}
    fits, passed_over = FITS["date" if dates else "timestamptz"], 0
    others = frozenset(channel.encode() for channel in other_channels)
    tabs = None
    for block in _blocks(pieces):
        try:
            block.decode()
        except UnicodeDecodeError:
            raise NotStandard from None
        if b"\0" in block:
            raise NotStandard
        lines = block.split(b"\n")
        lines.pop()  # what follows the last line feed: nothing
        if tabs is None:
            titles = lines.pop(0).removeprefix(b"\xef\xbb\xbf").removesuffix(b"\r").decode().split("\t")
            if "\r" in "".join(titles) or (mark and mark.decode() in "".join(titles)) or not all(titles):
                raise NotStandard
            tabs = len(titles) - 1
            places = header([title.strip() for title in titles])
            place, channel, files = places.day, places.channel, places.files
            add, moments = files.add_line, [other for other in files.moments if other != place]
            cuts = max([place, *moments]) + 1
        nonstandard = b"\\" in block or b"\r" in block or (mark is not None and mark in block)
        for line in lines:
            if nonstandard:
                line = _ordinary(line, mark, tabs)
            if line.count(b"\t") != tabs:
                if not line:
                    continue
                raise NotStandard
            if others and channel is not None and line.split(b"\t", channel + 1)[channel].strip().lower() in others:
                passed_over += 1
                continue
            cells = line.split(b"\t", cuts)
            moment, day = cells[place], None
            for other in moments:
                if cells[other] and not cells[other][:1].isdigit():
                    raise NotStandard  # PostgreSQL would take 'now' and 'epoch' for moments
            if moment.endswith((b"+00:00", b"Z")) and len(moment) >= 20:
                day = known.get(moment[:13])
            if day is None:
                said = moment.decode()
                if not said and not line.strip():
                    continue  # no value at all
                if said and not fits(said):
                    raise NotStandard  # its column becomes text, which the full parser detects in advance
                day = out_of_range(said)
            if day:
                add(day, line)
    if tabs is None:
        raise NotStandard
    return passed_over


def _ordinary(line: bytes, mark: bytes | None, tabs: int) -> bytes:
    """The line in COPY format: quotes removed, backslashes doubled, no carriage return."""
    line = line.removesuffix(b"\r")
    if b"\r" in line:
        raise NotStandard
    if mark is not None and (line.startswith(mark) or b"\t" + mark in line):
        quote = mark.decode()
        cells = line.decode().split("\t")
        if readers.is_row(cells, tabs + 1, quote):
            cells = [readers.unfenced(cell, quote) for cell in cells]
        else:
            cells, is_open = readers.split(line.decode(), quote)
            if is_open or len(cells) != tabs + 1:
                raise NotStandard
        return "\t".join(map(stage.escaped, cells)).encode()
    return line.replace(b"\\", b"\\\\") if b"\\" in line else line


def ahead(pieces: Iterable[bytes], most: int = 4) -> Iterator[bytes]:
    """The pieces, made in a thread of their own a little before they are wanted: unpacking needs no Python lock."""
    waiting: queue.Queue[tuple[bytes | None, BaseException | None]] = queue.Queue(most)
    over = threading.Event()

    def make() -> None:
        last: tuple[None, BaseException | None] = None, None
        try:
            for piece in pieces:
                while not over.is_set():
                    try:
                        waiting.put((piece, None), timeout=0.5)
                        break
                    except queue.Full:
                        continue
                if over.is_set():
                    return
        except BaseException as problem:  # it is the reader's, and is raised where the reader stands
            last = None, problem
        waiting.put(last)

    maker = threading.Thread(target=make, name="unpacking", daemon=True)
    maker.start()
    try:
        while True:
            piece, problem = waiting.get()
            if problem is not None:
                raise problem
            if piece is None:
                return
            yield piece
    finally:
        over.set()
        while maker.is_alive():
            try:
                waiting.get(timeout=0.05)
            except queue.Empty:
                maker.join(timeout=0.05)


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pieces cut at line feeds; the last one gets its own."""
    rest = b""
    for piece in ahead(pieces):
        end = piece.rfind(b"\n")
        if end < 0:
            rest += piece
            if len(rest) > stage.MAX_CELL:
                raise NotStandard
            continue
        if len(rest) + piece.find(b"\n") > stage.MAX_CELL:
            raise NotStandard
        yield rest + piece[: end + 1]
        rest = piece[end + 1 :]
    if rest:
        yield rest + b"\n"
