"""Datasets: list, make, read, change, copy, pause, clear, delete."""

from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Router, Status
from pydantic import Field

from connector.database.moment import one_moment
from datasets.access.lookup import as_uuid, find_dataset
from datasets.access.policies import look
from datasets.backfill import dataset_status, lifecycle, tasks
from datasets.definition import checks, save
from datasets.definition.definition import Definition, Proposal
from datasets.definition.payload import read_payload
from datasets.models import Dataset, Run
from datasets.problems import BadParameters, NotFound, nearest, printable
from datasets.serving.api import pages
from datasets.serving.api.core import Called, Needs, Strict
from datasets.serving.api.dataset_answers import TABLE_TYPES, DatasetAnswer, Schedule, TableSchema, dataset_json

router = Router(tags=["datasets"])


class NewDataset(Strict):
    name: str
    description: str = ""
    account: str = Field(description="the account's id or name")
    report: str = Field(description="a key of /api/v1/reports")
    options: dict[str, Any] = Field(default_factory=dict)
    start: str | None = Field(None, description="2026-10-01, today, yesterday, today-7")
    end: str | None = None
    mode: str | None = Field(None, description="append, replace or merge; the report's own if omitted")
    schedule: Schedule | None = None
    run: bool = Field(False, description="start the first run at once")


class DatasetChange(Strict):
    """What is left out stays as it is."""

    name: str | None = None
    description: str | None = None
    account: str | None = None
    report: str | None = None
    options: dict[str, Any] | None = None
    start: str | None = None
    end: str | None = None
    mode: str | None = None
    schedule: Schedule | None = None


class Clone(Strict):
    name: str
    run: bool = False


@router.get(
    "/datasets",
    auth=Needs("data:read", "state", "account", "report", "q", *pages.PARAMETERS),
    response=list[DatasetAnswer],
)
@one_moment()
def list_datasets(
    request: Called,
    response: HttpResponse,
    state: str | None = None,
    account: str | None = None,
    report: str | None = None,
    q: str | None = None,
    limit: pages.Limit = None,
    cursor: pages.Cursor = None,
) -> list[dict[str, object]]:
    """The datasets you may see, oldest first. `account` is an id or a name, `q` a part of name, slug or description."""
    most = pages.limit_of(limit, 100, 1000)
    after = pages.cursor_of(cursor)
    found = request.auth.datasets().select_related("account").order_by("pk")
    if after is not None:
        found = found.filter(pk__gt=after)
    if account is not None:
        key = as_uuid(account)
        found = found.filter(account=key) if key else found.filter(account__name__iexact=account)
    if report is not None:
        found = found.filter(report=report)
    if q is not None:
        found = (
            found.filter(name__icontains=q) | found.filter(slug__icontains=q) | found.filter(description__icontains=q)
        )
    if state is None:
        chosen = list(found[: most + 1])
    else:
        if state not in dataset_status.STATES:
            raise BadParameters(
                [
                    (
                        "state",
                        f"There is no state '{printable(state)}'.{nearest(state, dataset_status.STATES)} There are: {', '.join(dataset_status.STATES)}.",
                    )
                ]
            )
        every = list(found)
        states = dataset_status.states_of(every)
        chosen = [dataset for dataset in every if states[dataset.pk] == state][: most + 1]
    known = dataset_status.statuses_of(chosen)
    piece = pages.piece(chosen, most, request, response, key=lambda dataset: dataset.pk)
    now = timezone.now()
    return [dataset_json(look(request.auth, dataset, now=now), known[dataset.pk], request) for dataset in piece]


@router.post("/datasets", auth=Needs("datasets:write", has_body=True), response={201: DatasetAnswer})
def create_dataset(request: Called, response: HttpResponse, body: NewDataset) -> Status:
    """Makes a dataset. Its schedule fills it from its next time on; with `run` the first run starts at once."""
    request.auth.check_unlimited()
    proposal = read_payload(request.auth.user, body.dict(exclude_unset=True, exclude={"run"}))
    return _made(request, response, proposal, body.run)


