"""Reads a flat file into a file a day: an ordinary one on the fast path, directly on its bytes, and an unusual one
with the full parser."""

from dataclasses import replace
from typing import cast

from connector.catalogue import readers
from connector.catalogue.number_date_format import PLAIN, made_plain
from connector.catalogue.report import Document
from connector.spapi import documents, errors
from connector.spapi.charsets import Choice
from datasets.backfill.answers import fast_flat_file
from datasets.backfill.answers.raw import Raw, Split
from datasets.backfill.answers.reading import RawReading


def read(raw: Raw, content_type: str) -> Split:
    """The rows of the file `document`, which Amazon labels `content_type`. Raises errors.DocumentRefused."""
    try:
        return _fast(RawReading(raw), content_type)
    except fast_flat_file.NotStandard:
        return _thoroughly(RawReading(raw), content_type)


def _thoroughly(reading: RawReading, content_type: str) -> Split:
    raw = reading.raw
    ragged: list[int] = []  # numbers of the lines
    replaced: list[int] = []
    repeated: list[int] = []
    with documents.open_text(raw.folder / "document", content_type, raw.country) as text:
        header, rows = readers.flat_file(
            text,
            ragged=lambda number, cells: ragged.append(number),
            replaced=replaced.append,
            repeated=repeated.append,
            **cast(Document, raw.report.source).reading(raw.options),
        )
        files = reading.day_files(header)
        try:
            names = raw.report.names_of(header)
            if nonstandard := reading.to_make_plain(names):
                rows = (made_plain(row, nonstandard) for row in rows)
            chosen = reading.of_chosen(rows, names)
            reading.split(map(reading.fitted, chosen) if reading.needs_extra else chosen, files.names, files)
        except BaseException:
            files.discard()
            raise
        reading.note_charset(text.choice)
    reading.set_aside = len(ragged)
    found = reading.split_of(files)
    if ragged:
        if not found.staged and not reading.has_placeable():
            raise errors.DocumentRefused(
                f"No line of {raw.whose} has as many values as its header has titles, so nothing was loaded from it. {raw.again}"
            )
        reading.notes.append(
            f"{len(ragged)} lines of {raw.whose} do not have as many columns as its header and were set aside; the "
            f"first is line {ragged[0]}."
        )
    if replaced:
        reading.note_replaced(len(replaced))
    if repeated:
        some = "1 line repeats" if len(repeated) == 1 else f"{len(repeated):,} lines repeat"
        reading.notes.append(f"{some} the header of {raw.whose} and was skipped; the first is line {repeated[0]}.")
    return replace(found, note=" ".join(reading.notes))


def _fast(reading: RawReading, content_type: str) -> Split:
    raw = reading.raw
    day_column = raw.report.day_column
    if day_column is None or not fast_flat_file.may_try(content_type):
        raise fast_flat_file.NotStandard
    if reading.format() != PLAIN:
        raise fast_flat_file.NotStandard
    placing = reading.placing = reading.new_placing()
    opened = []

    def header(titles: list[str]) -> fast_flat_file.Places:
        names = raw.report.names_of(titles)
        if len(set(titles)) < len(titles) or day_column not in names:
            raise fast_flat_file.NotStandard
        if reading.other_channels and raw.report.channel_column not in names:
            raise fast_flat_file.NotStandard
        files = reading.day_files(titles)
        opened.append(files)
        if reading.needs_extra:
            raise fast_flat_file.NotStandard
        # Channels are foreign only to a report that has such a column.
        channel = files.names.index(cast(str, raw.report.channel_column)) if reading.other_channels else None
        return fast_flat_file.Places(files.names.index(day_column), channel, files)

    try:
        reading.left_out = fast_flat_file.split(
            documents.open_bytes(raw.folder / "document"),
            header,
            first=raw.first_day,
            last=raw.last_day,
            zone=raw.zone,
            out_of_range=placing.day,
            dates=placing.dates,
            other_channels=reading.other_channels,
            **cast(Document, raw.report.source).reading(raw.options),
        )
    except BaseException:
        for files in opened:
            files.discard()
        raise
    reading.note_charset(Choice("utf-8", "every byte fits"))
    return reading.split_of(opened[0])
