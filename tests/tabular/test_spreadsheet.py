"""Spreadsheets that people upload: every value is kept as it stands in its cell, and what cannot be read is said with its place."""

import io
import subprocess
import zipfile
from datetime import date, datetime

import openpyxl
import pandas as pd
import pytest

from connector.catalogue import readers
from datasets.tabular import isolated

pytestmark = pytest.mark.slow  # each file is read in a process of its own


def read(content, name="skus.csv", **options):
    return isolated.run("read", [content], name=name, **options)


def frame(content, name="skus.csv", **options):
    return pd.read_parquet(io.BytesIO(read(content, name, **options).content))


def workbook(*sheets, formulas=False):
    """An XLSX with these sheets, each a list of rows."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets, 1):
        sheet = book.create_sheet(f"Sheet {number}")
        for row in rows:
            sheet.append(row)
    packed = io.BytesIO()
    book.save(packed)
    return packed.getvalue()


def refusal(content, name="skus.csv", **options):
    with pytest.raises(isolated.JobRefused) as told:
        read(content, name, **options)
    return str(told.value)


ODD = ["NA", "null", "None", "nan", "N/A", "01234", "1e5", "1/2", "TRUE", "1234567890123456789", "=1+1", "😀"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_text_is_taken_as_it_stands(separator):
    content = "\n".join([f"sku{separator}n", *(f"{value}{separator}{n}" for n, value in enumerate(ODD))]).encode()

    assert frame(content)["sku"].tolist() == ODD


def test_a_workbook_is_taken_as_it_stands():
    content = workbook([["sku", "n"], *([value, n] for n, value in enumerate(ODD) if not value.startswith("="))])

    found = frame(content, "skus.xlsx")

    assert found["sku"].tolist() == [value for value in ODD if not value.startswith("=")]
    assert found["n"].tolist()[:3] == ["0", "1", "2"]


def test_cells_that_are_no_text_become_what_a_person_reads_in_them():
    row = [12.0, 0.1, True, date(2026, 11, 28), datetime(2026, 11, 28, 13, 5), None]
    content = workbook([["whole", "part", "yes", "day", "moment", "nothing"], row])

    assert frame(content, "odd.xlsx").iloc[0].tolist() == ["12", "0.1", "TRUE", "2026-11-28", "2026-11-28 13:05:00", ""]


def test_columns_and_examples_are_told():
    told = read(b"sku,title\nA,\nB,Mug\nB,Mug\n").result

    assert told == {
        "rows": 3,
        "preview": [["A", ""], ["B", "Mug"], ["B", "Mug"]],
        "columns": [
            {"title": "sku", "filled": 3, "examples": ["A", "B"]},
            {"title": "title", "filled": 2, "examples": ["Mug"]},
        ],
        "notes": [],
    }


def test_a_lone_quote_in_a_file_of_amazons_is_part_of_the_title():
    assert frame(b'sku\ttitle\nA\t12" pan\nB\tpot\n')["title"].tolist() == ['12" pan', "pot"]


def test_a_comma_in_quotes_is_part_of_the_value():
    assert frame(b'sku,n\n"A,1",2\n')["sku"].tolist() == ["A,1"]


def test_excels_own_charset_is_read_and_told():
    told = read("sku,title\nA,5 €\n".encode("cp1252"))

    assert pd.read_parquet(io.BytesIO(told.content))["title"].tolist() == ["5 €"]
    assert told.result["notes"] == [
        "The file is not UTF-8 and was read as Windows-1252, as Excel in Europe and America saves CSV."
    ]


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_is_read_whatever_its_form(charset):
    found = frame("sku,title\nA,Käse 😀\n".encode(charset))

    assert found.columns.tolist() == ["sku", "title"]
    assert found["title"].tolist() == ["Käse 😀"]


def test_empty_rows_and_columns_are_left_out():
    assert frame(workbook([["sku", None, "n"], [None, None, None], ["A", None, 1]]), "x.xlsx").to_dict("list") == {
        "sku": ["A"],
        "n": ["1"],
    }


@pytest.mark.parametrize("content", ["\u00a0".encode(), b"\n\0\0", b"\x1a"])
def test_a_file_of_filler_alone_is_empty(content):
    assert "is empty" in refusal(content)


@pytest.mark.parametrize("filler", [b"\0" * 40, b"\x1a", b" " * 40, "\u00a0".encode(), b"\t", b"\r\n \x1a\0\r\n"])
@pytest.mark.parametrize("end", [b"\r\n", b"\r\r\n"])
def test_what_fills_a_file_up_is_no_row(filler, end):
    content = end.join([b"sku\tn", b"A\t1", b"B\t2 ", filler])

    assert frame(content).to_dict("list") == {"sku": ["A", "B"], "n": ["1", "2 "]}


def test_one_of_several_sheets_has_to_be_named():
    content = workbook([["sku"], ["A"]], [["sku"], ["B"]])

    assert (
        refusal(content, "two.xlsx")
        == "two.xlsx has 2 sheets with values: Sheet 1, Sheet 2. Enter the name of one of them."
    )
    assert frame(content, "two.xlsx", sheet="Sheet 2")["sku"].tolist() == ["B"]
    assert refusal(content, "two.xlsx", sheet="Sheet 3").startswith(
        "two.xlsx has no sheet 'Sheet 3'. Its sheets: Sheet 1"
    )


def test_a_sheet_of_a_text_is_refused():
    """It was taken, passed over, and shown on the file's page."""
    assert refusal(b"sku\nA\n", sheet="Sheet 2") == (
        "skus.csv is a text file and has no sheets, so there is no sheet named 'Sheet 2'. Leave the sheet empty."
    )


