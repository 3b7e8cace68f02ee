"""Why the database could not store something just now, in words for users. Which errors say so: `connector.database.away`."""

import psycopg

REASONS: dict[type, str] = {  # what PostgreSQL answers when the same statement may succeed later
    psycopg.errors.LockNotAvailable: "the table is being read",
    psycopg.errors.DeadlockDetected: "another statement held a lock",
    psycopg.errors.SerializationFailure: "another statement held a lock",
    psycopg.errors.DiskFull: "its disk is full: free some space",
    psycopg.errors.QueryCanceled: "it took too long",
}


def words(problem: BaseException) -> str:
    """Why the database could not store the data; `problem` is the driver's error, or Django's with that one as its cause."""
    cause = problem if isinstance(problem, psycopg.Error) else problem.__cause__
    reason = REASONS.get(type(cause), "the connection broke")
    return f"The database could not store the rows ({reason}). Nothing was lost; it is retried automatically."
