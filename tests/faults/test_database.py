"""A database that says no for a while, in each of its ways: the day is tried again by itself, and nothing is lost or doubled."""

import time

import pytest
from django.db import connection

from connector.database.clock import database_now
from datasets.backfill import runs
from datasets.models import Run
from tests.backfill.conftest import account, check, fast_amazon, make_dataset  # noqa: F401
from tests.days import day_before
from tests.faults.driving import Drive
from tests.faults.nursery import Nursery
from tests.living import wait_until

# ruff: noqa: F811
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]

ANSWERS = {  # what PostgreSQL says, and what the person who looks at the run reads
    "rows": {
        "53100": "its disk is full",
        "40P01": "another statement held a lock",
        "57P01": "the connection broke",
    },
    "ledger": {
        "40001": "another statement held a lock",
        "55P03": "the table is being read",
        "53300": "the connection broke",
        "57014": "it took too long",
    },
}
TRIGGER = """
    CREATE SEQUENCE data.tries;
    CREATE FUNCTION data.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('data.tries') <= 2 THEN RAISE EXCEPTION 'not now' USING ERRCODE = TG_ARGV[0]; END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER refuse AFTER {when} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION data.refuse('{code}');
"""


def sql(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def refuse():
    """The database refuses the first two statements of a kind, with the given code."""
    made = []

    def refuse(when, table, code):
        heal()
        made.append(table)
        sql(TRIGGER.format(when=when, table=table, code=code))

    def heal():
        for table in made:
            sql(f"DROP TRIGGER IF EXISTS refuse ON {table}")
        sql("DROP FUNCTION IF EXISTS data.refuse CASCADE")
        sql("DROP SEQUENCE IF EXISTS data.tries")

    yield refuse
    heal()


@pytest.mark.parametrize("where", ANSWERS)
def test_a_database_that_says_no_for_a_while_is_waited_for(make_dataset, check, refuse, where):
    """C4, C5, C7: at the COPY, and at the checkpoint behind it."""
    dataset = make_dataset(start="today-2", end="yesterday")
    checker = check(dataset)
    Drive(runs.start(dataset, Run.Trigger.MANUAL, now=database_now())).to_end()
    rows = checker.assert_orders_equal_truth(day_before(2), day_before(1))
    for code, said in ANSWERS[where].items():
        dataset.days.update(again=True, checksum="written again")
        if where == "rows":
            refuse("INSERT", checker.table(), code)
        else:
            refuse("UPDATE", "datasets_day", code)

        run = Drive(runs.start(dataset, Run.Trigger.MANUAL, now=database_now(), at_once=False)).to_end()

        assert run.state == Run.State.SUCCEEDED, f"{code}: {run.message}"
        assert run.waits, code
        assert all(said in message and "Nothing was lost" in message for message, _ in run.waits), (code, run.waits)
        assert checker.assert_orders_equal_truth(day_before(2), day_before(1)) == rows
        assert run.run.interruptions == 0


def test_a_database_that_is_read_only_for_a_while_stops_nothing_for_good(tmp_path, make_dataset, check):
    """C10: a standby in its place; connections that break on the way there are reopened."""
    dataset = make_dataset(start="today-4", end="yesterday")
    checker = check(dataset)
    name = connection.settings_dict["NAME"]
    with Nursery(tmp_path) as nursery:
        try:
            sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
            nursery.fork()
            checker.link.execute("SET default_transaction_read_only = off")
            run = runs.start(dataset, Run.Trigger.MANUAL, now=database_now())
            wait_until(lambda: "ReadOnlySqlTransaction" in nursery.log.read_text(), seconds=30)
            time.sleep(0.2)
        finally:
            connection.close()
            sql("SET default_transaction_read_only = off")
            sql(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        nursery.finish()

    run.refresh_from_db()
    assert run.state == Run.State.SUCCEEDED, run.message
    assert checker.assert_orders_equal_truth(day_before(4), day_before(1)) > 0
