"""A workbook for Excel, made whole in a temporary file before its first byte is sent, so that values that do not fit
can still be reported as an error.

Excel holds 1,048,576 lines and 32,767 characters in a cell, and shows 15 digits of a number. Rows or text that do not fit
are refused, never cut; a number with more digits stands as text, with all of them. The database writes the sheet's XML
itself, a row of the result being a row of the sheet: building cells in Python takes five times as long.
"""

from __future__ import annotations

import re
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape

import psycopg
from psycopg import sql

from datasets.formats import zip64_stream
from datasets.formats.cells import cell
from datasets.formats.copy_to_stdout import CopyOut
from datasets.formats.format import CannotHold, Layout, PackedFormat, RowSource
from datasets.formats.text import AS_IT_IS

MAX_ROWS = 1_048_575  # below the header line
MAX_TEXT = 32_767  # UTF-16 units
CHUNK_BYTES = 1 << 18
WIDTHS = {"text": 22, "date": 11, "timestamptz": 20, "boolean": 9}
BOLD, DAY, SECOND, MILLISECOND = 1, 2, 3, 4  # places in STYLES

QUOTE, REFUSED = 1, ord("!")  # what a row of COPY may begin with, other than a row of the sheet
UNWRITABLE = bytes(code for code in range(32) if code not in b"\t\n")
CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f]|\xef\xbf[\xbe\xbf]")
LOOKS_ESCAPED = re.compile(rb"_(?=x[0-9A-Fa-f]{4}_)")


@dataclass(frozen=True)
class Xlsx(PackedFormat):
    """A workbook of one sheet, `Data`."""

    options: tuple[str, ...] = ("header",)

    def check(self, rows: int | None) -> None:
        if rows is not None and rows > MAX_ROWS:
            raise too_many()

    def pack(
        self, connection: psycopg.Connection, source: RowSource, layout: Layout, reader: socket.socket | None
    ) -> Workbook:
        return Workbook(connection, source, layout, reader)


def too_many() -> CannotHold:
    return CannotHold(
        f"An Excel sheet holds {MAX_ROWS:,} rows below its header, and this result has more.", code="too_many_rows"
    )


def too_long(name: str) -> CannotHold:
    return CannotHold(
        f"A cell in Excel holds {MAX_TEXT:,} characters, and {name} has a longer text.", code="too_long_for_excel"
    )


class Workbook:
    """The finished file as an iterator of bytes. Values that do not fit raise while the file is made."""

    is_done = True  # nothing runs in the database once it is made

    def __init__(
        self, connection: psycopg.Connection, source: RowSource, layout: Layout, reader: socket.socket | None
    ) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the answer)
        try:
            sheet = zip64_stream.Packed(self._file)
            for chunk in _sheet(connection, source, layout, reader):
                sheet.add(chunk)
            at = (source.changed_at or datetime(2000, 1, 1, tzinfo=UTC)).astimezone(UTC)
            large = sheet.end("xl/worksheets/sheet1.xml")
            self._before, self._behind = zip64_stream.around(_parts(source.name, at), large, at)
            self._file.seek(0)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        yield self._before
        while chunk := self._file.read(CHUNK_BYTES):
            yield chunk
        yield self._behind

    def stop(self) -> None:
        pass

    def close(self) -> None:
        self._file.close()


# The sheet


def _sheet(
    connection: psycopg.Connection, source: RowSource, layout: Layout, reader: socket.socket | None
) -> Iterator[bytes]:
    """The sheet's XML in chunks."""
    yield _top(source.types, layout)
    if source.select is not None:
        copy = CopyOut(connection, _statement(source, layout).as_bytes(connection), reader)
        left = MAX_ROWS
        try:
            while rows := copy.batch():
                left -= len(rows)
                if left < 0:
                    raise too_many()
                yield _written(b"".join([row if row[0] == ord("<") else _odd(row) for row in rows]))
        except CannotHold:
            copy.stop()
            raise
    yield b"</sheetData></worksheet>"


def _top(types: Mapping[str, str], layout: Layout) -> bytes:
    frozen = (
        '<sheetViews><sheetView tabSelected="1" workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft"'
        ' state="frozen"/><selection pane="bottomLeft"/></sheetView></sheetViews>'
    )
    widths = "".join(
        f'<col min="{place}" max="{place}" width="{WIDTHS.get(kind, 14)}" customWidth="1"/>'
        for place, kind in enumerate(types.values(), 1)
    )
    names = "".join(
        f'<c r="{_letters(place)}1" s="{BOLD}" t="inlineStr"><is><t>{escape(name)}</t></is></c>'
        for place, name in enumerate(types)
    )
    frozen, line = (frozen, f'<row r="1">{names}</row>') if layout.header else ("", "")
    top = f'{XML}<worksheet xmlns="{MAIN}">{frozen}<sheetFormatPr defaultRowHeight="15"/><cols>{widths}</cols><sheetData>{line}'
    return top.encode()


