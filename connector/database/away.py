"""An unavailable database: which errors mean that, and work that the next call can do just as well."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import InterfaceError, OperationalError, connection

log = logging.getLogger(__name__)

AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    OperationalError,
    InterfaceError,
)  # the driver's words and Django's


def is_away(problem: BaseException) -> bool:
    """Whether the error says that the connection broke or that the database could not take the statement just now.

    Where PostgreSQL ended a session because its process stood still within a transaction, Django raises InternalError with the
    driver's IdleInTransactionSessionTimeout as its cause.
    """
    return isinstance(problem, AWAY) or isinstance(problem.__cause__, AWAY)


@contextmanager
def left_to_the_next(what: str) -> Iterator[None]:
    """For work that is repeated soon anyway: an unavailable database ends it with one line in the log, and the
    connection is closed, so that the next call opens another one. Every other error is raised."""
    try:
        yield
    except Exception as problem:
        if not is_away(problem):
            raise
        connection.close()
        log.warning("%s: the database was unavailable (%s); left to the next one", what, type(problem).__name__)
