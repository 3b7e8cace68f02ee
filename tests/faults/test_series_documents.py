"""Documents gone wrong in the first, the middle or the last report of a backfill, at their start, in their middle or at their end.

E17 to E20 and E22 to E30. What stays wrong fails its own day only (`places`); what can be read past befalls all three reports of
a run at once, until each report has met it at each place of its document (`rounds`). test_documents.py holds what each means.
"""

import pytest

from datasets.models import Request
from tests.faults.test_documents import LONG, types
from tests.faults.test_series import assert_all_is_well, assert_one_failed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]


def spoil(series, kind, day, **rule):
    series.fault("downloadDocument", kind, day, **rule)


def rows_of(series, day):
    return series.truth()[str(day)]["rows"]


def message_of(series, day):
    return series.dataset.days.get(day=day).message


# Broken on the way


def test_a_line_cut_at_the_first_a_middle_or_the_last_byte_is_drawn_again(series):
    """E17."""
    for befallen in series.rounds():
        series.again()
        for day, share, _ in befallen:
            spoil(series, "cut", day, at=share, count=1)

        assert_all_is_well(series, befallen, series.drive())
        assert series.amazon.calls("downloadDocument") == 3 + 3


def test_an_archive_broken_at_its_first_a_middle_or_its_last_byte_is_fetched_again(series):
    """E18, and E22 in between: each document is broken twice, and good the third time."""
    for befallen in series.rounds(("empty_document", "html", "corrupt_gzip")):
        series.again()
        for day, share, kind in befallen:
            spoil(series, "truncated_gzip", day, at=share, count=1)
            spoil(series, kind, day, at=share, count=1)

        assert_all_is_well(series, befallen, series.drive())
        assert series.amazon.calls("downloadDocument") == 3 + 6


STAYS = {  # kind: what the run says of it at each place; nobody can tell one byte from a text of one character
    "truncated_gzip": ("no column purchase_date", "ends too early", "ends too early"),
    "html": ("no column purchase_date",) * 3,
    "ragged_all": ("as many values as its header",) * 3,
}


@pytest.mark.parametrize("kind", STAYS if LONG else ["truncated_gzip"])
def test_a_document_that_stays_broken_fails_its_own_day_only(series, kind):
    """E18, and in the long form E22 and E28, which the suite tries below and in test_documents.py."""
    for said, (place, day, share) in zip(STAYS[kind], series.places(), strict=True):
        series.again()
        spoil(series, kind, day, at=share)

        run = series.drive()

        assert series.amazon.calls("downloadDocument") == 2 + 3, place
        assert len(types(series)) == 31, place
        assert_one_failed(series, place, day, run, said)


def test_an_archive_of_two_members_is_read_to_its_end_wherever_the_second_begins(series):
    """E19."""
    for befallen in series.rounds():
        series.again()
        for day, share, _ in befallen:
            spoil(series, "two_members", day, at=share)

        assert_all_is_well(series, befallen, series.drive())


def test_a_bomb_fails_its_own_day_only(series):
    """E20: before the document, in it, and behind it."""
    for place, day, share in series.places():
        series.again()
        spoil(series, "bomb", day, at=share, bytes=16 << 20)

        assert_one_failed(series, place, day, series.drive(), "swells to more than 200 times its size")


# Columns


def test_columns_that_differ_from_report_to_report_find_their_places(series):
    """E23: three shapes of one table in one backfill, and each shape in each report."""
    for befallen in series.rounds(("extra_column", "duplicate_header", "reordered_columns")):
        series.again()
        for day, share, kind in befallen:
            spoil(series, kind, day, at=share)

        assert_all_is_well(series, befallen, series.drive())
        [filled] = [day for day, _, kind in befallen if kind == "extra_column"]
        assert {"price_designation", "price_designation_2", "brand_new_column"} <= set(types(series))
        found = series.column("count(brand_new_column)", f"_day = '{filled}'")
        assert found == series.column("count(brand_new_column)") == [rows_of(series, filled)]


def test_a_column_missing_from_one_report_is_empty_in_its_days_only(series):
    """E23."""
    for place, day, _ in series.places():
        series.again()
        spoil(series, "missing_column", day, column="currency")

        assert series.drive().state == "succeeded", place

        series.assert_whole(prices=False)
        assert set(series.column("currency", f"_day = '{day}'")) == {None}, place
        assert "USD" in series.column("currency", f"_day <> '{day}' AND currency IS NOT NULL"), place
        assert [one for one in series.days() if "no currency" in message_of(series, one)] == [day], place


