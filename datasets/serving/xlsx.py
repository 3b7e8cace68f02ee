"""A workbook for Excel, made whole in a temporary file before its first byte goes out: a workbook ends with its directory.

Excel holds 1,048,576 lines and 32,767 characters in a cell, and shows 15 digits of a number. Rows or text that do not fit
are refused, never cut; a number with more digits stands as text, with all of them.
"""

import select
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime

import xlsxwriter
from psycopg import ClientCursor, sql

from datasets.serving.copyout import LEFT
from datasets.serving.files import File, rows_of
from datasets.serving.problems import BadRequest

MOST_ROWS = 1_048_575  # below the header line
MOST_TEXT = 32_767  # UTF-16 units
MOST_DIGITS = 15
AT_ONCE = 1000  # rows fetched together
CHUNK_BYTES = 1 << 18
FIRST_DAY = date(1900, 3, 1)  # before it Excel counts a day that never was
FORMATS = {"date": "yyyy-mm-dd", "timestamptz": "yyyy-mm-dd hh:mm:ss"}
WIDTHS = {"text": 22, "date": 11, "timestamptz": 20, "boolean": 9}


@dataclass(frozen=True)
class Xlsx(File):
    is_packed = True

    def type_for(self, query):
        return self.content_type

    def check(self, query, seen):
        if query.is_whole and seen.rows > MOST_ROWS:
            raise too_many()

    def pack(self, connection, query, moment, reader):
        return Workbook(connection, query, moment, reader)


def too_many():
    return BadRequest(
        f"An Excel sheet holds {MOST_ROWS:,} rows below its header, and this result has more. Ask for export.csv, which"
        " has no limit, or for fewer rows with a filter or _limit.",
        code="too_many_rows",
    )


class Workbook:
    """The finished file as an iterator of bytes. What does not fit is said by raising while it is made."""

    is_done = True  # nothing runs in the database once it is made

    def __init__(self, connection, query, moment, reader):
        self._reader = reader
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the answer)
        try:
            # The library keeps the sheet beside the file while it grows; both are gone whatever happens.
            with tempfile.TemporaryDirectory() as folder:
                self._make(connection, query, moment, folder)
            self._file.seek(0)
        except BaseException:
            self.close()
            raise

    def __iter__(self):
        while chunk := self._file.read(CHUNK_BYTES):
            yield chunk

    def stop(self):
        pass

    def close(self):
        self._file.close()

    def _make(self, connection, query, moment, folder):
        book = xlsxwriter.Workbook(self._file, {"constant_memory": True, "tmpdir": folder, "use_zip64": True})
        sheet = book.add_worksheet("Data")
        try:
            book.set_properties(
                {"title": moment.slug, "created": moment.changed_at or datetime(2000, 1, 1, tzinfo=UTC)}
            )
            writers = [_writer(book, sheet, moment.types[name], name) for name in query.select]
            for place, name in enumerate(query.select):
                sheet.set_column(place, place, WIDTHS.get(moment.types[name], 14))
            line = 0
            if query.header:
                bold = book.add_format({"bold": True})
                for place, name in enumerate(query.select):
                    sheet.write_string(0, place, name, bold)
                sheet.freeze_panes(1, 0)
                line = 1
            if moment.has_table:
                self._fill(connection, query, moment, writers, line)
            book.close()
        except BaseException:
            _let_go(sheet)
            raise

    def _fill(self, connection, query, moment, writers, line):
        most = MOST_ROWS + line
        poll = select.poll()
        if self._reader is not None:
            poll.register(self._reader.fileno(), LEFT)
        with connection.cursor(name="xlsx") as cursor:
            cursor.itersize = AT_ONCE
            cursor.execute(_statement(connection, query, moment))
            while rows := cursor.fetchmany(AT_ONCE):
                if any(event & LEFT for _, event in poll.poll(0)):
                    raise BadRequest("The reader has left.")  # before the answer began: said to nobody
                if line + len(rows) > most:
                    raise too_many()
                for row in rows:
                    for place, value in enumerate(row):
                        if value is not None:
                            writers[place](line, place, value)
                    line += 1


def _statement(connection, query, moment):
    columns = sql.SQL(", ").join(map(sql.Identifier, query.select))
    return rows_of(columns, query, moment, ClientCursor(connection).mogrify)


def _let_go(sheet):
    """Closes the sheet's own temporary file of a workbook that will never be closed."""
    handle = getattr(sheet, "row_data_fh", None)
    if handle is not None and not handle.closed:
        handle.close()


def _writer(book, sheet, kind, name):
    """The function that puts a column's value into a cell."""
    shape = book.add_format({"num_format": FORMATS[kind]}) if kind in FORMATS else None
    exact = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"}) if kind == "timestamptz" else None

    def text(line, place, value):
        if len(value) * 2 > MOST_TEXT and len(value.encode("utf-16-le")) // 2 > MOST_TEXT:
            raise BadRequest(
                f"A cell in Excel holds {MOST_TEXT:,} characters, and {name} has a longer text. Ask for export.csv,"
                " which holds it whole, or leave the column out with _select.",
                code="too_long_for_excel",
            )
        sheet.write_string(line, place, value)

    def whole(line, place, value):
        if -(10**MOST_DIGITS) < value < 10**MOST_DIGITS:
            sheet.write_number(line, place, value)
        else:
            sheet.write_string(line, place, str(value))

    def number(line, place, value):
        if (
            value.is_finite()
            and len(value.normalize().as_tuple().digits) <= MOST_DIGITS
            and abs(value.adjusted()) < 290
        ):
            sheet.write_number(line, place, float(value))
        else:
            text(line, place, format(value, "f"))

    def day(line, place, value):
        if value < FIRST_DAY:
            sheet.write_string(line, place, value.isoformat())
        else:
            sheet.write_datetime(line, place, value, shape)

    def instant(line, place, value):
        value = value.astimezone(UTC).replace(tzinfo=None)
        if value.date() < FIRST_DAY:
            sheet.write_string(line, place, value.isoformat() + "Z")
        else:
            sheet.write_datetime(line, place, value, exact if value.microsecond else shape)

    writers = {"bigint": whole, "numeric": number, "boolean": sheet.write_boolean, "date": day, "timestamptz": instant}
    return writers.get(kind, text)
