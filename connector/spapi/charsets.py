"""Which charset a document is written in, decided over all of its bytes and not by a single stray one.

Labels are read as the WHATWG Encoding Standard has them: a label names the superset that software really writes under it
(ISO-8859-1 is read as Windows-1252, Shift_JIS as Windows-31J). A label may be wrong all the same, so the bytes are weighed
against it. For UTF-8 and for the charset of the label it is counted how many characters beyond ASCII the bytes make
(`wide`), and how many stretches of bytes make none (`lost`). The rules:

1. A byte order mark is believed where the bytes bear it out. UTF-16 without one is known by its zero bytes.
2. With the label UTF-8, without a label or with an unknown one, the text is UTF-8 unless more is lost than is read. In
   text of one byte a character nearly every accented letter stands before an ASCII one and is lost to UTF-8, so such a
   text has many times more lost than wide; UTF-8 with some odd bytes in it has many times more wide than lost. A tie
   goes to UTF-8.
3. A label of a single-byte charset has lost to UTF-8 where UTF-8 loses no more bytes than the label does, or at most one for
   ten characters: chance does not make that many. `É`, `Ê` and `Ë` before a sign such as ® or ” look like one UTF-8
   character (a phonetic sign, U+0240 to U+02FF), so these are no evidence.
4. A label of a multi-byte charset loses to UTF-8 only where UTF-8 loses at most one for ten characters and either the label
   loses more, or there are three characters or more: one or two may be chance.
5. Else the label holds while it loses no more than it reads; then come Windows-31J in Japan, and Windows-1252. In Japan a
   label of a single-byte charset that loses bytes yields to Windows-31J where that loses fewer.

What fits nothing becomes U+FFFD and is counted in `Choice.misfits`. Memory stays small at any size.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

FALLBACK = "cp1252"
_FEW = 10  # one odd stretch for so many characters is dirt, and says nothing about the charset
_CERTAIN = 3  # UTF-8 characters that are no chance, even where a multi-byte charset would fit as well
_MARK = "\udcff"  # no charset decodes to a lone surrogate
_LOST = "\N{REPLACEMENT CHARACTER}".encode()
_ASCII, _C1 = bytes(range(0x80)), bytes(range(0x80, 0xA0))
_E_WITH_ACCENTS = bytes([0xC9, 0xCA, 0xCB])

_LABEL = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]+)", re.IGNORECASE)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAX_MARK = 4

# Labels that Python does not know, as it calls them.
_ALIASES = {
    "windows-31j": "cp932",
    "windows-949": "cp949",
    "windows-874": "cp874",
    "windows-936": "gbk",
    "windows-950": "cp950",
    "unicode-1-1-utf-8": "utf-8",
    "unicode": "utf-16",
}
# Python's codec of a label, as the superset of it that is read in its place.
_READ_AS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "euc_jp": "euc_jis_2004",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "cp950": "big5hkscs",
}
_SINGLE = {
    "cp1252", "cp1254", "cp874", "iso8859-2", "iso8859-3", "iso8859-4", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8",
    "iso8859-10", "iso8859-13", "iso8859-14", "iso8859-15", "iso8859-16", "koi8-r", "koi8-u", "mac-roman", "cp866",
    *(f"cp125{number}" for number in range(9)),
}  # fmt: skip
_MULTI = {"cp932", "euc_jis_2004", "cp949", "gb18030", "big5hkscs"}
_UTF16 = {"utf-16", "utf-16-le", "utf-16-be"}
# In these a byte from 80 to 9F is defined, as a control character; Windows-1252 leaves five of them undefined.
_WITH_CONTROLS = {"ascii", "iso8859-1"}
_NAMES = {"utf-8-sig": "UTF-8", "cp932": "Shift_JIS (Windows-31J)", "euc_jis_2004": "EUC-JP", "cp949": "EUC-KR (Windows-949)",
          "big5hkscs": "Big5", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16"}  # fmt: skip

_DECODERS = {"cp932": "backhaul_cp932"}
MARKED, CONTROLS = "backhaul.marked", "backhaul.controls"  # names of error handlers


def _marked(problem: Any) -> tuple[str, int]:
    return _MARK, problem.end


def _controls(problem: Any) -> tuple[str, int]:
    return problem.object[problem.start : problem.end].decode("latin-1"), problem.end


codecs.register_error(MARKED, _marked)
codecs.register_error(CONTROLS, _controls)


class _Windows31J(codecs.IncrementalDecoder):
    """Python's cp932 without the four private-use characters that it makes of bytes which Windows-31J leaves undefined."""

    _PRIVATE = re.compile("[\uf8f0-\uf8f3]")

    def __init__(self, errors: str = "strict") -> None:
        super().__init__(errors)
        self._inner = codecs.getincrementaldecoder("cp932")(errors)
        self._instead = {MARKED: _MARK, "ignore": ""}.get(errors, "\ufffd")

    def decode(self, input: ReadableBuffer, final: bool = False) -> str:
        return self._PRIVATE.sub(self._instead, self._inner.decode(input, final))

    def reset(self) -> None:
        self._inner.reset()

    def getstate(self) -> tuple[bytes, int]:
        return self._inner.getstate()

    def setstate(self, state: tuple[bytes, int]) -> None:
        self._inner.setstate(state)


