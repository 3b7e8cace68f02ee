"""Amazon's clock and ours apart: windows end by Amazon's own, and whoever has to set a clock is told so."""

import contextlib
import io
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from connector.accounts import clocks, endpoints
from connector.accounts.models import ServerClock
from connector.database.clock import database_now
from connector.spapi import errors
from datasets import calendar
from datasets.backfill import lease, runs
from datasets.backfill.turn import Turn
from datasets.models import Answer, Day, Request, Run
from tests.backfill.conftest import finish
from tests.days import ZONE, day_before

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration, pytest.mark.slow]

BEHIND = -150


@pytest.fixture
def amazon(account, simulator):
    """Nothing is known of Amazon's clock yet."""
    ServerClock.objects.all().delete()
    simulator.control("/simulator/clock", {"run": True})
    return simulator


@pytest.fixture
def behind(amazon):
    amazon.control("/simulator/clock", {"advance": BEHIND})
    return amazon


def refusals(amazon, operation="searchOrders"):
    return len(amazon.control(f"/simulator/requests?operation={operation}&status=400")["requests"])


def doctor():
    out = io.StringIO()
    with contextlib.suppress(SystemExit):
        call_command("doctor", stdout=out)
    return out.getvalue()


def up_to_now(dataset):
    """Its dates as words, whatever the hour: the newest day is the one that is under way at Amazon."""
    dataset.start, dataset.end = "today-2", "today"
    dataset.save()
    return dataset


def test_an_amazon_that_is_behind_is_asked_up_to_its_own_time(make_dataset, fill, behind, check):
    dataset = up_to_now(make_dataset())

    run = fill(dataset)

    assert run.state == "succeeded", run.message
    assert refusals(behind) <= 1  # nothing was known of its clock before
    amazons_now = datetime.now(UTC) + timedelta(seconds=BEHIND)
    newest = Day.objects.filter(dataset=dataset).latest("day")
    assert newest.day == calendar.today(amazons_now - timedelta(minutes=3), ZONE)
    assert timedelta(minutes=2) < amazons_now - newest.read_until < timedelta(minutes=5)
    yesterday = newest.day - timedelta(days=1)
    truth = check(dataset).truth(yesterday, yesterday)[yesterday.isoformat()]["ids"]
    assert set(check(dataset).orders_by_day().get(yesterday.isoformat(), {})) == set(truth)


def test_once_the_difference_is_known_nothing_is_refused(make_dataset, fill, behind):
    fill(make_dataset(start="today-2", end="yesterday"))
    before = refusals(behind)

    run = fill(up_to_now(make_dataset(options={"select_statuses": ["SHIPPED"]})))

    assert (run.state, refusals(behind)) == ("succeeded", before), run.message


