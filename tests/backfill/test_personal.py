"""Which columns tell of a buyer is known of a dataset as long as it has them, whatever becomes of its table and its report."""

import pytest

from datasets import personal
from datasets.backfill import land
from datasets.models import Run
from datasets.rows import snapshot
from datasets.rows.policy import Policy
from tests.serving import shop

pytestmark = pytest.mark.django_db
COLUMNS = [
    {"name": "order_id", "title": "order_id", "type": "text"},
    {"name": "buyer_name", "title": "buyer_name", "type": "text"},
    {"name": "shipping_address_city", "title": "shipping_address_city", "type": "text"},
    {"name": "number_of_items_shipped", "title": "number_of_items_shipped", "type": "bigint"},
]
MARKED = {"buyer_name", "shipping_address_city"}


@pytest.fixture
def dataset(alice):
    found = shop.make_dataset(alice, shop.make_account(alice), "marked", mode="replace")
    land.prepare(found, 1, COLUMNS)
    return found


def marks(dataset):
    dataset.refresh_from_db()
    return {column["name"] for column in dataset.columns if column["personal"]}


def run_of(dataset, generation, now):
    fields = {"trigger": "manual", "queued_at": now, "deadline": now, "state": "running", "fence": 1}
    return Run.objects.create(dataset=dataset, generation=generation, **fields)


def test_the_table_of_a_landing_is_marked_by_the_catalogue(dataset):
    assert marks(dataset) == MARKED
    assert {column["name"] for column in personal.declared(dataset) if column["personal"]} > MARKED


def test_a_column_that_becomes_text_keeps_its_mark(dataset, time_machine):
    from django.utils import timezone

    run = run_of(dataset, 1, timezone.now())

    land.widen(run, None, ["number_of_items_shipped", "buyer_name"])

    assert marks(dataset) == MARKED
    assert {column["type"] for column in dataset.columns} == {"text"}


def test_a_table_that_was_built_aside_is_marked_when_readers_see_it(dataset):
    from django.utils import timezone

    land.prepare(dataset, 2, COLUMNS)
    land.flip(run_of(dataset, 2, timezone.now()), 1)

    assert marks(dataset) == MARKED and dataset.generation == 2


def test_a_mark_stays_when_the_catalogue_drops_the_report(dataset):
    dataset.report = "a_report_of_yesterday"
    dataset.save()

    land.prepare(dataset, 1, [*COLUMNS, {"name": "note", "title": "note", "type": "text"}])

    assert marks(dataset) == MARKED


def test_rows_that_were_there_before_the_mark_are_marked_by_the_migration(dataset):
    from importlib import import_module

    from django.apps import apps

    dataset.columns = [{key: column[key] for key in ("name", "title", "type")} for column in dataset.columns]
    dataset.save()

    import_module("datasets.migrations.0010_personal_columns").mark(apps, None)

    assert marks(dataset) == MARKED


def test_columns_that_were_written_down_without_marks_are_marked_for_readers(dataset):
    from django.utils import timezone

    dataset.columns = [{key: column[key] for key in ("name", "title", "type")} for column in dataset.columns]
    seen = snapshot.glance(dataset, Policy("a test"), now=timezone.now())

    assert {column["name"] for column in seen.columns if column["personal"]} == MARKED
    assert [column["name"] for column in seen.columns][-1] == "_day"
