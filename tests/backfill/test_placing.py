"""Which day a row belongs to, and why a day without rows may not be called empty: pure."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from datasets.backfill.answers.placing import Placing, quoted

FIRST, LAST = date(2026, 11, 20), date(2026, 11, 22)
UNTIL = datetime(2026, 11, 23, 8, tzinfo=UTC)  # midnight in Los Angeles
INSIDE, BETWEEN, STRAY = "2026-11-22T20:00:00Z", "2026-11-21T20:00:00Z", "2026-12-24T20:00:00Z"


@pytest.fixture
def place():
    """A Placing that has been told these moments."""

    def place(*moments, until=UNTIL, dates=False):
        request = SimpleNamespace(first_day=FIRST, last_day=LAST, until_at=until, is_of_file=False)
        placing = Placing(request, "America/Los_Angeles", "purchase_date", dates=dates)
        for moment in moments:
            placing.day(moment)
        return placing

    return place


def test_nothing_came_and_nothing_is_doubtful(place):
    assert place().doubt(0, has_rows=False) == "" and place().notes() == []


def test_rows_of_the_days_leave_no_doubt(place):
    placing = place(INSIDE, INSIDE)

    assert placing.day(INSIDE) == LAST
    assert placing.doubt(0, has_rows=True) == "" and placing.notes() == []


def test_a_row_without_a_day_leaves_a_doubt_whatever_else_came(place):
    placing = place(INSIDE, "11/22/2026 10:00:00 AM PST", None)

    assert "2 rows of Amazon's answer have no readable purchase_date (the first is '11/22/2026 10" in placing.doubt(
        0, True
    )
    assert "cannot be assigned to a day" in placing.notes()[0]


def test_rows_that_were_set_aside_leave_a_doubt(place):
    assert "1 row of Amazon's answer could not be read" in place(INSIDE).doubt(1, has_rows=True)
    assert "1,200 rows" in place().doubt(1200, has_rows=False)


def test_rows_that_are_all_of_other_days_leave_a_doubt(place):
    said = place(STRAY, STRAY).doubt(0, has_rows=False)

    assert "All 2 rows of Amazon's answer are of other days than 2026-11-20 to 2026-11-22" in said and STRAY in said
    assert "The only row of Amazon's answer is of other days" in place(STRAY).doubt(0, has_rows=False)


def test_a_row_of_another_day_beside_others_leaves_none_and_is_told(place):
    assert place(STRAY, INSIDE).doubt(0, has_rows=True) == ""
    assert "1 row is of days outside this request" in place(STRAY, INSIDE).notes()[0]


def test_each_day_of_the_window_has_its_rows_whoever_wants_it(place):
    placing = place(STRAY)

    assert placing.day(BETWEEN) == FIRST + timedelta(days=1)
    assert placing.doubt(0, has_rows=True) == ""


@pytest.mark.parametrize("moment", ["2026-11-23T08:00:00Z", "2026-11-23 08:00:00 UTC", "2026-11-23T00:00:00-08:00"])
def test_the_end_of_the_window_is_amazons_to_include(place, moment):
    placing = place(moment)

    assert (placing.out_of_window, placing.on_edge) == (1, 1)
    assert placing.doubt(0, has_rows=False) == ""
    assert placing.doubt(0, has_rows=False) == place(moment, moment).doubt(0, has_rows=False)
    assert "All 2 rows" in place(moment, STRAY).doubt(0, has_rows=False)


@pytest.mark.parametrize("moment", ["2026-11-23T08:00:02Z", "2026-11-23", "2026-11-23 08:00:00"])
def test_nothing_else_is_the_end_of_the_window(place, moment):
    assert place(moment).doubt(0, has_rows=False) != ""


def test_a_column_of_dates_has_no_such_end(place):
    assert place("2026-11-23T00:00:00Z", dates=True).doubt(0, has_rows=False) != ""
    assert place("2026-11-22T00:00:00Z", dates=True).doubt(0, has_rows=True) == ""


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "empty"), ("", "empty"), (7, "'7'"), ("x" * 200, "'" + "x" * 60 + "…'"), ("a\tb\0", "'a\ufffdb\ufffd'")],
)
def test_a_value_is_shown_short_and_without_what_cannot_be_shown(value, words):
    assert quoted(value) == words
