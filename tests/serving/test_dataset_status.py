"""What is said of a dataset's days: never more than is true."""

from datetime import UTC, date, datetime, timedelta

import pytest

from datasets.backfill.dataset_status import complete_through, states_of, status_of, statuses_of
from datasets.models import Day, Run
from tests.serving import shop

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 20, tzinfo=UTC)  # noon in Los Angeles
TODAY = date(2026, 11, 22)


@pytest.fixture
def dataset(alice):
    return shop.make_dataset(alice, shop.make_account(alice), "mine", start="today-9", end="today")


def day(dataset, back, state="landed", **fields):
    fields.setdefault("landed_at", NOW if state in Day.IN else None)
    return Day.objects.create(
        dataset=dataset, generation=fields.pop("generation", 1), day=TODAY - timedelta(days=back), state=state, **fields
    )


def run(dataset, state, **fields):
    return Run.objects.create(
        dataset=dataset,
        generation=fields.pop("generation", 1),
        trigger="manual",
        state=state,
        queued_at=NOW,
        deadline=NOW,
        **fields,
    )


def through(dataset):
    found = status_of(dataset, NOW).complete_through
    assert complete_through(dataset, NOW) == found  # a page of rows asks for this alone
    return (TODAY - found).days if found else None


def test_a_new_dataset_is_complete_through_nothing(dataset):
    found = status_of(dataset, NOW)

    assert (found.days_total, found.days_done, found.days_failed) == (10, 0, 0)
    assert (found.newest, found.oldest, found.complete_through, found.state) == (None, None, None, "new")


def test_while_history_fills_newest_first_it_is_complete_through_the_newest_day(dataset):
    for back in (1, 2, 3):
        day(dataset, back)
    for back in (4, 5, 6, 7, 8, 9):
        day(dataset, back, "wanted")

    assert through(dataset) == 1


def test_a_hole_holds_it_back_until_it_is_filled(dataset):
    for back in (1, 2, 4, 5):
        day(dataset, back)
    hole = day(dataset, 3, "failed", attempts=3)

    assert through(dataset) == 4
    assert status_of(dataset, NOW).days_failed == 1
    Day.objects.filter(pk=hole.pk).update(state="empty")
    assert through(dataset) == 1


def test_an_empty_day_is_in_like_any_other(dataset):
    day(dataset, 2)
    day(dataset, 1, "empty")

    assert through(dataset) == 1
    assert status_of(dataset, NOW).days_done == 2


def test_a_day_that_was_not_over_when_it_was_read_is_in_but_not_complete(dataset):
    day(dataset, 1)
    day(dataset, 0, read_until=NOW)

    found = status_of(dataset, NOW)
    assert found.newest == TODAY
    assert found.complete_through == TODAY - timedelta(days=1)


def test_a_day_that_is_read_again_stays_in_and_counts_as_failed_only_when_that_failed(dataset):
    day(dataset, 1, again=True)
    day(dataset, 2, again=True, attempts=2)

    found = status_of(dataset, NOW)
    assert (found.days_done, found.days_failed) == (2, 1)


def test_a_gap_that_the_range_has_left_behind_does_not_hold_it_back(dataset):
    day(dataset, 40)
    for back in (1, 2, 3):
        day(dataset, back)

    assert through(dataset) == 1
    assert status_of(dataset, NOW).oldest == TODAY - timedelta(days=40)  # its rows are still there


def test_days_of_files_outside_of_the_range_are_counted_apart(dataset):
    """They were in no count, and the oldest day was said to be the first one of the range."""
    for back in range(10):
        day(dataset, back, from_file=back == 9)
    for back in (40, 41, 42):
        day(dataset, back, from_file=True)
    day(dataset, 43, "failed", from_file=True)
    day(dataset, 50)

    found = status_of(dataset, NOW)
    assert (found.days_total, found.days_done, found.days_failed) == (10, 10, 0)
    assert found.days_from_files == 3
    assert (found.oldest, found.newest) == (TODAY - timedelta(days=50), TODAY)
    assert found.complete_through == TODAY


