"""Flat files: no quote, line break or stray tab may move a value into another column."""

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.catalogue import readers
from connector.catalogue.readers import flat_file, unique

ANY_QUOTE = pytest.mark.parametrize("quote", ["double", "single", "null"])
CELL = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r\0"), max_size=12)
TRICKY = st.text(st.sampled_from("\"'ab ,=\\"), max_size=6)


def parse(content, quote="null"):
    ragged, replaced = [], []
    text = io.StringIO(content, newline="")
    header, rows = flat_file(text, quote, lambda number, cells: ragged.append((number, cells)), replaced.append)
    return header, list(rows), ragged, replaced


@ANY_QUOTE
def test_a_plain_file(quote):
    assert parse("a\tb\n1\t2\n3\t4\n", quote)[:2] == (["a", "b"], [["1", "2"], ["3", "4"]])


@ANY_QUOTE
@pytest.mark.parametrize(
    "content",
    [
        "a\tb\r\n1\t2\r\n",
        "a\tb\n1\t2",
        "\ufeffa\tb\n1\t2\n",
        "a\tb\t\n1\t2\t\n",
        "a\tb\t\n1\t2\n",
        "\n\na\tb\n\n1\t2\n\n\r\n",
        "a\tb\r1\t2\r",
        "a\tb\r\r\n1\t2\r\r\n",
        "a\tb\r\r\r\n\r\r\n1\t2\r\r\r\n",
    ],
)
def test_ends_marks_and_blank_lines_change_nothing(quote, content):
    assert parse(content, quote) == (["a", "b"], [["1", "2"]], [], [])


@ANY_QUOTE
@pytest.mark.parametrize(
    "filler", [" " * 40, "\0" * 40, "\x1a", "  \r\n\xa0\n", "\t", "\t\t\r\n", "\t\t\t\t", " \0\t\x1a\r\n"]
)
def test_what_fills_a_file_up_is_no_row_and_nothing_to_tell(quote, filler):
    assert parse("a\tb\tc\r\n1\t2\t3\r\n" + filler, quote) == (["a", "b", "c"], [["1", "2", "3"]], [], [])


def test_a_fence_keeps_its_carriage_returns_and_its_blank_lines():
    assert parse('a\tb\n1\t"x\r\r\n \n\ny"\n', "double")[1:3] == ([["1", "x\r\r\n \n\ny"]], [])


@ANY_QUOTE
@pytest.mark.parametrize("content", ["", "\n", "\ufeff", "\r\n\r\n"])
def test_nothing_has_no_titles(quote, content):
    assert parse(content, quote)[:2] == ([], [])


@ANY_QUOTE
def test_a_header_alone_has_no_rows(quote):
    assert parse("a\tb\n", quote)[:2] == (["a", "b"], [])


@ANY_QUOTE
def test_a_header_that_comes_again_is_no_row_and_is_told(quote):
    repeated = []
    text = io.StringIO("a\tb\n1\t2\na\tb\na\t2\n", newline="")

    _, rows = flat_file(text, quote, repeated=repeated.append)

    assert (list(rows), repeated) == ([["1", "2"], ["a", "2"]], [3])


def test_titles_are_made_different():
    assert unique(["a", "a", "a (2)", "", "b", ""]) == ["a", "a (3)", "a (2)", "Column 4", "b", "Column 6"]
    assert parse("x\tx\ty\n1\t2\t3\n")[0] == ["x", "x (2)", "y"]


# Bare quotes: data, whatever the quote character


