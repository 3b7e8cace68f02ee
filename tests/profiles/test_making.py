"""The profile of a dataset's columns: what it is made from is bounded and said, and it is rebuilt when rows have
changed."""

from datetime import UTC, date, datetime, timedelta

import pytest

from datasets.backfill import lifecycle
from datasets.models import ColumnProfile, Dataset, Run
from datasets.profiles import making, tasks
from datasets.tabular import isolated
from tests.serving import shop

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAYS = [date(2026, 9, 10) + timedelta(days=n) for n in range(4)]


@pytest.fixture
def dataset(alice):
    account = shop.make_account(alice)
    rows = [
        {"_day": day, "amazon_order_id": f"{day}-{n}", "quantity": n, "title": "" if n else None, "item_price": "1.50"}
        for day in DAYS
        for n in range(5)
    ]
    return shop.make_dataset(alice, account, "orders", rows=rows)


def found(profile):
    return {column["name"]: column for column in profile.columns}


def test_all_rows_are_counted_where_there_are_few(dataset):
    made = making.make(dataset, NOW)

    assert (made.rows, made.rows_total, made.first_day, made.last_day) == (20, 20, DAYS[0], DAYS[-1])
    assert made.version == dataset.version
    columns = found(made)
    assert columns["amazon_order_id"]["distinct"] == 20
    assert (columns["quantity"]["smallest"], columns["quantity"]["largest"]) == ("0", "4")
    assert columns["title"]["filled"] == columns["ship_date"]["filled"] == 0
    assert columns["item_price"]["frequent"] == [["1.5", 20]]
    assert columns["_day"]["distinct"] == 4


def test_a_large_table_is_looked_at_by_its_newest_days_whole(dataset, monkeypatch):
    monkeypatch.setattr(making, "MAX_ROWS", 12)

    made = making.make(dataset, NOW)

    assert (made.rows, made.rows_total, made.first_day, made.last_day) == (10, 20, DAYS[2], DAYS[3])


def test_one_day_that_is_too_large_is_looked_at_in_part(dataset, monkeypatch):
    monkeypatch.setattr(making, "MAX_ROWS", 3)

    made = making.make(dataset, NOW)

    assert (made.rows, made.first_day) == (3, DAYS[3])


def test_a_dataset_without_a_table_has_an_empty_profile(alice):
    dataset = shop.make_dataset(alice, shop.make_account(alice), "new")

    made = making.make(dataset, NOW)

    assert (made.rows, made.first_day) == (0, None)
    assert all(column["filled"] == 0 for column in made.columns)


def test_it_is_due_once_rows_have_changed_and_an_hour_has_passed(dataset):
    def is_due(at):
        return dataset.pk in making.due(at)

    assert is_due(NOW)
    made = making.make(dataset, NOW)
    assert not is_due(NOW + timedelta(days=1))

    shop.add_rows(dataset, [{"_day": DAYS[0], "quantity": 9}])
    dataset.refresh_from_db()

    assert not is_due(NOW + timedelta(minutes=59))
    assert is_due(NOW + timedelta(minutes=60))
    run = Run.objects.create(dataset=dataset, generation=1, trigger="manual", queued_at=NOW, deadline=NOW)
    assert not is_due(NOW + timedelta(minutes=60))
    run.delete()
    assert making.make(dataset, NOW + timedelta(hours=1)).pk == made.pk
    assert not is_due(NOW + timedelta(days=1))


def test_a_sweep_has_due_profiles_made(dataset, monkeypatch):
    sent = []
    monkeypatch.setattr(tasks.profile, "apply_async", lambda **told: sent.append(told["kwargs"]))

    tasks.sweep()
    assert sent == [{"dataset_id": dataset.pk, "only_if_due": True}]
    tasks.profile(**sent[0])
    made_at = ColumnProfile.objects.get(dataset=dataset).made_at
    tasks.profile(**sent.pop())  # of an earlier sweep, which waited behind other work
    tasks.sweep()

    assert sent == []
    assert ColumnProfile.objects.get(dataset=dataset).made_at == made_at
    assert ColumnProfile.objects.get(dataset=dataset).rows == 20


def test_a_dataset_that_is_deleted_while_its_profile_is_made_has_none(dataset, monkeypatch):
    run = isolated.run

    def run_while_it_is_deleted(*job, **options):
        lifecycle.remove(dataset)
        return run(*job, **options)

    monkeypatch.setattr(isolated, "run", run_while_it_is_deleted)

    assert making.make(Dataset.objects.get(pk=dataset.pk), NOW) is None
    assert not ColumnProfile.objects.exists()