def _decoded(content: ReadableBuffer, errors: str = "strict") -> tuple[str, int]:
    raw = bytes(content)
    return _Windows31J(errors).decode(raw, True), len(raw)


_CP932 = _DECODERS["cp932"]
_PYTHONS = codecs.lookup("cp932")
_FOUND = codecs.CodecInfo(
    _PYTHONS.encode,
    _decoded,
    incrementalencoder=_PYTHONS.incrementalencoder,
    incrementaldecoder=_Windows31J,
    name=_CP932,
)
codecs.register(lambda name: _FOUND if name == _CP932 else None)


@dataclass(frozen=True)
class Choice:
    """How a document is to be read: bytes from `skip` on by `codec`, with `errors` as codecs take it.

    `because` says in short what decided. `label` is the charset that its label names, in Amazon's words; empty where there is
    none. `is_known` says whether that label is known here. `differs` is true where the choice is another one than the label,
    or without a label than UTF-8, and this changes a character. `misfits` counts what becomes U+FFFD.
    """

    codec: str
    because: str
    label: str = ""
    is_known: bool = False
    differs: bool = False
    misfits: int = 0
    errors: str = "replace"
    skip: int = 0

    @property
    def decoder(self) -> str:
        """The name under which Python's `codecs` has the decoder."""
        return _DECODERS.get(self.codec, self.codec)

    @property
    def name(self) -> str:
        """The charset as people know it: Windows-1252, UTF-8."""
        if self.codec.startswith("cp125"):
            return f"Windows-{self.codec[2:]}"
        return _NAMES.get(self.codec, self.codec.upper())


