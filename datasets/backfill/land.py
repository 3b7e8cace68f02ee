"""Lands one day: rows, checkpoint, counts and version in one transaction. The only file that writes rows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import cast

import psycopg
from django.db import connection, transaction
from psycopg import sql

from connector.catalogue.report import Report
from connector.database.away import AWAY
from connector.spapi import errors
from datasets import personal, retries
from datasets.backfill import tracing
from datasets.backfill.lease import LeaseLost
from datasets.models import Change, Dataset, Day, Request, Run
from datasets.storage import columns as column_types
from datasets.storage import modes, read, stage, table
from datasets.storage.read import TableColumn


@contextmanager
def cursor() -> Iterator[psycopg.Cursor]:
    """A plain psycopg cursor on Django's connection, so that rows and ledger commit together."""
    connection.ensure_connection()
    with psycopg.Cursor(connection.connection) as plain:
        yield plain


def prepare(
    dataset: Dataset, generation: int, columns: Sequence[TableColumn], key: Sequence[str] = ()
) -> dict[str, str]:
    """Makes or grows the table before the first row, in a transaction of its own: no reader waits behind a long COPY.

    Answers {name: type} of the columns it has now; a table that is full takes no further ones.
    """
    with transaction.atomic(), cursor() as c:
        c.execute("SET LOCAL lock_timeout TO '5s'")
        is_built_aside = dataset.mode == Dataset.Mode.REPLACE and generation != dataset.generation
        table.create(c, dataset.pk, generation, columns, key, indexed=not is_built_aside)
        if generation == dataset.generation:
            _keep_columns(c, dataset)
        return {column["name"]: column["type"] for column in read.describe(c, dataset.pk, generation)}


def _keep_columns(c: psycopg.Cursor, dataset: Dataset) -> None:
    """Writes down what columns the readers' table has. The dataset is locked before they are looked at, so that of two who do
    this at once the later one does not write what was so before the other."""
    Dataset.objects.select_for_update(no_key=True).filter(pk=dataset.pk).values_list("pk").first()
    dataset.columns = personal.marked(dataset, read.describe_served(c, dataset.pk, dataset.generation))
    Dataset.objects.filter(pk=dataset.pk).update(columns=dataset.columns)


def widen(run: Run, report: Report, names: Sequence[str]) -> str:
    """Makes these columns text, since Amazon sent values of another type; answers the note for the days."""
    for name in names:
        if run.dataset.mode == Dataset.Mode.MERGE and name in (*report.key_columns, report.version_column):
            raise errors.AmazonRefused(
                f"Amazon sent a {name} of the wrong type. A merge needs it to tell rows and their versions apart, so "
                f"these days were not changed; they are {retries.LATER}. The other days continue."
            )
    with transaction.atomic(), cursor() as c:
        c.execute("SET LOCAL lock_timeout TO '5s'")
        for name in names:
            column_types.widen(c, run.dataset_id, run.generation, name)
        if run.generation == run.dataset.generation:
            _keep_columns(c, run.dataset)
    are = "are" if len(names) > 1 else "is"
    came = "the file has" if run.trigger == Run.Trigger.FILE else "Amazon sent"
    return f"{', '.join(names)} {are} text from now on, because {came} values of another type."


@dataclass(frozen=True, slots=True)
class Landing:
    """A day of a run, and the rows that become its rows.

    `staged` is None for a day without rows; `names` are the columns of its rows, `null` is how its file writes a value that is
    missing. Amazon was asked for the day up to `read_until`, without the marketplaces that it is `lacking`; `note` is told
    of it. With `turn`, a day that lands beside another waits for it before the fence, and leaves the widening to others.
    """

    run: Run
    fence: int
    report: Report
    day: Day
    staged: stage.Staged | None
    names: Sequence[str]
    null: str
    read_until: datetime | None
    note: str = ""
    lacking: Sequence[str] = ()
    turn: Callable[[], None] | None = None

    @property
    def rows(self) -> int:
        """How many rows the day has with it."""
        return self.staged.rows if self.staged else 0

    @property
    def checksum(self) -> str:
        """Of its rows; "" where there is none."""
        return self.staged.checksum if self.staged else ""


