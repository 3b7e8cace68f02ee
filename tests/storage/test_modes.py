"""What each update mode promises, seen by SQL of our own."""

import pytest
from django.db import connection, transaction

from datasets.backfill.land import cursor
from datasets.storage import columns, modes, read, stage, table

COLUMNS = [
    {"name": "order_id", "title": "order-id", "type": "text"},
    {"name": "amount", "title": "amount", "type": "numeric"},
    {"name": "updated_at", "title": "updated-at", "type": "timestamptz"},
]
ID = 900_001  # no dataset of another test has it
NAMES = [column["name"] for column in COLUMNS]

pytestmark = pytest.mark.django_db


@pytest.fixture
def made():
    with cursor() as c:
        table.create(c, ID, 1, COLUMNS)


@pytest.fixture
def keyed():
    with cursor() as c:
        table.create(c, ID, 1, COLUMNS, key=("order_id",))


def land(mode, day, rows, *, key=(), version=None, batch=1):
    with transaction.atomic(), cursor() as c:
        c.execute(
            "SELECT set_config('backhaul.day', %s, true), set_config('backhaul.batch', %s, true)", [day, str(batch)]
        )
        lines = [stage.line(row).encode() + b"\n" for row in rows]
        return modes.MODES[mode](c, ID, 1, NAMES, key, version, lines, stage.NULL)


def rows(*names):
    with connection.cursor() as c:
        c.execute(f"SELECT {', '.join(names)} FROM data.ds_{ID} ORDER BY _id")
        return c.fetchall()


def test_append_replaces_its_own_day_whole_and_no_other(made):
    land("append", "2026-10-01", [("a", "1.50", None), ("b", "2", None)])
    land("append", "2026-10-02", [("c", "3", None)])

    landed = land("append", "2026-10-01", [("b", "2", None)], batch=2)

    assert landed == modes.Landed(rows=1, change=-1)
    assert sorted(rows("order_id", "_day::text", "_batch_id")) == [("b", "2026-10-01", 2), ("c", "2026-10-02", 1)]


def test_append_keeps_equal_rows_that_amazon_sent_twice(made):
    land("append", "2026-10-01", [("a", "1", None), ("a", "1", None)])

    assert len(rows("order_id")) == 2


def test_merge_writes_a_new_version_and_never_lets_an_older_one_win(keyed):
    new, old = "2026-10-02T10:00:00+00:00", "2026-10-01T10:00:00+00:00"
    land("merge", "2026-10-02", [("a", "2", new)], key=("order_id",), version="updated_at")

    landed = land("merge", "2026-10-01", [("a", "1", old), ("b", "5", old)], key=("order_id",), version="updated_at")

    assert landed == modes.Landed(rows=1, change=1)
    assert sorted(rows("order_id", "amount::text", "_day::text")) == [
        ("a", "2", "2026-10-02"),
        ("b", "5", "2026-10-01"),
    ]


def test_merge_takes_the_newest_of_twins_inside_a_batch(keyed):
    first, second = "2026-10-01T10:00:00+00:00", "2026-10-01T11:00:00+00:00"

    land("merge", "2026-10-01", [("a", "2", second), ("a", "1", first)], key=("order_id",), version="updated_at")

    assert rows("order_id", "amount::text") == [("a", "2")]


def test_merging_the_same_rows_again_writes_nothing(keyed):
    batch = [("a", "2", "2026-10-01T10:00:00+00:00")]
    land("merge", "2026-10-01", batch, key=("order_id",), version="updated_at", batch=1)

    landed = land("merge", "2026-10-01", batch, key=("order_id",), version="updated_at", batch=2)

    assert landed == modes.Landed(rows=0, change=0)
    assert rows("_batch_id") == [(1,)]


