"""Collected → done: reads a raw answer once and lands each of its days, newest first."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

from connector.catalogue.report import Report
from connector.database.clock import database_now
from connector.spapi import errors
from datasets import calendar
from datasets.backfill import error_texts, land, parallel_landing, sharing, tracing
from datasets.backfill.answers import parsed
from datasets.backfill.answers.raw import Raw, Split
from datasets.backfill.sources.asking import Asking
from datasets.backfill.sources.source import Source
from datasets.backfill.sources.waits import backoff
from datasets.models import Dataset, Day, LeaseLost, Request, Run
from datasets.storage import modes

MAX_READINGS = 3  # of one request's answer, before it is given up


def land_request(asking: Asking, source: Source, request: Request) -> None:
    """Lands what the request has collected. Raises errors.DocumentRefused once its answer could not be read three times."""
    nothing, days = source.progress(request).nothing, frozenset(request.days.values_list("day", flat=True))
    if nothing is not None:
        _raw(asking, request)  # the table is there from here on, also for days without rows
        split = Split(note=nothing)
    elif not source.has_raw(asking, request):
        return
    else:
        try:
            split = _split(asking, source, request, days)
        except errors.DocumentRefused as problem:
            _read_again(request, problem)
            return
    request.keep(out_of_window=split.out_of_window, message="")  # what it has waited for is over
    note = split.note
    if unfit := {name for staged in split.of(days).values() for name in staged.unfit}:
        note = f"{note} {land.widen(asking.run, asking.report, sorted(unfit))}".strip()
    if split.doubt:
        _fail_days_without_rows(asking, request, split)
    _land_days(asking, request, split, f"{note} {tracing.note(asking, request)}".strip())
    request.advance(state=Request.State.DONE, message=request.message)
    if nothing is None:
        sharing.is_done_with(request)


def _raw(asking: Asking, request: Request) -> Raw:
    """What there is to read. The table has the declared columns from here on."""
    dataset, report, answer = asking.run.dataset, asking.report, request.answer
    key = report.key_columns if dataset.mode == Dataset.Mode.MERGE else ()
    take_columns = partial(land.prepare, dataset, asking.run.generation, key=key)
    raw = Raw(
        report=report,
        options=asking.options,
        country=asking.account.home.country,
        zone=asking.zone_of(request),
        first_day=answer.first_day,
        last_day=answer.last_day,
        until_at=answer.until_at,
        folder=answer.folder,
        mark=asking.mark,
        take_columns=take_columns,
    )
    return replace(raw, types=raw.take_columns(raw.declared))


def _split(asking: Asking, source: Source, request: Request, days: Collection[date]) -> Split:
    """The answer, read; or what was made of it for another dataset that reads it in the same way. A replay reads it anew.

    Raises parsed.InUse while another worker has the answer in hand.
    """
    with asking.alone_with(request.answer):
        raw = _raw(asking, request)
        if asking.run.trigger != Run.Trigger.REPLAY and (found := parsed.find(raw, days)):
            return found
        taken = parsed.Taken(raw)
        split = source.read(asking, request, taken.raw)
        parsed.keep(raw, taken, split)
        return split


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
    until_at = request.answer.until_at

    def land_one(day: Day, turn: Callable[[], None] | None = None) -> None:
        if asking.lost.is_set():
            raise LeaseLost
        read_until = None
        if until_at:
            read_until = min(until_at, calendar.bounds(day.day, asking.zone_of(request))[1])
        land.land(
            land.Landing(
                asking.run,
                asking.fence,
                asking.report,
                day,
                split.staged.get(day.day),
                names=split.names,
                null=split.null,
                read_until=read_until,
                note=_note_of(asking.report, day.day, note),
                lacking=request.lacking,
                turn=turn,
            )
        )
        Request.objects.filter(pk=request.pk).update(interruptions=0)

    for day in request.days.order_by("-day"):
        if tracing.would_lose(asking.run.dataset, request, day):
            request.fail_day(day, tracing.kept(asking, request), run=asking.run)
    # Two days of a merge may hold the same keys, and would wait for each other.
    staged = split.of(list(request.days.values_list("day", flat=True))).values()
    sizes = [each.path.stat().st_size for each in staged]
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
