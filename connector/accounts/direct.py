"""This process's own line to the database, in autocommit: for what stays whatever becomes of the caller's transaction."""

import os

import psycopg
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections

_lines = {}


def line():
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


def once_more(work):
    """What `work()` gives; once more on a new line if the old one had died. Raises Django's OperationalError."""
    for is_last in (False, True):
        try:
            return work()
        except psycopg.OperationalError as problem:
            _lines.clear()
            if is_last:
                raise OperationalError(*problem.args) from problem


def execute(statement, values):
    """The rows of one statement, or [] where it gives none."""

    def work():
        cursor = line().execute(statement, values)
        return cursor.fetchall() if cursor.description else []

    return once_more(work)
