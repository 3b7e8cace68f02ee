"""The Accept header: which of the media types that there are a client takes, by weight and by how closely it names them.

RFC 9110, 12.5.1: the closest range that fits a type decides its weight. A part that cannot be read is as if it were not there, and
a header without a readable part takes everything.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from django.http import HttpRequest

from datasets.problems import NotAcceptable, printable

MAX_RANGES = 30  # of one header that are looked at
PIECES = {
    ",": re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+'),
    ";": re.compile(r'(?:[^;"]|"(?:[^"\\]|\\.)*"?)+'),
}
WEIGHT = re.compile(r"[01]?(\.\d{0,3})?", re.ASCII)
# Other names for what we have, which clients know it by.
ALSO = {
    "text/csv": ("application/csv", "text/plain", "application/octet-stream"),
    "text/tab-separated-values": ("text/plain", "application/octet-stream"),
    "application/json": ("text/json", "application/octet-stream"),
    "application/x-ndjson": (
        *("application/ndjson", "application/jsonl", "application/x-jsonlines", "application/jsonlines"),
        *("text/plain", "application/octet-stream"),
    ),
    "application/vnd.apache.parquet": ("application/x-parquet", "application/octet-stream"),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ("application/octet-stream",),
}


@dataclass(frozen=True)
class Range:
    """A part of the header; `parameters` are (name, value) in small letters, without `q`."""

    kind: str
    parameters: tuple[tuple[str, str], ...]
    weight: float

    @property
    def closeness(self) -> tuple[int, int]:
        """How closely it names a type, to be compared: stars count less, parameters more."""
        return 2 - self.kind.count("*"), len(self.parameters)

    def fits(self, kind: str, parameters: Iterable[tuple[str, str]] = ()) -> bool:
        """Whether it means this type; a parameter that it names has to be one of the type's."""
        own, _, sub = self.kind.partition("/")
        main, _, detail = kind.partition("/")
        is_kind = own in ("*", main) and sub in ("*", detail)
        return is_kind and set(self.parameters) <= set(parameters)


@lru_cache(maxsize=256)
def ranges(header: str) -> tuple[Range, ...]:
    """The Ranges of an Accept header, in its order."""
    found = (_range(part) for part in PIECES[","].findall(header)[:MAX_RANGES])
    return tuple(one for one in found if one is not None)


def weight_of(header: str, kind: str, parameters: Iterable[tuple[str, str]] = ()) -> float:
    """How much a client wants this media type, from 0.0 (not at all) to 1.0."""
    return _wish(header, kind, parameters)[0]


def best(header: str, offered: Mapping[str, str]) -> str | None:
    """The most wanted key of `offered`, {key: media type}; of equally wanted ones what is named most closely, then the first. None
    where the client takes none of them."""
    wishes = {key: _wish(header, kind) for key, kind in offered.items()}
    key = max(wishes, key=lambda each: wishes[each])
    return key if wishes[key][0] > 0.0 else None


def _wish(header: str, kind: str, parameters: Iterable[tuple[str, str]] = ()) -> tuple[float, tuple[int, int]]:
    """(weight, closeness) of the closest range that fits the type or is one of its other names."""
    known, also = ranges(header) or ranges("*/*"), ALSO.get(kind, ())
    fitting = [one for one in known if one.kind in also or one.fits(kind, parameters)]
    closest = max(fitting, key=lambda one: one.closeness, default=None)
    return (closest.weight, closest.closeness) if closest else (0.0, (0, 0))


def check(request: HttpRequest, kind: str) -> None:
    """Raises NotAcceptable where the client does not take the media type that this address gives."""
    header = request.headers.get("Accept", "")
    kind = kind.partition(";")[0]
    if not weight_of(header, kind):
        raise NotAcceptable(
            f"This address gives {kind}, which Accept: {printable(header)} excludes. Omit the header, or add */*."
        )


def _range(part: str) -> Range | None:
    kind, *settings = [piece.strip().lower() for piece in PIECES[";"].findall(part)] or [""]
    kind = "*/*" if kind == "*" else kind  # as Java's HTTP client writes it
    if not re.fullmatch(r"[\w.+*!#$&^-]+/[\w.+*!#$&^-]+", kind, re.ASCII):
        return None
    parameters: list[tuple[str, str]] = []
    weight = 1.0
    for setting in settings:
        name, mark, value = (piece.strip() for piece in setting.partition("="))
        if name == "q":
            if not WEIGHT.fullmatch(value) or not value.strip("."):
                return None
            return Range(kind, tuple(parameters), min(float(value), 1.0))
        if mark:
            parameters.append((name, value.strip('"')))
    return Range(kind, tuple(parameters), weight)
