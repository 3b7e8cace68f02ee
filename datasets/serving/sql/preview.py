"""The first rows of a statement's answer, for a page."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from datasets.access.tokens import Caller
from datasets.formats.cells import cell
from datasets.models import Dataset
from datasets.rows.pool import pool
from datasets.serving.sql import sandbox, statement_errors
from datasets.serving.sql.limits import Limits


@dataclass(frozen=True)
class Preview:
    """The first rows of an answer, as text."""

    columns: tuple  # (name, type)
    rows: tuple
    is_whole: bool


def preview(caller: Caller, text: str, dataset: Dataset | None, now: datetime, most: int = 100) -> Preview:
    """What a person sees of the answer; raises Refused."""
    sandbox.check_text(text)
    tables, known = sandbox.named(caller, text, dataset)
    limits = Limits.of_settings()
    with pool().connection() as connection:
        box = sandbox.Sandbox(connection, caller, tables, known, limits, now)
        try:
            box.open()
            columns = box.take(text, has_table=dataset is not None)
            box.check(text)
            types = box.shape(columns, packed=True, limit=most + 1)
            cells = sql.SQL(", ").join(sql.SQL("({})::text").format(cell(name, kind)) for name, kind in types.items())
            rows = connection.execute(sql.SQL("SELECT {} FROM {}").format(cells, sandbox.ANSWER)).fetchall()
        except psycopg.Error as error:
            raise statement_errors.of_error(error, limits) from None
        finally:
            connection.rollback()
    return Preview(tuple(types.items()), tuple(rows[:most]), len(rows) <= most)
