"""Large days land two at a time, and nobody can tell but by the clock."""

import threading
from datetime import date, timedelta

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection

from datasets.backfill import parallel_landing
from tests.checker import Checker
from tests.days import day_before

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration, pytest.mark.slow]

DAYS = [date(2026, 10, 20) - timedelta(days=back) for back in range(12)]
BY_ORDER_DATE = {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"}


def test_two_are_under_way_at_once_and_get_in_newest_first():
    side_by_side = threading.Barrier(parallel_landing.LANES, timeout=20)
    landed = []

    def land_one(day, turn):
        side_by_side.wait()  # breaks unless another day is here too
        turn()
        landed.append(day)

    parallel_landing.land(DAYS, land_one)

    assert landed == DAYS


@pytest.mark.parametrize("bad", [0, 1, 5, 11])
def test_what_goes_wrong_holds_back_every_older_day(bad):
    landed = []

    def land_one(day, turn):
        if day == DAYS[bad]:
            raise ValueError("Amazon sent something odd.")
        turn()
        landed.append(day)

    parallel_landing.land(DAYS, land_one)

    assert landed == DAYS[: len(landed)] and len(landed) <= bad


def test_a_task_whose_time_is_over_lands_nothing_more_one_by_one():
    """The signal meets the worker's own thread; it was taken for a day's error, and the worker was killed two minutes later."""
    side_by_side = threading.Barrier(parallel_landing.LANES, timeout=20)
    landed = []

    def land_one(day, turn):
        side_by_side.wait()
        if threading.current_thread() is threading.main_thread():
            raise SoftTimeLimitExceeded
        turn()
        landed.append(day)

    with pytest.raises(SoftTimeLimitExceeded):
        parallel_landing.land(DAYS, land_one)

    assert landed in ([], DAYS[:1])


@pytest.fixture
def thirty_days(make_dataset, monkeypatch):
    """A dataset of thirty days, which are landed side by side however small they are."""
    monkeypatch.setattr(parallel_landing, "WORTH_IT", 1)
    return make_dataset("create_and_download_report", options=BY_ORDER_DATE, start="today-30", end="yesterday")


def assert_equal_to_truth(dataset, simulator):
    checker = Checker(dataset.pk, simulator)
    truth = checker.truth(day_before(30), day_before(1), file=True, marketplaces="US,CA,MX")
    rows = {day: sum(found.values()) for day, found in checker.orders_by_day().items()}
    landed = checker.landings_newest_first()
    checker.close()
    assert rows == {day: so["rows"] for day, so in truth.items() if so["rows"]}
    assert sum(rows.values()) == dataset.rows > 0
    assert len(landed) == 30 and landed == sorted(landed, reverse=True)


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_days_landed_side_by_side_equal_amazons_truth(thirty_days, fill, simulator, mode):
    type(thirty_days).objects.update(mode=mode)
    thirty_days.refresh_from_db()

    run = fill(thirty_days)

    assert run.state == "succeeded", run.message
    assert_equal_to_truth(thirty_days, simulator)


@pytest.fixture
def cut_once():
    """The server ends a connection, once, at the moment at which this day is marked as landed."""
    made = []

    def cut_once(day):
        made.append(day)
        with connection.cursor() as c:
            c.execute("CREATE SEQUENCE cuts")  # counts on when a transaction is undone
            c.execute(
                f"""
                CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF NEW.state = 'landed' AND NEW.day = '{day}' AND nextval('cuts') = 1 THEN
                        PERFORM pg_terminate_backend(pg_backend_pid());
                    END IF;
                    RETURN NEW;
                END $$
                """
            )
            c.execute("CREATE TRIGGER cut BEFORE UPDATE ON datasets_day FOR EACH ROW EXECUTE FUNCTION cut()")

    yield cut_once
    with connection.cursor() as c:
        c.execute("DROP FUNCTION IF EXISTS cut CASCADE")
        c.execute("SELECT last_value FROM cuts")
        tries = c.fetchone()[0]
        c.execute("DROP SEQUENCE cuts")
    assert tries >= 2, "the day was not landed a second time"


@pytest.mark.parametrize("back", [3, 4, 17])
def test_a_day_that_is_cut_off_beside_another_is_landed_again_whole(thirty_days, fill, simulator, cut_once, back):
    """A day with rows: one on which nothing was sold has none to land."""
    checker = Checker(thirty_days.pk, simulator)
    truth = checker.truth(day_before(30), day_before(1), file=True, marketplaces="US,CA,MX")
    checker.close()
    cut_once(next(day for day in map(day_before, range(back, 30)) if truth[str(day)]["rows"]))

    run = fill(thirty_days)

    assert run.state == "succeeded", run.message
    assert_equal_to_truth(thirty_days, simulator)