class Scan:
    """Takes a document's bytes piece by piece; `choice` is called once, after the last one."""

    def __init__(self, content_type: str = "", country: str = "") -> None:
        self.label = label_of(content_type)
        self._named = _codec_of(self.label)
        self._codec = _READ_AS.get(self._named, self._named)
        self._held, self._has_begun = b"", False
        self._mark = self._sixteen = ""
        self._skip = self._controls = self._accented = 0
        self._has_nul = self._has_high = False
        self._utf8 = _Utf8()
        self._undefined = dict.fromkeys({FALLBACK, self._codec} & (_SINGLE), 0)
        wanted = {"cp932"} if country == "JP" else set()
        self._tallies = {codec: _Tally(codec) for codec in wanted | ({self._codec} & _MULTI)}

    def feed(self, piece: bytes) -> None:
        if not self._has_begun:
            self._held += piece
            if len(self._held) < _MAX_MARK:
                return
            piece = self._begin()
        self._weigh(piece)

    def _begin(self) -> bytes:
        """The first bytes, less a mark of UTF-8, once it is known what they begin with."""
        head, self._held, self._has_begun = self._held, b"", True
        for mark, codec in _MARKS:
            if head.startswith(mark):
                self._mark = codec
                break
        if self._mark == "utf-8-sig":
            self._skip = len(codecs.BOM_UTF8)
        elif self._mark:
            self._tallies[self._mark] = _Tally(self._mark)
        elif self._sixteen_of(head):
            self._sixteen = self._sixteen_of(head)
            self._tallies[self._sixteen] = _Tally(self._sixteen)
        return head[self._skip :]

    def _sixteen_of(self, head: bytes) -> str:
        """UTF-16 without a mark: told by every second byte of Latin text being zero, else by the label."""
        zeros = [not byte for byte in head[:_MAX_MARK]]
        if zeros == [False, True, False, True]:
            return "utf-16-le"
        if zeros == [True, False, True, False]:
            return "utf-16-be"
        return {"utf-16": "utf-16-le"}.get(self._codec, self._codec) if self._codec in _UTF16 else ""

    def _weigh(self, piece: bytes) -> None:
        self._utf8.feed(piece)
        for tally in self._tallies.values():
            tally.feed(piece)
        if self._sixteen and not self._has_nul:
            self._has_nul = b"\0" in piece
        if piece.isascii():
            return
        self._has_high = True
        self._controls += _count(piece, _C1)
        self._accented += _count(piece, _E_WITH_ACCENTS)
        for codec in self._undefined:
            self._undefined[codec] += _count(piece, undefined(codec))

    def choice(self) -> Choice:
        """The Choice for all that was fed."""
        if not self._has_begun:
            self._weigh(self._begin())
        for tally in (self._utf8, *self._tallies.values()):
            tally.end()
        for decide in (self._by_mark, self._by_zeros, self._by_utf8, self._by_label, self._by_country):
            if found := decide():
                return found
        return self._single(FALLBACK, "nothing else fits" if self._undefined[FALLBACK] else "every byte fits")

    def _by_mark(self) -> Choice | None:
        if self._mark == "utf-8-sig":
            return self._chosen("utf-8-sig", "byte order mark", self._utf8.lost) if self._utf8.is_likely else None
        if self._mark and self._tallies[self._mark].is_likely_wide:
            return self._chosen(self._mark, "byte order mark", self._tallies[self._mark].lost)
        return None

    def _by_zeros(self) -> Choice | None:
        if self._sixteen and self._has_nul and self._tallies[self._sixteen].is_likely_wide:
            is_labelled = self._codec in _UTF16
            because = "Content-Type" if is_labelled else "every second byte is zero"
            return self._chosen(self._sixteen, because, self._tallies[self._sixteen].lost)
        return None

    def _by_utf8(self) -> Choice | None:
        utf8, labelled = self._utf8, self._tallies.get(self._codec)
        if self._codec in _SINGLE:
            evidence = utf8.wide - self._accented
            wins = evidence > 0 and (utf8.lost <= self._undefined[self._codec] or utf8.lost * _FEW <= evidence)
        elif labelled:
            wins = (
                utf8.wide > 0 and utf8.lost * _FEW <= utf8.wide and (utf8.lost < labelled.lost or utf8.wide >= _CERTAIN)
            )
        else:
            wins = utf8.is_likely
        if not wins:
            return None
        because = "nearly every byte fits" if utf8.lost else "every byte fits"
        return self._chosen("utf-8", "Content-Type" if self._codec == "utf-8" else because, utf8.lost)

    def _by_label(self) -> Choice | None:
        if self._codec in _SINGLE:
            japanese = self._by_country()
            if japanese and japanese.misfits < self._undefined[self._codec]:
                return japanese
            return self._single(self._codec, "Content-Type")
        labelled = self._tallies.get(self._codec)
        if labelled and labelled.is_likely:
            return self._chosen(self._codec, "Content-Type", labelled.lost)
        return None

    def _by_country(self) -> Choice | None:
        japanese = self._tallies.get("cp932")
        if japanese and japanese.wide and japanese.lost * _FEW <= japanese.wide:
            return self._chosen("cp932", "nearly every byte fits, and the marketplace is Japan", japanese.lost)
        return None

    def _single(self, codec: str, because: str) -> Choice:
        if codec == FALLBACK and self._named in _WITH_CONTROLS:
            return self._chosen(codec, because, 0, errors=CONTROLS)
        return self._chosen(codec, because, self._undefined[codec])

    def _chosen(self, codec: str, because: str, misfits: int, errors: str = "replace") -> Choice:
        skip = 0 if codec == self._mark else self._skip
        return Choice(codec, because, self.label, bool(self._named), self._differs(codec), misfits, errors, skip)

    def _differs(self, codec: str) -> bool:
        if self.label and not self._named:
            return True
        is_wide = codec.startswith(("utf-16", "utf-32"))
        if not self._has_high and not is_wide and self._codec not in _UTF16:
            return False
        if _family(codec) != _family(self._codec or "utf-8"):
            return True
        if self._named == "ascii":
            return self._has_high
        return self._named != codec and self._named.startswith("iso8859") and self._controls > 0


