"""Reads a spreadsheet that a person uploads (XLSX, XLS, ODS, or text separated by commas, semicolons or tabs) with pandas.

Runs in the child. Every value becomes the text that the person sees in its cell as far as the file tells it: nothing is
guessed to be a number, a date or missing. What cannot be read without guessing is refused with the place named.
"""

import csv
import io
import re
import zipfile
from datetime import date, datetime, time
from xml.etree import ElementTree

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from datasets.tabular.isolated import Refused

MAX_ROWS, MAX_COLUMNS, MAX_UNPACKED = 500_000, 400, 300 << 20
EXAMPLES, PREVIEWED = 3, 20  # of each column; rows
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
SEPARATORS = "\t,;|"
FILLER = " \t\r\n\xa0\0\x1a"  # what stands behind the last row of some files
QUOTES = {"double": '"', "single": "'", "null": None}  # as the flat-file reports name them
RAGGED = re.compile(r"Expected (?P<wanted>\d+) fields in line (?P<line>\d+), saw (?P<saw>\d+)")  # pandas' own words
MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def read(stream: io.BufferedIOBase, *, name: str, sheet: str = "") -> tuple[dict, bytes]:
    """`name` is the file's, whose ending says nothing that its content does not; `sheet` chooses one of several.

    Answers {"rows", "columns": [{"title", "filled", "examples"}], "preview": first rows, "notes": [sentence, …]} and the
    table as Parquet, all columns text. Raises Refused with what is wrong and what to do.
    """
    content = stream.read()
    if not content.strip():
        raise _empty(name)
    notes = []
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        cells = _workbook(content, name, sheet, notes)
    elif sheet:
        raise Refused(f"{name} is text, which has no sheets, and so none named '{sheet}'. Leave the sheet empty.")
    else:
        cells = _text(content, name, notes)
    frame = _table(cells, name, notes)
    packed = io.BytesIO()
    parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), packed, compression="zstd")
    told = {"columns": [_about(frame[title]) for title in frame], "preview": frame.head(PREVIEWED).to_numpy().tolist()}
    return told | {"rows": len(frame), "notes": notes}, packed.getvalue()


def as_tsv(stream: io.BufferedIOBase, *, quote: str) -> tuple[dict, bytes]:
    """A table that `read` has packed, as Amazon writes flat files: tabs between the values, UTF-8, `quote` as the report has it
    (double, single or null). Raises Refused where a value cannot be written without quotes."""
    frame = pd.read_parquet(stream)
    mark = QUOTES[quote]
    if mark is None:
        if broken := [title for title in frame if re.search(r"[\t\r\n]", title)]:
            raise Refused(
                f"The title {broken[0]!r} holds a tab or a line break, which this report cannot hold. Rename the column."
            )
        for title in frame:
            if (broken := frame[title].str.contains("[\t\r\n]")).any():
                raise Refused(
                    f"Row {int(broken.idxmax()) + 1} has a tab or a line break in {title}, which this report cannot hold. Take "
                    "it out and upload the file again."
                )
    lines = frame.to_csv(
        sep="\t",
        index=False,
        lineterminator="\n",
        quoting=csv.QUOTE_MINIMAL if mark else csv.QUOTE_NONE,
        quotechar=mark or '"',
    )
    return {"rows": len(frame)}, lines.encode()


def count(stream: io.BufferedIOBase, *, column: str) -> tuple[dict, bytes]:
    """{"values": [[value, how many rows have it], …]} of one column, in the order in which they first come."""
    values = pd.read_parquet(stream, columns=[column])[column].value_counts(sort=False)
    return {"values": [[value, int(times)] for value, times in values.items()]}, b""


# Workbooks


def _workbook(content, name, sheet, notes):
    """The cells of the one sheet that is meant, as texts; row 0 of the frame is row 1 of the sheet."""
    if content.startswith(b"PK"):
        _refuse_bombs(content, name)
    try:
        book = pd.ExcelFile(io.BytesIO(content), engine="calamine")
        names = book.sheet_names
        wanted = [sheet] if sheet else names
        if sheet and sheet not in names:
            raise Refused(f"{name} has no sheet '{sheet}'. Its sheets: {_listed(names)}.")
        frames = {each: book.parse(each, header=None, dtype=object, na_filter=False) for each in wanted}
    except Refused:
        raise
    except Exception as problem:  # each engine has its own kinds; to the person they are one
        if "password" in str(problem).lower() or "encrypt" in str(problem).lower():
            raise Refused(f"{name} is protected by a password. Save it without one and upload it again.") from None
        raise Refused(
            f"{name} cannot be read as a spreadsheet ({str(problem)[:100]}). Open it, save it as XLSX or CSV, and upload that."
        ) from None
    texts = {each: _as_text(frame) for each, frame in frames.items()}
    filled = {each: frame for each, frame in texts.items() if frame.ne("").any(axis=None)}
    if not filled:
        raise Refused(f"{name} has no value in any cell. Choose the file that holds your rows.")
    if len(filled) > 1:
        raise Refused(f"{name} has {len(filled)} sheets with values: {_listed(filled)}. Say which one is meant.")
    chosen = next(iter(filled))
    if content.startswith(b"PK"):
        _look_at_formulas(content, names.index(chosen), name, notes)
    return filled[chosen]


def _refuse_bombs(content, name):
    try:
        members = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except zipfile.BadZipFile:
        raise Refused(
            f"{name} is damaged: it looks like a workbook and ends too early. Save it again and upload it."
        ) from None
    if sum(member.file_size for member in members) > MAX_UNPACKED:
        raise Refused(
            f"{name} holds more than {MAX_UNPACKED >> 20} MB once it is unpacked. Split it, or save it as CSV with fewer rows."
        )


