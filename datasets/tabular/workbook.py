"""Reads workbooks (XLSX, XLS, ODS) into cells, for `spreadsheet.py`."""

import io
import zipfile
from datetime import date, datetime, time
from decimal import Decimal
from xml.etree import ElementTree

import pandas as pd

from datasets.tabular.isolated import JobRefused, listed

MAX_UNPACKED = 300 << 20  # bytes
EXACT = 10**15  # up to here a double has every whole number as it was written


def cells(content: bytes, name: str, sheet: str, notes: list[str]) -> pd.DataFrame:
    """The cells of the one sheet that is meant, as texts; row 0 of the frame is row 1 of the sheet. Adds to `notes` what was odd.

    Raises Refused with the cell or sheet where something cannot be read.
    """
    if content.startswith(b"PK"):
        _refuse_bombs(content, name)
    try:
        book = pd.ExcelFile(io.BytesIO(content), engine="calamine")
        names = book.sheet_names
        wanted = [sheet] if sheet else names
        if sheet and sheet not in names:
            raise JobRefused(f"{name} has no sheet '{sheet}'. Its sheets: {listed(names)}.")
        frames = {each: book.parse(each, header=None, dtype=object, na_filter=False) for each in wanted}
    except JobRefused:
        raise
    except Exception as problem:  # each engine has its own kinds; to the person they are one
        if "password" in str(problem).lower() or "encrypt" in str(problem).lower():
            raise JobRefused(f"{name} is password-protected. Save it without a password and upload it again.") from None
        raise JobRefused(
            f"{name} could not be read as a spreadsheet ({str(problem)[:100]}). Open it, save it as XLSX or CSV, and "
            "upload that file."
        ) from None
    texts = {each: frame.map(_text_of) for each, frame in frames.items()}
    filled = {each: frame for each, frame in texts.items() if frame.ne("").any(axis=None)}
    if not filled:
        raise JobRefused(f"{name} is empty: no cell has a value. Choose the file that contains your rows.")
    if len(filled) > 1:
        raise JobRefused(
            f"{name} has {len(filled)} sheets with values: {listed(filled)}. Enter the name of one of them."
        )
    chosen = next(iter(filled))
    if content.startswith(b"PK"):
        _look_at_formulas(content, names.index(chosen), name, notes)
    return _without_nul(filled[chosen], notes)


def _refuse_bombs(content: bytes, name: str) -> None:
    try:
        members = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except zipfile.BadZipFile:
        raise JobRefused(
            f"{name} is damaged: it looks like a workbook but is incomplete. Save it again and upload it."
        ) from None
    if sum(member.file_size for member in members) > MAX_UNPACKED:
        raise JobRefused(
            f"{name} is larger than {MAX_UNPACKED >> 20} MB when unpacked. Split it, or save it as CSV with fewer rows."
        )


def _look_at_formulas(content: bytes, index: int, name: str, notes: list[str]) -> None:
    """A workbook keeps the last result of a formula beside it. Where a program wrote the formula alone, or the result is an error
    such as #N/A, there is no value, and none is made up."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    if any(member.endswith("vbaProject.bin") for member in archive.namelist()):
        notes.append("The workbook contains macros. They were not run; the values are those saved in the file.")
    paths = _sheet_paths(archive)
    if index >= len(paths):
        return
    found, without, error = 0, "", ("", "")
    with archive.open(paths[index]) as part:
        for _, element in ElementTree.iterparse(part):
            if not element.tag.endswith("}c"):
                continue
            value = element.find("{*}v")
            text = value.text if value is not None else None
            if element.get("t") == "e" and not any(error):
                error = element.get("r", ""), text or "#N/A"
            if element.find("{*}f") is not None:
                found += 1
                if text is None and element.get("t") not in ("str", "e"):
                    without = without or element.get("r", "")
            element.clear()
    if without:
        raise JobRefused(
            f"Cell {without} of {name} contains a formula without a saved result. Open the file in Excel or "
            "LibreOffice, save it there, which stores the results, and upload it again."
        )
    if any(error):
        raise JobRefused(
            f"Cell {error[0]} of {name} holds the error {error[1]} instead of a value. Mend it, or empty the cell if it has none, and "
            "upload the file again."
        )
    if found:
        notes.append(f"{found:,} cells contain formulas; their last saved results were used.")


def _sheet_paths(archive: zipfile.ZipFile) -> list[str]:
    """The parts of an XLSX in which its sheets stand, in order; none for an ODS."""
    try:
        relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    except KeyError:
        return []
    targets = {each.get("Id"): each.get("Target", "") for each in relations}
    # The names have one of two namespaces: Excel can save in the standard's strict form, too.
    sheets = [each.attrib for each in book.iter() if each.tag.endswith("}sheet")]
    ids = [next((sheet[key] for key in sheet if key.endswith("}id")), "") for sheet in sheets]
    found = [targets.get(each, "") for each in ids]
    return [target.lstrip("/") if target.startswith("/") else f"xl/{target}" for target in found]


def _without_nul(frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """No database keeps the character, so it becomes U+FFFD, as in Amazon's files."""
    found = sum(int(frame[column].str.contains("\0", regex=False).sum()) for column in frame)
    if not found:
        return frame
    notes.append(f"{found:,} values held NUL characters, which no database keeps and which became \ufffd.")
    return frame.replace("\0", "\ufffd", regex=True)


def _text_of(value: object) -> str:
    """A cell as a person reads it: 12 rather than 12.0, dates in ISO 8601, TRUE and FALSE as Excel shows them."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    return "" if value is None or value is pd.NaT else str(value)


def _number(value: float) -> str:
    """Excel keeps 15 digits of a number; what its double has beyond them nobody wrote."""
    if value != value:
        return ""
    if abs(value) < EXACT:
        return repr(int(value)) if float(value).is_integer() else repr(value)
    return format(Decimal(repr(float(value))), "f")
