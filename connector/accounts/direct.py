"""This process's own line to the database, in autocommit: for what stays whatever becomes of the caller's transaction."""

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections

Made = TypeVar("Made")

_lines: dict[tuple[int, str], psycopg.Connection] = {}


def line() -> psycopg.Connection:
    """A psycopg connection in autocommit that does not wait for the disk: a crash may take the last second back."""
    facts = connections[DEFAULT_DB_ALIAS].get_connection_params()
    mine = (os.getpid(), facts["dbname"])
    found = _lines.get(mine)
    if found is None or found.closed:
        facts = {name: value for name, value in facts.items() if name not in ("context", "cursor_factory")}
        _lines.clear()  # also those of the process that this one was forked from: they are left alone, not closed
        found = _lines[mine] = psycopg.connect(**facts, autocommit=True)
        found.execute("SET synchronous_commit = off")
    return found


def once_more(work: Callable[[], Made]) -> Made:
    """What `work()` gives; once more on a new line if the old one had died. Raises Django's OperationalError."""
    try:
        return work()
    except psycopg.OperationalError:
        _lines.clear()
    try:
        return work()
    except psycopg.OperationalError as problem:
        _lines.clear()
        raise OperationalError(*problem.args) from problem


def execute(statement: str, values: Mapping[str, Any]) -> list[tuple]:
    """The rows of one statement, or [] where it gives none. Raises Django's OperationalError where the database is
    away."""

    def work() -> list[tuple]:
        cursor = line().execute(statement, values)
        return cursor.fetchall() if cursor.description else []

    return once_more(work)
