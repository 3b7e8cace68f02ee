"""Report documents gone wrong: broken archives, strange alphabets, columns that are not what they were.

A fault of one of these kinds on `downloadDocument` is applied while the document is written:

    the address    expired
    the archive    truncated_gzip (bytes or at), corrupt_gzip (at), two_members (at), nested_gzip, trailing_garbage,
                   not_compressed, bomb (bytes, when unpacked; at)
    the alphabet   charset (charset, label, cell or cells, at; bytes: a text of the document and the bytes, in hex, that take
                   its place), bom
    the columns    extra_column (column, place or at), missing_column (column), reordered_columns,
                   duplicate_header (at), many_columns (columns, value)
    the rows       header_only, duplicate_rows, stray_rows (at), row_missing (at), ragged (line or at, cells),
                   ragged_all, trailing_tab, empty_document
    the cells      cell (column, cell, at, or cells: of the first rows), all_cells (column, cell, and the
                   first one), strange_numbers, strange_dates (column), huge_cell (bytes, at), line_break_in_cell (at),
                   nul_in_cell (at)
    the lines      unix_lines, no_last_line_break
    the text       cut_text (characters that are left), rewritten (old, new: at its first place, or with `all` at each)

What befalls one place of the document takes `at`, a share of the way through it: 0 is the first byte, row or column, 1
the last.

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
    "all_cells",
    "many_columns",
    "duplicate_rows",
    "stray_rows",
    "row_missing",
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


def place(fault, length, otherwise=0.0):
    """The index that the fault's `at` means in something so long."""
    return min(int(fault.get("at", otherwise) * length), max(length - 1, 0))


def table(fault, columns, rows):
    """(columns, rows) as the fault leaves them."""
    kind, row = fault["kind"], place(fault, len(rows))
    if kind == "extra_column":
        place_of_it = fault.get("place", place(fault, len(columns) + 1, 0.5))
        columns.insert(place_of_it, fault.get("column", "brand-new column"))
        rows = [{**row, columns[place_of_it]: f"new {number}"} for number, row in enumerate(rows)]
    elif kind == "missing_column":
        columns.remove(fault.get("column", "currency"))
    elif kind == "reordered_columns":
        columns.reverse()
    elif kind == "duplicate_header":
        columns.insert(place(fault, len(columns) + 1), columns[-1])
    elif kind == "header_only":
        rows = []
    elif kind == "strange_numbers":
        rows = [{**row, "item-price": NUMBERS[number % len(NUMBERS)]} for number, row in enumerate(rows)]
    elif kind == "strange_dates":
        column = fault.get("column", "last-updated-date")
        rows = [{**row, column: DATES[number % len(DATES)]} for number, row in enumerate(rows)]
    elif kind == "huge_cell":
        rows[row] = {**rows[row], "product-name": _long(fault.get("bytes", 10**6))}
    elif kind in ("cell", "charset") and "cells" in fault:
        for number, cell in enumerate(fault["cells"]):
            rows[number] = {**rows[number], fault.get("column", "product-name"): cell}
    elif kind == "all_cells":
        rows = [{**row, fault["column"]: fault["cell"]} for row in rows]
        if "first" in fault:
            rows[0] = {**rows[0], fault["column"]: fault["first"]}
    elif kind in ("cell", "charset") and "cell" in fault:
        rows[row] = {**rows[row], fault.get("column", "product-name"): fault["cell"]}
    elif kind == "many_columns":
        extra = [f"column-{number}" for number in range(fault.get("columns", 2000))]
        columns += extra
        rows = [{**row, **dict.fromkeys(extra, fault.get("value", "1"))} for row in rows]
    elif kind == "duplicate_rows":
        rows = [row for row in rows for _ in range(2)]
    elif kind == "stray_rows":
        rows.insert(place(fault, len(rows) + 1, 1.0), {**rows[0], "purchase-date": "2001-01-01T00:00:00+00:00"})
    elif kind == "row_missing":
        del rows[row]
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
        return written.replace(fault["old"], fault["new"], -1 if fault.get("all") else 1)
    row = 1 + place(fault, len(lines) - 2)
    if kind == "ragged":
        row = min(fault.get("line", row), len(lines) - 2)
        lines[row] = "\t".join(lines[row].split("\t")[: fault.get("cells", 5)])
    elif kind == "ragged_all":
        lines[1:-1] = [line.split("\t", 1)[0] for line in lines[1:-1]]
    elif kind == "trailing_tab":
        lines[1:-1] = [line + "\t" for line in lines[1:-1]]
    elif kind == "line_break_in_cell":
        lines[row] = _broken(lines[row], "\n", lines[0])
    elif kind == "nul_in_cell":
        lines[row] = _broken(lines[row], "\0", lines[0])
    elif kind == "unix_lines":
        return "\n".join(lines)
    elif kind == "no_last_line_break":
        return written.removesuffix("\r\n")
    elif kind == "empty_document":
        return ""
    return "\r\n".join(lines)


def _broken(line, mark, header):
    """The line with a mark where its first space was, or else before its product's name."""
    if " " in line:
        return line.replace(" ", mark, 1)
    cells, place = line.split("\t"), header.split("\t").index("product-name")
    return "\t".join([*cells[:place], mark + cells[place], *cells[place + 1 :]])


def packed(fault, plain, whole):
    kind = fault["kind"]
    if kind == "truncated_gzip":
        return whole[: fault.get("bytes", max(1, place(fault, len(whole), 2 / 3)))]
    if kind == "two_members":
        middle = place(fault, len(plain), 0.5)
        return gzip.compress(plain[:middle], mtime=0) + gzip.compress(plain[middle:], mtime=0)
    if kind == "nested_gzip":
        return gzip.compress(whole, mtime=0)
    if kind == "corrupt_gzip":
        middle = place(fault, len(whole), 0.5)
        return whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
    if kind == "trailing_garbage":
        return whole + b"<!-- served from cache -->"
    return _bomb(plain, fault.get("bytes", 2**30), place(fault, len(plain) + 1, 1.0))


def _bomb(plain, size, before):
    """The document, and at some byte of it spaces by the gigabyte, in about a thousandth of the room."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    out, block = io.BytesIO(), b" " * 2**20
    out.write(packer.compress(plain[:before]))
    for _ in range(size // len(block)):
        out.write(packer.compress(block))
    out.write(packer.compress(plain[before:]))
    out.write(packer.flush())
    return out.getvalue()
