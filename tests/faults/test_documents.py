"""Documents that are broken, swollen, oddly written, or hold what no column was made for: E17 to E30 of files.

After each the rows are Amazon's truth, or what differs is said on the day, or the day has failed with a plain reason.
"""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from connector.simulator import document_corruption
from datasets import retries
from datasets.models import Day, Request

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]

LONG = bool(os.environ.get("MALFORMED"))


def spoilt(file, kind, **rule):
    file.amazon.fault("downloadDocument", kind, **rule)
    return file.drive()


def types(file):
    file.dataset.refresh_from_db()
    return {column["name"]: column["type"] for column in file.dataset.columns if column["name"] != "_extra"}


def most_memory():
    """The most memory that this process ever had, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


# Broken on the way


def test_a_line_cut_at_any_byte_never_becomes_a_short_file(file, monkeypatch):
    """E17: however often in a row, as long as it takes no half an hour."""
    monkeypatch.setattr(retries, "UNANSWERED_TIMEOUT", timedelta(days=1))
    places = 50 if LONG else 12
    for number in range(places):
        file.amazon.fault("downloadDocument", "cut", count=1, bytes=number * 97, reset=bool(number % 2))
    for by in (-7, 7):
        file.amazon.fault("downloadDocument", "wrong_length", count=1, by=by)

    run = file.drive()

    assert run.state == "succeeded", run.message
    assert file.amazon.calls("downloadDocument") in (places + 2, places + 3)  # one byte more than told is not heard of
    assert file.amazon.calls("createReport") == 1
    file.assert_whole()


def test_a_document_that_is_broken_once_is_fetched_again(file):
    """E18, E22."""
    for kind in ("truncated_gzip", "corrupt_gzip", "trailing_garbage", "empty_document", "html"):
        file.again()
        run = spoilt(file, kind, nth=1)

        assert run.state == "succeeded", f"{kind}: {run.message}"
        assert (file.amazon.calls("downloadDocument"), file.amazon.calls("createReport")) == (2, 1)
        file.assert_whole()


STAYS_BROKEN = (  # kind, its narrowing, what the run says
    ("truncated_gzip", {}, "ends too early"),
    ("truncated_gzip", {"bytes": 30}, "ends too early"),
    ("truncated_gzip", {"bytes": 2}, "ends too early"),
    ("corrupt_gzip", {}, "is damaged"),
    ("trailing_garbage", {}, "is damaged"),
    ("empty_document", {}, "It is empty, without even a header."),
    ("html", {}, "no column purchase_date"),
    ("html", {}, "Its first line reads '<"),
    ("rewritten", {"old": "\t", "new": ",", "all": True}, "it seems to be separated by commas, and not by tabs"),
    (
        "rewritten",
        {"old": "purchase-date", "new": "購入日"},
        "Its first line reads 'amazon-order-id merchant-order-id 購入日",
    ),
    ("nested_gzip", {}, "no column purchase_date"),
    ("missing_column", {"column": "purchase-date"}, "no column purchase_date"),
    ("ragged_all", {}, "as many values as its header"),
)


def test_a_document_that_stays_broken_fails_its_days_after_three_readings(file):
    """E18, E22, E28: nothing of it lands, and no column of it comes into the table."""
    for kind, rule, said in STAYS_BROKEN:
        file.again()
        run = spoilt(file, kind, **rule)

        assert run.state == "failed", kind
        assert said in run.message
        assert (file.amazon.calls("downloadDocument"), file.amazon.calls("createReport")) == (3, 1), kind
        assert file.dataset.rows == 0
        assert len(types(file)) == 31, kind

    file.amazon.heal()
    assert file.drive().state == "succeeded"
    file.assert_whole()


def test_an_archive_of_two_members_is_read_to_its_end(file):
    """E19."""
    assert spoilt(file, "two_members").state == "succeeded"
    file.assert_whole()


def test_a_bomb_is_stopped_in_little_memory_and_fails_its_days(file):
    """E20."""
    before = most_memory()

    run = spoilt(file, "bomb", bytes=(1 << 30) if LONG else (64 << 20))

    assert run.state == "failed"
    assert "swells to more than 200 times its size" in run.message
    assert most_memory() - before < 200


def test_a_document_that_drips_is_over_at_the_deadline(file, monkeypatch):
    """E21: by itself it would take hours, though something comes all the time."""
    from connector.spapi.client import Client

    monkeypatch.setattr(Client.download, "__defaults__", (2.0,))
    run = spoilt(file, "drip", nth=1, bytes=1, seconds=0.5)

    assert run.state == "succeeded", run.message
    assert any("did not answer in time" in message for message, _ in run.waits)
    file.assert_whole()


def test_a_redirect_of_the_storage_is_not_followed(file, simulator):
    """E36."""
    run = spoilt(file, "redirect", location=f"{simulator.url}/trap")

    assert run.state == "failed"
    assert file.amazon.calls("unknown") == 0
    file.amazon.heal()
    assert file.drive().state == "succeeded"


# Columns


def test_a_new_column_is_added_and_the_others_stay(file):
    """E23."""
    file.drive()
    rows = file.assert_whole()
    Day.objects.filter(dataset=file.dataset).update(again=True)

    assert spoilt(file, "extra_column").state == "succeeded"

    assert file.assert_whole() == rows
    assert list(types(file))[-1] == "brand_new_column"
    assert len(set(file.column("brand_new_column"))) == rows


def test_a_column_that_is_missing_is_empty_and_told(file):
    """E23."""
    assert spoilt(file, "missing_column", column="currency").state == "succeeded"

    file.assert_whole(prices=False)
    assert set(file.column("currency")) == {None}
    assert "no currency" in file.notes()


def test_columns_in_another_order_are_known_by_their_names(file):
    """E23."""
    assert spoilt(file, "reordered_columns").state == "succeeded"
    file.assert_whole()


def test_a_header_that_comes_twice_makes_two_columns(file):
    """E23."""
    assert spoilt(file, "duplicate_header").state == "succeeded"

    file.assert_whole()
    assert {"price_designation", "price_designation_2"} <= set(types(file))


def test_more_columns_than_a_table_holds_are_kept_beside_it(file):
    """E24."""
    assert spoilt(file, "many_columns", columns=2000).state == "succeeded"

    rows = file.assert_whole()
    assert len(types(file)) == 400
    assert file.dataset.columns[-1]["name"] == "_extra"
    extra = file.column("(SELECT count(*) FROM jsonb_object_keys(_extra))")
    assert extra == [2031 - 400] * rows
    assert file.column("_extra->>'column-1999'") == ["1"] * rows
    assert "_extra" in file.notes()


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_values_that_find_no_room_in_a_wide_row_are_kept_beside_it(make_file, mode):
    """E24: PostgreSQL refused the rows, and their days failed for good; values of this length it cannot keep elsewhere."""
    file, value = make_file(mode=mode), "of twenty-two letters é"
    run = spoilt(file, "many_columns", columns=365, value=value)

    assert run.state == "succeeded", run.message
    rows = file.assert_whole()
    beside = file.column("(SELECT count(*) FROM jsonb_object_keys(_extra))")
    assert set(beside) < set(range(1, 150))
    for number in (0, 300, 364):
        kept = f"coalesce(column_{number}, _extra->>'column-{number}')"
        assert file.column(kept) == [value] * rows
    assert f"{sum(beside)} values did not fit into the wide rows" in file.notes()


def test_a_column_that_finds_no_room_today_goes_beside_the_table_too(file):
    """E24: a table that filled up over time."""
    spoilt(file, "many_columns", columns=500)
    file.amazon.heal()
    Day.objects.filter(dataset=file.dataset).update(again=True)

    assert spoilt(file, "extra_column", place=0).state == "succeeded"

    rows = file.assert_whole()
    assert len(types(file)) == 400
    assert len(set(file.column("_extra->>'brand-new column'"))) == rows


# Cells


def test_a_huge_cell_is_cut_and_the_row_kept(file):
    """E25."""
    assert spoilt(file, "huge_cell", bytes=3_000_000).state == "succeeded"

    file.assert_whole()
    assert max(file.column("length(product_name)", "product_name IS NOT NULL")) == 1 << 20
    assert "1 values of more than 1,048,576 characters were truncated" in file.notes()


def test_a_row_beyond_all_measure_is_set_aside_and_counted(file):
    """E25: 50 MB in one cell."""
    run = spoilt(file, "huge_cell", bytes=50_000_000 if LONG else 18_000_000)

    assert run.state == "succeeded", run.message
    assert file.dataset.rows == sum(day["rows"] for day in file.truth().values()) - 1
    assert "1 lines of Amazon's file" in file.notes() and "set aside" in file.notes()


def test_nul_is_replaced_and_counted(file):
    """E26."""
    assert spoilt(file, "nul_in_cell").state == "succeeded"

    file.assert_whole()
    assert "1 characters that the database cannot store were replaced" in file.notes()


CHARSETS = (  # how it is written, what the label says, a cell, how it is read, whether that is told
    ("utf-8", "UTF-8", "Café Größe", "utf-8", False),
    ("utf-8", "Cp1252", "Café Größe", "utf-8", True),
    ("utf-8", "ISO-8859-1", "Café Größe", "utf-8", True),
    ("utf-8-sig", "Cp1252", "Café Größe", "utf-8-sig", True),
    ("utf-16", "UTF-16", "Café Größe", "utf-16", False),
    ("utf-16-le", "UTF-16", "Café Größe", "utf-16-le", False),
    ("cp1252", "Cp1252", "Café „Größe“ 5 €", "cp1252", False),
    ("cp1252", "UTF-8", "Café Größe", "cp1252", True),
    ("cp1252", "", "Café Größe", "cp1252", True),
    ("cp1252", "ISO-8859-1", "„Gut“", "cp1252", True),
    ("iso8859-1", "ISO-8859-1", "Café \x81", "cp1252", True),
    ("iso8859-1", "ISO-8859-1", "Café Größe", "cp1252", False),
    ("cp1252", "no-such-charset", "Café Größe", "cp1252", True),
    ("cp932", "Shift_JIS", "港と松", "cp932", False),
    ("utf-8", "Shift_JIS", "港と松", "utf-8", True),
    ("gb18030", "GB18030", "港和松", "gb18030", False),
    ("euc_jp", "EUC-JP", "港と松", "euc_jis_2004", False),
)


def test_each_charset_is_read_and_written_down(file):
    """E27: by its bytes and its label; the choice is kept with the request, and told where it is not the label's."""
    for charset, label, cell, read_as, is_told in CHARSETS:
        file.again()

        run = spoilt(file, "charset", charset=charset, label=label, cell=cell)

        assert run.state == "succeeded", f"{charset}: {run.message}"
        file.assert_whole()
        assert cell in file.column("product_name"), (charset, label)
        assert Request.objects.get(dataset=file.dataset).answer.progress["charset"] == read_as, (charset, label)
        assert ("was read as" in file.notes()) == is_told, (charset, label)
        assert "became" not in file.notes()


