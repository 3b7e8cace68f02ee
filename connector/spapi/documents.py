"""Report documents: unpacks them, finds their charset, and gives them out as text. Memory stays small at any size."""

import codecs
import io
import re
import tempfile
import zlib
from contextlib import contextmanager
from pathlib import Path

from connector.spapi.errors import DocumentBroken, DocumentTooLarge

MOST_BYTES = 20 << 30
MOST_RATIO = 200
RATIO_COUNTS_FROM = 10 << 20
_PIECE = 1 << 20
_GZIP = b"\x1f\x8b"

# Labels that a Content-Type may carry, as the codec that reads them. Shift_JIS from Amazon is Microsoft's superset of it.
_CODECS = {"shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "windows-31j": "cp932", "ms932": "cp932"}
_KNOWN = {
    "ascii", "big5", "cp932", "euc_jp", "euc_kr", "gb18030", "gb2312", "gbk", "iso8859-1", "iso8859-2", "iso8859-9",
    "iso8859-15", "utf-8", "utf-16", "utf-16-be", "utf-16-le", *(f"cp125{number}" for number in range(9)),
}  # fmt: skip
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Text(io.TextIOWrapper):
    """A document as text; `charset` is the one that was chosen, `because` says by what."""

    charset = ""
    because = ""


def open_bytes(path, max_bytes=MOST_BYTES, max_ratio=MOST_RATIO):
    """Yields the document unpacked, piece by piece; DocumentRefused where it is broken, cut off or swollen.

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
                    fact=f"The report's document unpacks to more than {max_bytes >> 20:,} MiB, which this installation "
                    "does not take."
                )
            yield piece


def _unpacked(file, max_ratio):
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


def _broken(what):
    return DocumentBroken(fact=f"The report's document {what}.")


@contextmanager
def open_text(path, content_type="", country="", max_bytes=MOST_BYTES, max_ratio=MOST_RATIO):
    """The document as Text, its charset being settled over the whole of it before the first line is given out.

    Lines end at a line feed only and keep their ends, so that a carriage return inside a value does no harm.
    """
    path = Path(path)
    with tempfile.TemporaryFile(dir=path.parent) as plain:  # it has no name, so nothing is left of it
        choice = None
        for piece in open_bytes(path, max_bytes, max_ratio):
            choice = choice or _Choice(piece[:4], content_type, country)
            choice.feed(piece)
            plain.write(piece)
        choice = choice or _Choice(b"", content_type, country)
        while not choice.ended():
            plain.seek(0)
            for piece in iter(lambda: plain.read(_PIECE), b""):
                if not choice.feed(piece):
                    break
        plain.seek(0)
        text = Text(plain, encoding=choice.codec, errors="strict", newline="\n")
        text.charset, text.because = choice.codec, choice.because
        try:
            yield text
        finally:
            text.detach()


def charsets(head, content_type, country):
    """The ladder: (codec, why) in the order in which they are tried, each strictly. The last one fits anything.

    A byte order mark is stronger than a label: Amazon labels some files that begin with one as Cp1252.
    """
    for mark, codec in _MARKS:
        if head.startswith(mark):
            yield codec, "byte order mark"
            break
    labelled = _labelled(content_type)
    if labelled:
        yield labelled, "Content-Type"
    yield "utf-8", "every byte fits"
    if country == "JP":
        yield "cp932", "every byte fits, and the marketplace is Japan"
    yield "cp1252", "every byte fits"
    yield "iso8859-1", "nothing else fits"


def _labelled(content_type):
    found = re.search(r"charset\s*=\s*\"?([A-Za-z0-9_.:-]+)", content_type or "", re.IGNORECASE)
    if not found:
        return None
    label = found[1].lower()
    try:
        name = codecs.lookup(_CODECS.get(label, label)).name
    except LookupError:
        return None
    return name if name in _KNOWN else None


class _Choice:
    """Tries one charset after another over the whole document, without holding it."""

    def __init__(self, head, content_type, country):
        self._rest = charsets(head, content_type, country)
        self._next()

    def _next(self):
        self.codec, self.because = next(self._rest)
        self._decoder = codecs.getincrementaldecoder(self.codec)("strict")
        self._fits = True

    def feed(self, piece):
        if self._fits:
            try:
                self._decoder.decode(piece)
            except UnicodeError:
                self._fits = False
        return self._fits

    def ended(self):
        """True when the charset fits to the end; else the next one is up, from the first byte."""
        if self._fits:
            try:
                self._decoder.decode(b"", final=True)
                return True
            except UnicodeError:
                pass
        self._next()
        return False