def land(landing: Landing) -> int:
    """Makes the staged rows the day's rows; answers how many there are.

    Raises LeaseLost when another worker has taken the run over, in which case nothing was changed. Where it is unknown whether the
    commit went through, the Day is read back. A value that does not fit its column widens the column to text, and the day is
    landed again.
    """
    run = landing.run
    while True:
        try:
            return _land(landing)
        except column_types.MISFITS as problem:
            name = column_types.misfit(problem)
            if landing.turn is not None:  # the table cannot change while the parallel day is being landed
                raise
            if name is None:
                raise _refused(problem, run) from None
            landing = replace(landing, note=f"{landing.note} {widen(run, landing.report, [name])}".strip())
        except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded) as problem:
            raise _refused(problem, run) from None
        except AWAY:
            connection.close()
            if _is_in(landing):
                return landing.rows
            raise


def _refused(problem: psycopg.Error, run: Run) -> errors.AmazonRefused:
    if run.trigger == Run.Trigger.FILE:
        return errors.AmazonRefused(
            f"The database rejected the file's rows for this day (SQLSTATE {problem.sqlstate}): a value is too "
            "long for a key, or cannot be stored. The other days continue. Correct the file and load it again."
        )
    return errors.AmazonRefused(
        f"The database rejected the rows that Amazon sent for this day (SQLSTATE {problem.sqlstate}): a value is too "
        "long for a key, or cannot be stored. Earlier rows are kept, and the other days continue. This day is "
        f"{retries.LATER}."
    )


def _land(landing: Landing) -> int:
    run, report, day, staged = landing.run, landing.report, landing.day, landing.staged
    mode = run.dataset.mode
    checksum = landing.checksum
    with transaction.atomic(), cursor() as c:
        c.execute(
            "SELECT set_config('backhaul.day', %s, true), set_config('backhaul.batch', %s, true), "
            "set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true)",
            [day.day.isoformat(), str(run.pk)],
        )
        same = day.checksum == checksum and day.state == (Day.State.LANDED if checksum else Day.State.EMPTY)
        # A day that was still open when it was read has not been restated: it has only come to its end. Nor has one that a
        # replay lands from the answer that was there.
        is_news = day.read_until == landing.read_until and run.trigger != Run.Trigger.REPLAY
        # Where the day is that of the last change, a row leaves it with the next one: that is no restatement in a merge.
        wanders = mode == Dataset.Mode.MERGE and report.day_column == report.version_column
        restated = not same and day.state in Day.IN and is_news and not wanders
        before = read.totals(c, run.dataset_id, run.generation, day.day) if restated else {}
        if same:  # Amazon sent the same rows: they stay unchanged, only the ledger is updated
            landed = modes.Landed(rows=day.rows, change=0)
        elif staged or day.state == Day.State.LANDED or mode != Dataset.Mode.MERGE:
            # A day that is built in the new generation a second time is replaced completely, as in an append.
            again = mode == Dataset.Mode.REPLACE and day.state in Day.IN
            landed = modes.MODES[Dataset.Mode.APPEND if again else mode](
                c,
                run.dataset_id,
                run.generation,
                landing.names,
                report.key_columns,
                report.version_column,
                stage.chunks(staged.path) if staged else (),
                landing.null,
            )
        else:
            landed = modes.Landed(rows=0, change=0)
        if landing.turn is not None:
            landing.turn()
        is_first_extra = staged and staged.has_extra and not read.has_extra(c, run.dataset_id, run.generation)
        if is_first_extra:
            table.note_extra(c, run.dataset_id, run.generation)
        # The fence is checked last, so that a cancel or a heartbeat never waits behind a COPY.
        c.execute("SELECT fence, state FROM datasets_run WHERE id = %s FOR UPDATE", [run.pk])
        if c.fetchone() != (landing.fence, "running"):
            raise LeaseLost
        if is_first_extra and run.generation == run.dataset.generation:
            _keep_columns(c, run.dataset)
        rows = landing.rows
        if restated and (landed.rows or mode != Dataset.Mode.MERGE):  # a merge that wrote nothing changed nothing
            Change.objects.create(
                dataset_id=run.dataset_id,
                run=run,
                day=day.day,
                rows_before=day.rows,
                rows_after=rows,
                totals_before=before,
                totals_after=read.totals(c, run.dataset_id, run.generation, day.day),
            )
        day.mark_landed(
            run=run,
            rows=rows,
            checksum=checksum,
            read_until=landing.read_until,
            note=landing.note,
            lacking=landing.lacking,
        )
        run.count(rows=0 if same else landed.rows)
        run.dataset.touch(change=landed.change, active=run.generation == run.dataset.generation, changed=not same)
    return rows