def _odd(row: bytes | memoryview) -> bytes:
    """A row that COPY has put into quotes because of a character in it, or the name of the column that is too long."""
    row = bytes(row)
    if row[0] == QUOTE:
        row = row[1:-1].replace(b"\x01\x01", b"\x01")
    if row[0] == REFUSED:
        raise too_long(row[1:].decode())
    return row


def _written(rows: bytes) -> bytes:
    """Rows with the characters that XML cannot hold written as Excel writes them: _x000D_; our markup has none of them."""
    if b"_x" in rows:
        rows = LOOKS_ESCAPED.sub(b"_x005F_", rows)
    if len(rows.translate(None, UNWRITABLE)) < len(rows) or b"\xef\xbf\xbe" in rows or b"\xef\xbf\xbf" in rows:
        rows = CONTROL.sub(lambda found: b"_x%04X_" % ord(found[0].decode()), rows)
    return rows


def _statement(source: RowSource, layout: Layout) -> sql.Composed:
    """COPY of one column: the rows of the sheet, or `!` and a column's name where a text is too long for a cell."""
    types = source.types
    cells = sql.SQL(" || ").join(_cell(name, kind, _letters(place)) for place, (name, kind) in enumerate(types.items()))
    row = sql.SQL("""'<row r="' || at || '">' || {} || '</row>'""").format(cells)
    refused = [
        sql.SQL("WHEN {} THEN {}").format(test, sql.Literal("!" + name))
        for name, kind in types.items()
        if (test := _is_too_long(name, kind))
    ]
    if refused:
        row = sql.SQL("CASE {} ELSE {} END").format(sql.SQL(" ").join(refused), row)
    return sql.SQL(
        "COPY (SELECT {} FROM (SELECT (row_number() OVER () + {})::text AS at, r.* FROM ({}) AS r) AS r) TO STDOUT {}"
    ).format(row, sql.Literal(int(layout.header)), source.select, AS_IT_IS)


def _cell(name: str, kind: str, letters: str) -> sql.Composable:
    """The SQL of a cell's XML; empty for no value."""
    column = sql.Identifier(name)
    text = _text(column, letters)
    if kind == "boolean":
        return _tagged(letters, ' t="b"', sql.SQL("{}::int").format(column))
    if kind == "bigint":
        fits = sql.SQL("{0} > -1000000000000000 AND {0} < 1000000000000000").format(column)
        return _either(fits, _tagged(letters, "", column), text)
    if kind == "numeric":
        few = sql.SQL("abs({0}) < 1000000000 AND scale({0}) <= 6").format(column)
        digits = sql.SQL("length(trim(both '0' from replace(abs({})::text, '.', ''))) <= 15").format(column)
        sane = sql.SQL("abs({0}) < 1e290 AND ({0} = 0 OR abs({0}) > 1e-290) AND {1}").format(column, digits)
        short = sql.SQL("{}::float8").format(column)
        return _either(few, _tagged(letters, "", column), _either(sane, _tagged(letters, "", short), text))
    if kind == "date":
        fits = sql.SQL("{} BETWEEN '1900-03-01' AND '9999-12-31'").format(column)  # earlier, Excel is one day off
        number = sql.SQL("({} - date '1899-12-30')").format(column)
        return _either(fits, _tagged(letters, f' s="{DAY}"', number), text)
    if kind == "timestamptz":
        seconds = sql.SQL("date_part('epoch', {})").format(column)
        fits = sql.SQL("{0} >= '1900-03-01Z' AND {0} < '10000-01-01Z'").format(column)
        number = sql.SQL("({} / 86400 + 25569)").format(seconds)
        written = _either(
            sql.SQL("{0} = floor({0})").format(seconds),
            _tagged(letters, f' s="{SECOND}"', number),
            _tagged(letters, f' s="{MILLISECOND}"', number),
        )
        return _either(fits, written, _text(sql.SQL("({})").format(cell(name, kind)), letters))
    return text


def _tagged(letters: str, attributes: str, value: sql.Composable) -> sql.Composed:
    return sql.SQL("""coalesce({} || at || {} || {} || '</v></c>', '')""").format(
        sql.Literal(f'<c r="{letters}'), sql.Literal(f'"{attributes}><v>'), value
    )


