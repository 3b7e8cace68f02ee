"""Report documents gone wrong: broken archives, strange alphabets, columns that are not what they were.

A fault of one of these kinds on `downloadDocument` is applied while the document is written:

    the address    expired
    the archive    truncated_gzip (bytes), corrupt_gzip, two_members, nested_gzip, trailing_garbage, not_compressed,
                   bomb (bytes, when unpacked)
    the alphabet   charset (charset, label, cell), bom
    the columns    extra_column (column, place), missing_column (column), reordered_columns, duplicate_header,
                   many_columns (columns)
    the rows       header_only, duplicate_rows, stray_rows, ragged (line, cells), ragged_all, trailing_tab,
                   empty_document
    the cells      cell (column, cell: of the first row), strange_numbers, strange_dates (column), huge_cell (bytes),
                   line_break_in_cell, nul_in_cell
    the lines      unix_lines, no_last_line_break
    the text       cut_text (characters that are left), rewritten (old, new: at its first place)

The kinds that change columns, rows and cells are for the all-orders reports.
"""

import gzip
import io
import zlib

TABLE_KINDS = (
    "extra_column",
    "missing_column",
    "reordered_columns",
    "duplicate_header",
    "header_only",
    "strange_numbers",
    "strange_dates",
    "huge_cell",
    "cell",
    "many_columns",
    "duplicate_rows",
    "stray_rows",
)
TEXT_KINDS = (
    "ragged",
    "ragged_all",
    "trailing_tab",
    "line_break_in_cell",
    "nul_in_cell",
    "unix_lines",
    "no_last_line_break",
    "empty_document",
    "cut_text",
    "rewritten",
)
PACKED_KINDS = ("truncated_gzip", "two_members", "nested_gzip", "bomb", "corrupt_gzip", "trailing_garbage")
KINDS = (*TABLE_KINDS, *TEXT_KINDS, *PACKED_KINDS, "charset", "bom", "not_compressed", "expired")

NUMBERS = ("1.234,56", "1,234.56", "--", "N/A", "NaN", "Infinity", "1e400", "$5.00", "1 234,50", "(12.00)", "")
DATES = ("0000-00-00", "9999-12-31T23:59:59+00:00", "10000-01-01", "infinity", "31/02/2026", "14.03.2023", "")


def table(fault, columns, rows):
    """(columns, rows) as the fault leaves them."""
    kind = fault["kind"]
    if kind == "extra_column":
        place = fault.get("place", len(columns) // 2)
        columns.insert(place, fault.get("column", "brand-new column"))
        rows = [{**row, columns[place]: f"new {number}"} for number, row in enumerate(rows)]
    elif kind == "missing_column":
        columns.remove(fault.get("column", "currency"))
    elif kind == "reordered_columns":
        columns.reverse()
    elif kind == "duplicate_header":
        columns.insert(0, columns[-1])
    elif kind == "header_only":
        rows = []
    elif kind == "strange_numbers":
        rows = [{**row, "item-price": NUMBERS[number % len(NUMBERS)]} for number, row in enumerate(rows)]
    elif kind == "strange_dates":
        column = fault.get("column", "last-updated-date")
        rows = [{**row, column: DATES[number % len(DATES)]} for number, row in enumerate(rows)]
    elif kind == "huge_cell":
        rows = [{**rows[0], "product-name": _long(fault.get("bytes", 10**6))}, *rows[1:]]
    elif kind in ("cell", "charset") and "cell" in fault:
        rows = [{**rows[0], fault.get("column", "product-name"): fault["cell"]}, *rows[1:]]
    elif kind == "many_columns":
        extra = [f"column-{number}" for number in range(fault.get("columns", 2000))]
        columns += extra
        rows = [{**row, **dict.fromkeys(extra, "1")} for row in rows]
    elif kind == "duplicate_rows":
        rows = [row for row in rows for _ in range(2)]
    elif kind == "stray_rows":
        rows = [*rows, *({**row, "purchase-date": "2001-01-01T00:00:00+00:00"} for row in rows[:1])]
    return columns, rows


def _long(size):
    """So much text, which packs no better than other text."""
    some = " ".join(map(str, range(10**5)))
    return (some * (size // len(some) + 1))[:size]


def text(fault, written):
    kind, lines = fault["kind"], written.split("\r\n")
    if kind == "cut_text":
        return written[: fault.get("characters", len(written) // 2)]
    if kind == "rewritten":
        return written.replace(fault["old"], fault["new"], 1)
    if kind == "ragged":
        place = min(fault.get("line", 1), len(lines) - 2)
        lines[place] = "\t".join(lines[place].split("\t")[: fault.get("cells", 5)])
    elif kind == "ragged_all":
        lines[1:-1] = [line.split("\t", 1)[0] for line in lines[1:-1]]
    elif kind == "trailing_tab":
        lines[1:-1] = [line + "\t" for line in lines[1:-1]]
    elif kind == "line_break_in_cell":
        lines[1] = lines[1].replace(" ", "\n", 1)
    elif kind == "nul_in_cell":
        lines[1] = lines[1].replace(" ", "\0", 1)
    elif kind == "unix_lines":
        return "\n".join(lines)
    elif kind == "no_last_line_break":
        return written.removesuffix("\r\n")
    elif kind == "empty_document":
        return ""
    return "\r\n".join(lines)


def packed(fault, plain, whole):
    kind = fault["kind"]
    if kind == "truncated_gzip":
        return whole[: fault.get("bytes", len(whole) * 2 // 3)]
    if kind == "two_members":
        middle = len(plain) // 2
        return gzip.compress(plain[:middle], mtime=0) + gzip.compress(plain[middle:], mtime=0)
    if kind == "nested_gzip":
        return gzip.compress(whole, mtime=0)
    if kind == "corrupt_gzip":
        middle = len(whole) // 2
        return whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
    if kind == "trailing_garbage":
        return whole + b"<!-- served from cache -->"
    return _bomb(plain, fault.get("bytes", 2**30))


def _bomb(plain, size):
    """The document, and then spaces by the gigabyte, in about a thousandth of the room."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    out, block = io.BytesIO(), b" " * 2**20
    out.write(packer.compress(plain))
    for _ in range(size // len(block)):
        out.write(packer.compress(block))
    out.write(packer.flush())
    return out.getvalue()
