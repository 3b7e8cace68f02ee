"""The first tables of a new installation."""

import threading

import pytest
from django.db import connection, transaction

from datasets.backfill.land import cursor
from datasets.storage import read, table

COLUMNS = [{"name": "order_id", "title": "order-id", "type": "text"}]

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_workers_make_the_very_first_tables_at_the_same_time(monkeypatch):
    monkeypatch.setattr(read, "SCHEMA", "data_of_nobody_yet")
    problems, has_begun = [], threading.Event()

    def second():
        try:
            with transaction.atomic(), cursor() as c:
                has_begun.set()
                table.create(c, 2, 1, COLUMNS)
        except Exception as problem:
            problems.append(problem)
        finally:
            connection.close()

    other = threading.Thread(target=second)
    try:
        with transaction.atomic(), cursor() as c:
            table.create(c, 1, 1, COLUMNS)
            other.start()
            has_begun.wait(20)
            other.join(0.5)  # it waits for this transaction
        other.join(20)
        with cursor() as c:
            assert (problems, read.exists(c, 1, 1), read.exists(c, 2, 1)) == ([], True, True)
    finally:
        with cursor() as c:
            c.execute("DROP SCHEMA IF EXISTS data_of_nobody_yet CASCADE")