def _look_at_formulas(content, index, name, notes):
    """A workbook keeps the last result of a formula beside it. Where a program wrote the formula alone, there is no value."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    if any(member.endswith("vbaProject.bin") for member in archive.namelist()):
        notes.append("The workbook holds macros. They were not run; its values are as they were saved.")
    paths = _sheet_paths(archive)
    if index >= len(paths):
        return
    found, reference = 0, ""
    with archive.open(paths[index]) as part:
        for _, element in ElementTree.iterparse(part):
            if element.tag != f"{SHEET}c":
                continue
            if element.find(f"{SHEET}f") is not None:
                found += 1
                value = element.find(f"{SHEET}v")
                if (value is None or value.text is None) and element.get("t") not in ("str", "e"):
                    reference = reference or element.get("r", "")
            element.clear()
    if reference:
        raise Refused(
            f"Cell {reference} of {name} holds a formula without its result. Open the file in Excel or LibreOffice, save it "
            "there, which writes the results down, and upload it again."
        )
    if found:
        notes.append(f"{found:,} cells hold formulas; their results were taken as they were last saved.")


def _sheet_paths(archive):
    """The parts of an XLSX in which its sheets stand, in order; none for an ODS."""
    try:
        relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    except KeyError:
        return []
    targets = {each.get("Id"): each.get("Target", "") for each in relations}
    ids = [
        each.get("{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id")
        for each in book.iter(f"{SHEET}sheet")
    ]
    return [targets[each].lstrip("/") if targets[each].startswith("/") else f"xl/{targets[each]}" for each in ids]


def _as_text(frame):
    return frame.map(_text_of)


def _text_of(value):
    """A cell as a person reads it: 12 rather than 12.0, dates in ISO 8601, TRUE and FALSE as Excel shows them."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return "" if value != value else repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    return "" if value is None or value is pd.NaT else str(value)


# Text


def _text(content, name, notes):
    text = _decoded(content, notes)
    if not text.strip(FILLER):
        raise _empty(name)
    text = _without_filler(text)
    if "\0" in text:
        raise Refused(f"{name} is neither a spreadsheet nor text. Upload an XLSX, ODS, XLS, CSV or tab-separated file.")
    first = next(line for line in text.splitlines() if line.strip())
    separator = max(SEPARATORS, key=first.count)
    try:
        return pd.read_csv(
            io.StringIO(text),
            sep=separator,
            # Amazon's files with tabs quote nothing, and a lone quote in one is part of a product's title.
            quoting=csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL,
            header=None,
            dtype=str,
            na_filter=False,
            skip_blank_lines=True,
        )
    except pd.errors.ParserError as problem:
        raise _unreadable(problem, name, separator) from None


def _empty(name):
    return Refused(f"{name} is empty. Choose the file that holds your rows.")


def _without_filler(text):
    """The text up to the end of the last line that holds a value; what fills a file up behind it is no row."""
    end = text.find("\n", len(text.rstrip(FILLER)))
    return text if end < 0 else text[: end + 1]


def _unreadable(problem, name, separator):
    if ragged := RAGGED.search(str(problem)):
        return Refused(
            f"Line {ragged['line']} of {name} has {ragged['saw']} values where the lines before it have {ragged['wanted']}. A "
            f"value that holds '{separator}' has to stand in quotes. Mend the line, or save the file as XLSX and upload that."
        )
    return Refused(
        f"{name} cannot be read as text with '{separator}' between its values. Save it as XLSX and upload that."
    )


def _decoded(content, notes):
    charset = next((charset for mark, charset in MARKS if content.startswith(mark)), None)
    if charset:
        return content.decode(charset, errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        notes.append("The file is not UTF-8 and was read as Windows-1252, as Excel in Europe and America saves CSV.")
        return content.decode("cp1252", errors="replace")


# Both


def _table(cells, name, notes):
    """The cells under their titles: the first row that has any value holds these."""
    cells = cells[cells.ne("").any(axis=1)]
    titles, body = [str(title).strip() for title in cells.iloc[0]], cells.iloc[1:]
    used = [place for place, title in enumerate(titles) if title or body.iloc[:, place].ne("").any()]
    for place in used:
        if not titles[place]:
            raise Refused(
                f"Column {_letters(place)} of {name} has values and no title. Give it one in the first row, and upload it again."
            )
    twice = {
        titles[place] for place in used if [titles[at].casefold() for at in used].count(titles[place].casefold()) > 1
    }
    if twice:
        raise Refused(
            f"{name} has more than one column titled {_listed(twice)}. Rename all but one, and upload it again."
        )
    if not len(body):
        raise Refused(f"{name} has titles and no row below them. Choose the file that holds your rows.")
    for count, most, what in ((len(body), MAX_ROWS, "rows"), (len(used), MAX_COLUMNS, "columns")):
        if count > most:
            raise Refused(f"{name} has {count:,} {what}; {most:,} are the most. Split it and upload the parts.")
    frame = body.iloc[:, used].copy()
    frame.columns = [titles[place] for place in used]
    return frame.reset_index(drop=True)


def _about(column):
    filled = column[column.ne("")]
    return {
        "title": column.name,
        "filled": len(filled),
        "examples": filled.drop_duplicates().head(EXAMPLES).str[:80].tolist(),
    }


def _letters(place):
    """The column's name in a spreadsheet: A, B … Z, AA."""
    name = ""
    while place >= 0:
        name, place = chr(ord("A") + place % 26) + name, place // 26 - 1
    return name


def _listed(names):
    return ", ".join(sorted(names)[:10])
