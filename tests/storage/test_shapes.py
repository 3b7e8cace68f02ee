"""Shapes of tables: as many columns as a row of PostgreSQL's can hold whatever is in them, and no more."""

import random
import string

import pytest
from django.db import connection, transaction

from datasets.backfill.land import cursor
from datasets.storage import modes, read, stage, table
from datasets.storage.columns import TYPES

pytestmark = pytest.mark.django_db

ID = 900_002  # no dataset of another test has it
WIDE = {
    "text": lambda chance: "".join(chance.choices(string.printable[:94], k=2500)),  # too varied to be packed small
    "numeric": lambda chance: f"{chance.randrange(10**37, 10**38)}.{chance.randrange(10**12)}",
    "bigint": lambda chance: chance.randrange(2**62),
    "boolean": lambda chance: True,
    "date": lambda chance: "2026-10-01",
    "timestamptz": lambda chance: "2026-10-01T00:00:00.123456Z",
}


def columns_of(type, count):
    return [{"name": f"c{number}", "title": f"C {number}", "type": type} for number in range(count)]


@pytest.mark.parametrize("type", TYPES)
def test_a_table_of_all_columns_holds_the_widest_rows(type):
    chance, columns = random.Random(1), columns_of(type, table.MAX_COLUMNS)
    row = [WIDE[type](chance) for _ in columns]
    with transaction.atomic(), cursor() as c:
        table.create(c, ID, 1, columns)
        c.execute("SELECT set_config('backhaul.day', '2026-10-01', true), set_config('backhaul.batch', '1', true)")
        lines = [stage.line(row).encode() + b"\n"]
        landed = modes.append(c, ID, 1, [column["name"] for column in columns], (), None, lines, stage.NULL)

    assert landed.rows == 1
    with connection.cursor() as c:
        c.execute(f"SELECT c0::text, c{table.MAX_COLUMNS - 1}::text FROM data.ds_{ID}")
        first, last = c.fetchone()
    if type in ("text", "bigint"):
        assert (first, last) == (str(row[0]), str(row[-1]))
    assert first and last


@pytest.mark.parametrize("letters", [1, 22, 23, 24, 40])
def test_a_table_of_all_columns_holds_rows_that_keep_to_the_room(letters):
    """Text of 23 letters is the worst: too short for PostgreSQL to keep it elsewhere."""
    columns = columns_of("text", table.MAX_COLUMNS)
    row = ["x" * letters if number < table.SURE_COLUMNS else None for number in range(len(columns))]
    with transaction.atomic(), cursor() as c:
        table.create(c, ID, 1, columns)
        c.execute("SELECT set_config('backhaul.day', '2026-10-01', true), set_config('backhaul.batch', '1', true)")
        lines = [stage.line([*row, '{"a": "of the rest"}']).encode() + b"\n"]
        names = [*(column["name"] for column in columns), "_extra"]

        assert modes.append(c, ID, 1, names, (), None, lines, stage.NULL).rows == 1


def test_a_table_that_is_full_takes_no_further_columns_and_keeps_its_own():
    with cursor() as c:
        table.create(c, ID, 1, columns_of("text", table.MAX_COLUMNS + 50))
        table.grow(c, ID, 1, columns_of("text", 3) + [{"name": "later", "title": "later", "type": "text"}])

        names = [column["name"] for column in read.describe(c, ID, 1)]

    assert names == [f"c{number}" for number in range(table.MAX_COLUMNS)]