def test_an_empty_second_sheet_is_in_nobodys_way():
    assert frame(workbook([["sku"], ["A"]], []), "one.xlsx")["sku"].tolist() == ["A"]


def test_a_formula_without_its_result_is_refused_with_its_cell():
    assert refusal(workbook([["sku", "n"], ["A", "=1+1"]]), "f.xlsx").startswith(
        "Cell B2 of f.xlsx contains a formula without a saved result. Open the file in Excel"
    )


def test_a_formula_with_its_result_is_taken_and_told():
    content = _with_result(workbook([["sku", "n"], ["A", "=1+1"]]))

    told = read(content, "f.xlsx")

    assert pd.read_parquet(io.BytesIO(told.content))["n"].tolist() == ["2"]
    assert told.result["notes"] == ["1 cells contain formulas; their last saved results were used."]


def _with_result(content):
    """As Excel saves it: the formula's last result beside it."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            if name.endswith("sheet1.xml"):
                assert b"<f>1+1</f><v" in part
                part = part.replace(b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>").replace(
                    b"<f>1+1</f><v/>", b"<f>1+1</f><v>2</v>"
                )
            new.writestr(name, part)
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "skus.csv is empty. Choose the file that contains your rows."),
        (b"sku,n\n", "skus.csv has titles but no rows below them. Choose the file that contains your rows."),
        (b"sku,n\nA,1\nB,2,3\n", "Line 3 of skus.csv has 3 values where the lines before it have 2."),
        (b"sku,\nA,1\n", "Column B of skus.csv has values but no title."),
        (b"sku,SKU\nA,1\n", "skus.csv has more than one column titled SKU, sku."),
        (b"sku\n\0\1\2\n", "skus.csv is neither a spreadsheet nor text."),
        (b"PK\x03\x04 and then nothing", "skus.csv is damaged: it looks like a workbook but is incomplete."),
        (b"\xd0\xcf\x11\xe0 and then nothing", "skus.csv could not be read as a spreadsheet"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(content, said):
    assert refusal(content).startswith(said)


def test_a_bomb_is_not_unpacked():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (301 << 20))

    assert "is larger than 300 MB when unpacked" in refusal(packed.getvalue(), "bomb.xlsx")


def test_the_child_is_given_none_of_our_secrets(monkeypatch):
    monkeypatch.setenv("PYTHONVERBOSE", "1")  # with which it would write a page on standard error
    given = []
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *command, **more: given.append(run(*command, **more)) or given[0])

    read(b"sku\nA\n")

    assert given[0].stderr == b""


def test_what_python_compiles_of_the_libraries_is_kept_for_the_next_child(monkeypatch, tmp_path):
    """It took most of a job's processor time: the limits of a child, of which one is that it writes no file, came first."""
    monkeypatch.setattr(isolated, "ENVIRONMENT", isolated.ENVIRONMENT | {"PYTHONPYCACHEPREFIX": str(tmp_path)})

    read(b"sku\nA\n")

    assert any(tmp_path.rglob("pandas/core/frame*.pyc"))


