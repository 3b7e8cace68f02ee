"""Makes the profile of a dataset's columns from a bounded sample of its rows: the newest days, whole, newest first.

It is made under a policy of the program's own that hides nothing, and kept for all: whoever shows it to somebody asks their policy.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from psycopg import sql
from psycopg.sql import Composable

from datasets.access.policies import unrestricted
from datasets.formats.cells import cell
from datasets.formats.copy_to_stdout import CopyOut
from datasets.models import ColumnProfile, Dataset, Run
from datasets.rows import pool, snapshot
from datasets.rows.filters import Filter
from datasets.rows.query import Query, Sort
from datasets.tabular import isolated

MAX_ROWS = 100_000
MAX_CELLS = 3_000_000  # fewer rows for a wide table
MAX_BYTES = 64 << 20
MAX_CHARACTERS = 300  # of a text: longer ones are told apart by their beginning
REST = timedelta(hours=1)  # between two profiles that nobody asked for


@dataclass(frozen=True)
class Sample:
    """The days from which rows are taken, both included, and how many rows at most."""

    first: date
    last: date
    most: int


def due(now: datetime) -> QuerySet:
    """Ids of the datasets that want a new profile, the longest waiting first: rows have changed since, no run is under way, and
    the last profile has had its time."""
    stale = Q(profile=None) | ~Q(profile__version=F("version")) & Q(profile__made_at__lte=now - REST)
    loading = Run.objects.open().filter(dataset=OuterRef("pk"))
    found = Dataset.objects.filter(stale, ~Exists(loading), changed_at__isnull=False)
    return found.order_by("changed_at").values_list("pk", flat=True)


def make(dataset: Dataset, now: datetime) -> ColumnProfile | None:
    """Makes and keeps the profile; None where the dataset is gone. A sample that cannot be worked on is kept as a message."""
    with closing(pool.alone()) as connection:
        seen = snapshot.take(connection, dataset, unrestricted("profile of columns"), now=now)
        if seen is None:
            return None
        sample = _sample(connection, seen) if seen.has_table else None
        content = list(_rows(connection, seen, sample)) if sample else []
    made = {"version": seen.version, "rows_total": seen.rows, "made_at": now, "message": ""}
    columns = [{"name": name, "type": kind} for name, kind in seen.types.items()]
    try:
        found = isolated.run("profile", content, columns=columns).result
    except isolated.JobRefused as problem:
        found, made["message"] = {"rows": 0, "columns": []}, str(problem)
    days: dict[str, date | None] = (
        {"first_day": sample.first, "last_day": sample.last} if sample else {"first_day": None, "last_day": None}
    )
    made |= days | {"rows": found["rows"], "columns": found["columns"]}
    try:
        with transaction.atomic():
            return ColumnProfile.objects.update_or_create(dataset_id=dataset.pk, defaults=made)[0]
    except IntegrityError:  # it was deleted while its sample was worked on
        return None


def _sample(connection: psycopg.Connection, seen: snapshot.Snapshot) -> Sample | None:
    """As many of the newest days as fit, at least one; None if no day has rows."""
    most = max(1, min(MAX_ROWS, MAX_CELLS // len(seen.columns)))
    [(first, last)] = connection.execute(
        """
        SELECT min(day), max(day) FROM (
            SELECT day, rows, sum(rows) OVER (ORDER BY day DESC) AS so_far FROM datasets_day
            WHERE dataset_id = %s AND generation = %s AND rows > 0
        ) AS days WHERE so_far <= %s OR so_far = rows
        """,
        [seen.pk, seen.generation, most],
    ).fetchall()
    return Sample(first, last, most) if first else None


def _rows(connection: psycopg.Connection, seen: snapshot.Snapshot, sample: Sample) -> Iterator[bytes]:
    """The sample as lines of CSV, up to as many bytes as one job may be given."""
    source = seen.source(_query(seen, sample))
    statement = sql.SQL("COPY (SELECT {} FROM ({}) AS r) TO STDOUT (FORMAT csv)").format(
        sql.SQL(", ").join(_cut(name, kind) for name, kind in source.types.items()), source.select
    )
    copy, size = CopyOut(connection, statement.as_bytes(connection)), 0
    while batch := copy.batch():
        lines = b"\n".join(batch) + b"\n"
        size += len(lines)
        if size > MAX_BYTES:
            copy.stop()
            return
        yield lines


def _query(seen: snapshot.Snapshot, sample: Sample) -> Query:
    days = (Filter("_day", "date", "gte", sample.first), Filter("_day", "date", "lte", sample.last))
    return Query(filters=days, select=tuple(seen.types), sort=(Sort("_day", descending=True),), limit=sample.most)


def _cut(name: str, kind: str) -> Composable:
    column = cell(name, kind)
    return sql.SQL("left({}, {})").format(column, sql.Literal(MAX_CHARACTERS)) if kind == "text" else column
