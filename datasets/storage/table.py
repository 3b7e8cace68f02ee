"""Creates, extends and drops the physical tables: one per dataset and generation, in the schema `data`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import psycopg
from psycopg import sql

from datasets.storage import read
from datasets.storage.columns import READABLE, TYPES, rule
from datasets.storage.read import TableColumn

MAX_COLUMNS = 400  # of a report; PostgreSQL holds 1,600, but not in rows of 8 kB
ROW_ROOM = 8_000  # bytes of a row for the report's own values
WIDEST_CELL = 24  # bytes that a value takes of it at most: PostgreSQL keeps what is longer elsewhere
SURE_COLUMNS = ROW_ROOM // WIDEST_CELL  # so many find room in a row whatever is in them


def create(
    cursor: psycopg.Cursor,
    dataset_id: int,
    generation: int,
    columns: Iterable[TableColumn],
    key: Sequence[str] = (),
    indexed: bool = True,
) -> None:
    """Makes the table where it is missing and adds the columns it lacks.

    `key` names the columns that are unique in a merge. The table of a new generation is indexed last, which is one and
    a half times as fast, and takes its numbers by the thousand until then. The defaults of the system columns are what
    the landing transaction says of itself, so that a file of rows passes into COPY without being touched.
    """
    table = read.table(dataset_id, generation)
    _create_schema(cursor)
    cursor.execute(
        sql.SQL(
            """
            CREATE TABLE IF NOT EXISTS {} (
                _id bigint GENERATED ALWAYS AS IDENTITY {},
                _day date NOT NULL DEFAULT current_setting('backhaul.day')::date,
                _batch_id bigint NOT NULL DEFAULT current_setting('backhaul.batch')::bigint,
                _batch_last_run timestamptz NOT NULL DEFAULT transaction_timestamp(),
                _extra jsonb
            )
            """
        ).format(table, sql.SQL("" if indexed else "(CACHE 1000)"))
    )
    grow(cursor, dataset_id, generation, columns)
    if indexed:
        index(cursor, dataset_id, generation, key)


def _create_schema(cursor: psycopg.Cursor) -> None:
    """IF NOT EXISTS alone fails for one of two who make the installation's first tables at the same time."""
    cursor.execute("SELECT to_regnamespace(%s) IS NULL", [read.SCHEMA])
    if cast(tuple, cursor.fetchone())[0]:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s), 0)", [f"schema {read.SCHEMA}"])
        cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(read.SCHEMA)))


def index(cursor: psycopg.Cursor, dataset_id: int, generation: int, key: Sequence[str] = ()) -> None:
    """Gives the table the indexes that it lacks: readers page by `_id`, landings replace by `_day`, merges find by key."""
    table, name = read.table(dataset_id, generation), read.table_name(dataset_id, generation)
    cursor.execute(
        "SELECT 1 FROM pg_index WHERE indrelid = to_regclass(%s) AND indisprimary", [f"{read.SCHEMA}.{name}"]
    )
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (_id)").format(table))
        _number_anew(cursor, table)
    cursor.execute(sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} (_day)").format(sql.Identifier(f"{name}_day"), table))
    if key:
        cursor.execute(
            sql.SQL("CREATE UNIQUE INDEX IF NOT EXISTS {} ON {} ({}) NULLS NOT DISTINCT").format(
                sql.Identifier(f"{name}_key"),
                table,
                sql.SQL(", ").join(map(sql.Identifier, key)),
            )
        )


def _number_anew(cursor: psycopg.Cursor, table: sql.Identifier) -> None:
    """Further rows are numbered one by one, behind all there are: readers tell by `_id` what came after they had begun. Another
    sequence it has to be, since sessions keep what they have taken from the old one."""
    cursor.execute(sql.SQL("SELECT coalesce(max(_id), 0) + 1 FROM {}").format(table))
    start = sql.Literal(cast(tuple, cursor.fetchone())[0])
    cursor.execute(sql.SQL("ALTER TABLE {} ALTER _id DROP IDENTITY").format(table))
    cursor.execute(sql.SQL("ALTER TABLE {} ALTER _id ADD GENERATED ALWAYS AS IDENTITY (START {})").format(table, start))


def grow(cursor: psycopg.Cursor, dataset_id: int, generation: int, columns: Iterable[TableColumn]) -> None:
    """Adds the columns that the table lacks, as long as there is room; old rows have null there. Nothing is ever dropped."""
    have = {column["name"] for column in read.describe(cursor, dataset_id, generation)}
    for column in columns:
        if column["name"] in have or len(have) >= MAX_COLUMNS:
            continue
        have.add(column["name"])
        if column["type"] not in TYPES:
            raise ValueError(f"{column['name']} has the unknown type {column['type']}.")
        where = read.table(dataset_id, generation), sql.Identifier(column["name"])
        statement = sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(*where, sql.SQL(column["type"]))
        if column["type"] in READABLE:
            statement += sql.SQL(" CONSTRAINT {} CHECK ({})").format(
                sql.Identifier(rule(column["name"])), sql.SQL(READABLE[column["type"]]).format(where[1])
            )
        cursor.execute(statement)
        if column["title"] != column["name"]:
            cursor.execute(
                sql.SQL("COMMENT ON COLUMN {}.{}.{} IS {}").format(
                    sql.Identifier(read.SCHEMA),
                    sql.Identifier(read.table_name(dataset_id, generation)),
                    sql.Identifier(column["name"]),
                    sql.Literal(column["title"]),
                )
            )


def note_extra(cursor: psycopg.Cursor, dataset_id: int, generation: int) -> None:
    """Writes down, for `read.has_extra`, that rows of the table have values in _extra."""
    cursor.execute(
        sql.SQL("COMMENT ON COLUMN {}.{}.{} IS 'what found no column, as JSON'").format(
            sql.Identifier(read.SCHEMA),
            sql.Identifier(read.table_name(dataset_id, generation)),
            sql.Identifier(read.EXTRA),
        )
    )


def drop(cursor: psycopg.Cursor, dataset_id: int, generation: int) -> None:
    """The table is no more; nothing where there was none."""
    cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(read.table(dataset_id, generation)))