def test_a_table_becomes_lines_as_amazon_writes_them():
    packed = read(b'sku,title\nA,12" pan\nB,"two\nlines"\n').content

    assert isolated.run("as_tsv", [packed], quote="double").content == (b'sku\ttitle\nA\t"12"" pan"\nB\t"two\nlines"\n')
    with pytest.raises(
        isolated.JobRefused, match="Row 2 has a tab or a line break in title, which this report does not allow"
    ):
        isolated.run("as_tsv", [packed], quote="null")


def test_a_title_that_a_line_cannot_hold_is_refused_as_a_value_is():
    packed = read(b'sku,"two\nlines"\nA,1\n').content

    with pytest.raises(isolated.JobRefused, match="The title 'two.nlines' contains a tab or a line break"):
        isolated.run("as_tsv", [packed], quote="null")


def test_a_job_that_runs_into_a_limit_says_so(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *command, **more: subprocess.CompletedProcess(command, -9, b"", b""))

    with pytest.raises(isolated.JobRefused, match="more time or memory than one job may use"):
        isolated.run("read", [b"sku\nA\n"], name="skus.csv")


def test_what_needs_no_quotes_gets_none_where_a_report_has_none():
    packed = read(b'sku,title\nA,12" pan\n').content

    assert isolated.run("as_tsv", [packed], quote="null").content == b'sku\ttitle\nA\t12" pan\n'


def test_a_stray_byte_costs_one_character_and_no_other_charset():
    told = read("sku,title\nA,Café\nB,5 €\nC,J".encode() + b"\xfc" + "rgen Größe\n".encode())

    assert pd.read_parquet(io.BytesIO(told.content))["title"].tolist() == ["Café", "5 €", "J\ufffdrgen Größe"]
    assert told.result["notes"] == ["1 character of the file cannot be read as UTF-8 and became \ufffd."]


def test_a_byte_order_mark_over_other_bytes_is_not_believed():
    told = read(b"\xef\xbb\xbfsku,title\nA,Gr\xfc\xdfe\nB,caf\xe9\n")

    assert pd.read_parquet(io.BytesIO(told.content)).to_dict("list") == {"sku": ["A", "B"], "title": ["Grüße", "café"]}
    assert told.result["notes"] == [
        "The file is not UTF-8 and was read as Windows-1252, as Excel in Europe and America saves CSV."
    ]


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be"])
def test_utf16_is_known_without_a_mark(charset):
    assert frame("sku,title\nA,Käse\n".encode(charset))["title"].tolist() == ["Käse"]


def test_text_of_a_seller_in_japan_may_be_shift_jis():
    told = read("sku,title\nA,日本語の商品①\n".encode("cp932"), country="JP")

    assert pd.read_parquet(io.BytesIO(told.content))["title"].tolist() == ["日本語の商品①"]
    assert told.result["notes"] == ["The file is not UTF-8 and was read as Shift_JIS (Windows-31J)."]


def test_quotes_of_our_own_export_and_of_excel_are_taken_off_between_tabs():
    content = b'sku\ttitle\nA\t"12"" pan"\nB\t"Mug, blue"\nC\t""\nD\t"Best" mug\nE\t"Best mug"\nF\t5" nail\n'

    assert frame(content)["title"].tolist() == ['12" pan', "Mug, blue", "", '"Best" mug', '"Best mug"', '5" nail']


def test_a_file_whose_titles_stand_in_quotes_has_all_values_in_quotes():
    assert frame(b'"sku"\t"title"\n"A"\t"Mug"\n').to_dict("list") == {"sku": ["A"], "title": ["Mug"]}


def test_a_value_that_runs_over_lines_between_tabs_is_refused_and_makes_no_rows():
    said = refusal(b'sku\ttitle\tn\nA\t"two\nlines"\t1\n')

    assert said.startswith("Line 2 of skus.csv ends within quotes, so a value seems to run over several lines.")


ROUND_TRIPS = {
    "a line break in the first column": [["two\nlines", "x", "1"], ["B", "y", "2"]],
    "line breaks in all but one": [["a\nb", "c\n\nd", "1"], ["e\n", "\nf", "2"]],
    "tabs": [["a\tb", '"c"\t"d"', "1"]],
    "quotes": [['"', '""', "1"], ['"a', 'b"', "2"], ['"a"', "'b'", "3"]],
}


