"""What making and changing a dataset writes, and what a change means for its rows and for what is under way."""

import threading
from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import connection, transaction

from datasets.backfill import tasks
from datasets.definition import checks, save
from datasets.definition.definition import Definition, InvalidDefinition
from datasets.definition.payload import payload_of
from datasets.models import Dataset, Run
from tests.definition.conftest import NOW, fill, make_account, proposal_of
from tests.living import wait_until

pytestmark = pytest.mark.django_db
NEXT = datetime(2026, 11, 23, 14, tzinfo=UTC)  # six in Los Angeles


# A new one


def test_a_definition_is_kept_as_it_was_given(make, account):
    dataset = make()

    dataset.refresh_from_db()
    assert (dataset.slug, dataset.account, dataset.mode) == ("orders_us", account, "append")
    assert (dataset.schedule_zone, dataset.next_run_at) == ("America/Los_Angeles", NEXT)
    assert payload_of(Definition.of(dataset))["options"]["query_date_type"] == "created"


def test_two_datasets_of_one_name_have_two_slugs(make):
    assert [make().slug, make().slug] == ["orders_us", "orders_us_2"]


@pytest.mark.django_db(transaction=True)
def test_two_requests_of_one_name_at_the_same_moment_make_two_datasets(alice, payload):
    """Over the API the later one was refused; the page tried again."""
    definition = checks.check(proposal_of(alice, payload, None, {}), now=NOW)
    made = []

    def later():
        try:
            made.append(save.define(alice, definition, now=NOW).dataset.slug)
        finally:
            connection.close()

    with transaction.atomic():
        first = save.define(alice, definition, now=NOW).dataset.slug
        other = threading.Thread(target=later)
        other.start()
        wait_until(somebody_waits_for_a_lock, seconds=30)
    other.join(30)

    assert [first, *made] == ["orders_us", "orders_us_2"]


def somebody_waits_for_a_lock():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


# A change


def test_what_a_change_leaves_out_stays_as_it_is(make, change):
    dataset = change(make(), description="mine")

    dataset.refresh_from_db()
    assert (dataset.description, dataset.start, dataset.slug) == ("mine", "today-30", "orders_us")


def test_a_change_keeps_the_rows_that_land_meanwhile(make, change):
    """It wrote back the whole row as it had been read: version, rows and columns of landings in between were lost."""
    dataset = make()
    landed = {"version": 7, "rows": 120, "generation": 2, "columns": [{"name": "a"}], "paused": True}
    Dataset.objects.filter(pk=dataset.pk).update(**landed)

    change(dataset, name="Renamed")

    assert Dataset.objects.filter(pk=dataset.pk, name="Renamed").values(*landed).get() == landed


def test_rows_that_came_in_since_the_checks_forbid_what_they_forbid(alice, make):
    dataset = make()
    other = make_account(alice, "Other")
    definition = checks.check(proposal_of(alice, {}, dataset, {"account": "other"}), dataset=dataset, now=NOW)
    fill(Dataset.objects.get(pk=dataset.pk))

    with pytest.raises(InvalidDefinition) as refused:
        save.change(dataset, definition, now=NOW)

    assert list(refused.value.errors) == ["account"]
    assert not Dataset.objects.filter(account=other).exists()


def test_a_dataset_that_was_deleted_meanwhile_does_not_come_back(make, change):
    dataset = make()
    Dataset.objects.filter(pk=dataset.pk).delete()

    with pytest.raises(Dataset.DoesNotExist):
        change(dataset, name="Renamed")

    assert not Dataset.objects.exists()


class TestTheNextRun:
    def test_follows_another_schedule(self, make, change):
        assert change(make(), schedule={"at": "07:00"}).next_run_at == NEXT + timedelta(hours=1)
        assert change(make(), schedule=None).next_run_at is None

    def test_that_is_due_stays_due_when_something_else_is_changed(self, make, change):
        """A rename between the scheduled instant and the tick put the run off until the next day."""
        dataset = make()

        changed = change(dataset, name="Renamed", now=NEXT + timedelta(seconds=1))

        assert changed.next_run_at == NEXT

    def test_keeps_its_seconds(self, make, change):
        """A time went through text without seconds when something else was changed."""
        dataset = make(schedule={"at": "06:00:30"})

        change(dataset, name="Renamed")

        dataset.refresh_from_db()
        assert dataset.schedule_at == time(6, 0, 30)


class TestWhatIsUnderWay:
    """Where Amazon is asked for something else an open run begins again; where not, it goes on."""

    @pytest.fixture
    def fence_after(self, make, change, alice):
        def fence_after(**changes):
            dataset = make()
            run = tasks.start(dataset)
            Run.objects.filter(pk=run.pk).update(state="running", fence=5)
            make_account(alice, "Other")
            change(dataset, **changes)
            run.refresh_from_db()
            return run.fence

        return fence_after

    @pytest.mark.parametrize(
        "changes",
        [
            {"options": {"query_date_type": "last_updated"}},
            {"mode": "replace"},
            {"report": "order_items"},
            {"account": "Other"},
        ],
    )
    def test_begins_anew_with_another_question(self, fence_after, changes):
        assert fence_after(**changes) == 6

    @pytest.mark.parametrize(
        "changes",
        [{"name": "x"}, {"description": "x"}, {"start": "today-60"}, {"end": "today"}, {"schedule": None}],
    )
    def test_goes_on_with_the_same(self, fence_after, changes):
        assert fence_after(**changes) == 5


class TestDaysThatAreIn:
    def test_are_read_again_with_other_answers(self, make, change):
        dataset = make(filled=True)

        change(dataset, options={"query_date_type": "created", "select_statuses": ["SHIPPED"]})

        assert dataset.days.get().again

    @pytest.mark.parametrize(
        "changes", [{"name": "Orders of mine"}, {"mode": "replace"}, {"end": "today"}, {"schedule": None}]
    )
    def test_are_left_alone_with_the_same_answers(self, make, change, changes):
        dataset = make(filled=True)

        change(dataset, **changes)

        assert not dataset.days.get().again

    def test_are_left_alone_where_the_same_boxes_are_ticked_in_another_order(self, make, change):
        """A program says them in its own order, the page in the order of its boxes: saving there read everything again."""
        dataset = make(filled=True, options={"select_statuses": ["SHIPPED", "PENDING"], "marketplaces": ["CA", "US"]})

        change(dataset, options={"select_statuses": ["PENDING", "SHIPPED"], "marketplaces": ["US", "CA"]})

        assert not dataset.days.get().again

    def test_are_left_alone_where_the_report_has_a_question_since_that_nobody_answers(self, make, change):
        """Its default was taken for another answer with the first change of a name."""
        dataset = make(filled=True)
        Dataset.objects.filter(pk=dataset.pk).update(options={"query_date_type": "created"})  # as of an older catalogue
        dataset.refresh_from_db()

        change(dataset, name="Renamed")

        assert not dataset.days.get().again

    def test_and_an_answer_to_a_question_that_the_report_no_longer_has_is_dropped(self, make, change):
        """The page dropped it; the API refused every change until it was sent without."""
        dataset = make()
        Dataset.objects.filter(pk=dataset.pk).update(options={"query_date_type": "created", "colour": "red"})
        dataset.refresh_from_db()

        assert change(dataset, name="Renamed").name == "Renamed"
