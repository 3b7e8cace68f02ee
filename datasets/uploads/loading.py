"""Loads a report file that a person uploaded into a dataset: days that are older than Amazon keeps, or that it cannot give.

Days that are in stay as they are, and days that the dataset loads by itself are left to Amazon: the first and the last day of
a file are often cut off in the middle.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from django.db import transaction

from connector.accounts.models import User
from connector.catalogue.moments import moment
from connector.catalogue.number_date_format import PLAIN
from connector.catalogue.report import Document, Report
from datasets import calendar
from datasets.access.policies import unrestricted
from datasets.backfill import runs, tasks, window
from datasets.backfill.answers.placing import day_finder
from datasets.backfill.sources.file import CannotLoad
from datasets.backfill.span import span_of
from datasets.models import Answer, Dataset, Day, Request, Run, UploadedFile
from datasets.rows import snapshot
from datasets.tabular import isolated

LIKE = {  # what a column of each type holds, for people; text holds everything
    "bigint": "whole numbers, such as 12",
    "numeric": "numbers, such as 1234.56",
    "boolean": "true or false",
    "date": "dates, such as 2026-11-25",
    "timestamptz": "dates with a time, such as 2026-11-25T18:00:00+00:00",
}


@dataclass(frozen=True)
class Loading:
    """A run that loads a file: how many days it brings in, and how many of the file's days are Amazon's or were in already."""

    run: Run
    days: int
    days_kept: int


def takes_files(dataset: Dataset) -> bool:
    """Whether rows of a file can become rows of this dataset: its report is a flat file with a date, and days stay when they are in."""
    return not _why_not(dataset)


def _why_not(dataset: Dataset) -> str:
    """Why it takes no files, as the end of a sentence, and what to do; "" where it does."""
    report = dataset.effective_report
    if report is None:
        return "its report is no longer in the catalogue."
    if not (report.source.is_flat_file and report.day_column):
        return f"only flat-file reports with a date in each row can be loaded from files, and {dataset.report_title} is not one."
    if dataset.mode == Dataset.Mode.REPLACE:
        others = " or ".join(mode for mode in report.modes if mode != Dataset.Mode.REPLACE)
        return (
            "it is a replace, which loads all of its days again with each run. Create another dataset of this report "
            f"in {others} mode and load the file into that one."
        )
    return ""


def load(dataset: Dataset, upload: UploadedFile, by: User | None = None, *, now: datetime) -> Loading:
    """Starts the run. Raises CannotLoad, or runs.AlreadyRunning."""
    if reason := _why_not(dataset):
        raise CannotLoad(f"{dataset.name} does not accept files: {reason}")
    counts = _rows_by_day(dataset, upload)
    _refuse_misfits(dataset, upload, now)
    first, last = min(counts), max(counts)
    with transaction.atomic():
        run = runs.start(dataset, Run.Trigger.FILE, by, now=now)
        ledger = Day.objects.filter(dataset=dataset, generation=run.generation)
        kept = set(ledger.filter(day__in=counts, state__in=Day.IN).values_list("day", flat=True)) | _amazons(
            dataset, counts, now
        )
        wanted = sorted(counts.keys() - kept)
        if not wanted:
            raise CannotLoad(
                f"All {len(counts)} days of {upload.name} ({first} to {last}) are already in {dataset.name}, or it "
                "loads them from Amazon itself. To use the file's rows instead, create another dataset for them."
            )
        zone = window.zone_of(cast(Report, dataset.effective_report), dataset.account)
        asked = {
            "from_at": calendar.bounds(wanted[0], zone)[0],
            "until_at": calendar.bounds(wanted[-1], zone)[1],
            "zone": zone,
            "asked_at": now,
            "document_id": str(upload.pk),
        }
        request = Request.plan(
            dataset,
            run.generation,
            wanted[0],
            wanted[-1],
            kind=Answer.FILE,
            asked=asked,
            state=Request.State.READY,
        )
        Day.objects.bulk_create(
            [Day(dataset=dataset, generation=run.generation, day=day) for day in wanted], ignore_conflicts=True
        )
        ledger.filter(day__in=wanted).update(
            state=Day.State.ASKED, request=request, message="", attempts=0, not_before=None
        )
        run.span(wanted[0], wanted[-1], days_total=len(wanted))
        transaction.on_commit(lambda: tasks.hint(run.pk, by_hand=True))
    return Loading(run, days=len(wanted), days_kept=len(kept))


def _amazons(dataset: Dataset, days: Iterable[date], now: datetime) -> set[date]:
    """Those of the days that the dataset's own runs load."""
    held = span_of(dataset, cast(Report, dataset.effective_report), now)  # as `takes_files` has seen
    return {day for day in days if held.first <= day <= held.last}