def test_more_columns_than_a_table_holds_in_one_report_disturb_no_other(series):
    """E24."""
    for place, day, _ in series.places():
        series.again()
        spoil(series, "many_columns", day, columns=450)

        assert_all_is_well(series, place, series.drive())
        assert len(types(series)) == 400, place
        extra = series.column("(SELECT count(*) FROM jsonb_object_keys(_extra))", f"_day = '{day}'")
        assert extra == [481 - 400] * rows_of(series, day), place


# Cells


def test_cells_and_rows_beyond_measure_cost_nothing_but_themselves(series):
    """E25: one cell too long, and one row beyond all measure, in two reports of the same run."""
    for befallen in series.rounds((1_100_000, 17_100_000, None)):
        series.again()
        for day, share, size in befallen:
            if size:
                spoil(series, "huge_cell", day, at=share, bytes=size)

        assert series.drive().state == "succeeded", befallen
        for day, _, size in befallen:
            lacking = 1 if size == 17_100_000 else 0
            assert series.column("count(*)", f"_day = '{day}'") == [rows_of(series, day) - lacking], befallen
            cut = series.column("max(length(product_name))", f"_day = '{day}'")[0]
            assert (cut == 1 << 20) == (size == 1_100_000), befallen
            assert ("set aside" in message_of(series, day)) == bool(lacking), befallen


def test_nul_in_any_row_is_replaced_and_counted(series):
    """E26."""
    for befallen in series.rounds():
        series.again()
        for day, share, _ in befallen:
            spoil(series, "nul_in_cell", day, at=share)

        assert_all_is_well(series, befallen, series.drive())
        for day in series.days():
            assert "1 characters that the database cannot store were replaced" in message_of(series, day)


CHARSETS = (  # how it is written, what the label says, how it is read, a cell
    ("cp1252", "UTF-8", "cp1252", "Café Größe"),
    ("utf-16", "UTF-16", "utf-16", "Ærø"),
    ("cp932", "Shift_JIS", "cp932", "港と松"),
)


def test_each_report_is_read_in_its_own_charset(series):
    """E27."""
    for befallen in series.rounds(CHARSETS):
        series.again()
        for day, share, (charset, label, _, cell) in befallen:
            spoil(series, "charset", day, at=share, charset=charset, label=label, cell=cell)

        assert_all_is_well(series, befallen, series.drive())
        for day, _, (_, _, read_as, cell) in befallen:
            assert Request.objects.get(dataset=series.dataset, first_day=day).answer.progress["charset"] == read_as
            assert series.column("count(*)", f"_day = '{day}' AND product_name = '{cell}'") == [1], befallen


def test_a_line_that_does_not_fit_is_set_aside_and_shifts_nothing(series):
    """E28: a ragged line, a line break and a lone quote, each in each report and at each place."""
    for befallen in series.rounds(("ragged", "line_break_in_cell", "cell")):
        series.again()
        for day, share, kind in befallen:
            spoil(series, kind, day, at=share, **({"cell": '12" pipe'} if kind == "cell" else {}))

        assert series.drive().state == "succeeded", befallen
        for day, _, kind in befallen:
            found, whole = series.column("count(*)", f"_day = '{day}'"), rows_of(series, day)
            assert found == [whole if kind == "cell" else whole - 1], (befallen, kind)
            assert ("set aside" in message_of(series, day)) == (kind != "cell"), (befallen, kind)
        assert set(series.column("currency")) <= {"USD", "CAD", "MXN", None}
        assert '12" pipe' in series.column("product_name")


@pytest.mark.parametrize(
    ("column", "strange"),
    [("item-price", ("NaN", "1.234,56", "9" * 200)), ("last-updated-date", ("infinity", "31/02/2026", "10000-01-01"))],
)
def test_a_value_that_is_none_makes_the_column_text_and_loses_nothing(series, column, strange):
    """E29 and E30: the column is text from that report on, whatever landed before it."""
    name = column.replace("-", "_")
    for value, (place, day, share) in zip(strange, series.places(), strict=True):
        series.again()
        spoil(series, "cell", day, at=share, column=column, cell=value)

        assert series.drive().state == "succeeded", place

        series.assert_whole(prices=column != "item-price")
        assert types(series)[name] == "text", place
        assert series.column("count(*)", f"_day = '{day}' AND {name} = '{value}'") == [1], place


def test_a_row_without_a_readable_day_is_set_aside_in_its_own_report(series):
    """E30, in the very column that says where a row belongs."""
    for befallen in series.rounds(("infinity", "31/02/2026", "")):
        series.again()
        for day, share, moment in befallen:
            spoil(series, "cell", day, at=share, column="purchase-date", cell=moment)

        assert series.drive().state == "succeeded", befallen
        for day in series.days():
            assert series.column("count(*)", f"_day = '{day}'") == [rows_of(series, day) - 1], befallen
            assert "1 row of Amazon's answer has no readable purchase_date" in message_of(series, day)
