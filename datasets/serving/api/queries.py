"""Queries that are kept under a name."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Router, Schema, Status
from pydantic import Field

from datasets.access.lookup import find_dataset
from datasets.access.tokens import Caller
from datasets.formats.index import FORMATS
from datasets.models import Dataset, SavedQuery
from datasets.problems import BadParameters, NotFound
from datasets.serving.api.core import Called, Instant, Needs, Strict, utc
from datasets.serving.http.response_format import absolute
from datasets.serving.sql import saved

router = Router(tags=["queries"])


class NewQuery(Strict):
    name: str
    sql: str = Field(description="one SELECT over your datasets, named by their slugs")
    dataset: str | None = Field(None, description="slug or id of the dataset that the statement calls table")


class QueryChange(Strict):
    """What is left out stays as it is."""

    name: str | None = None
    sql: str | None = None
    dataset: str | None = None


class QueryAnswer(Schema):
    slug: str
    name: str
    sql: str
    dataset: str | None
    created_at: Instant
    updated_at: Instant
    links: dict[str, str]


def query_json(query: SavedQuery, request: HttpRequest) -> dict[str, object]:
    return {
        "slug": query.slug,
        "name": query.name,
        "sql": query.sql,
        "dataset": query.dataset.slug if query.dataset else None,
        "created_at": utc(query.created_at),
        "updated_at": utc(query.updated_at),
        "links": {suffix: absolute(request, reverse("saved-query", args=[query.slug, suffix])) for suffix in FORMATS},
    }


@router.get("/queries", auth=Needs("data:read"), response=list[QueryAnswer])
def list_queries(request: Called) -> list[dict[str, object]]:
    """Your queries by name. A token that is limited to certain datasets sees none."""
    return [query_json(query, request) for query in saved.all_of(request.auth)]


@router.post("/queries", auth=Needs("datasets:write", has_body=True), response={201: QueryAnswer})
def create_query(request: Called, response: HttpResponse, body: NewQuery) -> Status:
    """Keeps a query. The statement is checked, not carried out."""
    request.auth.check_unlimited()
    query = saved.keep(request.auth, name=body.name, sql=body.sql, dataset=_dataset(request.auth, body.dataset))
    response["Location"] = reverse("api:read_query", args=[query.slug])
    return Status(201, query_json(query, request))


@router.get("/queries/{slug}", auth=Needs("data:read"), response=QueryAnswer)
def read_query(request: Called, slug: str) -> dict[str, object]:
    """One query; `links` are the addresses of what it gives."""
    return query_json(saved.find(request.auth, slug), request)


@router.patch("/queries/{slug}", auth=Needs("datasets:write", has_body=True), response=QueryAnswer)
def change_query(request: Called, slug: str, body: QueryChange) -> dict[str, object]:
    """Changes name, statement or dataset. The slug stays."""
    query = saved.find(request.auth, slug)
    changes = body.dict(exclude_unset=True)
    for name in ("name", "sql"):
        if name in changes and changes[name] is None:
            raise BadParameters([(name, f"{name} must be text.")])
    if "dataset" in changes:
        changes["dataset"] = _dataset(request.auth, changes["dataset"])
    saved.change(request.auth, query, **changes)
    return query_json(query, request)


@router.delete("/queries/{slug}", auth=Needs("datasets:write"), response={204: None})
def delete_query(request: Called, slug: str) -> Status:
    """Forgets the query; no row is touched."""
    saved.find(request.auth, slug).delete()
    return Status(204, None)


def _dataset(caller: Caller, name: str | None) -> Dataset | None:
    if name is None:
        return None
    try:
        return find_dataset(caller, name)
    except NotFound as problem:
        raise BadParameters([("dataset", problem.detail)]) from None
