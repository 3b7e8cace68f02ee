"""Runs and days: start, watch, cancel, load days again."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Literal

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import Field

from connector.database.moment import one_moment
from datasets import calendar
from datasets.access.lookup import find_dataset
from datasets.access.policies import policy_of
from datasets.backfill import dataset_status, runs, tasks
from datasets.backfill.span import asked_for
from datasets.models import Change, Dataset, Day, Run
from datasets.problems import BadParameters, Conflict, NotFound, nearest, printable
from datasets.rows.policy import Policy
from datasets.serving.api import pages
from datasets.serving.api.core import Called, Instant, Needs, Strict, utc

router = Router(tags=["runs"])
From = Annotated[str | None, Query(None, alias="from", description="the first day: 2026-10-01, yesterday, today-7")]
To = Annotated[str | None, Query(None, alias="to", description="the last day")]


class RunAnswer(Schema):
    id: int
    state: Literal["queued", "running", "waiting", "succeeded", "partial", "failed", "cancelled"]
    trigger: str
    rows: int | None = Field(description="null where you may see only some of them")
    days_total: int
    days_done: int
    days_failed: int
    first_day: date | None
    last_day: date | None
    message: str
    queued_at: Instant
    started_at: Instant
    ended_at: Instant
    not_before: Instant = Field(description="a waiting run does not continue before this time")
    started_by: str | None


def run_json(run: Run, policy: Policy) -> dict[str, object]:
    run = policy.cut(run)
    return {
        "id": run.pk,
        "state": run.state,
        "trigger": run.trigger,
        "rows": run.rows,
        "days_total": run.days_total,
        "days_done": run.days_done(),
        "days_failed": run.days_failed(),
        "first_day": run.first_day,
        "last_day": run.last_day,
        "message": run.message,
        "queued_at": utc(run.queued_at),
        "started_at": utc(run.started_at),
        "ended_at": utc(run.ended_at),
        "not_before": utc(run.not_before),
        "started_by": (run.started_by.email or run.started_by.username) if run.started_by else None,
    }


class Reload(Strict):
    from_: str = Field(alias="from", description="the first day: 2026-10-01, yesterday, today-7")
    to: str = Field(description="the last day, loaded too")


class DayAnswer(Schema):
    day: date
    state: Literal["wanted", "asked", "landed", "empty", "failed"]
    rows: int | None = Field(description="null where you may see only some of them")
    attempts: int = Field(description="that failed, in a row and over all runs")
    not_before: Instant = Field(
        description="of a day that failed: the first run after this moment tries it again; null where none does"
    )
    again: bool = Field(description="its rows are kept while it is loaded again")
    lacking: list[str] = Field(description="marketplaces that Amazon refused when the day was read")
    run: int | None
    message: str
    landed_at: Instant


def day_json(day: Day, policy: Policy, is_asked_for: Callable[[Day], bool]) -> dict[str, object]:
    """`is_asked_for(day)` says whether a run would ask for the day again."""
    next_try = day.not_before if is_asked_for(day) else None
    day = policy.cut(day)
    return {
        "day": day.day,
        "state": day.state,
        "rows": day.rows,
        "attempts": day.attempts,
        "not_before": utc(next_try),
        "again": day.again,
        "lacking": day.lacking,
        "run": day.run_id,
        "message": day.message,
        "landed_at": utc(day.landed_at),
    }


class ChangeAnswer(Schema):
    day: date
    run: int | None
    seen_at: Instant
    rows_before: int | None
    rows_after: int | None
    totals: list[dict] = Field(description="columns whose sum changed: column, before, after (as text, null for none)")


def change_json(change: Change, policy: Policy) -> dict[str, object]:
    """A Change as the policy shows it: no count and no sum of rows that it hides, no sum of columns that it hides."""
    return {
        "day": change.day,
        "run": change.run_id,
        "seen_at": utc(change.seen_at),
        "rows_before": policy.count(change.rows_before),
        "rows_after": policy.count(change.rows_after),
        "totals": [
            {"column": name, "before": before, "after": after} for name, before, after in policy.differences(change)
        ],
    }


@router.post("/datasets/{slug}/runs", auth=Needs("runs:write"), response={202: RunAnswer})
def start_run(request: Called, response: HttpResponse, slug: str) -> Status:
    """Starts a run; 409 while one is under way. Days that have failed keep waiting for their next try; a reload does not wait."""
    dataset = find_dataset(request.auth, slug)
    run = tasks.start(dataset, trigger=Run.Trigger.MANUAL, by=request.auth.user, at_once=False)
    return _accepted(request, response, dataset, run)


@router.get("/datasets/{slug}/runs", auth=Needs("data:read", *pages.PARAMETERS), response=list[RunAnswer])
@one_moment()
def list_runs(
    request: Called, response: HttpResponse, slug: str, limit: pages.Limit = None, cursor: pages.Cursor = None
) -> list[dict[str, object]]:
    """The runs, newest first."""
    dataset = find_dataset(request.auth, slug)
    most = pages.limit_of(limit, 50, 500)
    before = pages.cursor_of(cursor)
    found = dataset.runs.select_related("started_by").order_by("-pk")
    if before is not None:
        found = found.filter(pk__lt=before)
    piece = pages.piece(found[: most + 1], most, request, response, key=lambda run: run.pk)
    policy = policy_of(request.auth, dataset)
    return [run_json(run, policy) for run in piece]


@router.get("/datasets/{slug}/runs/{run_id}", auth=Needs("data:read"), response=RunAnswer)
@one_moment()
def read_run(request: Called, slug: str, run_id: str) -> dict[str, object]:
    """One run."""
    dataset, run = _find_run(request, slug, run_id)
    return run_json(run, policy_of(request.auth, dataset))


@router.post("/datasets/{slug}/runs/{run_id}/cancel", auth=Needs("runs:write"), response={202: RunAnswer})
def cancel_run(request: Called, response: HttpResponse, slug: str, run_id: str) -> Status:
    """Asks the run to stop after the current day. Days already loaded are kept."""
    dataset, run = _find_run(request, slug, run_id)
    if not run.is_open:
        raise Conflict(f"This run has already ended: {run.state}.", code="not_under_way")
    tasks.cancel(run)
    run.refresh_from_db()
    return _accepted(request, response, dataset, run)


@router.post("/datasets/{slug}/reload", auth=Needs("runs:write", has_body=True), response={202: RunAnswer})
def reload_days(request: Called, response: HttpResponse, slug: str, body: Reload) -> Status:
    """Fetches these days again and replaces each of them whole; until then their rows stay as they are."""
    dataset = find_dataset(request.auth, slug)
    first, last = _days(body, dataset_status.zone(dataset))
    known = Day.objects.filter(dataset=dataset, generation=dataset.generation, day__range=(first, last))
    if not known.exists():
        raise BadParameters([("from", f"No day from {first} to {last} belongs to this dataset.")])
    if not runs.reloadable(dataset, first, last).exists():
        raise BadParameters(
            [("from", f"The rows from {first} to {last} came from an uploaded file, and Amazon is not asked for them.")]
        )
    run = tasks.reload(dataset, first, last, by=request.auth.user)
    return _accepted(request, response, dataset, run)


@router.get("/datasets/{slug}/days", auth=Needs("data:read", "state", "from", "to"), response=list[DayAnswer])
@one_moment()
def list_days(
    request: Called, slug: str, state: str | None = None, first: From = None, last: To = None
) -> list[dict[str, object]]:
    """The ledger of days, newest first; `state` may name several, separated by commas; `from` and `to` narrow it."""
    dataset = find_dataset(request.auth, slug)
    last_run = dataset.runs.order_by("-pk").first()
    found = Day.objects.filter(dataset=dataset, generation=last_run.generation if last_run else dataset.generation)
    zone = dataset_status.zone(dataset)
    if state is not None:
        found = found.filter(state__in=_states(state))
    if first is not None:
        found = found.filter(day__gte=_day("from", first, zone))
    if last is not None:
        found = found.filter(day__lte=_day("to", last, zone))
    policy = policy_of(request.auth, dataset)
    is_asked_for = asked_for(dataset, timezone.now())
    return [day_json(day, policy, is_asked_for) for day in found.order_by("-day")]


@router.get("/datasets/{slug}/changes", auth=Needs("data:read", *pages.PARAMETERS), response=list[ChangeAnswer])
@one_moment()
def list_changes(
    request: Called, response: HttpResponse, slug: str, limit: pages.Limit = None, cursor: pages.Cursor = None
) -> list[dict[str, object]]:
    """Days that were in and came back different from Amazon, the latest first, with rows and sums before and after."""
    dataset = find_dataset(request.auth, slug)
    most, before = pages.limit_of(limit, 50, 500), pages.cursor_of(cursor)
    found = dataset.changes.order_by("-pk")
    if before is not None:
        found = found.filter(pk__lt=before)
    piece = pages.piece(found[: most + 1], most, request, response, key=lambda change: change.pk)
    policy = policy_of(request.auth, dataset)
    return [change_json(change, policy) for change in piece]


def _states(text: str) -> list[str]:
    states = [state.strip() for state in text.split(",")]
    for state in states:
        if state not in Day.State.values:
            raise BadParameters(
                [
                    (
                        "state",
                        f"There is no state '{printable(state)}'.{nearest(state, Day.State.values)}"
                        f" There are: {', '.join(Day.State.values)}.",
                    )
                ]
            )
    return states


def _days(body: Reload, zone: str) -> tuple[date, date]:
    first, last = _day("from", body.from_, zone), _day("to", body.to, zone)
    if first > last:
        raise BadParameters([("to", f"The last day, {last}, is before the first, {first}. Swap them.")])
    return first, last


def _day(param: str, word: str, zone: str) -> date:
    try:
        return calendar.resolve(word, calendar.today(timezone.now(), zone))
    except ValueError as problem:
        raise BadParameters([(param, printable(problem, 200))]) from None


def _find_run(request: Called, slug: str, run_id: str) -> tuple[Dataset, Run]:
    dataset = find_dataset(request.auth, slug)
    found = None
    if run_id.isascii() and run_id.isdigit() and len(run_id) < 19:
        found = dataset.runs.select_related("started_by").filter(pk=int(run_id)).first()
    if found is None:
        raise NotFound(f"{dataset.slug} has no run '{printable(run_id)}'.")
    return dataset, found


def _accepted(request: Called, response: HttpResponse, dataset: Dataset, run: Run) -> Status:
    response["Location"] = reverse("api:read_run", args=[dataset.slug, run.pk])
    return Status(202, run_json(run, policy_of(request.auth, dataset)))
