"""Reads a raw answer of Amazon's once and puts each row into its day's file, for land.py to take.

The class of the document decides the way: pages, records of JSON and XML, or a flat file, quickly or thoroughly.
What is odd about an answer is counted and told in the notes of its days.
"""

from datetime import UTC, datetime

import orjson

from connector.catalogue import readers
from connector.catalogue.number_date_format import PLAIN, made_plain
from connector.spapi import documents, errors, marketplaces
from connector.spapi.charsets import Choice
from datasets.backfill import land, notes, quick, records
from datasets.backfill.placing import Placing, shown
from datasets.storage import stage
from datasets.storage.table import ROW_ROOM, SURE_COLUMNS, WIDEST_CELL

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Reading:
    """One pass over one raw answer: a file a day, as (column names, null marker, {day: Staged}, note).

    `unfit` are the columns that have to become text before the days can land. `doubt` says why a day without rows cannot
    be called empty; it is empty where nothing speaks against it.
    """

    def __init__(self, asking, request):
        self.asking, self.request, self.report = asking, request, asking.report
        self.folder = asking.folder(request)
        self.wanted = set(request.days.values_list("day", flat=True))
        self.notes, self.unfit, self.doubt = [], set(), ""
        self.placing, self.set_aside = None, 0  # rows that could not be read as rows
        self.foreign = self._foreign()
        self.kept, self.spare = [], []  # places of the file's columns: in the table, and without room in it
        self.loose = []  # (place in the row, title) of the values that go beside the table where a row is too wide for it
        self.beside = 0

    def _foreign(self):
        """Sales channels that nobody chose: Amazon answers for the whole region, whatever marketplaces it is asked for.

        Without a choice everything is kept, and a channel that is no marketplace's is kept always.
        """
        chosen = self.asking.answers.get("marketplaces")
        if not chosen or self.report.channel_column is None:
            return frozenset()
        others = [place for place in marketplaces.MARKETPLACES if place.country not in chosen]
        return frozenset(
            channel.lower() for place in others for channel in (place.domain, f"Non-Amazon {place.country}")
        )

    def of_chosen(self, rows, names):
        if not self.foreign or self.report.channel_column not in names:
            return rows
        place = names.index(self.report.channel_column)
        return (row for row in rows if row[place].strip().lower() not in self.foreign)

    def pages(self):
        names = [column.name for column in self.report.columns]
        newest = _Newest(names, self.report) if self.report.key_columns else None
        files = self._staged_pages(names, newest.look if newest else None)
        if newest and newest.twins:
            files.discard()
            self.notes.clear()
            files = self._staged_pages(names, newest.is_newest)
        if newest and newest.keyless:
            self.set_aside = newest.keyless
            self.notes.append(
                f"{newest.keyless} rows of Amazon's answer have no {' and '.join(self.report.key_columns)} and were set aside."
            )
        if self.request.cursor.get("replaced"):
            self.note_replaced(self.request.cursor["replaced"])
        return self.staged(files)

    def _staged_pages(self, names, is_wanted):
        files = stage.DayFiles(self.folder / f"days-{self.asking.mark}", names, types=self.asking.types)
        rows = self._page_rows()
        try:
            self.split((row for row in rows if is_wanted(row)) if is_wanted else rows, names, files)
        except BaseException:
            files.discard()
            raise
        return files

    def _page_rows(self):
        for number in range(self.request.cursor["pages"]):
            yield from self.report.source.rows(orjson.loads(self.asking.page(self.folder, number).read_bytes()))

    def document(self):
        """An ordinary file takes the quick way; whatever is odd about one sends it the thorough way."""
        if self.report.source.shape.path:
            return records.read(self)
        try:
            return self._quickly()
        except quick.NotOrdinary:
            self.notes.clear()
        account = self.asking.account
        content_type = self.request.cursor.get("content_type")
        ragged, replaced, repeated = [], [], []
        with documents.open_text(self.folder / "document", content_type, account.home.country) as text:
            header, rows = readers.flat_file(
                text,
                ragged=lambda number, cells: ragged.append(number),
                replaced=replaced.append,
                repeated=repeated.append,
                **self.report.source.reading(self.asking.answers),
            )
            files = self.day_files(header)
            try:
                names = self.report.names_of(header)
                if odd := self.to_make_plain(names):
                    rows = (made_plain(row, odd) for row in rows)
                rows = self.of_chosen(rows, names)
                self.split(map(self.fitted, rows) if self.needs_extra else rows, files.names, files)
            except BaseException:
                files.discard()
                raise
            self.note_charset(text.choice)
        self.set_aside = len(ragged)
        found = self.staged(files)
        if ragged:
            if not found[2] and not self._has_placeable():
                raise errors.DocumentRefused(
                    "No line of Amazon's file has as many values as its header has titles, so nothing of it was loaded. It "
                    "is fetched again; if that does not help, the next run asks for the report anew."
                )
            self.notes.append(
                f"{len(ragged)} lines of Amazon's file had another number of columns than its header and were set aside; "
                f"the first is line {ragged[0]}."
            )
        if replaced:
            self.note_replaced(len(replaced))
        if repeated:
            some = "1 line repeats" if len(repeated) == 1 else f"{len(repeated):,} lines repeat"
            self.notes.append(
                f"{some} the header of Amazon's file and was passed over; the first is line {repeated[0]}."
            )
        return (*found[:3], " ".join(self.notes))

    def _quickly(self):
        if self.report.day_column is None or not quick.may_try(self.request.cursor.get("content_type")):
            raise quick.NotOrdinary
        if self._format() != PLAIN:
            raise quick.NotOrdinary
        placing = self.placing = self._placing()
        opened = []

        def header(titles):
            names = self.report.names_of(titles)
            if len(set(titles)) < len(titles) or self.report.day_column not in names:
                raise quick.NotOrdinary
            if self.foreign and self.report.channel_column not in names:
                raise quick.NotOrdinary
            files = self.day_files(titles)
            opened.append(files)
            if self.needs_extra:
                raise quick.NotOrdinary
            channel = files.names.index(self.report.channel_column) if self.foreign else None
            return files.names.index(self.report.day_column), channel, files

        try:
            placing.others_came |= quick.split(
                documents.open_bytes(self.folder / "document"),
                header,
                first=self.request.first_day,
                last=self.request.last_day,
                zone=self.asking.zone,
                wanted=self.wanted,
                elsewhere=placing.day,
                dates=placing.dates,
                foreign=self.foreign,
                **self.report.source.reading(self.asking.answers),
            )
        except BaseException:
            for files in opened:
                files.discard()
            raise
        self.note_charset(Choice("utf-8", "every byte fits"))
        return self.staged(opened[0])

    def day_files(self, titles):
        """Makes the table take these columns, and files for its days. What it has no room for becomes `spare`."""
        names = self.report.names_of(titles)
        if not titles or (self.report.day_column is not None and self.report.day_column not in names):
            raise errors.DocumentRefused(
                f"Amazon's file has no column {self.report.day_column or 'at all'}, so no row of it can be given to its "
                f"day. {_instead(titles)} Nothing of it was loaded. It is fetched again; if that does not help, the next run "
                "asks anew."
            )
        types = {column.name: column.type for column in self.report.columns}
        found = [
            {"name": name, "title": title, "type": types.get(name, "text")}
            for name, title in zip(names, titles, strict=True)
        ]
        asking = self.asking
        types = land.prepare(asking.run.dataset, asking.run.generation, found, asking.key())
        self.spare = [(place, title) for place, title in enumerate(titles) if names[place] not in types]
        self.kept = [place for place, name in enumerate(names) if name in types]
        missing = [column.name for column in self.report.columns if column.name not in names]
        if missing:
            self.notes.append(f"Amazon's file has no {', '.join(missing)}; empty for these rows.")
        declared = {column.name for column in self.report.columns}
        self.loose, self.beside = [], 0
        if len(self.kept) > SURE_COLUMNS:
            loose = [(at, place) for at, place in enumerate(self.kept) if names[place] not in declared]
            self.loose = [(at, titles[place]) for at, place in reversed(loose)]
        names = [names[place] for place in self.kept]
        if self.spare:
            self.notes.append(
                f"{len(self.spare)} columns more than a table holds; their values are in its column _extra, as JSON."
            )
        if self.needs_extra:
            names.append("_extra")
        return stage.DayFiles(self.folder / f"days-{self.asking.mark}", names, null="", types=types)

    def _format(self):
        return self.report.source.format_in(self.asking.account.home.country)

    def to_make_plain(self, names):
        """(place, function) of the columns whose numbers or dates the report declares to be written in another way."""
        types, format = {column.name: column.type for column in self.report.columns}, self._format()
        found = [(place, format.plain(types.get(name))) for place, name in enumerate(names)]
        return [(place, plain) for place, plain in found if plain]

    @property
    def needs_extra(self):
        """Whether rows may hold what their table has no room for."""
        return bool(self.spare or self.loose)

    def fitted(self, values, others=None):
        """The row as the table takes it: what it has no column for, or no room in so wide a row, as JSON in _extra."""
        extra = {title: values[place] for place, title in self.spare if values[place]} | (others or {})
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
        extra = {title: value[: stage.MOST_CELL] for title, value in extra.items()}
        return [*row, orjson.dumps(extra).decode() if extra else ""]

    def split(self, rows, names, files):
        """Puts each row to its own day: Amazon sends rows from outside the window now and then."""
        if self.report.day_column is None:
            for values in rows:
                files.add(self.request.first_day, values)
            return
        place = names.index(self.report.day_column)
        placing = self.placing = self._placing()
        for values in rows:
            moment = values[place]
            day = placing.day(moment.isoformat() if isinstance(moment, datetime) else moment)
            if day is not None:
                files.add(day, values)

    def _placing(self):
        name = self.report.day_column
        types = {column.name: column.type for column in self.report.columns}
        return Placing(self.request, self.wanted, self.asking.zone, name, dates=types.get(name) == "date")

    def _has_placeable(self):
        """Whether rows came that are whole, whatever day they belong to."""
        return self.placing is not None and bool(
            self.placing.strays or self.placing.homeless or self.placing.others_came
        )

    def staged(self, files):
        staged = files.close()
        self.unfit = files.unfit
        if self.beside:
            self.notes.append(
                f"{self.beside} values found no room in rows so wide; they are in the table's column _extra, as JSON."
            )
        if files.cut:
            self.notes.append(
                f"{files.cut} values of more than {stage.MOST_CELL:,} characters were cut; the raw file has them whole."
            )
        self._note_placing(has_rows=bool(staged))
        return files.names, files.null, staged, " ".join(self.notes)

    def _note_placing(self, *, has_rows):
        placing = self.placing or Placing(self.request, self.wanted, self.asking.zone, self.report.day_column)
        self.request.keep(strays=placing.strays)
        self.notes += placing.notes()
        self.doubt = placing.doubt(self.set_aside, has_rows)

    def note_charset(self, choice):
        self.request.keep(cursor=self.request.cursor | {"charset": choice.codec, "because": choice.because})
        self.notes += notes.charset(choice)

    def note_replaced(self, count):
        self.notes.append(f"{count} characters that no database keeps were replaced by \ufffd.")