class _Tally:
    """How much of the bytes is text of one charset: characters beyond ASCII, and stretches that are none."""

    def __init__(self, codec: str) -> None:
        has_own = codec == "gb18030" or codec.startswith("utf-")  # U+FFFD may be written in it
        self._decoder = codecs.getincrementaldecoder(_DECODERS.get(codec, codec))(MARKED if has_own else "replace")
        self._lost = _MARK if has_own else "\ufffd"
        self.characters = self.wide = self.lost = 0

    def feed(self, piece: bytes, final: bool = False) -> None:
        text = self._decoder.decode(piece, final)
        self.characters += len(text)
        if text.isascii():
            return
        lost = text.count(self._lost)
        self.lost += lost
        self.wide += len(text) - len(text.encode("ascii", "ignore")) - lost

    def end(self) -> None:
        """A character that is cut off is lost."""
        self.feed(b"", final=True)

    @property
    def is_likely(self) -> bool:
        """Whether no more is lost than is read of what is beyond ASCII."""
        return self.lost <= self.wide

    @property
    def is_likely_wide(self) -> bool:
        """The same for UTF-16 and UTF-32, which any two bytes fit."""
        return self.lost * _FEW <= self.characters


class _Utf8(_Tally):
    """Python replaces what is no UTF-8 without a call for each, so a text of another charset takes no longer."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._tail, self._genuine = b"", 0
        self.wide = self.lost = 0

    def feed(self, piece: bytes, final: bool = False) -> None:
        text = self._decoder.decode(piece, final)
        if not piece.isascii():
            self._genuine += (self._tail + piece).count(_LOST)
        self._tail = (self._tail + piece[-2:])[-2:]
        if text.isascii() and len(text) == len(piece):
            return
        replaced = text.count("\ufffd")
        self.lost += replaced
        self.wide += len(text) - _count(piece, _ASCII) - replaced

    def end(self) -> None:
        """What was counted is told apart from what Amazon itself wrote as U+FFFD."""
        self.feed(b"", final=True)
        self.lost -= self._genuine
        self.wide += self._genuine


def label_of(content_type: str | None) -> str:
    """The charset that a Content-Type names, in its own words; empty where it names none."""
    found = _LABEL.search(content_type or "")
    return found[1] if found else ""


def _codec_of(label: str) -> str:
    """Python's name of a label's charset; empty where it is none that is read here."""
    word = label.lower()
    for each in (word, word.removeprefix("x-")):
        try:
            name = codecs.lookup(_ALIASES.get(each, each)).name
        except (LookupError, ValueError):
            continue
        if _READ_AS.get(name, name) in _SINGLE | _MULTI | _UTF16 | {"utf-8"}:
            return name
    return ""


def _family(codec: str) -> str:
    return codec.removesuffix("-le").removesuffix("-be").removesuffix("-sig")


@cache
def undefined(codec: str) -> bytes:
    """The bytes that a single-byte charset does not define."""
    return bytes(byte for byte in range(0x80, 0x100) if not bytes([byte]).decode(codec, "ignore"))


def _count(piece: bytes, wanted: bytes) -> int:
    """How many bytes of the piece are among the wanted ones."""
    return len(piece) - len(piece.translate(None, wanted)) if wanted else 0
