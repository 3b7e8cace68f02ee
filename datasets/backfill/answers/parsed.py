"""What a reader has made of an answer, kept beside it: the files of its days and a manifest, so that it is read only once.

Another dataset takes them over where it would read the very same: the same report, options and program, and a table that takes
the same columns with the same types. Each file is held against its checksum before it is used.
"""

import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from connector import catalogue, spapi
from datasets import storage
from datasets.backfill.answers.raw import DAYS, Columns, Raw, Split
from datasets.storage import stage

log = logging.getLogger(__name__)

_MANIFEST, _LOCK = "parsed-", "lock"


class InUse(Exception):
    """Another worker fetches, reads or removes the answer at this moment."""


@contextmanager
def alone(folder: Path, by: str, is_over: Callable[[str], bool] = lambda by: False) -> Iterator[None]:
    """Nobody else fetches, reads or removes the answer in this folder meanwhile. Raises InUse; a worker that dies lets go.

    `by` says who it is. A worker that stands still holds on to the lock: where `is_over(its by)` says that its work is
    another's by now, nobody waits for it. The answer is then fetched and read once more than need be, as it is where the file
    system has no locks; nothing is written into files that another one has under way.
    """
    try:
        lock = (folder / _LOCK).open("a+")
    except FileNotFoundError:  # it was removed this moment
        raise InUse from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.truncate(0)
            lock.write(by)
            lock.flush()
        except BlockingIOError:
            lock.seek(0)
            if not is_over(lock.read()):
                raise InUse from None
        except OSError as problem:
            log.warning("%s: no lock can be had here (%s)", folder, problem)
        yield


class Taken:
    """A `Raw` whose `take_columns` writes down what a table was asked to take and which of it it took, with which types."""

    def __init__(self, raw: Raw) -> None:
        self.columns: Columns = raw.declared
        self.types = _of(self.columns, raw.types)
        self._take = raw.take_columns
        self.raw = replace(raw, take_columns=self._noted)

    def _noted(self, columns: Columns) -> dict[str, str]:
        types = self._take(columns)
        self.columns, self.types = columns, _of(columns, types)
        return types


def find(raw: Raw, days: Collection[date]) -> Split | None:
    """What was made of this answer before, as far as these days need it; None where it has to be read."""
    try:
        return _found(raw, days, orjson.loads(_manifest(raw).read_bytes()))
    except (OSError, ValueError, LookupError, TypeError):  # there is none, or it is not one of ours
        return None


def _found(raw: Raw, days: Collection[date], kept: Mapping[str, Any]) -> Split | None:
    if kept["types"] != _of(kept["columns"], raw.take_columns(kept["columns"])):
        return None  # the rows would be other ones for such a table
    staged = {
        date.fromisoformat(day): stage.Staged(
            raw.folder / file["path"], file["rows"], file["checksum"], file["has_extra"], frozenset(file["unfit"])
        )
        for day, file in kept["staged"].items()
    }
    if not all(stage.is_whole(staged[day], kept["names"]) for day in staged if day in days):
        return None
    return Split(
        names=kept["names"],
        null=kept["null"],
        staged=staged,
        note=kept["note"],
        doubt=kept["doubt"],
        out_of_window=kept["out_of_window"],
    )


def keep(raw: Raw, taken: Taken, split: Split) -> None:
    """Writes down what was made of the answer, for `find`."""
    kept = {
        "columns": taken.columns,
        "types": taken.types,
        "names": split.names,
        "null": split.null,
        "staged": {
            day.isoformat(): {
                "path": str(staged.path.relative_to(raw.folder)),
                "rows": staged.rows,
                "checksum": staged.checksum,
                "has_extra": staged.has_extra,
                "unfit": sorted(staged.unfit),
            }
            for day, staged in split.staged.items()
        },
        "note": split.note,
        "doubt": split.doubt,
        "out_of_window": split.out_of_window,
    }
    manifest = _manifest(raw)
    aside = manifest.with_name(f"{manifest.name}.{raw.mark}")
    aside.write_bytes(orjson.dumps(kept))
    os.replace(aside, manifest)


def is_kept(folder: Path) -> bool:
    """Whether something was made of the answer in this folder."""
    return any(folder.glob(f"{_MANIFEST}*")) or any(folder.glob(f"{DAYS}*"))


def forget(folder: Path) -> None:
    """The answer in this folder came anew: what was made of it before is no longer found. Who is about to land it still may."""
    for manifest in folder.glob(f"{_MANIFEST}*"):
        manifest.unlink(missing_ok=True)


def drop(folder: Path) -> None:
    """Removes what was made of the answer in this folder; the answer itself stays."""
    forget(folder)  # first, so that no manifest speaks of files that are gone
    for days in folder.glob(f"{DAYS}*"):
        shutil.rmtree(days, ignore_errors=True)


def _of(columns: Columns, types: Mapping[str, str]) -> dict[str, str]:
    """The types of these columns; those that the table has no room for are left out."""
    return {column["name"]: types[column["name"]] for column in columns if column["name"] in types}


@cache
def _code() -> str:
    """What reads answers, as it is installed: another version of it may read the same answer in another way."""
    found = hashlib.sha256()
    for package in (Path(__file__).parent, *(Path(each.__path__[0]) for each in (catalogue, spapi, storage))):
        for file in sorted(package.rglob("*.*")):
            if file.suffix in (".py", ".txt"):
                found.update(file.read_bytes())
    return found.hexdigest()


def _manifest(raw: Raw) -> Path:
    """One for each way in which the answer can be read, whatever the table."""
    report = raw.report
    told = [
        *(_code(), report.key, report.key_columns, report.version_column, report.day_column, report.channel_column),
        *(raw.declared, raw.options, raw.country, raw.zone, raw.first_day, raw.last_day, raw.until_at),
    ]
    way = hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    return raw.folder / f"{_MANIFEST}{way}.json"