def _text(value: sql.Composable, letters: str) -> sql.Composed:
    escaped = sql.SQL("replace(replace(replace({}::text, '&', '&amp;'), '<', '&lt;'), '>', '&gt;')").format(value)
    return sql.SQL(
        """coalesce({} || at || '" t="inlineStr"><is><t xml:space="preserve">' || {} || '</t></is></c>', '')"""
    ).format(sql.Literal(f'<c r="{letters}'), escaped)


def _either(condition: sql.Composable, one: sql.Composable, other: sql.Composable) -> sql.Composed:
    return sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(condition, one, other)


def _is_too_long(name: str, kind: str) -> sql.Composed | None:
    """Whether the column's text has more UTF-16 units than a cell holds; those beyond the basic plane count twice."""
    column = sql.Identifier(name)
    if kind == "numeric":
        return sql.SQL("(abs({0}) >= 1e9 OR scale({0}) > 6) AND length({0}::text) > {1}").format(
            column, sql.Literal(MAX_TEXT)
        )
    if kind in ("bigint", "boolean", "date", "timestamptz"):
        return None
    return sql.SQL(
        "octet_length({0}) > {1} AND length({0}) + length(regexp_replace({0}, '[\\u0001-\\uffff]', '', 'g')) > {1}"
    ).format(column, sql.Literal(MAX_TEXT))


def _letters(place: int) -> str:
    """A, B … Z, AA …: the name of the sheet's column."""
    found, place = "", place + 1
    while place:
        place, rest = divmod(place - 1, 26)
        found = chr(65 + rest) + found
    return found


# The small parts around it

XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
OFFICE = "http://schemas.openxmlformats.org"
MAIN = f"{OFFICE}/spreadsheetml/2006/main"
PACKAGE = f"{OFFICE}/package/2006"
LINKS = f"{OFFICE}/officeDocument/2006/relationships"
KINDS = "application/vnd.openxmlformats-officedocument.spreadsheetml"
STYLES = f"""{XML}<styleSheet xmlns="{MAIN}">
<numFmts count="3"><numFmt numFmtId="164" formatCode="yyyy-mm-dd"/>
<numFmt numFmtId="165" formatCode="yyyy-mm-dd hh:mm:ss"/><numFmt numFmtId="166" formatCode="yyyy-mm-dd hh:mm:ss.000"/></numFmts>
<fonts count="2"><font><sz val="11"/><name val="Calibri"/><family val="2"/></font>
<font><b/><sz val="11"/><name val="Calibri"/><family val="2"/></font></fonts>
<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>
<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>
<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>
<cellXfs count="5"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>
<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>
<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>
<xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>
<xf numFmtId="166" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>
<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>
</styleSheet>"""


def _parts(title: str, at: datetime) -> dict[str, bytes]:
    """{name: bytes} of everything but the sheet."""
    texts = {
        "[Content_Types].xml": f"""{XML}<Types xmlns="{PACKAGE}/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/xl/workbook.xml" ContentType="{KINDS}.sheet.main+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{KINDS}.worksheet+xml"/>
<Override PartName="/xl/styles.xml" ContentType="{KINDS}.styles+xml"/>
<Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/></Types>""",
        "_rels/.rels": f"""{XML}<Relationships xmlns="{PACKAGE}/relationships">
<Relationship Id="rId1" Type="{LINKS}/officeDocument" Target="xl/workbook.xml"/>
<Relationship Id="rId2" Type="{PACKAGE}/relationships/metadata/core-properties" Target="docProps/core.xml"/></Relationships>""",
        "docProps/core.xml": f"""{XML}<cp:coreProperties xmlns:cp="{PACKAGE}/metadata/core-properties"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:title>{escape(title)}</dc:title>
<dcterms:created xsi:type="dcterms:W3CDTF">{at:%Y-%m-%dT%H:%M:%SZ}</dcterms:created></cp:coreProperties>""",
        "xl/workbook.xml": f"""{XML}<workbook xmlns="{MAIN}" xmlns:r="{LINKS}">
<sheets><sheet name="Data" sheetId="1" r:id="rId1"/></sheets></workbook>""",
        "xl/_rels/workbook.xml.rels": f"""{XML}<Relationships xmlns="{PACKAGE}/relationships">
<Relationship Id="rId1" Type="{LINKS}/worksheet" Target="worksheets/sheet1.xml"/>
<Relationship Id="rId2" Type="{LINKS}/styles" Target="styles.xml"/></Relationships>""",
        "xl/styles.xml": STYLES,
    }
    return {name: text.encode() for name, text in texts.items()}