class _Newest:
    """Of rows with one key, the newest version counts, and counts once: an order that changes while pages are read comes on
    two of them. Two rows of one key and version that differ are both kept; a merge refuses them.

    All rows are looked at; where there are twins, they are gone through once more.
    """

    def __init__(self, names, report):
        self._places = [names.index(name) for name in report.key_columns]
        self._version = names.index(report.version_column) if report.version_column else None
        self._newest, self.twins, self._passed = {}, set(), set()
        self.keyless = 0

    def look(self, row):
        """Whether the row has a key; it is taken note of."""
        key = self._key(row)
        if key is None:
            self.keyless += 1
            return False
        version = self._version_of(row)
        before = self._newest.get(key)
        if before is not None:
            self.twins.add(key)
        if before is None or version > before:
            self._newest[key] = version
        return True

    def is_newest(self, row):
        """The same rows for the second time: whether this is one that counts."""
        key = self._key(row)
        if key not in self.twins:
            return key is not None
        if self._version_of(row) < self._newest[key]:
            return False
        content = repr(row)
        is_new = content not in self._passed
        self._passed.add(content)
        return is_new

    def _key(self, row):
        key = tuple([row[place] for place in self._places])
        return key if all(type(part) is str and part for part in key) else None

    def _version_of(self, row):
        """As a moment: Amazon leaves out what of a second is nothing, and by its letters 10:00:00Z would be later than 10:00:00.5Z."""
        said = "" if self._version is None else str(row[self._version] or "")
        try:
            moment = datetime.fromisoformat(said)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)), ""
        except ValueError:
            return _LONG_AGO, said


_SEPARATORS = {",": "commas", ";": "semicolons", "|": "vertical bars"}


def _instead(titles):
    """What a file without the column that gives rows to their days has in the place of its header, in a sentence."""
    if not titles:
        return "It is empty, without even a header."
    said = f"Its first line reads {shown(' '.join(titles))}"
    mark = max(_SEPARATORS, key=titles[0].count)
    if len(titles) == 1 and titles[0].count(mark) > 1:
        return f"{said}: it seems to be separated by {_SEPARATORS[mark]}, and not by tabs."
    return said + "."
