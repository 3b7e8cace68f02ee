"""Report documents: unpacks them, finds their charset, and gives them out as text. Memory stays small at any size."""

import io
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from connector.spapi.charsets import Choice, Scan
from connector.spapi.errors import DocumentBroken, DocumentTooLarge

MAX_BYTES = 20 << 30
MAX_RATIO = 200
RATIO_COUNTS_FROM = 10 << 20
_PIECE = 1 << 20
_GZIP = b"\x1f\x8b"


class Text(io.TextIOWrapper):
    """A document as text; `choice` says which charset was chosen and by what, and how much fits nothing in it."""

    choice: Choice

    @property
    def charset(self) -> str:
        """The charset that was chosen, as Python names it."""
        return self.choice.codec

    @property
    def because(self) -> str:
        """What decided."""
        return self.choice.because

    def seek(self, at: int, whence: int = io.SEEK_SET) -> int:
        """The beginning is behind a byte order mark that is no text in the charset chosen."""
        return super().seek(max(at, self.choice.skip) if whence == io.SEEK_SET else at, whence)


def open_bytes(path: str | Path, max_bytes: int = MAX_BYTES, max_ratio: int = MAX_RATIO) -> Iterator[bytes]:
    """Yields the document unpacked, piece by piece; DocumentRefused if it is broken, truncated or unpacks to too much.

    Whether it is packed is told by its first bytes, not by a label; a packed one may have several members.
    """
    with open(path, "rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        size = 0
        for piece in _unpacked(file, max_ratio) if packed else iter(lambda: file.read(_PIECE), b""):
            size += len(piece)
            if size > max_bytes:
                raise DocumentTooLarge(
                    fact=f"The report's document unpacks to more than {max_bytes >> 20:,} MiB, which this "
                    "installation does not accept."
                )
            yield piece


def _unpacked(file: BinaryIO, max_ratio: int) -> Iterator[bytes]:
    member, waiting, read, made = None, b"", 0, 0
    while True:
        if not waiting:
            waiting = file.read(_PIECE)
            read += len(waiting)
            if not waiting:
                break
        if member is None:
            if not waiting.strip(b"\0"):
                waiting = b""  # padding after the last member is legal
                continue
            member = zlib.decompressobj(31)
        try:
            piece = member.decompress(waiting, _PIECE)
        except zlib.error:
            raise _broken("is damaged") from None
        waiting = member.unused_data if member.eof else member.unconsumed_tail
        made += len(piece)
        if made > RATIO_COUNTS_FROM and made > max_ratio * (read - len(waiting)):
            raise _broken(f"swells to more than {max_ratio} times its size")
        if piece:
            yield piece
        if member.eof:
            member = None
    if member is not None:
        raise _broken("ends too early")


def _broken(what: str) -> DocumentBroken:
    return DocumentBroken(fact=f"The report's document {what}.")


@contextmanager
def open_text(
    path: str | Path,
    content_type: str = "",
    country: str = "",
    max_bytes: int = MAX_BYTES,
    max_ratio: int = MAX_RATIO,
) -> Iterator[Text]:
    """The document as Text, its charset being settled over the whole of it before the first line is given out.

    Lines end at a line feed only and keep their ends, so that a carriage return inside a value does no harm. Bytes that are no
    character become U+FFFD. Raises DocumentRefused, before anything is given out.
    """
    path = Path(path)
    with tempfile.TemporaryFile(dir=path.parent) as plain:  # it has no name, so nothing is left of it
        scan = Scan(content_type, country)
        for piece in open_bytes(path, max_bytes, max_ratio):
            scan.feed(piece)
            plain.write(piece)
        choice = scan.choice()
        plain.seek(choice.skip)
        text = Text(plain, encoding=choice.decoder, errors=choice.errors, newline="\n")
        text.choice = choice
        try:
            yield text
        finally:
            text.detach()
