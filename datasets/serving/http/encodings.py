"""Compression of answers: which coding a client takes, and the bytes of it as they come.

gzip is made by ISA-L, which was measured against zlib and zlib-ng on pages of rows (docs/performance.md): about the size of zlib's
first level in a quarter of its time or less.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

import zstandard
from isal import isal_zlib as gzip

from datasets.problems import NotAcceptable

ZSTD_LEVEL = 1  # as fast as not compressing at all, a quarter of the bytes
GZIP_LEVEL = 1
MAX_CODINGS = 20  # of one header that are looked at
ALIASES = {"x-gzip": "gzip"}  # RFC 9110, 8.4.1.3


class Coding(Protocol):
    """A compression under way: bytes go in and come out as there are enough of them; `flush` gives out what is held."""

    name: str

    def add(self, chunk: bytes) -> bytes: ...

    def flush(self) -> bytes: ...

    def end(self) -> bytes: ...


class Identity:
    """No compression."""

    name = "identity"

    def add(self, chunk: bytes) -> bytes:
        return chunk

    def flush(self) -> bytes:
        return b""

    def end(self) -> bytes:
        return b""


class Zstd:
    """RFC 8878."""

    name = "zstd"

    def __init__(self) -> None:
        self._inner = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()

    def add(self, chunk: bytes) -> bytes:
        return self._inner.compress(chunk)

    def flush(self) -> bytes:
        return self._inner.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def end(self) -> bytes:
        return self._inner.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)


class Gzip:
    """RFC 1952, made by ISA-L."""

    name = "gzip"

    def __init__(self) -> None:
        self._inner = gzip.compressobj(GZIP_LEVEL, gzip.DEFLATED, 16 + gzip.MAX_WBITS)

    def add(self, chunk: bytes) -> bytes:
        return self._inner.compress(chunk)

    def flush(self) -> bytes:
        return self._inner.flush(gzip.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._inner.flush(gzip.Z_FINISH)


OFFERED = (Zstd, Gzip)  # the better one first


@lru_cache(maxsize=256)
def chosen(accept: str, *, packed: bool = False, offered: tuple[type[Coding], ...] = OFFERED) -> type[Coding] | None:
    """The class to encode with, for an Accept-Encoding header; None where the client takes none of what there is.

    The highest weight wins, of equal ones the better compression. Identity is acceptable unless it is refused (`identity;q=0`,
    or `*;q=0` alone), and comes last where it is not named (RFC 9110, 12.5.3). What cannot be read is as if it were not there.
    `packed` content is compressed in itself: it goes out as it is wherever that is acceptable.
    """
    weights = _weights(accept)
    identity = _identity(weights)
    if packed and identity != 0.0:
        return Identity
    weighed = [(weights.get(coding.name, weights.get("*", 0.0)), coding) for coding in offered]
    weight, best = max(weighed, key=lambda pair: pair[0])
    if weight > 0.0 and weight >= (identity or 0.0):
        return best
    return None if identity == 0.0 else Identity


def required(accept: str, *, packed: bool = False) -> type[Coding]:
    """As `chosen`; NotAcceptable where the client takes none of what there is."""
    found = chosen(accept, packed=packed)
    if found is None:
        raise nothing_accepted()
    return found


def nothing_accepted() -> NotAcceptable:
    return NotAcceptable(
        "Accept-Encoding refuses all available encodings: zstd, gzip and identity. Omit the header, or allow one of "
        "them."
    )


def refuses_identity(accept: str) -> bool:
    """Whether an Accept-Encoding header takes nothing that is not compressed."""
    return _identity(_weights(accept)) == 0.0


def _identity(weights: Mapping[str, float]) -> float | None:
    """The weight of no compression; None where the header says nothing of it."""
    return weights.get("identity", 0.0 if weights.get("*") == 0.0 else None)


def _weights(accept: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in accept.lower().split(",")[:MAX_CODINGS]:
        name, _, rest = part.strip().partition(";")
        weight = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", rest) if rest else None
        if rest and not weight:
            continue
        name = name.strip()
        weights[ALIASES.get(name, name)] = min(float(weight[1]), 1.0) if weight else 1.0
    return weights