STRAYS = (  # how it is written, what the label says, cells, bytes put in place of a text, what becomes of the cells
    ("cp1252", "Cp1252", ["5 €", "stray !!"], {"!!": "9d"}, ["5 €", "stray \ufffd"]),
    ("utf-8", "UTF-8", ["Café", "stray !!"], {"!!": "e9"}, ["Café", "stray \ufffd"]),
    ("utf-8", "", ["Café", "stray !!"], {"!!": "e9"}, ["Café", "stray \ufffd"]),
    ("cp932", "Shift_JIS", ["港と松", "stray !!"], {"!!": "ff"}, ["港と松", "stray \ufffd"]),
)


def test_a_byte_that_fits_nothing_costs_one_character_and_is_counted(file):
    """E27: and it never makes the whole file one of another charset."""
    for charset, label, cells, by, expected in STRAYS:
        file.again()

        run = spoilt(file, "charset", charset=charset, label=label, cells=cells, bytes=by)

        assert run.state == "succeeded", f"{charset}: {run.message}"
        file.assert_whole()
        assert set(expected) <= set(file.column("product_name")), (charset, label)
        assert "1 character is damaged in Amazon's file" in file.notes(), (charset, label)
        assert "was read as" not in file.notes(), (charset, label)


def test_a_byte_order_mark_is_no_part_of_the_first_title(file):
    """E27."""
    assert spoilt(file, "bom").state == "succeeded"
    file.assert_whole()


