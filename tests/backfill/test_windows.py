"""Days, zones and windows: pure, so held by properties."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.catalogue.report import Days
from datasets import calendar, schedule
from datasets.backfill import days
from datasets.backfill.answers.placing import day_finder
from datasets.backfill.sources import plan
from datasets.backfill.span import resolved_span

ZONES = ["America/Los_Angeles", "Europe/London", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Tokyo", "UTC"]
DATES = st.dates(date(2019, 1, 1), date(2030, 12, 31))
TODAY = date(2026, 11, 22)


def test_just_after_midnight_yesterday_is_yesterday_although_today_cannot_be_asked_for_yet():
    words = {"start": "today-3", "end": "today"}

    span = resolved_span(**words, today=TODAY, newest=TODAY - timedelta(days=1))

    assert (span.first, span.last) == (TODAY - timedelta(days=3), TODAY - timedelta(days=1))


@given(DATES, st.sampled_from(ZONES), st.integers(1, 60))
def test_days_tile_time_without_gap_or_overlap(first, zone, count):
    edges = [calendar.bounds(first + timedelta(days=i), zone) for i in range(count)]

    assert all(before[1] == after[0] for before, after in zip(edges, edges[1:], strict=False))
    assert all(timedelta(hours=22) < end - start < timedelta(hours=26) for start, end in edges)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 7, 1), 24)])
def test_a_day_of_a_clock_change_is_as_long_as_it_is(day, hours):
    start, end = calendar.bounds(day, "America/Los_Angeles")

    assert end - start == timedelta(hours=hours)


@given(st.datetimes(datetime(2026, 9, 20), datetime(2026, 12, 20), timezones=st.just(UTC)), st.sampled_from(ZONES))
def test_the_quick_day_finder_agrees_with_the_calendar(moment, zone):
    find = day_finder(date(2026, 10, 1), date(2026, 11, 30), zone)
    expected = calendar.today(moment, zone)

    assert find(moment.isoformat()) == expected
    assert find(moment.isoformat().replace("+00:00", "Z")) == expected
    assert find((moment.astimezone(tz=None)).isoformat()) == expected


def test_text_that_is_no_instant_has_no_day():
    find = day_finder(TODAY, TODAY, "UTC")

    assert find("") is find(None) is find("n/a") is None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-22 07:59:59 UTC", date(2026, 11, 21)),
        ("2026-11-22 08:00:00 UTC", TODAY),
        ("2026-11-22T07:59:59.999Z", date(2026, 11, 21)),
        ("2026-11-22 23:59:59 PST", TODAY),
        ("2026-11-23 08:59:59 CET", TODAY),
        ("Nov 22, 2026 11:59:59 PM PST", TODAY),
        ("2026-11-21T24:00:00-08:00", TODAY),
        ("2026-11-22 03:00:00", TODAY),
        ("2026-11-22", TODAY),
        ("11/22/2026 10:00:00 AM PST", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_a_moment_falls_on_its_local_day_however_it_is_written(text, day):
    assert day_finder(date(2026, 11, 20), TODAY, "America/Los_Angeles")(text) == day


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22",
        "2026-11-22T00:00:00Z",
        "2026-11-22T23:59:59Z",
        "2026-11-22 00:00:00 UTC",
        "22 Nov 2026",
        "2026-11-22T05:30:00+05:30",
    ],
)
@pytest.mark.parametrize("zone", ZONES)
def test_where_a_report_counts_dates_a_day_is_the_one_that_is_written(text, zone):
    assert day_finder(TODAY, TODAY, zone, dates=True)(text) == TODAY


@pytest.mark.parametrize(
    ("word", "day"),
    [
        ("today", TODAY),
        ("0", TODAY),
        ("Yesterday", TODAY - timedelta(days=1)),
        ("1", TODAY - timedelta(days=1)),
        ("today-7", TODAY - timedelta(days=7)),
        ("today - 7", TODAY - timedelta(days=7)),
        ("7", TODAY - timedelta(days=7)),
        ("2026-10-01", date(2026, 10, 1)),
    ],
)
def test_domos_words_for_days_are_understood(word, day):
    assert calendar.resolve(word, TODAY) == day


@pytest.mark.parametrize("word", ["", "tomorrow", "2026-13-01", "01/02/2026", "today+1", "-3"])
def test_a_word_that_is_no_day_is_answered_with_what_to_write(word):
    with pytest.raises(ValueError, match="today-7"):
        calendar.resolve(word, TODAY)


wanted_days = st.sets(st.integers(0, 400), min_size=1).map(lambda n: sorted(TODAY - timedelta(days=i) for i in n))


@given(wanted_days, st.integers(1, 40), st.integers(0, 20))
def test_windows_cover_every_wanted_day_once_newest_first(wanted, widest, spare):
    found = plan.windows(wanted, fits=plan.at_most(widest), edge=TODAY, spare=spare)

    covering = [[day for day in wanted if first <= day <= last] for first, last in found]
    assert sorted(day for days_of in covering for day in days_of) == wanted
    assert all(days_of for days_of in covering)
    assert all((last - first).days < widest for first, last in found)
    assert found == sorted(found, reverse=True)


def test_two_years_of_the_all_orders_report_take_25_requests():
    wanted = [TODAY - timedelta(days=i) for i in range(1, 731)]

    assert len(plan.windows(wanted, fits=plan.at_most(30), edge=wanted[0], spare=15)) == 25


def test_thirty_days_with_an_hour_more_in_autumn_are_more_than_amazon_takes():
    wanted = [date(2026, 11, 10) - timedelta(days=i) for i in range(30)]
    fits = plan.whole_days(Days(30), "America/Los_Angeles")

    assert len(plan.windows(wanted, fits=fits)) == 2
    assert len(plan.windows(wanted, fits=plan.whole_days(Days(30), "Asia/Tokyo"))) == 1


def test_two_years_across_clock_changes_still_take_25_requests():
    wanted = [TODAY - timedelta(days=i) for i in range(1, 731)]

    assert (
        len(plan.windows(wanted, fits=plan.whole_days(Days(30), "America/Los_Angeles"), edge=wanted[0], spare=15)) == 25
    )


def test_the_newest_days_come_on_their_own_while_a_request_can_be_spared():
    wanted = [TODAY - timedelta(days=i) for i in range(90)]

    found = plan.windows(wanted, fits=plan.at_most(30), edge=TODAY, spare=15)

    assert found[0] == (TODAY - timedelta(days=1), TODAY)
    assert len(found) == 4


def test_one_failed_day_is_one_request():
    day = TODAY - timedelta(days=200)

    assert plan.windows([day], fits=plan.at_most(30), edge=TODAY, spare=15) == [(day, day)]


def test_the_first_page_chain_is_small_and_the_next_as_wide_as_the_days_are_quiet():
    assert plan.widest_for_pages(30, rows_per_day=None, page_rows=100) == plan.EDGE_DAYS
    assert plan.widest_for_pages(30, rows_per_day=5, page_rows=100) == 30
    assert plan.widest_for_pages(30, rows_per_day=100, page_rows=100) == 15
    assert plan.widest_for_pages(30, rows_per_day=9000, page_rows=100) == 1


def test_a_morning_without_a_sale_is_no_reason_to_ask_for_a_year_at_once():
    assert plan.widest_for_pages(365, rows_per_day=0, page_rows=100, known_days=1) == 4
    assert plan.widest_for_pages(365, rows_per_day=5, page_rows=100, known_days=5) == 20
    assert plan.widest_for_pages(365, rows_per_day=5, page_rows=100, known_days=200) == 300


class TestAgain:
    zone = "America/Los_Angeles"
    now = datetime(2026, 11, 22, 20, tzinfo=UTC)

    def known(self, back, *, landed_days_ago=0, whole=True):
        day = date(2026, 11, 22) - timedelta(days=back)
        _, end = calendar.bounds(day, self.zone)
        return days.Known(day, end if whole else end - timedelta(hours=3), self.now - timedelta(days=landed_days_ago))

    def again(self, *known, settling_days=3):
        return days.again(known, zone=self.zone, now=self.now, settling_days=settling_days)

    def test_a_day_read_before_its_end_is_read_again(self):
        assert self.again(self.known(0, whole=False)) == [date(2026, 11, 22)]

    def test_a_settling_day_is_read_again_once_a_day(self):
        assert self.again(self.known(2, landed_days_ago=1)) == [date(2026, 11, 20)]
        assert self.again(self.known(2, landed_days_ago=0)) == []

    def test_an_old_day_is_left_alone(self):
        assert self.again(self.known(4, landed_days_ago=1)) == []
        assert self.again(self.known(400, landed_days_ago=20)) == []

    def test_an_old_day_that_was_not_read_when_it_had_settled_is_read_once_more(self):
        assert self.again(self.known(4, landed_days_ago=2)) == [date(2026, 11, 18)]
        assert self.again(self.known(400, landed_days_ago=399)) == [self.known(400).day]

    def test_nothing_settles_where_amazon_does_not_restate(self):
        assert self.again(self.known(1, landed_days_ago=1), settling_days=0) == []


@pytest.mark.parametrize("zone", ZONES)
def test_a_daily_schedule_runs_once_on_each_local_day(zone):
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    seen = []
    while len(seen) < 400:
        moment = schedule.next_run("daily", schedule.DEFAULT_AT, zone, moment)
        seen.append(calendar.today(moment, zone))

    assert seen == [seen[0] + timedelta(days=i) for i in range(400)]


def test_a_manual_dataset_has_no_next_run():
    assert schedule.next_run("manual", None, "", datetime(2026, 1, 1, tzinfo=UTC)) is None
