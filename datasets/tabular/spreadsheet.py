"""Reads a spreadsheet that a person uploads (XLSX, XLS, ODS, or text separated by commas, semicolons or tabs) with pandas.

Runs in the child. Every value becomes the text that the person sees in its cell as far as the file tells it: nothing is
guessed to be a number, a date or missing. What cannot be read without guessing is refused with the place named.
"""

import csv
import functools
import io
import operator
import re
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from datasets.storage.fit import FITS
from datasets.tabular import text, workbook
from datasets.tabular.isolated import JobRefused, listed

MAX_ROWS, MAX_COLUMNS = 500_000, 400
EXAMPLES, PREVIEWED = 3, 20  # of each column; rows
QUOTES = {"double": '"', "single": "'", "null": None}  # as the flat-file reports name them


def read(
    stream: io.BufferedIOBase, *, name: str, sheet: str = "", country: str = "", ours: Sequence[str] = ()
) -> tuple[dict, bytes]:
    """`name` is the file's, whose ending says nothing that its content does not; `sheet` chooses one of several. `country` is the
    owner's (JP: text may be Shift_JIS). Columns titled as one of `ours` are left out.

    Answers {"rows", "columns": [{"title", "filled", "examples"}], "preview": first rows, "notes": [sentence, …]} and the
    table as Parquet, all columns text. Raises Refused with what is wrong and what to do.
    """
    content = stream.read()
    if not content.strip():
        raise text.empty(name)
    notes: list[str] = []
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        cells = workbook.cells(content, name, sheet, notes)
    elif sheet:
        raise JobRefused(
            f"{name} is a text file and has no sheets, so there is no sheet named '{sheet}'. Leave the sheet empty."
        )
    else:
        cells = text.cells(content, name, country, notes)
    frame = _without_ours(_table(cells, name, notes), ours, name, notes)
    packed = io.BytesIO()
    parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), packed, compression="zstd")
    told = {"columns": [_about(frame[title]) for title in frame], "preview": frame.head(PREVIEWED).to_numpy().tolist()}
    return told | {"rows": len(frame), "notes": notes}, packed.getvalue()


def as_tsv(stream: io.BufferedIOBase, *, quote: str) -> tuple[dict, bytes]:
    """A table that `read` has packed, as Amazon writes flat files: tabs between the values, UTF-8, `quote` as the report has it
    (double, single or null). Raises Refused where a line of such a file cannot hold a value, or not without quotes.

    The reader of flat files takes a line that has as many values as there are titles for a row by itself, also within quotes. So
    columns with line breaks stand last: what follows upon one is then too short to be a row.
    """
    frame = pd.read_parquet(stream)
    mark = QUOTES[quote]
    if broken := [title for title in frame if re.search(r"[\t\r\n]", title)]:
        raise JobRefused(
            f"The title {broken[0]!r} contains a tab or a line break, which this report does not allow. Rename the "
            "column."
        )
    breaks = {title: frame[title].str.contains("[\r\n]") for title in frame}
    tabs = {title: frame[title].str.contains("\t", regex=False) for title in frame}
    broken = [title for title in frame if breaks[title].any()]
    if mark is None:
        for title in frame:
            if (found := breaks[title] | tabs[title]).any():
                raise JobRefused(
                    f"Row {int(found.idxmax()) + 1} has a tab or a line break in {title}, which this report does not "
                    "allow. Remove it and upload the file again."
                )
    elif broken and (both := _any(breaks.values()) & _any(tabs[title] for title in broken)).any():
        raise JobRefused(
            f"Row {int(both.idxmax()) + 1} has tabs and line breaks in its values, and a flat file cannot hold both. Take the tabs "
            "out and upload the file again."
        )
    lines = frame[[*(title for title in frame if title not in broken), *broken]].to_csv(
        sep="\t",
        index=False,
        lineterminator="\n",
        quoting=csv.QUOTE_MINIMAL if mark else csv.QUOTE_NONE,
        quotechar=mark or '"',
    )
    return {"rows": len(frame)}, lines.encode()


def _any(masks: Iterable[pd.Series]) -> pd.Series:
    return functools.reduce(operator.or_, masks)


def count(stream: io.BufferedIOBase, *, column: str) -> tuple[dict, bytes]:
    """{"values": [[value, how many rows have it], …]} of one column, in the order in which they first come."""
    values = pd.read_parquet(stream, columns=[column])[column].value_counts(sort=False)
    return {"values": [[value, int(times)] for value, times in values.items()]}, b""


def misfit(stream: io.BufferedIOBase, *, types: dict[str, str]) -> tuple[dict, bytes]:
    """{"misfit": {"title", "row" (from 1), "value"}} of the first value that does not fit its column's type; None where all do.

    `types` are the storage types of the columns to look at, by title. An empty value fits.
    """
    frame = pd.read_parquet(stream, columns=list(types))
    for title, kind in types.items():
        fits = FITS[kind]
        if wrong := [value for value in frame[title].unique() if value and not fits(value)]:
            row = int(frame[title].isin(wrong).idxmax())
            return {"misfit": {"title": title, "row": row + 1, "value": frame[title][row]}}, b""
    return {"misfit": None}, b""


def _table(cells: pd.DataFrame, name: str, notes: list[str]) -> pd.DataFrame:
    """The cells under their titles: the first row that has any value holds these."""
    cells = cells[cells.ne("").any(axis=1)]
    titles, body = [str(title).strip() for title in cells.iloc[0]], cells.iloc[1:]
    used = [place for place, title in enumerate(titles) if title or body.iloc[:, place].ne("").any()]
    for place in used:
        if not titles[place]:
            raise JobRefused(
                f"Column {_letters(place)} of {name} has values but no title. Add a title in the first row and upload "
                "the file again."
            )
    twice = {
        titles[place] for place in used if [titles[at].casefold() for at in used].count(titles[place].casefold()) > 1
    }
    if twice:
        raise JobRefused(
            f"{name} has more than one column titled {listed(twice)}. Rename all but one and upload the file again."
        )
    if not len(body):
        raise JobRefused(f"{name} has titles but no rows below them. Choose the file that contains your rows.")
    for count, most, what in ((len(body), MAX_ROWS, "rows"), (len(used), MAX_COLUMNS, "columns")):
        if count > most:
            raise JobRefused(f"{name} has {count:,} {what}; {most:,} is the maximum. Split it and upload the parts.")
    frame = body.iloc[:, used].copy()
    frame.columns = [titles[place] for place in used]
    return frame.reset_index(drop=True)


def _without_ours(frame: pd.DataFrame, ours: Sequence[str], name: str, notes: list[str]) -> pd.DataFrame:
    if not (found := [title for title in frame if title in ours]):
        return frame
    if len(found) == len(frame.columns):
        raise JobRefused(f"{name} has no columns but {listed(found)}, which each dataset has of its own.")
    notes.append(f"{listed(found)} were left out: each dataset has them of its own.")
    return frame.drop(columns=found)


def _about(column: pd.Series) -> dict[str, Any]:
    filled = column[column.ne("")]
    return {
        "title": column.name,
        "filled": len(filled),
        "examples": filled.drop_duplicates().head(EXAMPLES).str[:80].tolist(),
    }


def _letters(place: int) -> str:
    """The column's name in a spreadsheet: A, B … Z, AA."""
    name = ""
    while place >= 0:
        name, place = chr(ord("A") + place % 26) + name, place // 26 - 1
    return name
