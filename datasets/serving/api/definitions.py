"""Datasets: list, make, read, change, copy, pause, clear, delete."""

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Router, Status

from datasets.access.lookup import as_uuid, find_dataset
from datasets.access.policies import look
from datasets.backfill import facts, lifecycle, tasks
from datasets.definition.form import DatasetForm, payload_of
from datasets.models import Run
from datasets.problems import BadParameters, nearest, shown
from datasets.serving.api import pages
from datasets.serving.api.core import Needs
from datasets.serving.api.shapes import (
    TABLE_TYPES,
    Clone,
    DatasetAnswer,
    DatasetChange,
    NewDataset,
    TableSchema,
    dataset_json,
)

router = Router(tags=["datasets"])


@router.get(
    "/datasets",
    auth=Needs("data:read", "state", "account", "report", "q", *pages.PARAMETERS),
    response=list[DatasetAnswer],
)
def list_datasets(
    request,
    response: HttpResponse,
    state: str | None = None,
    account: str | None = None,
    report: str | None = None,
    q: str | None = None,
    limit: pages.Limit = None,
    cursor: pages.Cursor = None,
):
    """The datasets you may see, oldest first. `account` is an id or a name, `q` a part of name, slug or description."""
    limit = pages.limit_of(limit, 100, 1000)
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
        chosen = list(found[: limit + 1])
    else:
        if state not in facts.STATES:
            raise BadParameters(
                [
                    (
                        "state",
                        f"There is no state '{shown(state)}'.{nearest(state, facts.STATES)} There are: {', '.join(facts.STATES)}.",
                    )
                ]
            )
        every = list(found)
        states = facts.states_of(every)
        chosen = [dataset for dataset in every if states[dataset.pk] == state][: limit + 1]
    known = facts.facts_of(chosen)
    piece = pages.piece(chosen, limit, request, response, key=lambda dataset: dataset.pk)
    now = timezone.now()
    return [dataset_json(look(request.auth, dataset, now=now), known[dataset.pk], request) for dataset in piece]


@router.post("/datasets", auth=Needs("datasets:write", has_body=True), response={201: DatasetAnswer})
def create_dataset(request, response: HttpResponse, body: NewDataset):
    """Makes a dataset. Its schedule fills it from its next time on; with `run` the first run starts at once."""
    request.auth.check_unlimited()
    payload = body.dict(exclude_unset=True, exclude={"run"})
    return _made(request, response, payload, body.run)


def _made(request, response, payload, run):
    dataset = _saved(DatasetForm.from_payload(request.auth.user, payload))
    if run:
        tasks.start(dataset, trigger=Run.Trigger.CREATED, by=request.auth.user)
    response["Location"] = reverse("api:read_dataset", args=[dataset.slug])
    return Status(201, _shown(request, dataset))


@router.get("/datasets/{slug}", auth=Needs("data:read"), response=DatasetAnswer)
def read_dataset(request, slug: str):
    """One dataset: definition, state, rows, how far it is complete. `slug` may be the id too."""
    return _shown(request, find_dataset(request.auth, slug))


@router.patch("/datasets/{slug}", auth=Needs("datasets:write", has_body=True), response=DatasetAnswer)
def change_dataset(request, slug: str, body: DatasetChange):
    """Changes the definition. The slug stays, rows stay; what the new dates add is loaded by the next run."""
    dataset = find_dataset(request.auth, slug)
    form = DatasetForm.from_payload(request.auth.user, body.dict(exclude_unset=True), instance=dataset)
    return _shown(request, _saved(form))


@router.delete("/datasets/{slug}", auth=Needs("datasets:write"), response={204: None})
def delete_dataset(request, slug: str):
    """Deletes the dataset with its rows and its history."""
    lifecycle.remove(find_dataset(request.auth, slug))
    return Status(204, None)


@router.post("/datasets/{slug}/clone", auth=Needs("datasets:write", has_body=True), response={201: DatasetAnswer})
def clone_dataset(request, response: HttpResponse, slug: str, body: Clone):
    """A new dataset with the same definition and another name, without rows."""
    request.auth.check_unlimited()
    dataset = find_dataset(request.auth, slug)
    return _made(request, response, payload_of(dataset) | {"name": body.name}, body.run)


@router.post("/datasets/{slug}/pause", auth=Needs("datasets:write"), response=DatasetAnswer)
def pause_dataset(request, slug: str):
    """No more scheduled runs; one that is under way ends by itself."""
    dataset = find_dataset(request.auth, slug)
    lifecycle.pause(dataset)
    return _shown(request, dataset)


@router.post("/datasets/{slug}/resume", auth=Needs("datasets:write"), response=DatasetAnswer)
def resume_dataset(request, slug: str):
    """The schedule holds again."""
    dataset = find_dataset(request.auth, slug)
    lifecycle.resume(dataset, timezone.now())
    return _shown(request, dataset)


@router.post("/datasets/{slug}/clear", auth=Needs("datasets:write"), response=DatasetAnswer)
def clear_dataset(request, slug: str):
    """All rows and the ledger of days go; the definition stays and the next run loads everything anew."""
    dataset = find_dataset(request.auth, slug)
    lifecycle.clear(dataset)
    return _shown(request, dataset)


@router.get("/datasets/{slug}/schema", auth=Needs("data:read"), response=TableSchema)
def read_schema(request, slug: str):
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


def _saved(form):
    if not form.is_valid():
        raise BadParameters(
            [
                (_param(name, error), sentence)
                for name, errors in form.errors.as_data().items()
                for error in errors
                for sentence in error.messages
            ]
        )
    return form.save()


def _param(name, error):
    """An error of the whole names its field as its code; the schedule's parts stand under schedule."""
    name = error.code if name == "__all__" and error.code else name
    return name.replace("schedule_", "schedule.")


def _shown(request, dataset):
    dataset.refresh_from_db()
    return dataset_json(look(request.auth, dataset, now=timezone.now()), facts.facts(dataset), request)
