"""The three update modes, side by side: how one day's rows become the table's.

Each runs inside the landing transaction, which has set backhaul.day and backhaul.batch and which the
fence may still undo. Each promises that landing the same day twice is the same as landing it once.
A day's rows come as the bytes of a COPY in text format; an empty file is a day without rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import psycopg
from psycopg import sql

from datasets.storage import read


@dataclass(frozen=True)
class Landed:
    """What the table gained and lost: rows now of that day, and by how much the table's count changed."""

    rows: int
    change: int


def append(
    cursor: psycopg.Cursor,
    dataset_id: int,
    generation: int,
    names: Sequence[str],
    key: Sequence[str],
    version: str | None,
    chunks: Iterable[bytes],
    null: str,
) -> Landed:
    """The day is replaced completely: its old rows are deleted and Amazon's rows inserted. No other day is touched.

    `chunks` are the bytes of a COPY in text format in which `null` stands for no value. Raises one of
    `columns.MISFITS` where a value does not fit.
    """
    table = read.table(dataset_id, generation)
    cursor.execute(sql.SQL("DELETE FROM {} WHERE _day = current_setting('backhaul.day')::date").format(table))
    gone = cursor.rowcount
    came = _copy(cursor, table, names, chunks, null)
    return Landed(rows=came, change=came - gone)


def replace(
    cursor: psycopg.Cursor,
    dataset_id: int,
    generation: int,
    names: Sequence[str],
    key: Sequence[str],
    version: str | None,
    chunks: Iterable[bytes],
    null: str,
) -> Landed:
    """The day is written to the new generation; the replace takes effect when the pointer is switched at the end.

    Only for a day that is not loaded yet: the table has no index to find older rows of it, and there are none.
    """
    came = _copy(cursor, read.table(dataset_id, generation), names, chunks, null)
    return Landed(rows=came, change=came)


def merge(
    cursor: psycopg.Cursor,
    dataset_id: int,
    generation: int,
    names: Sequence[str],
    key: Sequence[str],
    version: str | None,
    chunks: Iterable[bytes],
    null: str,
) -> Landed:
    """Upsert on the key: a row is written when it is new or really differs, and an older version never wins.

    Duplicate keys within the batch are resolved by version, then by order of arrival. Rows that already exist with
    identical values are left out in advance: ON CONFLICT would lock each of them, and locking a row writes it.
    """
    table = read.table(dataset_id, generation)
    stage = sql.Identifier("stage")
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    keys = sql.SQL(", ").join(map(sql.Identifier, key))
    order = sql.SQL("{} DESC NULLS LAST, ").format(sql.Identifier(version)) if version else sql.SQL("")
    cursor.execute(
        sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(stage, columns, table)
    )
    cursor.execute(sql.SQL("ALTER TABLE {} ADD COLUMN _seq bigint GENERATED ALWAYS AS IDENTITY").format(stage))
    _copy(cursor, stage, names, chunks, null)
    _refuse_ambiguous(cursor, stage, names, key, version)
    newer = (
        sql.SQL("(t.{0} IS NULL OR excluded.{0} >= t.{0}) AND ").format(sql.Identifier(version))
        if version
        else sql.SQL("")
    )
    others = [name for name in names if name not in key]
    cursor.execute(
        sql.SQL(
            """
            WITH written AS (
            INSERT INTO {table} AS t ({columns})
            SELECT {columns} FROM (SELECT DISTINCT ON ({keys}) * FROM {stage} ORDER BY {keys}, {order} _seq DESC) AS newest
            WHERE NOT EXISTS (SELECT FROM {table} AS t WHERE {same_key} AND ({mine}) IS NOT DISTINCT FROM ({sent}))
            ON CONFLICT ({keys}) DO UPDATE SET {assign}, _day = excluded._day,
                _batch_id = excluded._batch_id, _batch_last_run = excluded._batch_last_run
            WHERE {newer} ({mine}) IS DISTINCT FROM ({theirs})
            RETURNING (xmax = 0) AS is_new)
            SELECT count(*), count(*) FILTER (WHERE is_new) FROM written
            """
        ).format(
            table=table,
            columns=columns,
            keys=keys,
            stage=stage,
            order=order,
            same_key=sql.SQL(" AND ").join(sql.SQL("t.{0} = newest.{0}").format(sql.Identifier(name)) for name in key),
            assign=sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in others),
            newer=newer,
            mine=sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(name)) for name in others),
            sent=sql.SQL(", ").join(sql.SQL("newest.{}").format(sql.Identifier(name)) for name in others),
            theirs=sql.SQL(", ").join(sql.SQL("excluded.{}").format(sql.Identifier(name)) for name in others),
        )
    )
    written, new = cast(tuple[int, int], cursor.fetchone())
    cursor.execute(sql.SQL("DROP TABLE {}").format(stage))
    return Landed(rows=written, change=new)


class KeyNotUnique(Exception):
    """Two different rows have the same key, and no version shows which is newer: a merge would lose one of them."""

    def __init__(self, key: Sequence[str], value: str) -> None:
        super().__init__(
            f"Two different rows in Amazon's answer have the same {' and '.join(key)} ({value}), so a merge would "
            "lose one of them. This day was not changed. Use append for this report, which keeps every row."
        )


def _refuse_ambiguous(
    cursor: psycopg.Cursor, stage: sql.Identifier, names: Sequence[str], key: Sequence[str], version: str | None
) -> None:
    """Stops before a row is lost: rows with the same key and version must be identical in every column."""
    identity = sql.SQL(", ").join(map(sql.Identifier, [*key, version] if version else key))
    shown = sql.SQL(", ").join(map(sql.Identifier, key))
    cursor.execute(
        sql.SQL(
            """
            SELECT concat_ws(' / ', {shown}) FROM {stage} GROUP BY {shown}, {identity}
            HAVING count(*) > 1 AND count(DISTINCT ({columns})) > 1 LIMIT 1
            """
        ).format(shown=shown, stage=stage, identity=identity, columns=sql.SQL(", ").join(map(sql.Identifier, names)))
    )
    if found := cursor.fetchone():
        raise KeyNotUnique(key, found[0])


def _copy(
    cursor: psycopg.Cursor, table: sql.Identifier, names: Sequence[str], chunks: Iterable[bytes], null: str
) -> int:
    if not names:  # Amazon sent nothing, not even a header
        return 0
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT text, NULL {})").format(
        table, sql.SQL(", ").join(map(sql.Identifier, names)), sql.Literal(null)
    )
    with cursor.copy(statement) as copy:
        for chunk in chunks:
            copy.write(chunk)
    return cursor.rowcount


MODES = {"append": append, "replace": replace, "merge": merge}
