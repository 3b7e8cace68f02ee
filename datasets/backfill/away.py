"""What it looks like when the database does not take what it is given just now, and how that is told."""

import psycopg

from connector.database.away import AWAY as AWAY  # which errors say so

BUSY = {  # what PostgreSQL answers when the same statement may succeed later, in words for people
    psycopg.errors.LockNotAvailable: "somebody reads the table",
    psycopg.errors.DeadlockDetected: "another statement was in the way",
    psycopg.errors.SerializationFailure: "another statement was in the way",
    psycopg.errors.DiskFull: "its disk is full: make room",
    psycopg.errors.QueryCanceled: "it took too long",
}


def told(problem) -> str:
    """Why the database did not take what it was given, in words for people."""
    cause = problem if isinstance(problem, psycopg.Error) else problem.__cause__
    reason = BUSY.get(type(cause), "the line to it broke")
    return f"The database could not take the rows just now ({reason}). Nothing was lost, it is tried again by itself."
