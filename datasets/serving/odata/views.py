"""The addresses of the OData service, under /odata/v4/."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn, cast
from urllib.parse import quote, urlencode

import psycopg
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from psycopg import errors

from datasets.access import access_log, tokens
from datasets.access.lookup import SLUG, find_dataset
from datasets.access.policies import policy_of
from datasets.access.tokens import Caller
from datasets.models import Dataset
from datasets.problems import BadParameters, BadRequest, NotFound, VersionGone, printable
from datasets.rows import cursors, query, snapshot
from datasets.rows.page import Page
from datasets.rows.policy import Policy
from datasets.rows.pool import PAGE_SECONDS, pool
from datasets.serving.http import accepted
from datasets.serving.http.response_format import absolute
from datasets.serving.odata import entities as writing
from datasets.serving.odata import formats, metadata, options, preferences
from datasets.serving.odata.answers import ROOT, answer, endpoint
from datasets.serving.odata.errors import NotOffered

KEY = re.compile(r"(?:_row_id\s*=\s*)?([0-9]{1,18})", re.ASCII)


@endpoint
def service(request: HttpRequest) -> HttpResponse:
    """GET /odata/v4/: the entity sets there are, one for each dataset the caller may read."""
    caller = tokens.caller(request, "data:read")
    format = _format(request, options.read(_pairs(request), ("$format",)))
    sets = [
        {"name": dataset.slug, "title": dataset.name, "kind": "EntitySet", "url": dataset.slug}
        for dataset in caller.datasets().only("slug", "name").order_by("slug")
    ]
    return answer(json.dumps(format.context(_context(request)) | {"value": sets}), format.content_type)


@endpoint
def describe(request: HttpRequest) -> HttpResponse:
    """GET /odata/v4/$metadata: XML whatever Accept says."""
    caller = tokens.caller(request, "data:read")
    for name, value in _pairs(request):
        if options.canonical(name) != "$format" or value.lower() not in ("xml", "application/xml"):
            raise NotOffered(f"$metadata takes no {printable(name)}={printable(value)}; it is always XML.")
    known = caller.datasets().only("slug", "columns", "report", "options", "owner").order_by("slug")
    now = timezone.now()
    seen = (snapshot.glance(dataset, policy_of(caller, dataset), now=now) for dataset in known)
    text = metadata.document((each.slug, each.columns) for each in seen)
    return answer(text, "application/xml;charset=utf-8")


@endpoint
def entities(request: HttpRequest, name: str) -> HttpResponse:
    """GET /odata/v4/{dataset}: one page of rows."""
    caller, dataset = _dataset(request, name)
    wanted = options.read(_pairs(request))
    format, size = _format(request, wanted), preferences.page_size(request, query.MAX_PAGE_ROWS)
    page = _page(request, caller, dataset, wanted, format, size)
    access_log.note(request, caller, dataset, "OData")
    head = format.context(f"{_context(request)}#{page.snapshot.slug}{_chosen(page, wanted)}")
    if page.query.count == "exact":
        head["@odata.count"] = format.number(_counted(page))
    parts = [json.dumps(head)[1:-1], f'"value":[{",".join(map(_writer(page, format), page.rows))}]']
    if page.cursor:
        parts.append(f'"@odata.nextLink":{json.dumps(_next(request, page, wanted))}')
    response = answer(f"{{{','.join(filter(None, parts))}}}", format.content_type)
    if size:
        response["Preference-Applied"] = size.applied
    return response


@endpoint
def entity(request: HttpRequest, name: str, key: str) -> HttpResponse:
    """GET /odata/v4/{dataset}({_row_id}): one row."""
    caller, dataset = _dataset(request, name)
    found = KEY.fullmatch(key)
    if not found:
        raise NotOffered(
            f"A row is read by its number, and '{printable(key)}' is not a number. Write {name}(1) or {name}(_row_id=1)."
        )
    slug, number = dataset.slug, found[1]
    wanted = options.read(_pairs(request), ("$select", "$format"))
    format = _format(request, wanted)
    page = _page(request, caller, dataset, wanted | {"$filter": f"_row_id eq {number}", "$top": "1"}, format)
    if not page.rows:
        raise NotFound(f"{slug} has no row {number}. Rows get new numbers when they are replaced or reloaded.")
    access_log.note(request, caller, dataset, "OData")
    head = json.dumps(format.context(f"{_context(request)}#{slug}{_chosen(page, wanted)}/$entity"))[1:-1]
    row = _writer(page, format)(page.rows[0])[1:-1]
    return answer(f"{{{','.join(filter(None, (head, row)))}}}", format.content_type)


@endpoint
def count(request: HttpRequest, name: str) -> HttpResponse:
    """GET /odata/v4/{dataset}/$count: how many rows meet $filter, as plain text."""
    caller, dataset = _dataset(request, name)
    wanted = options.read(_pairs(request), ("$filter",))
    accepted.check(request, "text/plain")
    page = _page(request, caller, dataset, wanted | {"$count": "true", "$top": "0"}, formats.ODataFormat())
    return answer(str(_counted(page)), "text/plain;charset=utf-8")


@endpoint
def elsewhere(request: HttpRequest, rest: str) -> NoReturn:
    """Whatever else OData knows: properties, $batch, functions."""
    tokens.caller(request, "data:read")
    raise NotOffered(
        f"'{printable(rest)}' is not offered here. There are the service document, $metadata, datasets and their rows by `_row_id`."
    )


def _dataset(request: HttpRequest, name: str) -> tuple[Caller, Dataset]:
    caller = tokens.caller(request, "data:read")
    if not SLUG.fullmatch(name):
        if name.startswith("$") or "(" in name:
            raise NotOffered(
                f"'{printable(name)}' is not offered here. There are $metadata, datasets and their rows by `_row_id`."
            )
        raise NotFound(f"There is no dataset '{printable(name)}' that you may see.")
    return caller, find_dataset(caller, name)


class ODataPage(Page):
    """A page of rows by OData's options; `_row_id` stands for the table's `_id`."""

    CURSOR = "$skiptoken"

    def __init__(
        self,
        connection: psycopg.Connection,
        dataset: Dataset,
        policy: Policy,
        wanted: Mapping[str, str],
        position: cursors.Position | None,
        now: datetime,
        page_rows: int,
        decimals: str,
    ) -> None:
        self.wanted, self.page_rows, self.decimals = wanted, page_rows, decimals
        super().__init__(connection, dataset, policy, (), position, now, as_json=True)

    def _types(self) -> dict[str, str]:
        return self.snapshot.types | {options.ID["name"]: options.ID["type"]}

    def _parse(self, pairs: Sequence[tuple[str, str]], defaults: Iterable[tuple[str, str]]) -> query.Query:
        columns = (*self.snapshot.columns, options.ID)
        found, self.selected = options.asked(
            self.wanted,
            columns,
            zone=self.snapshot.zone,
            now=self.now,
            page_rows=self.page_rows,
            decimals=self.decimals,
        )
        self.names = options.selected_columns(self.selected, columns)
        return found


def _format(request: HttpRequest, wanted: Mapping[str, str]) -> formats.ODataFormat:
    return formats.of(wanted.get("$format"), request.headers.get("Accept", ""))


def _writer(page: ODataPage, format: formats.ODataFormat) -> Callable[[tuple[int, str]], str]:
    return writing.writer(format, page.snapshot.slug, page.names, page.snapshot.types)


def _chosen(page: ODataPage, wanted: Mapping[str, str]) -> str:
    """What the context says of `$select`."""
    return f"({','.join(page.names)})" if wanted.get("$select") and page.selected is not None else ""


def _page(
    request: HttpRequest,
    caller: Caller,
    dataset: Dataset,
    wanted: Mapping[str, str],
    format: formats.ODataFormat,
    size: preferences.PageSize | None = None,
) -> ODataPage:
    position = None
    if "$skiptoken" in wanted:
        try:
            position = cursors.read(wanted["$skiptoken"], dataset.pk)
        except BadParameters:
            raise BadParameters([("$skiptoken", "$skiptoken: this token is not valid. Start without it.")]) from None
    page_rows = size.rows if size else options.PAGE_ROWS
    decimals = "ieee754" if format.is_ieee754 else "number"
    try:
        with pool().connection() as connection:
            return ODataPage(
                connection, dataset, policy_of(caller, dataset), wanted, position, timezone.now(), page_rows, decimals
            )
    except VersionGone:
        raise VersionGone("Rows of these pages have changed since the first page was read. Start again.") from None
    except errors.QueryCanceled:
        raise BadRequest(
            f"This page took more than {PAGE_SECONDS} seconds. Narrow it with $filter, or use the CSV export.",
            code="too_slow",
        ) from None


def _next(request: HttpRequest, page: ODataPage, wanted: Mapping[str, str]) -> str:
    """The next page's full address: the same options, less what has been skipped and given."""
    kept = {name: value for name, value in wanted.items() if name not in ("$skip", "$skiptoken")}
    if "$top" in kept:
        kept["$top"] = str(int(kept["$top"]) - len(page.rows))
    asked = urlencode(kept | {"$skiptoken": page.cursor}, quote_via=quote, safe="$:")
    return absolute(request, f"{ROOT}{page.snapshot.slug}?{asked}")


def _counted(page: ODataPage) -> int:
    """How many rows there are, of a page that was asked to count them."""
    return cast(dict[str, Any], page.count)["value"]


def _context(request: HttpRequest) -> str:
    return absolute(request, f"{ROOT}$metadata")


def _pairs(request: HttpRequest) -> list[tuple[str, str]]:
    return query.pairs_of(request.META.get("QUERY_STRING", ""))
