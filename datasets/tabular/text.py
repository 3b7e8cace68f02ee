"""Reads text separated by tabs, commas, semicolons or vertical bars into cells, for `spreadsheet.py`.

Two ways of writing are told apart by the separator. With commas and the like a value that needs it stands in quotes (RFC 4180).
With tabs Amazon quotes nothing, and a quote is part of a product's title. Excel and our own exports do quote there: Excel what holds
a comma or a quote, ours what holds a quote, some programs every value. Such quotes are known by what they enclose, and taken off.
"""

import csv
import io
import re

import pandas as pd

from connector.spapi.charsets import Choice, Scan
from datasets.tabular.isolated import JobRefused

SEPARATORS = "\t,;|"
FILLER = " \t\r\n\xa0\0\x1a"  # what stands behind the last row of some files
RAGGED = re.compile(r"Expected (?P<wanted>\d+) fields in line (?P<line>\d+), saw (?P<saw>\d+)")  # pandas' own words
QUOTED = re.compile(r'"(?:[^"]|"")*"', re.DOTALL)  # a value that stands in quotes as a whole
NEEDED = re.compile(r'""|.+(?:""|,).+', re.DOTALL)  # and has a reason to
HOW = {"cp1252": ", as Excel in Europe and America saves CSV"}  # a charset comes about


def cells(content: bytes, name: str, country: str, notes: list[str]) -> pd.DataFrame:
    """The values as text, in columns by number; row 0 is the first line that is not blank. Adds to `notes` what was odd.

    Raises Refused with the line where something cannot be read.
    """
    text = _decoded(content, country, notes)
    if not text.strip(FILLER):
        raise empty(name)
    text = _without_filler(text)
    if "\0" in text:
        raise JobRefused(
            f"{name} is neither a spreadsheet nor text. Upload an XLSX, ODS, XLS, CSV or tab-separated file."
        )
    first = next(line for line in re.split(r"[\r\n]", text) if line.strip())
    separator = max(SEPARATORS, key=re.sub('"[^"]*"', "", first).count)
    has_tabs = separator == "\t"
    if has_tabs:
        _refuse_open_quotes(text, first.count("\t"), name)
    try:
        found = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            quoting=csv.QUOTE_NONE if has_tabs else csv.QUOTE_MINIMAL,
            header=None,
            dtype=str,
            na_filter=False,
            skip_blank_lines=True,
        )
    except pd.errors.ParserError as problem:
        raise _unreadable(problem, name, separator) from None
    return _without_quotes(found) if has_tabs and '"' in text else found


def empty(name: str) -> JobRefused:
    return JobRefused(f"{name} is empty. Choose the file that contains your rows.")


# Charsets


def _decoded(content: bytes, country: str, notes: list[str]) -> str:
    scan = Scan(country=country)
    scan.feed(content)
    choice = scan.choice()
    notes += _told(choice)
    return content[choice.skip :].decode(choice.decoder, choice.errors)


def _told(choice: Choice) -> list[str]:
    told = []
    if choice.differs and not choice.codec.startswith("utf"):
        told.append(f"The file is not UTF-8 and was read as {choice.name}{HOW.get(choice.codec, '')}.")
    if choice.misfits:
        some = "1 character" if choice.misfits == 1 else f"{choice.misfits:,} characters"
        told.append(f"{some} of the file cannot be read as {choice.name} and became \ufffd.")
    return told


# Lines


def _without_filler(text: str) -> str:
    """The text up to the end of the last line that holds a value; what fills a file up behind it is no row."""
    end = text.find("\n", len(text.rstrip(FILLER)))
    return text if end < 0 else text[: end + 1]


def _refuse_open_quotes(text: str, tabs: int, name: str) -> None:
    """Between tabs a value cannot run over lines: where its quotes open in a line that ends too early, its rest would become a row."""
    if '"' not in text:
        return
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        last = line[line.rfind("\t") + 1 :]
        if last.startswith('"') and line.count("\t") < tabs and not QUOTED.fullmatch(last):
            raise JobRefused(
                f"Line {number} of {name} ends within quotes, so a value seems to run over several lines. Save the file as XLSX "
                "or CSV, which can hold that, and upload it."
            )


def _without_quotes(found: pd.DataFrame) -> pd.DataFrame:
    quotes_all = found.iloc[0].str.fullmatch(QUOTED).all()

    def bare(column: pd.Series) -> pd.Series:
        is_quoted = column.str.fullmatch(QUOTED)
        if not quotes_all:
            is_quoted &= column.str.fullmatch(NEEDED)
        return column.where(~is_quoted, column.str.slice(1, -1).str.replace('""', '"', regex=False))

    return found.apply(bare)


def _unreadable(problem: Exception, name: str, separator: str) -> JobRefused:
    if ragged := RAGGED.search(str(problem)):
        return JobRefused(
            f"Line {ragged['line']} of {name} has {ragged['saw']} values where the lines before it have "
            f"{ragged['wanted']}. A value that contains '{separator}' must be in quotes. Correct the line, or save "
            "the file as XLSX and upload that."
        )
    return JobRefused(
        f"{name} could not be read as text with '{separator}' between its values. Save it as XLSX and upload that."
    )
