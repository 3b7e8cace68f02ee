"""Profiles of columns: counted over a sample as COPY writes it."""

from datasets.tabular import isolated


def profile(content, *columns):
    found = isolated.run("profile", [content], columns=[{"name": name, "type": kind} for name, kind in columns]).result
    return found["rows"], {column.pop("name"): column for column in found["columns"]}


def test_null_and_empty_text_are_not_filled():
    rows, columns = profile(b'a,1\n,2\n"",3\na,4\n', ("sku", "text"), ("n", "bigint"))

    assert rows == 4
    assert columns["sku"] == {"filled": 2, "distinct": 1, "smallest": "a", "largest": "a", "frequent": [["a", 2]]}


def test_numbers_are_ordered_as_numbers():
    _, columns = profile(b"9,9.50\n10,10.5\n-3,9.5\n", ("n", "bigint"), ("price", "numeric"))

    assert (columns["n"]["smallest"], columns["n"]["largest"]) == ("-3", "10")
    assert columns["price"] == {
        "filled": 3,
        "distinct": 2,
        "smallest": "9.5",
        "largest": "10.5",
        "frequent": [["9.5", 2]],
    }


def test_values_that_look_like_nothing_are_values():
    _, columns = profile(b"NA\nnull\nnan\nNone\n", ("code", "text"))

    assert (columns["code"]["filled"], columns["code"]["distinct"]) == (4, 4)


def test_values_with_commas_quotes_and_line_breaks_are_one_value():
    rows, columns = profile(b'"a,""b""\nc"\n', ("title", "text"))

    assert (rows, columns["title"]["smallest"]) == (1, 'a,"b"\nc')


def test_long_values_are_cut_for_show_and_counted_whole():
    rows, columns = profile(f"{'x' * 300}a\n{'x' * 300}b\n".encode(), ("text", "text"))

    assert columns["text"]["distinct"] == 2
    assert len(columns["text"]["largest"]) == 80


def test_an_empty_sample_has_a_profile():
    assert profile(b"", ("sku", "text")) == (
        0,
        {"sku": {"filled": 0, "distinct": 0, "smallest": None, "largest": None, "frequent": []}},
    )


def test_thirty_digits_are_kept():
    _, columns = profile(b"123456789012345678901234567890.12\n", ("n", "numeric"))

    assert columns["n"]["smallest"] == "123456789012345678901234567890.12"


def test_instants_are_ordered_in_time_with_a_fraction_and_without():
    _, columns = profile(b"2026-11-25T18:00:00.5Z\n2026-11-25T18:00:00Z\n", ("at", "timestamptz"))

    assert (columns["at"]["smallest"], columns["at"]["largest"]) == ("2026-11-25T18:00:00Z", "2026-11-25T18:00:00.5Z")