def _made(request: Called, response: HttpResponse, proposal: Proposal, run: bool) -> Status:
    now = timezone.now()
    definition = checks.check(proposal, now=now)
    with transaction.atomic():
        dataset = save.define(request.auth.user, definition, now=now).dataset
        if run:
            tasks.start(dataset, trigger=Run.Trigger.CREATED, by=request.auth.user)
    response["Location"] = reverse("api:read_dataset", args=[dataset.slug])
    return Status(201, _shown(request, dataset))


@router.get("/datasets/{slug}", auth=Needs("data:read"), response=DatasetAnswer)
@one_moment()
def read_dataset(request: Called, slug: str) -> dict[str, object]:
    """One dataset: definition, state, rows, how far it is complete. `slug` may be the id too."""
    return _shown(request, find_dataset(request.auth, slug))


@router.patch("/datasets/{slug}", auth=Needs("datasets:write", has_body=True), response=DatasetAnswer)
def change_dataset(request: Called, slug: str, body: DatasetChange) -> dict[str, object]:
    """Changes the definition. The slug stays, rows stay; what the new dates add is loaded by the next run."""
    dataset = find_dataset(request.auth, slug)
    now = timezone.now()
    proposal = read_payload(request.auth.user, body.dict(exclude_unset=True), Definition.of(dataset))
    try:
        changed = save.change(dataset, checks.check(proposal, dataset=dataset, now=now), now=now)
    except Dataset.DoesNotExist:
        raise NotFound(f"There is no dataset '{printable(slug)}' that you may see.") from None
    return _shown(request, changed)


@router.delete("/datasets/{slug}", auth=Needs("datasets:write"), response={204: None})
def delete_dataset(request: Called, slug: str) -> Status:
    """Deletes the dataset with its rows and its history."""
    lifecycle.remove(find_dataset(request.auth, slug))
    return Status(204, None)


@router.post("/datasets/{slug}/clone", auth=Needs("datasets:write", has_body=True), response={201: DatasetAnswer})
def clone_dataset(request: Called, response: HttpResponse, slug: str, body: Clone) -> Status:
    """A new dataset with the same definition and another name, without rows."""
    request.auth.check_unlimited()
    dataset = find_dataset(request.auth, slug)
    proposal = read_payload(request.auth.user, {"name": body.name}, Definition.of(dataset))
    return _made(request, response, proposal, body.run)


@router.post("/datasets/{slug}/pause", auth=Needs("datasets:write"), response=DatasetAnswer)
def pause_dataset(request: Called, slug: str) -> dict[str, object]:
    """No more scheduled runs; a run in progress finishes normally."""
    dataset = find_dataset(request.auth, slug)
    lifecycle.pause(dataset)
    return _shown(request, dataset)


@router.post("/datasets/{slug}/resume", auth=Needs("datasets:write"), response=DatasetAnswer)
def resume_dataset(request: Called, slug: str) -> dict[str, object]:
    """The schedule holds again."""
    dataset = find_dataset(request.auth, slug)
    lifecycle.resume(dataset, timezone.now())
    return _shown(request, dataset)


@router.post("/datasets/{slug}/clear", auth=Needs("datasets:write"), response=DatasetAnswer)
def clear_dataset(request: Called, slug: str) -> dict[str, object]:
    """All rows and the ledger of days go; the definition stays and the next run loads everything again."""
    dataset = find_dataset(request.auth, slug)
    lifecycle.clear(dataset)
    return _shown(request, dataset)


@router.get("/datasets/{slug}/schema", auth=Needs("data:read"), response=TableSchema)
@one_moment()
def read_schema(request: Called, slug: str) -> dict[str, object]:
    """The columns as a JSON Table Schema."""
    dataset = find_dataset(request.auth, slug)
    report = dataset.effective_report
    keys = list(report.key_columns) if report else []
    columns = look(request.auth, dataset, now=timezone.now()).columns
    return {
        "name": dataset.slug,
        "fields": [
            {"name": column["name"], "title": column["title"], "type": TABLE_TYPES.get(column["type"], "string")}
            for column in columns
        ],
        "primaryKey": keys if {column["name"] for column in columns}.issuperset(keys) else [],
        "missingValues": [""],
    }


def _shown(request: Called, dataset: Dataset) -> dict[str, object]:
    dataset.refresh_from_db()
    return dataset_json(look(request.auth, dataset, now=timezone.now()), dataset_status.status_of(dataset), request)
