"""Reads JSON and XML documents into files a day, as flat files: one record is held at a time."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, cast

import orjson

from connector.catalogue.nested import RecordFlattener
from connector.catalogue.number_date_format import made_plain
from connector.catalogue.report import Document
from connector.catalogue.streams import READERS, Broken, declared_charset, json_head
from connector.spapi import documents, errors
from connector.spapi.specification import Asked, difference
from datasets.backfill.answers.raw import Raw, Split
from datasets.backfill.answers.reading import RawReading
from datasets.retries import LATER
from datasets.storage import stage
from datasets.storage.table import MAX_COLUMNS

_TOO_DEEP = "Amazon's document is nested too deeply, so nothing was loaded from it."


def read(raw: Raw, content_type: str, asked: Asked) -> Split:
    """The records of the file `document`, which must repeat what was `asked` where it says what it was asked for.

    What the report declares takes one pass. Paths that nobody declared make it two: the first finds them all, so that
    each is a column for the whole document; what a table has no room for goes to its column _extra. Raises
    errors.DocumentRefused.
    """
    reading = RawReading(raw)
    titles = [column.source for column in reading.report.columns]
    unknown, files = _pass(reading, titles, content_type, asked)
    if unknown:
        files.discard()
        reading.notes.clear()
        _, files = _pass(reading, [*titles, *unknown], content_type, asked)
    return reading.split_of(files)


def _pass(
    reading: RawReading, titles: list[str], content_type: str, asked: Asked
) -> tuple[Collection[str], stage.DayFiles]:
    source = cast(Document, reading.report.source)
    path, country = reading.folder / "document", reading.raw.country
    rows = RecordFlattener(source.shape, titles, MAX_COLUMNS + 1)
    replaced = []
    with documents.open_text(path, _content_type(path, source, content_type), country) as text:
        try:
            _refuse_another_answer(reading, text, asked)
        except Broken as problem:
            raise errors.DocumentRefused(str(problem)) from None
        except RecursionError:
            raise errors.DocumentRefused(_TOO_DEEP) from None
        files = reading.day_files(titles)
        try:
            found = READERS[source.reader](text, source.shape, lambda: replaced.append(1))
            values = _values(reading, found, rows, reading.to_make_plain(reading.report.names_of(titles)))
            reading.split(reading.of_chosen(values, files.names), files.names, files)
        except Broken as problem:
            files.discard()
            raise errors.DocumentRefused(str(problem)) from None
        except RecursionError:
            files.discard()
            raise errors.DocumentRefused(_TOO_DEEP) from None
        except BaseException:
            files.discard()
            raise
        reading.note_charset(text.choice)
    if replaced:
        reading.note_replaced(len(replaced))
    return rows.unknown, files


def _values(
    reading: RawReading,
    records: Iterable[tuple[Any, Mapping[str, str]]],
    rows: RecordFlattener,
    nonstandard: list[tuple[int, Callable[[str], str]]],
) -> Iterator[list[str]]:
    for record, head in records:
        for values, others in rows(record, head):
            if nonstandard:
                values = made_plain(values, nonstandard)
            yield reading.fitted(values, others) if reading.needs_extra else values


def _refuse_another_answer(reading: RawReading, text: TextIO, asked: Asked) -> None:
    """A document that repeats what it was asked for must repeat our question, whether it has rows or none."""
    proof = reading.report.source.shape.proof
    said = json_head(text, (proof,)).get(proof) if proof else ""
    try:
        said = orjson.loads(said or "null")
    except orjson.JSONDecodeError:
        return
    if found := difference(said, asked):
        raise errors.DocumentRefused(
            f"Amazon's document is not the one that was requested: {found}. Nothing was loaded from it; its days are "
            f"{LATER}."
        )


def _content_type(path: Path, source: Document, content_type: str) -> str:
    """The document's label, or for XML without a charset in it the one that its own first line names."""
    if source.reader != "xml" or "charset" in (content_type or "").lower():
        return content_type
    head = b""
    for piece in documents.open_bytes(path):
        head += piece[: 512 - len(head)]
        if len(head) >= 512:
            break
    charset = declared_charset(head.decode("latin-1").removeprefix("ï»¿"))
    return f"application/xml; charset={charset}" if charset else content_type
