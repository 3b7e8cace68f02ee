"""A zip archive whose last part is too large for memory: written deflated to a file first, so that its header can tell its size.

Nothing is written that old readers cannot handle: no data descriptors, and ZIP64 fields only where 4 GiB are passed.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO

LEVEL = 1  # a quarter of the bytes in a tenth of the time
DEFLATED = 8
MAX_32_BITS = 0xFFFFFFFF


@dataclass(frozen=True)
class Part:
    """What the archive's directory says of a part; sizes are in bytes."""

    name: bytes
    crc: int
    packed: int
    size: int

    @property
    def is_large(self) -> bool:
        return max(self.packed, self.size) >= MAX_32_BITS


class Packed:
    """Takes the bytes of a part and writes them deflated to a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._crc = self._size = self._packed = 0

    def add(self, chunk: bytes) -> None:
        self._crc = zlib.crc32(chunk, self._crc)
        self._size += len(chunk)
        self._write(self._deflate.compress(chunk))

    def end(self, name: str) -> Part:
        """The Part now in the file."""
        self._write(self._deflate.flush())
        return Part(name.encode(), self._crc, self._packed, self._size)

    def _write(self, packed: bytes) -> None:
        self._packed += len(packed)
        self._file.write(packed)


def around(small: Mapping[str, bytes], large: Part, at: datetime) -> tuple[bytes, bytes]:
    """(the bytes before the large part's deflated ones, the bytes behind them); `small` is {name: bytes}."""
    stamp = _dos(at)
    before, directory = b"", b""
    for name, content in small.items():
        deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = deflate.compress(content) + deflate.flush()
        part = Part(name.encode(), zlib.crc32(content), len(packed), len(content))
        directory += _entry(part, stamp, len(before))
        before += _header(part, stamp) + packed
    directory += _entry(large, stamp, len(before))
    before += _header(large, stamp)
    return before, directory + _end(len(small) + 1, len(directory), len(before) + large.packed)


def _dos(at: datetime) -> tuple[int, int]:
    """Date and time as zip keeps them, in steps of two seconds from 1980 on."""
    at = at if at.year >= 1980 else at.replace(year=1980)
    return at.hour << 11 | at.minute << 5 | at.second // 2, (at.year - 1980) << 9 | at.month << 5 | at.day


def _facts(part: Part, stamp: tuple[int, int]) -> tuple[int, bytes, bytes]:
    """What header and directory both say, and the field for large sizes."""
    packed, size = (MAX_32_BITS, MAX_32_BITS) if part.is_large else (part.packed, part.size)
    extra = struct.pack("<HHQQ", 1, 16, part.size, part.packed) if part.is_large else b""
    version = 45 if part.is_large else 20
    said = struct.pack("<HHHHHLLLHH", version, 0, DEFLATED, *stamp, part.crc, packed, size, len(part.name), len(extra))
    return version, said, extra


def _header(part: Part, stamp: tuple[int, int]) -> bytes:
    _, said, extra = _facts(part, stamp)
    return b"PK\x03\x04" + said + part.name + extra


def _entry(part: Part, stamp: tuple[int, int], offset: int) -> bytes:
    version, said, extra = _facts(part, stamp)
    return (
        b"PK\x01\x02"
        + struct.pack("<H", version)
        + said
        + struct.pack("<HHHLL", 0, 0, 0, 0, offset)
        + part.name
        + extra
    )


def _end(count: int, length: int, offset: int) -> bytes:
    large = b""
    if offset >= MAX_32_BITS:
        large = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, count, count, length, offset)
        large += b"PK\x06\x07" + struct.pack("<LQL", 0, offset + length, 1)
    return large + b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, count, count, length, min(offset, MAX_32_BITS), 0)