def test_a_report_lost_on_the_way_is_found_by_amazons_time(make_dataset, amazon):
    """It was made ten minutes ago by Amazon's clock, and this exact moment by ours."""
    amazon.control("/simulator/clock", {"advance": -600})
    amazon.control("/simulator/faults", {"operation": "createReport", "kind": "no_answer", "count": 1})
    amazon.control("/simulator/faults", {"operation": "getReports", "kind": "503", "count": 1})
    options = {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"}
    dataset = make_dataset("create_and_download_report", options=options, start="today-3", end="today-2")

    run = finish(runs.start(dataset, Run.Trigger.MANUAL, now=database_now()))

    assert run.state == "succeeded", run.message
    assert len(amazon.control("/simulator/reports")["reports"]) == 1


def test_a_day_that_has_not_begun_at_amazon_is_waited_for(make_dataset, amazon):
    """A request that was planned while nobody knew of the difference: our clock is past midnight, Amazon's is not."""
    dataset = make_dataset(start="today-2", end="today")
    run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
    fence = lease.take(run.pk)
    run.refresh_from_db()
    asking = Turn(run, fence, threading.Event()).asking
    request = Request(first_day=day_before(0), last_day=day_before(0), answer=Answer())
    midnight, _ = calendar.bounds(day_before(0), asking.zone)
    ServerClock.objects.all().delete()
    ServerClock.objects.create(host=endpoints.host_of("NA"), ahead=BEHIND, measured_at=database_now())

    with pytest.raises(errors.NotReady, match="only just begun") as later:
        asking.window(request, midnight + timedelta(minutes=4))

    assert 60 < later.value.wait < 120  # of the four minutes, 150 s are Amazon's and 180 s its lag
    assert asking.window(request, midnight + timedelta(minutes=6))[0] == midnight


def test_the_difference_is_measured_by_half_the_round_trip(amazon):
    clocks.Meter("NA").heard(
        "Sat, 28 Nov 2026 08:00:10 GMT", sent=100.0, received=104.0, taken_at=90.0, database_at=1795852800.0
    )

    [clock] = ServerClock.objects.all()  # the database stood at 08:00:12 when the answer was halfway
    assert clock.ahead == pytest.approx(-1.5)


@pytest.mark.parametrize("date", [None, "", "soon", "Sat, 99 Nov 2026 08:00:10 GMT", "-1"])
def test_a_date_that_is_none_tells_nothing(amazon, date):
    clocks.Meter("NA").heard(date, sent=0.0, received=0.0, taken_at=0.0, database_at=0.0)

    assert not ServerClock.objects.exists()


def test_an_answer_that_took_long_tells_nothing(amazon):
    date = "Sat, 28 Nov 2026 08:00:10 GMT"
    clocks.Meter("NA").heard(date, sent=0.0, received=11.0, taken_at=0.0, database_at=0.0)

    assert not ServerClock.objects.exists()


def test_what_is_known_already_is_not_written_again(make_dataset, fill, behind):
    fill(make_dataset(start="today-2", end="yesterday"))
    [clock] = ServerClock.objects.all()
    assert clock.ahead == pytest.approx(BEHIND, abs=2)

    fill(make_dataset(start="today-9", end="today-3", options={"select_statuses": ["SHIPPED"]}))

    assert ServerClock.objects.get().measured_at == clock.measured_at


def test_a_clock_that_was_set_is_noticed_by_the_next_answer(make_dataset, fill, behind):
    fill(make_dataset(start="today-2", end="yesterday"))
    behind.control("/simulator/clock", {"advance": -BEHIND})

    fill(make_dataset(start="today-9", end="today-3", options={"select_statuses": ["SHIPPED"]}))

    assert ServerClock.objects.get().ahead == pytest.approx(0, abs=2)


def test_an_old_measurement_holds_no_longer(amazon):
    ServerClock.objects.create(
        host=endpoints.host_of("NA"), ahead=BEHIND, measured_at=database_now() - timedelta(days=2)
    )

    assert clocks.ahead_of("NA") == 0.0
    assert "ok  Amazon's clock" in doctor()


def test_an_amazon_that_is_ahead_is_asked_for_nothing_later_than_our_clock(amazon):
    now = database_now()
    ServerClock.objects.create(host=endpoints.host_of("NA"), ahead=3600, measured_at=now)

    assert clocks.amazons(now, "NA") == now


def test_doctor_names_the_difference_with_effect_and_fix(make_dataset, fill, behind):
    assert "ok  Amazon's clock" in doctor()
    fill(make_dataset(start="today-2", end="yesterday"))

    [line] = [line for line in doctor().splitlines() if "Amazon's clock" in line]

    assert line.startswith("FIX ")
    assert "150 seconds behind this installation's" in line.replace("149 s", "150 s").replace("151 s", "150 s")
    assert "newest rows arrive that much later" in line and "NTP" in line


def test_a_refusal_that_speaks_of_time_names_the_difference(make_dataset, fill, behind):
    details = "createdBefore must be at least two minutes before the time of the request."
    behind.control("/simulator/faults", {"operation": "searchOrders", "kind": "400", "details": details})

    run = fill(make_dataset(start="today-2", end="yesterday"))

    assert run.state == "failed"
    assert "seconds behind this installation's, which may be the cause" in run.message
    assert "NTP" in run.message


def test_a_refusal_of_something_else_does_not(make_dataset, fill, behind):
    behind.control("/simulator/faults", {"operation": "searchOrders", "kind": "400", "details": "No such status."})

    run = fill(make_dataset(start="today-2", end="yesterday"))

    assert run.state == "failed"
    assert "clock" not in run.message and "Check the dataset's options" in run.message
