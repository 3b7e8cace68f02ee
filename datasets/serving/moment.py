"""One consistent moment of a dataset: everything a reader is told and given comes from the same snapshot."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from psycopg import errors, sql

from connector.catalogue import index
from datasets.backfill import facts
from datasets.storage import read


@dataclass(frozen=True)
class Moment:
    """What of a dataset is true in one snapshot."""

    pk: int
    slug: str
    mode: str
    generation: int
    version: int
    rows: int
    columns: tuple[dict, ...]  # all that is served, in order, system columns last
    changed_at: datetime | None
    complete_through: date | None = None
    has_table: bool = True

    @property
    def table(self):
        return read.table(self.pk, self.generation)

    @cached_property
    def types(self):
        return {column["name"]: column["type"] for column in self.columns}

    @property
    def label(self):
        return f"v{self.version}"


def served(dataset, columns=None):
    """The columns that readers see: the table's own, or as long as there is no table the catalogue's; then the system's."""
    columns = columns if columns is not None else dataset.columns
    if not columns:
        try:
            columns = [column.as_json() for column in index.effective(dataset.report, dataset.options).columns]
        except KeyError:
            columns = []
    keys = ("name", "title", "type")
    return tuple({key: column[key] for key in keys} for column in (*columns, *read.SYSTEM_COLUMNS))


def glance(dataset):
    """The moment as Django's models have just read it: enough for HEAD, 304 and the check of parameters."""
    return Moment(
        pk=dataset.pk,
        slug=dataset.slug,
        mode=dataset.mode,
        generation=dataset.generation,
        version=dataset.version,
        rows=dataset.rows,
        columns=served(dataset),
        changed_at=dataset.changed_at,
    )


STATE = f"generation, version, rows, columns, changed_at, ({facts.THROUGH})"  # of datasets_dataset AS d, in SQL


def state_values(dataset, now):
    """What a statement with STATE is to be given; `id` says which dataset."""
    return facts.through_values(dataset, now) | {"id": dataset.pk}


def snapshot(connection, dataset, *, now):
    """Opens a read-only snapshot on the connection and answers what is true in it; None when the dataset is gone.

    A statement in it may take as long as it takes. The table is locked (against nothing but being rebuilt) before the
    snapshot is taken: a column that becomes text rewrites the table, and to an older snapshot a rewritten table looks empty.
    """
    wanted = dataset.generation
    while True:
        has_table = _begin(connection, read.table(dataset.pk, wanted))
        found = _read(connection, dataset, now, has_table)
        if found is None or found.generation == wanted:
            return found
        connection.rollback()
        wanted = found.generation


def _begin(connection, table):
    """Whether the table is there; the connection is in a snapshot either way."""
    opening = sql.SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout TO 0")
    try:
        connection.execute(sql.SQL("{}; LOCK TABLE {} IN ACCESS SHARE MODE").format(opening, table))
        return True
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        connection.rollback()
        connection.execute(opening)
        return False


def _read(connection, dataset, now, has_table):
    row = connection.execute(
        f"SELECT {STATE} FROM datasets_dataset AS d WHERE id = %(id)s", state_values(dataset, now)
    ).fetchone()
    if row is None:
        return None
    generation, version, rows, columns, changed_at, through = row
    return Moment(
        pk=dataset.pk,
        slug=dataset.slug,
        mode=dataset.mode,
        generation=generation,
        version=version,
        rows=rows,
        columns=served(dataset, columns),
        changed_at=changed_at,
        complete_through=through,
        has_table=has_table,
    )
