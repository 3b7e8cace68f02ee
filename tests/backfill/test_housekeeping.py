"""What nobody needs any more goes, and nothing else."""

from datetime import timedelta

import psycopg
import pytest
from django.db import connection

from connector.database.clock import database_now
from datasets.backfill import housekeeping, land, lifecycle
from datasets.models import Answer, Dataset, Request
from datasets.raw_files import raw_root
from tests.days import day_before
from tests.living import database_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]


def tables(dataset):
    return sorted(generation for pk, generation in housekeeping._tables() if pk == dataset.pk)


@pytest.fixture
def replaced(make_dataset, fill):
    """A dataset that a second run has replaced: an old generation and the one readers see."""
    dataset = make_dataset("marketplace_participations", start="", end="", mode="replace")
    fill(dataset)
    fill(dataset)
    return dataset


def test_an_old_generation_stays_an_hour_for_those_who_still_read_it(replaced):
    now = database_now()

    housekeeping.clean(now)
    assert tables(replaced) == [2, 3]

    housekeeping.clean(now + timedelta(minutes=61))
    assert tables(replaced) == [3]


def test_a_generation_that_a_reader_holds_waits_for_the_next_time(replaced):
    later = database_now() + timedelta(minutes=61)
    with psycopg.connect(database_url()) as reader:
        reader.execute(f"SELECT * FROM data.ds_{replaced.pk}_g2")

        housekeeping.clean(later)
        assert tables(replaced) == [2, 3]

    housekeeping.clean(later)
    assert tables(replaced) == [3]


def test_the_rows_of_a_deleted_dataset_go(replaced):
    lifecycle.remove(replaced)

    housekeeping.clean(database_now())

    assert not Dataset.objects.exists()
    assert tables(replaced) == []


def test_raw_answers_are_kept_for_thirty_days(make_dataset, fill):
    dataset = make_dataset(start="yesterday", end="yesterday")
    fill(dataset)
    folder = Answer.objects.get().folder
    now = database_now()

    for days, is_kept in ((29, True), (31, False)):
        Answer.objects.update(collected_at=now - timedelta(days=days))
        housekeeping.clean(now)
        assert folder.is_dir() == is_kept


@pytest.mark.parametrize("clean", [lambda now: housekeeping.drop_orphan_tables(), housekeeping.drop_old_raw])
def test_a_dataset_that_is_made_while_it_looks_keeps_its_table_and_its_files(make_dataset, clean):
    made = []

    def as_soon_as_it_has_asked(execute, *statement):
        answer = execute(*statement)
        if not made:
            made.append(None)  # what follows asks too
            made[0] = make_dataset()
            kept = Request.plan(made[0], 1, day_before(1), day_before(1), kind="report", asked={}).answer.folder
            kept.mkdir(parents=True)
            (kept / "document").write_text("rows")
            land.prepare(made[0], 1, [{"name": "a", "title": "a", "type": "text"}])
        return answer

    (raw_root() / "answers").mkdir(parents=True, exist_ok=True)
    now = database_now()
    with connection.execute_wrapper(as_soon_as_it_has_asked):
        clean(now)

    assert tables(made[0]) == [1]
    assert (Answer.objects.get().folder / "document").exists()
