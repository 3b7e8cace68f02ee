"""Collected → done: reads a raw answer once and lands each of its days, newest first."""

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial

from connector.catalogue.report import Report
from connector.database.clock import database_now
from connector.spapi import errors
from datasets import calendar
from datasets.backfill import error_texts, land, parallel_landing, tracing
from datasets.backfill.answers.raw import Raw, Split
from datasets.backfill.sources.asking import Asking
from datasets.backfill.sources.source import Source
from datasets.backfill.sources.waits import backoff
from datasets.models import Dataset, Day, LeaseLost, Request
from datasets.storage import modes

MAX_READINGS = 3  # of one request's answer, before it is given up


def land_request(asking: Asking, source: Source, request: Request) -> None:
    """Lands what the request has collected. Raises errors.DocumentRefused once its answer could not be read three times."""
    nothing = source.progress(request).nothing
    if nothing is None and not source.has_raw(asking, request):
        return
    raw = _raw(asking, request)
    if nothing is not None:
        split, note = Split(), nothing
    else:
        try:
            split = source.read(asking, request, raw)
        except errors.DocumentRefused as problem:
            _read_again(request, problem)
            return
        note = split.note
        request.keep(out_of_window=split.out_of_window)
        if split.unfit:
            note = f"{note} {land.widen(asking.run, asking.report, sorted(split.unfit))}".strip()
        if split.doubt:
            _fail_days_without_rows(asking, request, split)
    _land_days(asking, request, split, f"{note} {tracing.note(asking, request)}".strip())
    for folder in raw.folder.glob("days-*"):
        shutil.rmtree(folder, ignore_errors=True)
    request.advance(state=Request.State.DONE, message=request.message)


def _raw(asking: Asking, request: Request) -> Raw:
    """What there is to read. The table has the declared columns from here on."""
    dataset, report = asking.run.dataset, asking.report
    key = report.key_columns if dataset.mode == Dataset.Mode.MERGE else ()
    take_columns = partial(land.prepare, dataset, asking.run.generation, key=key)
    return Raw(
        report=report,
        options=asking.options,
        country=asking.account.home.country,
        zone=asking.zone_of(request),
        first_day=request.first_day,
        last_day=request.last_day,
        until_at=request.until_at,
        wanted=frozenset(request.days.values_list("day", flat=True)),
        folder=asking.folder(request),
        mark=asking.mark,
        take_columns=take_columns,
        types=take_columns([{"name": c.name, "title": c.title or c.name, "type": c.type} for c in report.columns]),
    )


def _read_again(request: Request, problem: errors.DocumentRefused) -> None:
    readings = request.failures_of(Request.Cause.DOCUMENT) + 1
    if readings >= MAX_READINGS:
        raise problem
    until = database_now() + timedelta(seconds=backoff(readings))
    request.fetch_again(until, message=error_texts.words(problem))


def _fail_days_without_rows(asking: Asking, request: Request, split: Split) -> None:
    """No row of theirs was found, but that is not Amazon's word. Days whose rows stand on another one have none anyway."""
    report = asking.report
    for day in request.days.all():
        if day.day not in split.staged and (not report.has_dates or report.dated_window.period(day.day)[0] == day.day):
            request.fail_day(day, split.doubt, run=asking.run)


def _land_days(asking: Asking, request: Request, split: Split, note: str) -> None:
    def land_one(day: Day, turn: Callable[[], None] | None = None) -> None:
        if asking.lost.is_set():
            raise LeaseLost
        read_until = None
        if request.until_at:
            read_until = min(request.until_at, calendar.bounds(day.day, asking.zone_of(request))[1])
        land.land(
            asking.run,
            asking.fence,
            day,
            split.staged.get(day.day),
            asking.report,
            names=split.names,
            null=split.null,
            read_until=read_until,
            note=_note_of(asking.report, day.day, note),
            lacking=request.lacking,
            turn=turn,
        )
        Request.objects.filter(pk=request.pk).update(interruptions=0)

    for day in request.days.order_by("-day"):
        if tracing.would_lose(asking.run.dataset, request, day):
            request.fail_day(day, tracing.kept(asking, request), run=asking.run)
    # Two days of a merge may hold the same keys, and would wait for each other.
    sizes = [staged.path.stat().st_size for staged in split.staged.values()]
    if asking.run.dataset.mode != Dataset.Mode.MERGE and parallel_landing.is_worth_it(sizes):
        parallel_landing.land(list(request.days.order_by("-day")), land_one)
    for day in request.days.order_by("-day"):
        try:
            land_one(day)
        except errors.AmazonRefused as problem:
            request.fail_day(day, error_texts.words(problem), run=asking.run)
        except modes.KeyNotUnique as problem:
            request.fail_day(day, str(problem), run=asking.run)


def _note_of(report: Report, day: date, note: str) -> str:
    """What the day's page says of it; a day whose rows stand on the first day of its period says where they are."""
    first, last = report.dated_window.period(day) if report.has_dates else (day, day)
    if first == day:
        return note
    return f"Amazon's answer covers {first} to {last} as a whole; the rows are stored on {first}. {note}".strip()