def test_other_ways_to_end_lines_and_files_change_nothing(file):
    """E28."""
    for kind in ("trailing_tab", "unix_lines", "no_last_line_break", "not_compressed"):
        file.again()
        assert spoilt(file, kind).state == "succeeded"
        file.assert_whole()
        assert file.notes() == "", kind


def test_a_ragged_line_is_set_aside_and_shifts_nothing(file):
    """E28."""
    assert spoilt(file, "ragged", line=2).state == "succeeded"

    assert file.dataset.rows == sum(day["rows"] for day in file.truth().values()) - 1
    assert "1 lines of Amazon's file" in file.notes() and "line 3" in file.notes()
    assert set(file.column("currency")) <= {"USD", "CAD", "MXN", None}


def test_a_line_break_in_a_cell_is_told_and_shifts_nothing(file):
    """E28: the two halves belong to no row."""
    assert spoilt(file, "line_break_in_cell").state == "succeeded"

    assert file.dataset.rows == sum(day["rows"] for day in file.truth().values()) - 1
    assert "2 lines of Amazon's file" in file.notes()


def test_lone_and_unbalanced_quotes_are_data(file):
    """E28."""
    for cell in ('12" pipe', '"Best" mug', '"', 'a "b', "it's"):
        file.again()
        assert spoilt(file, "cell", cell=cell).state == "succeeded"
        file.assert_whole()
        assert cell in file.column("product_name"), file.notes()


