"""What all readers of raw answers share: each row goes into its day's file, and anything unusual is counted and noted.

Which reader takes an answer is its source's to say: pages (`pages.py`), a flat file (`flat_file.py`), or records of JSON and
XML (`records.py`).
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import orjson

from connector.catalogue.number_date_format import NumberDateFormat
from connector.catalogue.report import Document
from connector.spapi import errors, marketplaces
from connector.spapi.charsets import Choice
from datasets.backfill.answers import notes
from datasets.backfill.answers.placing import Placing, quoted
from datasets.backfill.answers.raw import DAYS, Raw, Split
from datasets.storage import stage
from datasets.storage.table import ROW_ROOM, SURE_COLUMNS, WIDEST_CELL


class RawReading:
    """One pass over one raw answer."""

    def __init__(self, raw: Raw) -> None:
        self.raw, self.report, self.folder = raw, raw.report, raw.folder
        self.notes: list[str] = []
        self.charset: Choice | None = None
        self.placing: Placing | None = None
        self.set_aside = 0  # rows that could not be read as rows
        self.other_channels = self._other_channels()
        self.kept: list[int] = []  # places of the file's columns in the table
        self.spare: list[tuple[int, str]] = []  # (place, title) of those without room in it
        # (place in the row, title) of the values that go into _extra where a row is too wide for the table
        self.loose: list[tuple[int, str]] = []
        self.beside = 0
        self.left_out = 0  # rows of sales channels that nobody chose
        self._staging: str | None = None

    def _other_channels(self) -> frozenset[str]:
        """Sales channels that nobody chose: Amazon answers for the whole region, whatever marketplaces it is asked for.

        Without a choice everything is kept, and a channel that is no marketplace's is kept always.
        """
        chosen = self.raw.options.get("marketplaces")
        if not chosen or self.report.channel_column is None:
            return frozenset()
        others = [place for place in marketplaces.MARKETPLACES if place.country not in chosen]
        return frozenset(
            channel.lower() for place in others for channel in (place.domain, f"Non-Amazon {place.country}")
        )

    def of_chosen(self, rows: Iterable[list[str]], names: list[str]) -> Iterable[list[str]]:
        if not self.other_channels or self.report.channel_column not in names:
            return rows
        place = names.index(self.report.channel_column)
        return (row for row in rows if not self._is_foreign(row[place]))

    def _is_foreign(self, channel: str) -> bool:
        is_foreign = channel.strip().lower() in self.other_channels
        self.left_out += is_foreign
        return is_foreign

    def day_files(self, titles: list[str]) -> stage.DayFiles:
        """Makes the table take these columns, and files for its days. What it has no room for becomes `spare`."""
        names = self.report.names_of(titles)
        if not titles or (self.report.day_column is not None and self.report.day_column not in names):
            raise errors.DocumentRefused(
                f"{_beginning(self.raw.whose)} has no column {self.report.day_column or 'at all'}, so its rows cannot be assigned to "
                f"days. {_instead(titles)} Nothing was loaded from it. {self.raw.again}"
            )
        types = {column.name: column.type for column in self.report.columns}
        found = [
            {"name": name, "title": title, "type": types.get(name, "text")}
            for name, title in zip(names, titles, strict=True)
        ]
        types = self.raw.take_columns(found)
        self.spare = [(place, title) for place, title in enumerate(titles) if names[place] not in types]
        self.kept = [place for place, name in enumerate(names) if name in types]
        missing = [column.name for column in self.report.columns if column.name not in names]
        if missing:
            self.notes.append(f"{_beginning(self.raw.whose)} has no {', '.join(missing)}; empty for these rows.")
        declared = {column.name for column in self.report.columns}
        self.loose, self.beside, self.left_out = [], 0, 0
        if len(self.kept) > SURE_COLUMNS:
            loose = [(at, place) for at, place in enumerate(self.kept) if names[place] not in declared]
            self.loose = [(at, titles[place]) for at, place in reversed(loose)]
        names = [names[place] for place in self.kept]
        if self.spare:
            self.notes.append(
                f"{len(self.spare)} columns more than a table can have; their values are in the column _extra, as JSON."
            )
        if self.needs_extra:
            names.append("_extra")
        return self.files(names, types, null="")

    def format(self) -> NumberDateFormat:
        return cast(Document, self.report.source).format_in(self.raw.country)

    def to_make_plain(self, names: list[str]) -> list[tuple[int, Callable[[str], str]]]:
        """(place, function) of the columns whose numbers or dates the report declares to be written in another way."""
        types, format = {column.name: column.type for column in self.report.columns}, self.format()
        found = [(place, format.plain(types.get(name, "text"))) for place, name in enumerate(names)]
        return [(place, plain) for place, plain in found if plain]

    @property
    def needs_extra(self) -> bool:
        """Whether rows may hold what their table has no room for."""
        return bool(self.spare or self.loose)

    def fitted(self, values: list[str], others: Mapping[str, str] | None = None) -> list[str]:
        """The row as the table takes it: what it has no column for, or no room in so wide a row, as JSON in _extra."""
        extra = {title: values[place] for place, title in self.spare if values[place]} | dict(others or {})
        row = [values[place] for place in self.kept]
        if self.loose:
            widths = [min(WIDEST_CELL, len(row[place].encode()) + 1) if row[place] else 0 for place, _ in self.loose]
            over = sum(widths) + WIDEST_CELL * (len(row) - len(widths)) - ROW_ROOM
            for (place, title), width in zip(self.loose, widths, strict=True):
                if over <= 0:
                    break
                if width:
                    extra[title], row[place], over = row[place], "", over - width
                    self.beside += 1
        extra = {title: value[: stage.MAX_CELL] for title, value in extra.items()}
        return [*row, orjson.dumps(extra).decode() if extra else ""]

    def split(self, rows: Iterable[Sequence[Any]], names: list[str], files: stage.DayFiles) -> None:
        """Puts each row to its own day: Amazon sends rows from outside the window now and then."""
        if self.report.day_column is None:
            for values in rows:
                files.add(self.raw.first_day, values)
            return
        place = names.index(self.report.day_column)
        placing = self.placing = self.new_placing()
        for values in rows:
            moment = values[place]
            day = placing.day(moment.isoformat() if isinstance(moment, datetime) else moment)
            if day is not None:
                files.add(day, values)

    def new_placing(self) -> Placing:
        name = self.report.day_column or ""
        types = {column.name: column.type for column in self.report.columns}
        return Placing(self.raw, self.raw.zone, name, dates=types.get(name) == "date")

    def has_placeable(self) -> bool:
        """Whether rows came that are whole, whatever day they belong to."""
        return self.placing is not None and bool(self.placing.out_of_window or self.placing.undated)

    def files(self, names: Sequence[str], types: Mapping[str, str], **more: Any) -> stage.DayFiles:
        """Files for the days, of these columns and types, in a folder that no other reading writes to: days of an earlier one may
        be on their way into the database."""
        if self._staging is None:
            self._staging = tempfile.mkdtemp(prefix=f"{DAYS}{self.raw.mark}-", dir=self.folder)
        return stage.DayFiles(self._staging, names, types=types, **more)

    def split_of(self, files: stage.DayFiles) -> Split:
        """What came of it, once every row is in its file."""
        staged = files.close()
        if self.beside:
            self.notes.append(
                f"{self.beside} values did not fit into the wide rows; they are in the column _extra, as JSON."
            )
        if files.cut:
            self.notes.append(
                f"{files.cut} values of more than {stage.MAX_CELL:,} characters were truncated; the raw file has "
                "them in full."
            )
        if self.left_out:
            some = "1 row is" if self.left_out == 1 else f"{self.left_out:,} rows are"
            self.notes.append(
                f"{some} of sales channels that the dataset did not choose and left out; its marketplaces say which it takes."
            )
        placing = self.placing or self.new_placing()
        self.notes += placing.notes()
        return Split(
            names=files.names,
            null=files.null,
            staged=staged,
            note=" ".join(self.notes),
            doubt=placing.doubt(self.set_aside, bool(staged)),
            out_of_window=placing.out_of_window,
            charset=self.charset,
        )

    def note_charset(self, choice: Choice) -> None:
        self.charset = choice
        self.notes += notes.charset(choice)

    def note_replaced(self, count: int) -> None:
        self.notes.append(f"{count} characters that the database cannot store were replaced by \ufffd.")


def _beginning(words: str) -> str:
    """As the beginning of a sentence."""
    return words[0].upper() + words[1:]


_SEPARATORS = {",": "commas", ";": "semicolons", "|": "vertical bars"}


def _instead(titles: list[str]) -> str:
    """What a file without the column that gives rows to their days has in the place of its header, in a sentence."""
    if not titles:
        return "It is empty, without even a header."
    said = f"Its first line reads {quoted(' '.join(titles))}"
    mark = max(_SEPARATORS, key=titles[0].count)
    if len(titles) == 1 and titles[0].count(mark) > 1:
        return f"{said}: it seems to be separated by {_SEPARATORS[mark]}, and not by tabs."
    return said + "."