def test_merging_the_same_rows_again_locks_none_of_them(keyed):
    same = [("a", "1", None), ("b", None, None)]
    land("merge", "2026-10-01", same, key=("order_id",))
    [*before] = rows("ctid::text", "xmin::text", "xmax::text")

    land("merge", "2026-10-01", same, key=("order_id",))

    assert rows("ctid::text", "xmin::text", "xmax::text") == before  # a lock would stand in xmax


def test_a_table_built_aside_numbers_later_rows_one_by_one_behind_all_it_has():
    with cursor() as c:
        table.create(c, ID, 1, COLUMNS, indexed=False)
    land("replace", "2026-10-01", [("a", "1", None), ("b", "2", None)])
    with cursor() as c:
        table.index(c, ID, 1)
    for order in ("c", "d"):
        land("append", "2026-10-02" if order == "c" else "2026-10-03", [(order, "1", None)])

    assert rows("_id", "order_id") == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    with connection.cursor() as c:
        c.execute(
            "SELECT seqcache FROM pg_sequence WHERE seqrelid = pg_get_serial_sequence(%s, '_id')::regclass",
            [f"data.ds_{ID}"],
        )
        assert c.fetchall() == [(1,)], (
            "what another session has taken in advance would come behind what it is in front of"
        )


@pytest.mark.parametrize(
    "value",
    ["tab\there", "line\nbreak", "carriage\rreturn", "back\\slash", "\\N", "=1+1", "ünïcödé 😀", '"quoted"', ""],
)
def test_text_comes_out_as_it_went_in(made, value):
    land("append", "2026-10-01", [(value, None, None)])

    assert rows("order_id", "amount") == [(value, None)]


def test_an_empty_cell_is_null_where_the_source_says_so(made):
    with transaction.atomic(), cursor() as c:
        c.execute("SELECT set_config('backhaul.day', '2026-10-01', true), set_config('backhaul.batch', '1', true)")
        modes.append(c, ID, 1, NAMES, (), None, [stage.line(("a", "", ""), "").encode() + b"\n"], "")

    assert rows("order_id", "amount", "updated_at") == [("a", None, None)]


def test_true_and_false_read_the_same_before_and_after_their_column_became_text(made):
    """Rows that came later had t and f, where the older ones had become true and false."""
    flag = {"name": "is_prime", "title": "is_prime", "type": "boolean"}
    with transaction.atomic(), cursor() as c:
        table.grow(c, ID, 1, [flag])
        c.execute("SELECT set_config('backhaul.day', '2026-10-01', true), set_config('backhaul.batch', '1', true)")
        sent = [stage.line([value]).encode() + b"\n" for value in (True, False)]
        modes.append(c, ID, 1, ["is_prime"], (), None, sent, stage.NULL)
        columns.widen(c, ID, 1, "is_prime")
        c.execute("SELECT set_config('backhaul.day', '2026-10-02', true)")
        modes.append(c, ID, 1, ["is_prime"], (), None, [*sent, b"sometimes\n"], stage.NULL)

    assert rows("is_prime") == [("true",), ("false",), ("true",), ("false",), ("sometimes",)]


def test_a_table_grows_in_place_and_keeps_its_titles(made):
    with cursor() as c:
        table.grow(c, ID, 1, [{"name": "new_one", "title": "New-One", "type": "text"}])
        described = read.describe(c, ID, 1)

    assert [column["name"] for column in described] == [*NAMES, "new_one"]
    assert described[-1]["title"] == "New-One"
    assert described[1]["type"] == "numeric"


def test_a_key_that_is_not_unique_stops_the_merge_before_a_row_is_lost(keyed):
    twins = [("a", "1", None), ("a", "2", None)]

    with pytest.raises(modes.KeyNotUnique, match="Use append"):
        land("merge", "2026-10-01", twins, key=("order_id",))


def test_equal_twins_are_one_row_and_no_reason_to_stop(keyed):
    land("merge", "2026-10-01", [("a", "1", None), ("a", "1", None)], key=("order_id",))

    assert rows("order_id") == [("a",)]
