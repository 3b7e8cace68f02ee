"""Column types: which there are, and how a value that does not fit widens its column."""

from __future__ import annotations

import re

import psycopg
from psycopg import sql

from datasets.storage import read

TYPES = ("text", "bigint", "numeric", "boolean", "date", "timestamptz")

# What every client can read back; PostgreSQL itself would store NaN, infinity, and years before Christ or after 9999.
READABLE = {
    "numeric": "{0} > -1e38 AND {0} < 1e38",
    "date": "{0} >= '0001-01-01' AND {0} <= '9999-12-31'",
    "timestamptz": "{0} >= '0001-01-01 00:00:00+00' AND {0} < '10000-01-01 00:00:00+00'",
}

# What PostgreSQL answers when a value does not fit its column.
MISFITS = (
    psycopg.errors.CheckViolation,
    psycopg.errors.InvalidTextRepresentation,
    psycopg.errors.InvalidDatetimeFormat,
    psycopg.errors.DatetimeFieldOverflow,
    psycopg.errors.NumericValueOutOfRange,
)
NAMED = re.compile(r"COPY \S+, \w+ \d+, \w+ (\S+?)(?::|$)", re.MULTILINE)  # in whatever language


def rule(name: str) -> str:
    """The name of the constraint that keeps a column readable."""
    return f"{name}_ok"


def misfit(error: psycopg.Error) -> str | None:
    """The column at which a COPY failed, from PostgreSQL's message; None if it names none. `error` is one
    of MISFITS."""
    if isinstance(error, psycopg.errors.CheckViolation):
        return (error.diag.constraint_name or "").removesuffix("_ok") or None
    found = NAMED.search(error.diag.context or "")
    return found[1].strip('"') if found else None


def widen(cursor: psycopg.Cursor, dataset_id: int, generation: int, name: str) -> None:
    """Makes the column text, in place; values keep their meaning (instants as ISO 8601 in UTC)."""
    column = sql.Identifier(name)
    cursor.execute("SET LOCAL TimeZone TO 'UTC'")
    cursor.execute("SET LOCAL DateStyle TO 'ISO'")
    cursor.execute(
        sql.SQL("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}, ALTER COLUMN {} TYPE text USING {}::text").format(
            read.table(dataset_id, generation), sql.Identifier(rule(name)), column, column
        )
    )