def flip(run: Run, fence: int) -> list[str]:
    """Replace: makes the generation that was built aside the one readers see, in one short transaction.

    Not where readers would lose the rows of a marketplace that Amazon refuses by now: then everything stays as it is, and the answer
    is the countries of these marketplaces. Raises LeaseLost, or what the database says.
    """
    if lost := _lost_by_a_flip(run):
        return lost
    with transaction.atomic(), cursor() as c:  # the slow part comes first, where it blocks nobody
        if read.exists(c, run.dataset_id, run.generation):
            table.index(c, run.dataset_id, run.generation)
    with transaction.atomic(), cursor() as c:
        c.execute("SELECT fence, state FROM datasets_run WHERE id = %s FOR UPDATE", [run.pk])
        if c.fetchone() != (fence, "running"):
            raise LeaseLost
        rows = Day.objects.of_run(run).total_rows()
        columns = personal.marked(run.dataset, read.describe_served(c, run.dataset_id, run.generation))
        run.dataset.show(run.generation, rows=rows, columns=columns)
    return []


def _lost_by_a_flip(run: Run) -> list[str]:
    """Countries that the dataset asks for, that days of the new generation lack, and of which days of the readers' one have rows."""
    dataset = run.dataset
    built = Day.objects.of_run(run).filter(state__in=Day.IN).exclude(lacking=[])
    lacks = {country for lacking in built.values_list("lacking", flat=True).distinct() for country in lacking}
    report = cast(Report, dataset.effective_report)  # a run without one ends before
    asked_for = tracing.chosen(report, dataset.account, dataset.options) if lacks else ()
    shown = Day.objects.filter(dataset=dataset, generation=dataset.generation, state__in=Day.IN, rows__gt=0)
    return sorted(
        country for country in lacks.intersection(asked_for) if shown.exclude(lacking__contains=[country]).exists()
    )


def trim(dataset: Dataset, generation: int, first: date, last: date) -> None:
    """Replace: removes days outside the range that an unfinished earlier run built, so that the switch shows only the
    range."""
    with transaction.atomic(), cursor() as c:
        for request in Request.objects.filter(dataset=dataset, generation=generation, state__in=Request.OPEN).exclude(
            first_day__lte=last, last_day__gte=first
        ):
            request.abandon()
        out_of_window = Day.objects.filter(dataset=dataset, generation=generation).exclude(day__range=(first, last))
        if out_of_window.exists():
            out_of_window.delete()
            if read.exists(c, dataset.pk, generation):
                c.execute(
                    sql.SQL("DELETE FROM {} WHERE _day NOT BETWEEN %s AND %s").format(
                        read.table(dataset.pk, generation)
                    ),
                    [first, last],
                )


def _is_in(landing: Landing) -> bool:
    """After a commit with unknown outcome: whether this lease landed the day."""
    found = Day.objects.get(pk=landing.day.pk)
    mine = Run.objects.filter(pk=landing.run.pk, fence=landing.fence).exists()
    return (
        mine
        and found.run_id == landing.run.pk
        and found.checksum == landing.checksum
        and found.state in Day.IN
        and not found.again
    )
