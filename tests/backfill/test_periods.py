"""Whole weeks, months and quarters as Amazon counts them: they tile the span, aligned, in any zone, whatever the clocks do."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.catalogue.report import Aligned, Days
from datasets import calendar
from datasets.backfill import days
from datasets.backfill.sources import plan
from datasets.backfill.sources.report import as_dates
from datasets.backfill.span import Span, completed_periods

ZONES = st.sampled_from(sorted(available_timezones()))
DATES = st.dates(date(2015, 1, 1), date(2035, 12, 31))
RULES = st.one_of(
    st.builds(Aligned, st.sampled_from(["week", "month", "quarter"]), st.integers(1, 5)),
    st.builds(Days, st.just(1), st.just(True)),
)
ALIGNED = st.builds(Aligned, st.sampled_from(["week", "month", "quarter"]), st.integers(1, 5))
ONE = timedelta(days=1)


def is_aligned(first, last, unit):
    """Amazon's rules, in other words than ours."""
    after = last + ONE
    if unit == "week":
        return (first.strftime("%a"), last.strftime("%a")) == ("Sun", "Sat")
    months = (1,) * 12 if unit == "month" else (1, 0, 0) * 4
    return first.day == after.day == 1 and bool(months[first.month - 1] and months[after.month - 1])


@given(ALIGNED, DATES)
def test_a_day_lies_in_one_period_and_the_next_one_follows_without_gap(rule, day):
    first, last = rule.period(day)

    assert first <= day <= last and is_aligned(first, last, rule.unit)
    assert (last - first).days + 1 in {"week": [7], "month": [28, 29, 30, 31], "quarter": [90, 91, 92]}[rule.unit]
    assert rule.period(first) == rule.period(last) == (first, last)
    assert rule.period(last + ONE)[0] == last + ONE and rule.period(first - ONE)[1] == first - ONE


@given(ALIGNED, DATES, st.integers(0, 800), st.integers(-40, 900), ZONES)
def test_the_windows_of_a_span_tile_it_without_gap_or_overlap(rule, start, length, age, zone):
    today = start + timedelta(days=age)
    span = completed_periods(Span(start, min(start + timedelta(days=length), today)), rule, newest=today)
    wanted = calendar.days(span.first, span.last)

    found = plan.for_report(rule, wanted, zone, edge=today, spare=15)

    assert [day for first, last in found for day in calendar.days(first, last)] == wanted
    assert all(last < today for _, last in found)
    for first, last in found:
        assert is_aligned(first, last, rule.unit)
        assert len({rule.period(day) for day in calendar.days(first, last)}) <= rule.most
    edges = [calendar.bounds(first, zone)[0] for first, _ in found] + [
        calendar.bounds(last, zone)[1] for _, last in found
    ]
    assert len(set(edges)) == len(found) + bool(found)


@given(RULES, DATES, st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
def test_a_span_is_widened_to_whole_periods_that_are_over_and_within_reach(rule, start, length, age, reach):
    today = start + timedelta(days=age)
    earliest, end = today - timedelta(days=reach), min(start + timedelta(days=length), today)
    first = max(start, earliest)

    span = completed_periods(Span(first, end), rule, newest=today, earliest=earliest)

    if len(span):
        assert rule.period(span.first)[0] == span.first >= earliest
        assert rule.period(span.last)[1] == span.last < today
    for day in calendar.days(first, end):
        begins, ends = rule.period(day)
        assert (span.first <= day <= span.last) == (begins >= earliest and ends < today)


@given(RULES, st.sets(DATES, max_size=20))
def test_a_period_is_read_again_as_a_whole(rule, some):
    found = days.whole_periods(some, rule)

    assert set(some) <= set(found) and found == sorted(set(found), reverse=True)
    assert {rule.period(day) for day in found} == {rule.period(day) for day in some}


@given(DATES, st.integers(0, 40), ZONES)
def test_amazon_reads_the_bounds_as_the_very_dates_that_were_meant(first, length, zone):
    last = first + timedelta(days=length)
    if not (
        calendar.bounds(first, zone)[0] < calendar.bounds(first, zone)[1]
        and calendar.bounds(last, zone)[0] < calendar.bounds(last, zone)[1]
    ):
        return  # a day that its zone left out, when it moved over the date line

    sent = as_dates(calendar.bounds(first, zone)[0], calendar.bounds(last, zone)[1], zone)

    assert sent == tuple(datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (first, last))


@pytest.mark.parametrize(
    ("sunday", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 11, 8), 24)]
)
def test_a_week_with_a_clock_change_is_one_window_of_its_own_length(sunday, hours):
    rule, zone = Aligned("week"), "America/Los_Angeles"
    first, last = rule.period(sunday)

    assert plan.for_report(rule, calendar.days(first, last), zone) == [(first, last)]
    length = calendar.bounds(last, zone)[1] - calendar.bounds(first, zone)[0]
    assert length == timedelta(hours=6 * 24 + hours)
    assert calendar.bounds(first, zone)[0].astimezone(ZoneInfo(zone)).strftime("%a %H:%M") == "Sun 00:00"


def test_a_unit_that_amazon_does_not_have_is_no_window():
    with pytest.raises(ValueError, match="week, month, quarter"):
        Aligned("fortnight")