@pytest.mark.parametrize("rows", ROUND_TRIPS.values(), ids=ROUND_TRIPS)
@pytest.mark.parametrize("quote", ["double", "single"])
def test_every_value_comes_back_from_the_lines_that_a_report_would_have(rows, quote):
    packed = read(workbook([["title", "sku", "n"], *rows]), "x.xlsx").content

    lines = isolated.run("as_tsv", [packed], quote=quote).content.decode()
    titles, found = readers.flat_file(io.StringIO(lines, newline=""), quote=quote)

    places = [titles.index(title) for title in ("title", "sku", "n")]
    assert [[row[place] for place in places] for row in found] == rows


def test_tabs_and_line_breaks_in_one_row_are_refused():
    packed = read(workbook([["sku", "title"], ["A", "a\nb\tc"]]), "x.xlsx").content

    with pytest.raises(isolated.JobRefused, match="Row 1 has tabs and line breaks in its values"):
        isolated.run("as_tsv", [packed], quote="double")


@pytest.mark.parametrize("quote", ["double", "single", "null"])
def test_a_title_with_a_line_break_is_refused_whatever_the_quotes(quote):
    packed = read(b'sku,"two\nlines"\nA,1\n').content

    with pytest.raises(isolated.JobRefused, match="The title 'two.nlines' contains a tab or a line break"):
        isolated.run("as_tsv", [packed], quote=quote)


def test_the_first_value_that_does_not_fit_is_told_with_its_row():
    packed = read(b'sku,price,n\nA,1.50,1\nB,,2\nC,"12,50",x\n').content

    def misfit(**types):
        return isolated.run("misfit", [packed], types=types).result["misfit"]

    assert misfit(price="numeric") == {"title": "price", "row": 3, "value": "12,50"}
    assert misfit(n="bigint") == {"title": "n", "row": 3, "value": "x"}


def test_a_separator_is_looked_for_outside_of_quotes():
    assert frame(b'"a, b, c";d\nx;y\n').to_dict("list") == {"a, b, c": ["x"], "d": ["y"]}


def test_only_a_line_feed_or_carriage_return_ends_the_line_of_titles():
    assert frame("a\u2028b,c\n1,2\n".encode()).columns.tolist() == ["a\u2028b", "c"]


def rewritten(content, path, old, new):
    """The workbook with another text in one of its parts."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as book, zipfile.ZipFile(made, "w") as other:
        for name in book.namelist():
            part = book.read(name)
            assert name != path or old in part
            other.writestr(name, part.replace(old, new) if name == path else part)
    return made.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize("formula", [b"", b"<f>VLOOKUP(A2,X:Y,2,0)</f>"])
def test_a_cell_that_holds_an_error_is_refused_and_not_empty(formula):
    content = workbook([["sku", "n"], ["A", 7]])
    broken = rewritten(content, SHEET, b't="n"><v>7</v>', b't="e">' + formula + b"<v>#N/A</v>")

    assert refusal(broken, "f.xlsx").startswith("Cell B2 of f.xlsx holds the error #N/A instead of a value.")


def test_a_formula_without_its_result_is_found_in_the_strict_form_too():
    content = workbook([["sku", "n"], ["A", "=1+1"]])
    transitional, strict = (
        b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
        b"http://purl.oclc.org/ooxml/spreadsheetml/main",
    )
    for path in (SHEET, "xl/workbook.xml"):
        content = rewritten(content, path, transitional, strict)

    assert "Cell B2 of f.xlsx contains a formula without a saved result" in refusal(content, "f.xlsx")


def test_a_number_beyond_fifteen_digits_gets_no_digits_that_nobody_wrote():
    content = workbook([["sku", "n"], ["A", 12345678901234500000], ["B", 123456789012345], ["C", 1e20], ["D", 0.1]])

    assert frame(content, "big.xlsx")["n"].tolist() == [
        "12345678901234500000",
        "123456789012345",
        "100000000000000000000",
        "0.1",
    ]


def test_a_nul_in_a_workbook_is_replaced_and_told():
    content = rewritten(workbook([["sku", "n"], ["A", 1]]), SHEET, b"<t>A</t>", b"<t>A_x0000_B</t>")

    told = read(content, "nul.xlsx")

    assert told.result["preview"] == [["A\ufffdB", "1"]]
    assert told.result["notes"] == ["1 values held NUL characters, which no database keeps and which became \ufffd."]
