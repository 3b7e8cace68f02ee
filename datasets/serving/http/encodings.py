"""Compression on the way out: which one the client takes, and the bytes of it as they come."""

import re
import zlib

import zstandard

ZSTD_LEVEL = 1  # as fast as not compressing at all, a quarter of the bytes
GZIP_LEVEL = 1


class Identity:
    name = "identity"

    def add(self, chunk):
        return chunk

    def flush(self):
        return b""

    def end(self):
        return b""


class Zstd:
    name = "zstd"

    def __init__(self):
        self._inner = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()

    def add(self, chunk):
        return self._inner.compress(chunk)

    def flush(self):
        return self._inner.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def end(self):
        return self._inner.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)


class Gzip:
    name = "gzip"

    def __init__(self):
        self._inner = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    def add(self, chunk):
        return self._inner.compress(chunk)

    def flush(self):
        return self._inner.flush(zlib.Z_SYNC_FLUSH)

    def end(self):
        return self._inner.flush(zlib.Z_FINISH)


OFFERED = (Zstd, Gzip)  # the better one first


def chosen(accept):
    """The class to encode with, for an Accept-Encoding header. Nonsense in it means no compression."""
    weights = {}
    for part in accept.lower().split(",")[:20]:
        name, _, rest = part.strip().partition(";")
        weight = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", rest) if rest else None
        if rest and not weight:
            continue
        weights[name.strip()] = float(weight[1]) if weight else 1.0
    best, best_weight = Identity, 0.0
    for encoding in OFFERED:
        weight = weights.get(encoding.name, weights.get("*", 0.0))
        if weight > best_weight:
            best, best_weight = encoding, weight
    return best
