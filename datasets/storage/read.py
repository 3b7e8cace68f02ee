"""Where rows lie: names of tables and what columns they have."""

from __future__ import annotations

from datetime import date
from typing import TypedDict, cast

import psycopg
from psycopg import sql

SCHEMA = "data"
SYSTEM_COLUMNS = (  # served after the report's own, in this order
    {"name": "_batch_id", "title": "_batch_id", "type": "bigint", "personal": False},
    {"name": "_batch_last_run", "title": "_batch_last_run", "type": "timestamptz", "personal": False},
    {"name": "_day", "title": "_day", "type": "date", "personal": False},
)
OWN = ("_id", "_day", "_batch_id", "_batch_last_run", "_extra")  # columns that are ours, not the report's


class TableColumn(TypedDict):
    """A column of a report's table: its name in SQL, its title for people, its type (one of `columns.TYPES`)."""

    name: str
    title: str
    type: str


def table_name(dataset_id: int, generation: int) -> str:
    """The bare name of a dataset's table: ds_7, from its second generation on ds_7_g2."""
    return f"ds_{int(dataset_id)}" if generation == 1 else f"ds_{int(dataset_id)}_g{int(generation)}"


def table(dataset_id: int, generation: int) -> sql.Identifier:
    """The table as an SQL identifier with its schema."""
    return sql.Identifier(SCHEMA, table_name(dataset_id, generation))


def exists(cursor: psycopg.Cursor, dataset_id: int, generation: int) -> bool:
    """Whether the dataset has a table of this generation."""
    cursor.execute("SELECT to_regclass(%s)", [f"{SCHEMA}.{table_name(dataset_id, generation)}"])
    return cast(tuple, cursor.fetchone())[0] is not None


def describe(cursor: psycopg.Cursor, dataset_id: int, generation: int) -> list[TableColumn]:
    """The report's columns as the table has them, in order; empty where there is no table."""
    cursor.execute(
        """
        SELECT a.attname, coalesce(col_description(a.attrelid, a.attnum), a.attname), format_type(a.atttypid, a.atttypmod)
        FROM pg_attribute a
        WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
        """,
        [f"{SCHEMA}.{table_name(dataset_id, generation)}"],
    )
    return [
        {"name": name, "title": title, "type": SHORT.get(kind) or kind}
        for name, title, kind in cursor.fetchall()
        if name not in OWN
    ]


def totals(cursor: psycopg.Cursor, dataset_id: int, generation: int, day: date) -> dict[str, str]:
    """{column: sum as text} of one day's numbers, to tell one state of the day from another."""
    numbers = [c["name"] for c in describe(cursor, dataset_id, generation) if c["type"] in ("numeric", "bigint")]
    if not numbers:
        return {}
    sums = sql.SQL(", ").join(sql.SQL("sum({})::text").format(sql.Identifier(name)) for name in numbers)
    cursor.execute(sql.SQL("SELECT {} FROM {} WHERE _day = %s").format(sums, table(dataset_id, generation)), [day])
    return {
        name: total for name, total in zip(numbers, cast(tuple, cursor.fetchone()), strict=True) if total is not None
    }


SHORT = {"timestamp with time zone": "timestamptz"}