@ANY_QUOTE
@pytest.mark.parametrize(
    "value",
    [
        '5" pipe',
        '"',
        "'",
        '"Best" of',
        'the "Best"',
        '"open',
        'closed"',
        '""',
        "it's",
        "'tis",
        "dogs'",
        '"a" and "b"',
        '"a""',
        "''",
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bare_quote_never_shifts_a_column(quote, value, place):
    row = ["1", "2", "3"]
    row[place] = value

    header, rows, ragged, _ = parse("a\tb\tc\n" + "\t".join(row) + "\nx\ty\tz\n", quote)

    assert len(rows) == 2 and rows[1] == ["x", "y", "z"] and ragged == []
    assert [cell for at, cell in enumerate(rows[0]) if at != place] == [
        cell for at, cell in enumerate(["1", "2", "3"]) if at != place
    ]
    fenced = {"double": '""', "single": "''"}.get(quote)
    assert rows[0][place] == ("" if value == fenced else value)


def test_without_quoting_every_character_stays():
    assert parse('a\tb\n"x"\t""\n')[1] == [['"x"', '""']]


# Fences


def test_a_fenced_value_loses_its_fence():
    assert parse('a\tb\n"x ""y"""\t2\n', "double")[1] == [['x "y"', "2"]]
    assert parse("a\tb\n'x ''y'\t2\n", "single")[1] == [["x 'y", "2"]]


def test_two_rows_never_become_one():
    """A name that opens a quote and never closes it, above one that ends in an inch mark: data, both of them."""
    _, rows, ragged, _ = parse('id\tname\tn\n1\t"Open shoes\t5\n2\tPipe 5"\t6\n3\t"\t7\n4\t"\t8\n', "double")

    assert rows == [["1", '"Open shoes', "5"], ["2", 'Pipe 5"', "6"], ["3", '"', "7"], ["4", '"', "8"]]
    assert ragged == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_fence_may_hold_tabs_and_line_breaks(end):
    content = end.join(["a\tb\tc", '1\t"x\ty', "", 'z"\t3', '4\t"q\tr"\t"s', 't"', "7\t8\t9", ""])

    header, rows, ragged, _ = parse(content, "double")

    assert rows == [["1", f"x\ty{end}{end}z", "3"], ["4", "q\tr", f"s{end}t"], ["7", "8", "9"]]
    assert ragged == []


def test_the_other_quote_fences_nothing():
    _, rows, ragged, _ = parse("a\tb\n'x\ty'\t2\n1\t2\n", "double")

    assert rows == [["1", "2"]] and ragged == [(2, ["'x", "y'", "2"])]


# Lines that fit in no way


@ANY_QUOTE
def test_ragged_lines_are_set_aside_with_their_number(quote):
    header, rows, ragged, _ = parse("a\tb\tc\n1\t2\n1\t2\t3\n\n1\t2\t3\t4\n5\t6\t7\n", quote)

    assert rows == [["1", "2", "3"], ["5", "6", "7"]]
    assert ragged == [(2, ["1", "2"]), (5, ["1", "2", "3", "4"])]


def test_a_fence_that_never_closes_takes_no_other_row_with_it():
    content = 'a\tb\tc\n1\t"open\n' + "".join(f"{n}\tx\ty\n" for n in range(500))

    header, rows, ragged, _ = parse(content, "double")

    assert len(rows) == 500 and ragged == [(2, ["1", '"open'])]


def test_a_fence_that_never_closes_gives_ragged_lines_back(monkeypatch):
    monkeypatch.setattr(readers, "MAX_JOINED", 3)

    header, rows, ragged, _ = parse('a\tb\n"1\n' + "x\n" * 10 + "8\t9\n", "double")

    assert rows == [["8", "9"]]
    assert [number for number, _ in ragged] == list(range(2, 13))


def test_a_fence_that_is_open_at_the_end_gives_its_lines_back():
    header, rows, ragged, _ = parse('a\tb\n8\t9\n"1\nx\nx', "double")

    assert rows == [["8", "9"]]
    assert [number for number, _ in ragged] == [3, 4, 5]


def test_a_tab_within_a_value_shifts_nothing_though_the_last_value_is_empty():
    header, rows, ragged, _ = parse("a\tb\tc\n1\tx\ty\t\n2\tx\t\n3\tx\ty\n")

    assert rows == [["2", "x", ""], ["3", "x", "y"]]
    assert ragged == [(2, ["1", "x", "y", ""])]


@pytest.mark.parametrize("header", ["a\tb", "a\tb\t"])
def test_a_delimiter_behind_every_last_value_is_no_value(header):
    _, rows, ragged, _ = parse(header + "\n" + "1\tx\t\n" * 3 + "2\tx\ty\t\n3\t\t\n")

    assert rows == [["1", "x"]] * 3 + [["3", ""]]
    assert ragged == [(5, ["2", "x", "y", ""])]


def test_one_line_alone_does_not_say_that_its_last_delimiter_is_none():
    _, rows, ragged, _ = parse("a\tb\n1\tx\t\n")

    assert (rows, ragged) == ([], [(2, ["1", "x", ""])])


@pytest.mark.parametrize("others", [["3\tx\ty"], ["3\tx\t", "4\tx\ty"] * 8, []])
def test_a_few_lines_with_a_tab_too_many_do_not_say_so_either(others):
    """Two values with a tab within, and an empty last one: a delimiter that were none would shift what is behind the tab."""
    _, rows, ragged, _ = parse("\n".join(["a\tb\tc", "1\tx\ty\t", "x\ty\t2\t", *others, ""]))

    assert rows == [line.split("\t") for line in others]
    assert [number for number, _ in ragged] == [2, 3]


def test_a_header_may_have_a_delimiter_more_than_its_lines():
    _, rows, ragged, _ = parse("a\tb\t\n1\tx\n2\ty\n")

    assert (rows, ragged) == ([["1", "x"], ["2", "y"]], [])


def test_a_line_without_end_is_set_aside_in_little_memory(monkeypatch):
    monkeypatch.setattr(readers, "MAX_LINE", 1000)
    monkeypatch.setattr(readers, "_BLOCK", 256)

    header, rows, ragged, _ = parse("a\tb\n1\t2\n" + "x" * 5000 + "\ty\n3\t4\n")

    assert rows == [["1", "2"], ["3", "4"]]
    assert [(number, len(cells[0])) for number, cells in ragged] == [(3, 100)]


def test_nul_is_replaced_and_told():
    header, rows, _, replaced = parse("a\tb\n1\t\0x\n2\ty\n")

    assert rows == [["1", "�x"], ["2", "y"]] and replaced == [2]


# Whatever a file holds


@given(
    st.lists(st.lists(CELL | TRICKY, min_size=3, max_size=3), max_size=20),
    st.sampled_from(["double", "single", "null"]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 9),
)
@example([['"a', "", '"'], ['b"', "", ""]], "double", "\n", 3)
def test_every_value_comes_out_in_its_own_column(rows, quote, end, block):
    """A file as Amazon writes it, unquoted: each value is where it was, less a fence around the whole of it."""
    rows = [row for row in rows if any(row)]
    content = end.join("\t".join(row) for row in [["a", "b", "c"], *rows]) + end
    before, readers._BLOCK = readers._BLOCK, block
    try:
        _, got, ragged, _ = parse(content, quote)
    finally:
        readers._BLOCK = before

    mark = readers.QUOTES[quote]
    assert got == [[readers.unfenced(cell, mark) for cell in row] for row in rows] and ragged == []


@given(
    st.lists(st.lists(st.text(st.sampled_from("ab\"\t\n' "), max_size=6), min_size=3, max_size=3), max_size=10),
    st.sampled_from([("double", '"'), ("single", "'")]),
)
def test_a_file_that_fences_every_value_comes_out_whole(rows, quote):
    name, mark = quote

    def fenced(row):
        return "\t".join(mark + cell.replace(mark, mark * 2) + mark for cell in row)

    content = "a\tb\tc\n" + "".join(fenced(row) + "\n" for row in rows)
    _, got, ragged, _ = parse(content, name)

    # A line break right after which a whole row seems to stand is the one thing that cannot be told from a bare quote.
    if not any(
        line.count("\t") == 2 for row in rows for line in fenced(row).split("\n")[:-1] + fenced(row).split("\n")[1:]
    ):
        assert got == rows and ragged == []


@given(st.text(st.sampled_from("ab\"'\t\n\r\0 "), max_size=60), st.sampled_from(["double", "single", "null"]))
def test_no_file_breaks_the_reader_and_every_row_is_as_wide_as_the_header(content, quote):
    header, rows, ragged, _ = parse(content, quote)

    assert all(len(row) == len(header) for row in rows)
    assert len(set(header)) == len(header)