def test_a_replace_counts_what_it_builds_and_promises_what_readers_see(dataset):
    dataset.mode = "replace"
    dataset.save()
    for back in (2, 3):
        day(dataset, back)
    day(dataset, 1, generation=2)
    run(dataset, "running", generation=2)

    found = status_of(dataset, NOW)
    assert (found.days_done, found.state) == (1, "loading")
    assert found.complete_through == TODAY - timedelta(days=2)


def test_the_state_follows_the_last_run(dataset):
    for state, said in (
        ("failed", "failed"),
        ("partial", "partial"),
        ("cancelled", "partial"),
        ("succeeded", "up_to_date"),
        ("waiting", "loading"),
    ):
        run(dataset, state)
        assert status_of(dataset, NOW).state == said
    Run.objects.filter(state="waiting").delete()
    dataset.paused = True
    assert status_of(dataset, NOW).state == "paused"


def test_a_report_without_dates_holds_one_day(alice):
    dataset = shop.make_dataset(
        alice, shop.make_account(alice), "places", report="marketplace_participations", start="", end="", mode="replace"
    )
    assert (status_of(dataset, NOW).days_total, status_of(dataset, NOW).days_done) == (1, 0)
    day(dataset, 3)

    found = status_of(dataset, NOW)
    assert (found.days_total, found.days_done, found.complete_through) == (1, 1, TODAY - timedelta(days=3))
    assert complete_through(dataset, NOW) == found.complete_through


def test_of_a_report_without_dates_only_the_newest_day_can_lack_a_marketplace(alice):
    """Each day that it was ever asked for was counted."""
    dataset = shop.make_dataset(
        alice, shop.make_account(alice), "places", report="marketplace_participations", start="", end="", mode="replace"
    )
    run(dataset, "partial")
    for back in (3, 2):
        day(dataset, back, lacking=["MX"])

    assert status_of(dataset, NOW).days_lacking == 1
    assert (status_of(dataset, NOW).state, states_of([dataset], NOW)[dataset.pk]) == ("partial", "partial")

    day(dataset, 1)
    assert status_of(dataset, NOW).days_lacking == 0
    assert (status_of(dataset, NOW).state, states_of([dataset], NOW)[dataset.pk]) == ("up_to_date", "up_to_date")


def test_a_report_that_the_catalogue_has_dropped_can_still_be_told_of(dataset):
    """It was taken for one that shows the present: one day, and complete through the newest one whatever was missing."""
    dataset.report = "gone_for_good"
    run(dataset, "partial")
    for back in (1, 2, 4):
        day(dataset, back, lacking=["MX"] if back == 2 else [])
    day(dataset, 3, "failed", attempts=1)

    found = status_of(dataset, NOW)
    assert (found.newest, found.oldest) == (TODAY - timedelta(days=1), TODAY - timedelta(days=4))
    assert (found.days_total, found.days_done, found.days_failed, found.days_lacking) == (4, 3, 1, 1)
    assert (found.state, states_of([dataset], NOW)[dataset.pk]) == ("partial", "partial")
    assert through(dataset) == 4


def test_dates_that_mean_nothing_any_more_leave_what_is_there(dataset):
    dataset.start = "the beginning"
    day(dataset, 1)
    day(dataset, 3)

    found = status_of(dataset, NOW)
    assert (found.days_total, found.days_done) == (2, 2)
    assert through(dataset) == 3


def test_many_datasets_take_two_queries(alice, django_assert_num_queries):
    account = shop.make_account(alice)
    made = [shop.make_dataset(alice, account, f"d_{number}", start="today-9", end="today") for number in range(20)]
    for dataset in made:
        day(dataset, 1)
        run(dataset, "succeeded")

    with django_assert_num_queries(2):
        found = statuses_of(made, NOW)
    assert {one.state for one in found.values()} == {"up_to_date"}
    assert complete_through(made[0], NOW) == TODAY - timedelta(days=1)
