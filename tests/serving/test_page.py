"""A page is of one moment, though the dataset was looked up a moment earlier."""

from datetime import UTC, datetime

import orjson
import pytest

from datasets.models import Dataset
from datasets.problems import NotFound
from datasets.rows.page import Page
from datasets.rows.policy import Policy
from datasets.rows.pool import pool
from tests.serving import shop

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 10, 1, tzinfo=UTC)


def page_of(dataset, pairs=(), position=None):
    """The page of a dataset as somebody has looked it up, at whatever time."""
    with pool().connection() as connection:
        return Page(connection, dataset, Policy("a test"), list(pairs), position, NOW, as_json=True)


def rows_of(page):
    return [orjson.loads(text) for _, text in page.rows]


def change(dataset, *statements, **fields):
    from datasets.backfill import land

    with land.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement.format(f"data.ds_{dataset.pk}"))
    Dataset.objects.filter(pk=dataset.pk).update(**fields)


@pytest.fixture
def looked_up(make, request):
    """A dataset of three rows as it was before what the test does to it."""
    name = request.node.name[5:50]
    return make.dataset(name, rows=[{"amazon_order_id": str(number), "quantity": number} for number in range(3)])


def test_a_column_that_has_come_since_is_there_with_its_values(looked_up, make):
    columns = [*looked_up.columns, {"name": "note", "title": "note", "type": "text"}]
    make.run(change, looked_up, "ALTER TABLE {} ADD note text", "UPDATE {} SET note = 'new'", columns=columns)

    page = page_of(looked_up)

    assert [row["note"] for row in rows_of(page)] == ["new"] * 3
    assert "note" in page.snapshot.types and "note" in page.query.select


def test_a_filter_on_a_column_that_has_become_text_since_compares_it_as_text(looked_up, make):
    columns = [column | {"type": "text"} if column["name"] == "quantity" else column for column in looked_up.columns]
    make.run(change, looked_up, "ALTER TABLE {} ALTER quantity TYPE text", columns=columns)

    page = page_of(looked_up, [("quantity__gte", "1")])

    assert [row["quantity"] for row in rows_of(page)] == ["1", "2"]


def test_a_table_that_has_been_replaced_and_dropped_since_is_the_new_one(looked_up, make):
    def replace():
        newer = Dataset.objects.get(pk=looked_up.pk)
        newer.generation, newer.rows = 2, 0
        shop.add_rows(newer, [{"sku": "new"}], columns=({"name": "sku", "title": "sku", "type": "text"},))
        change(looked_up, "DROP TABLE {}")

    make.run(replace)
    page = page_of(looked_up)

    assert [row["sku"] for row in rows_of(page)] == ["new"]
    assert (page.snapshot.generation, page.count) == (2, {"value": 1, "exact": True})


def test_rows_that_have_landed_since_are_there_and_counted(looked_up, make):
    make.run(shop.add_rows, Dataset.objects.get(pk=looked_up.pk), [{"amazon_order_id": "3"}])

    page = page_of(looked_up)

    assert len(page.rows) == 4 and page.count == {"value": 4, "exact": True}
    assert page.snapshot.version == looked_up.version + 1


def test_a_dataset_that_has_been_deleted_since_is_not_there(looked_up, make):
    make.run(Dataset.objects.filter(pk=looked_up.pk).delete)

    with pytest.raises(NotFound, match="has just been deleted"):
        page_of(looked_up)


def test_a_dataset_without_rows_that_has_been_deleted_since_is_not_there(looked_up, make):
    make.run(change, looked_up, "DELETE FROM {}")
    make.run(Dataset.objects.filter(pk=looked_up.pk).delete)

    with pytest.raises(NotFound, match="has just been deleted"):
        page_of(looked_up)


def test_a_dataset_that_has_been_deleted_with_its_table_is_not_there(looked_up, make):
    make.run(change, looked_up, "DROP TABLE {}")
    make.run(Dataset.objects.filter(pk=looked_up.pk).delete)

    with pytest.raises(NotFound, match="has just been deleted"):
        page_of(looked_up)
