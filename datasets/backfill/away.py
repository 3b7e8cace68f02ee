"""Which errors mean that the database is unavailable for now, and the message for users."""

import psycopg
from django.db import InterfaceError, OperationalError

BUSY = {  # PostgreSQL errors after which the same statement may succeed later, in words for users
    psycopg.errors.LockNotAvailable: "the table is being read",
    psycopg.errors.DeadlockDetected: "another statement held a lock",
    psycopg.errors.SerializationFailure: "another statement held a lock",
    psycopg.errors.DiskFull: "its disk is full: free some space",
    psycopg.errors.QueryCanceled: "it took too long",
}
AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    OperationalError,
    InterfaceError,
)  # Django's words and the driver's


def told(problem) -> str:
    """Why the database did not accept the data, for users."""
    cause = problem if isinstance(problem, psycopg.Error) else problem.__cause__
    reason = BUSY.get(type(cause), "the connection broke")
    return f"The database could not store the rows ({reason}). Nothing was lost; it is retried automatically."
