"""The addresses of the OData service, under /odata/v4/."""

import json
import re
from dataclasses import replace
from urllib.parse import quote, urlencode

from django.utils import timezone
from psycopg import errors

from datasets.backfill import facts
from datasets.serving import cursors, query, readings, tokens
from datasets.serving.find import SLUG, find_dataset
from datasets.serving.moment import served
from datasets.serving.odata import metadata, options
from datasets.serving.odata.answers import ROOT, NotOffered, answer, endpoint
from datasets.serving.page import Page
from datasets.serving.pool import PAGE_SECONDS, pool
from datasets.serving.problems import BadParameters, BadRequest, NotFound, VersionGone, shown
from datasets.serving.wording import absolute

PAGE_SIZE = re.compile(r"\b(?:odata\.)?maxpagesize\s*=\s*\"?([0-9]{1,9})", re.IGNORECASE | re.ASCII)


@endpoint
def service(request):
    """GET /odata/v4/: the entity sets there are, one for each dataset the caller may read."""
    caller = tokens.caller(request, "data:read")
    options.read(_pairs(request), ("$format",))
    sets = [
        {"name": dataset.slug, "title": dataset.name, "kind": "EntitySet", "url": dataset.slug}
        for dataset in caller.datasets().only("slug", "name").order_by("slug")
    ]
    return answer(json.dumps({"@odata.context": _context(request), "value": sets}))


@endpoint
def describe(request):
    """GET /odata/v4/$metadata: XML whatever Accept says."""
    caller = tokens.caller(request, "data:read")
    for name, value in _pairs(request):
        if name != "$format" or value.lower() not in ("xml", "application/xml"):
            raise NotOffered(f"$metadata takes no {shown(name)}={shown(value)}; it is always XML.")
    known = caller.datasets().only("slug", "columns", "report", "options").order_by("slug")
    text = metadata.document((dataset.slug, served(dataset)) for dataset in known)
    return answer(text, "application/xml;charset=utf-8")


@endpoint
def entities(request, name):
    """GET /odata/v4/{dataset}: one page of rows."""
    caller, dataset = _dataset(request, name)
    wanted = options.read(_pairs(request))
    page = _page(request, dataset, wanted)
    readings.note(request, caller, dataset, "OData")
    seen, names = page.moment, page.names
    chosen = f"({','.join(names)})" if wanted.get("$select") and page.selected is not None else ""
    head = {"@odata.context": f"{_context(request)}#{seen.slug}{chosen}"}
    if page.query.count == "exact":
        head["@odata.count"] = page.count["value"]
    rows = ",".join(_row(row, names) for row in page.rows)
    tail = f',"@odata.nextLink":{json.dumps(_next(request, page, wanted))}' if page.cursor else ""
    response = answer(f'{json.dumps(head)[:-1]},"value":[{rows}]{tail}}}')
    if _page_size(request):
        response["Preference-Applied"] = f"odata.maxpagesize={_page_size(request)}"
    return response


@endpoint
def count(request, name):
    """GET /odata/v4/{dataset}/$count: how many rows meet $filter, as plain text."""
    _, dataset = _dataset(request, name)
    wanted = options.read(_pairs(request), ("$filter",))
    page = _page(request, dataset, wanted | {"$count": "true", "$top": "0"})
    return answer(str(page.count["value"]), "text/plain;charset=utf-8")


@endpoint
def elsewhere(request, rest):
    """Whatever else OData knows: a single row by its key, properties, $batch, functions."""
    tokens.caller(request, "data:read")
    raise NotOffered(
        f"'{shown(rest)}' is not offered here. There are the service document, $metadata and whole datasets."
    )


def _dataset(request, name):
    caller = tokens.caller(request, "data:read")
    if not SLUG.fullmatch(name):
        if name.startswith("$") or "(" in name:
            raise NotOffered(f"'{shown(name)}' is not offered here. There are $metadata and whole datasets.")
        raise NotFound(f"There is no dataset '{shown(name)}' that you may see.")
    return caller, find_dataset(caller, name)


class ODataPage(Page):
    """A page of rows by OData's options; `_row_id` stands for the table's `_id`."""

    CURSOR = "$skiptoken"

    def __init__(self, connection, dataset, wanted, position, now, page_rows):
        self.wanted, self.page_rows = wanted, page_rows
        super().__init__(connection, dataset, (), position, now, as_json=True)

    def _seen(self, found):
        return replace(found, columns=(*found.columns, options.ID))

    def _parse(self, caller, pairs, dataset):
        found, self.selected = options.asked(
            self.wanted, self.moment.columns, zone=facts.zone(dataset), now=self.now, page_rows=self.page_rows
        )
        self.names = options.selected_columns(self.selected, self.moment.columns)
        return found


def _page(request, dataset, wanted):
    position = None
    if "$skiptoken" in wanted:
        try:
            position = cursors.read(wanted["$skiptoken"], dataset.pk)
        except BadParameters:
            raise BadParameters(
                [("$skiptoken", "$skiptoken: this is not one that was handed out here. Begin without it.")]
            ) from None
    page_rows = min(_page_size(request) or options.PAGE_ROWS, query.MOST_PAGE_ROWS)
    try:
        with pool().connection() as connection:
            return ODataPage(connection, dataset, wanted, position, timezone.now(), page_rows)
    except VersionGone:
        raise VersionGone("The rows of these pages have changed since the first one was read. Begin again.") from None
    except errors.QueryCanceled:
        raise BadRequest(
            f"This page took more than {PAGE_SECONDS} seconds. Narrow it with $filter, or take the CSV export.",
            code="too_slow",
        ) from None


def _row(row, names):
    """A row's JSON with the key in front, where it is wanted."""
    number, text = row
    if "_row_id" not in names:
        return text
    return f'{{"_row_id":{number}}}' if len(names) == 1 else f'{{"_row_id":{number},{text[1:]}'


def _next(request, page, wanted):
    """The next page's full address: the same options, less what has been skipped and given."""
    kept = {name: value for name, value in wanted.items() if name not in ("$skip", "$skiptoken")}
    if "$top" in kept:
        kept["$top"] = str(int(kept["$top"]) - len(page.rows))
    asked = urlencode(kept | {"$skiptoken": page.cursor}, quote_via=quote, safe="$:")
    return absolute(request, f"{ROOT}{page.moment.slug}?{asked}")


def _context(request):
    return absolute(request, f"{ROOT}$metadata")


def _pairs(request):
    return query.pairs_of(request.META.get("QUERY_STRING", ""))


def _page_size(request):
    """The rows a page should have at most by the client's Prefer header; None where it says nothing usable."""
    found = PAGE_SIZE.search(request.headers.get("Prefer", ""))
    return int(found[1]) or None if found else None