def _rows_by_day(dataset: Dataset, upload: UploadedFile) -> Counter[date]:
    """How many rows the file has of each day. Every row has to have one."""
    report = cast(Report, dataset.effective_report)  # `takes_files` has seen that there is one, and that it has days
    day_column = cast(str, report.day_column)
    titles = [column["title"] for column in upload.columns]
    names = report.names_of(titles)
    if day_column not in names:
        meant = next((c.title or c.source or c.name for c in report.columns if c.name == day_column), day_column)
        raise CannotLoad(
            f"{upload.name} has no column {meant}, which gives the day of each row. Its columns: "
            f"{', '.join(titles[:8])}{' …' if len(titles) > 8 else ''}. Upload the report as Amazon gave it, or "
            "rename the column."
        )
    title = titles[names.index(day_column)]
    values = _told(upload, "count", column=title)["values"]
    dates = any(column.name == day_column and column.type == "date" for column in report.columns)
    find = day_finder(date.max, date.min, window.zone_of(report, dataset.account), dates=dates)
    counts: Counter[date] = Counter()
    for value, count in values:
        day = find(value)
        if day is None:
            raise CannotLoad(
                f"{upload.name} has rows whose {title} is '{value[:60]}', which is not a date this report uses (such "
                "as 2026-11-25 or 2026-11-25T18:00:00+00:00). Correct them and upload the file again."
            )
        at = moment(value)
        if not dates and ":" in value and at is not None and at.tzinfo is None:
            raise CannotLoad(
                f"{upload.name} has rows whose {title} is '{value[:60]}', a time without its zone, which may be of another day than "
                "it names. Write such times as Amazon does, 2026-11-25T18:00:00+00:00; of an export of ours take the CSV, whose "
                "times have their zone."
            )
        counts[day] += count
    return counts


def _refuse_misfits(dataset: Dataset, upload: UploadedFile, now: datetime) -> None:
    """A value that does not fit its column would make the column text for good, and with it the rows that Amazon gave. Amazon's own
    files are taken even so, because nobody here can fix them."""
    report = cast(Report, dataset.effective_report)
    source = cast(Document, report.source)  # `takes_files` has seen that it is one
    if source.format_in(dataset.account.home.country) != PLAIN:
        return  # how this report writes its numbers and dates is known to its reader only
    types = snapshot.glance(dataset, unrestricted("types of columns"), now=now).types
    titles = [column["title"] for column in upload.columns]
    names = report.names_of(titles)
    looked_at = {title: types[name] for title, name in zip(titles, names, strict=True) if types.get(name) in LIKE}
    wrong = _told(upload, "misfit", types=looked_at)["misfit"] if looked_at else None
    if wrong:
        raise CannotLoad(
            f"Row {wrong['row']:,} of {upload.name} has '{wrong['value'][:60]}' in {wrong['title']}, where the dataset holds "
            f"{LIKE[looked_at[wrong['title']]]}. Mend such values and upload the file again."
        )


def _told(upload: UploadedFile, job: str, **options: Any) -> dict[str, Any]:
    try:
        return isolated.run(job, [bytes(upload.content)], **options).result
    except isolated.JobRefused as problem:
        raise CannotLoad(f"{upload.name}: {problem}") from None