def test_numbers_that_are_none_make_the_column_text_and_lose_nothing(file):
    """E29: decimal commas, dashes, NaN, Infinity, 1e400 and currency signs stay as Amazon wrote them."""
    assert spoilt(file, "strange_numbers").state == "succeeded"

    rows = file.assert_whole(prices=False)
    assert types(file)["item_price"] == "text"
    assert types(file)["item_tax"] == "numeric"
    values = file.column("item_price")
    assert len(values) == rows
    assert set(values) <= {*document_corruption.NUMBERS, None}
    assert "item_price is text from now on" in file.notes()


def test_one_number_that_clients_cannot_read_is_kept_as_text(file):
    """E29, each by itself."""
    for number in ("NaN", "Infinity", "-Infinity", "inf", "1e400", "1.234,56", "--", "N/A", "$5.00", "9" * 200):
        file.again()
        assert spoilt(file, "cell", column="item-price", cell=number).state == "succeeded"

        assert types(file)["item_price"] == "text", number
        assert number in file.column("item_price")
        file.assert_whole(prices=False)


def test_dates_that_are_none_make_the_column_text_and_lose_nothing(file):
    """E30."""
    assert spoilt(file, "strange_dates").state == "succeeded"

    rows = file.assert_whole()
    assert types(file)["last_updated_date"] == "text"
    values = file.column("last_updated_date")
    assert len(values) == rows
    assert set(values) <= {*document_corruption.DATES, None}


UNREADABLE = (
    "infinity", "-infinity", "now", "today", "epoch", "0000-00-00", "10000-01-01", "2026-01-01 BC", "0044-03-15 BC",
    "31/02/2026", "04.03.2023", "9999-12-31T23:59:59-08:00",
)  # fmt: skip


def test_one_date_that_clients_cannot_read_is_kept_as_text(file):
    """E30, each by itself: PostgreSQL would take most of these, and no client would read them back."""
    for moment in UNREADABLE:
        file.again()
        assert spoilt(file, "cell", column="last-updated-date", cell=moment).state == "succeeded"

        assert types(file)["last_updated_date"] == "text", moment
        assert moment in file.column("last_updated_date")
        file.assert_whole()


def test_a_row_without_a_readable_day_is_set_aside_and_counted(file):
    """E30, in the very column that says where a row belongs."""
    for moment in ("infinity", "0000-00-00", "31/02/2026", ""):
        file.again()
        assert spoilt(file, "cell", column="purchase-date", cell=moment).state == "succeeded"
        assert file.dataset.rows == sum(day["rows"] for day in file.truth().values()) - 1
        shown = f"'{moment}'" if moment else "empty"
        assert f"1 row of Amazon's answer has no readable purchase_date (the first is {shown})" in file.notes()


def test_rows_from_another_day_go_nowhere_else(file):
    """Rows from outside the window are dropped and counted."""
    assert spoilt(file, "stray_rows").state == "succeeded"

    file.assert_whole()
    assert Request.objects.get(dataset=file.dataset).out_of_window == 1
    assert "1 row is of days outside this request" in file.notes()


def test_equal_rows_of_a_file_without_a_key_are_all_kept(file):
    """E10 where no key tells rows apart."""
    assert spoilt(file, "duplicate_rows").state == "succeeded"
    assert file.dataset.rows == 2 * sum(day["rows"] for day in file.truth().values())
