"""Reads a chain of pages into a file a day: of rows with one key the newest version counts."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import orjson

from connector.catalogue.report import Pages, Report
from datasets.backfill.answers.raw import Raw, Split
from datasets.backfill.answers.reading import RawReading
from datasets.storage import stage

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def read(raw: Raw, files: Sequence[Path], *, replaced: int = 0) -> Split:
    """The pages' rows. `files` are the pages in their order, as JSON; `replaced` counts the characters that were replaced as
    they came."""
    reading, report = RawReading(raw), raw.report
    newest = Newest([column.name for column in report.columns], report) if report.key_columns else None
    days = _staged(reading, files, newest.look if newest else None)
    if newest and newest.duplicate_keys:
        days.discard()
        reading.notes.clear()
        days = _staged(reading, files, newest.is_newest)
    if newest and newest.keyless:
        reading.set_aside = newest.keyless
        reading.notes.append(
            f"{newest.keyless} rows of Amazon's answer have no {' and '.join(report.key_columns)} and were set aside."
        )
    if replaced:
        reading.note_replaced(replaced)
    return reading.split_of(days)


def _staged(
    reading: RawReading, files: Sequence[Path], is_wanted: Callable[[Sequence[Any]], bool] | None
) -> stage.DayFiles:
    names = [column.name for column in reading.report.columns]
    days = reading.files(names, reading.raw.types)
    rows = _rows(reading, files)
    try:
        reading.split((row for row in rows if is_wanted(row)) if is_wanted else rows, names, days)
    except BaseException:
        days.discard()
        raise
    return days


def _rows(reading: RawReading, files: Sequence[Path]) -> Iterator[tuple]:
    for file in files:
        yield from cast(Pages, reading.report.source).rows(orjson.loads(file.read_bytes()))


class Newest:
    """Of rows with one key, the newest version counts, and counts once: an order that changes while pages are read comes on
    two of them. Two rows of one key and version that differ are both kept; a merge refuses them.

    All rows are looked at; if there are duplicate keys, they are read a second time.
    """

    def __init__(self, names: list[str], report: Report) -> None:
        self._places = [names.index(name) for name in report.key_columns]
        self._version = names.index(report.version_column) if report.version_column else None
        self._newest: dict[tuple[str, ...], tuple[datetime, str]] = {}
        self.duplicate_keys: set[tuple[str, ...]] = set()
        self._passed: set[str] = set()
        self.keyless = 0

    def look(self, row: Sequence[Any]) -> bool:
        """Whether the row has a key; it is taken note of."""
        key = self._key(row)
        if key is None:
            self.keyless += 1
            return False
        version = self._version_of(row)
        before = self._newest.get(key)
        if before is not None:
            self.duplicate_keys.add(key)
        if before is None or version > before:
            self._newest[key] = version
        return True

    def is_newest(self, row: Sequence[Any]) -> bool:
        """The same rows for the second time: whether this is one that counts."""
        key = self._key(row)
        if key not in self.duplicate_keys:
            return key is not None
        if self._version_of(row) < self._newest[key]:
            return False
        content = repr(row)
        is_new = content not in self._passed
        self._passed.add(content)
        return is_new

    def _key(self, row: Sequence[Any]) -> tuple[str, ...] | None:
        key = tuple([row[place] for place in self._places])
        return key if all(type(part) is str and part for part in key) else None

    def _version_of(self, row: Sequence[Any]) -> tuple[datetime, str]:
        """As a moment: Amazon leaves out what of a second is nothing, and by its letters 10:00:00Z would be later than 10:00:00.5Z."""
        said = "" if self._version is None else str(row[self._version] or "")
        try:
            moment = datetime.fromisoformat(said)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)), ""
        except ValueError:
            return _LONG_AGO, said
