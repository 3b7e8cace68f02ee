"""A database that does not take what it is given just now, in words for people. Which errors say so: `connector.database.away`."""

import psycopg

REASONS = {  # what PostgreSQL answers when the same statement may succeed later
    psycopg.errors.LockNotAvailable: "somebody reads the table",
    psycopg.errors.DeadlockDetected: "another statement was in the way",
    psycopg.errors.SerializationFailure: "another statement was in the way",
    psycopg.errors.DiskFull: "its disk is full: make room",
    psycopg.errors.QueryCanceled: "it took too long",
}


def words(problem: BaseException) -> str:
    """Why the database did not take what it was given; `problem` is the driver's error, or Django's with that one as its cause."""
    cause = problem if isinstance(problem, psycopg.Error) else problem.__cause__
    reason = REASONS.get(type(cause), "the line to it broke")
    return f"The database could not take the rows just now ({reason}). Nothing was lost, it is tried again by itself."
