"""One page of rows over HTTP, as JSON, JSON lines or CSV, and the address of the next."""

from dataclasses import replace
from urllib.parse import urlencode

import orjson
from django.http import HttpResponse
from django.utils import timezone
from psycopg import errors

from datasets.backfill import facts
from datasets.serving import cursors, moment, query, readings, wishes
from datasets.serving.find import find_dataset
from datasets.serving.page import Page
from datasets.serving.pool import PAGE_SECONDS, pool
from datasets.serving.problems import BadRequest, NotFound, endpoint, nearest, shown
from datasets.serving.validators import is_known, with_validators, without_body
from datasets.serving.wording import absolute, instant

SUFFIXES = ("json", "ndjson", "csv")


@endpoint("GET")
def rows(request, slug, suffix):
    """GET or HEAD /api/v1/datasets/{slug}/rows.{json,ndjson,csv}"""
    caller, pairs = wishes.of(request)
    dataset = find_dataset(caller, slug)
    if suffix not in SUFFIXES:
        raise NotFound(
            f"There is no rows.{shown(suffix)}.{nearest(suffix, SUFFIXES)} There are: {', '.join(SUFFIXES)}."
        )
    now = timezone.now()
    position = _position(pairs, dataset)
    if position is None and (request.method == "HEAD" or "If-None-Match" in request.headers):
        seen = moment.glance(dataset)
        asked = wishes.read(caller, pairs, seen.columns, dataset, now, query.PAGE_CONTROLS)
        etag = _etag(seen, asked, suffix)
        if is_known(request, etag):
            return with_validators(without_body(304), seen, etag)
        if request.method == "HEAD":
            seen = replace(seen, complete_through=facts.complete_through(dataset, now))
            return _headed(without_body(), seen, asked, suffix, etag)
    try:
        with pool().connection() as connection:
            page = Page(connection, dataset, pairs, position, now, as_json=suffix != "csv", caller=caller)
    except errors.QueryCanceled:
        raise BadRequest(
            f"This page took more than {PAGE_SECONDS} seconds. Narrow it with filters, or take the export, which has no limit.",
            code="too_slow",
        ) from None
    readings.note(request, caller, dataset, f"rows.{suffix}")
    etag = _etag(page.moment, page.query, suffix)
    if is_known(request, etag):
        return with_validators(without_body(304), page.moment, etag)
    page.next = _next(request, page)
    response = _headed(HttpResponse(BODIES[suffix](page)), page.moment, page.query, suffix, etag)
    if page.next:
        response["Link"] = f'<{page.next}>; rel="next"'
    return response


def _position(pairs, dataset):
    given = [value for name, value in pairs if name == "_cursor"]
    return cursors.read(given[0], dataset.pk) if len(given) == 1 and given[0] else None


def _next(request, page):
    if page.cursor is None:
        return None
    given = query.pairs_of(request.META.get("QUERY_STRING", ""))  # with a link's token: the next page needs it as well
    kept = [(name, value) for name, value in given if name != "_cursor"]
    return absolute(request, f"{request.path}?{urlencode([*kept, ('_cursor', page.cursor)])}")


# Bodies


def _json(page):
    seen = page.moment
    head = {
        "dataset": seen.slug,
        "version": seen.label,
        "as_of": instant(seen.changed_at),
        "complete_through": seen.complete_through.isoformat() if seen.complete_through else None,
        "columns": [{"name": name, "type": seen.types[name]} for name in page.query.select],
    }
    tail = {"count": page.count, "next": page.next}
    text = ",".join(row[1] for row in page.rows)
    return b'%b, "rows": [%b], %b' % (orjson.dumps(head)[:-1], text.encode(), orjson.dumps(tail)[1:])


def _ndjson(page):
    return "".join(f"{row[1]}\n" for row in page.rows).encode()


def _csv(page):
    asked = page.query
    lines = [",".join(asked.select)] if asked.header else []
    lines += [",".join(map(_cell, row[1:])) or '""' for row in page.rows]
    mark = "\ufeff" if asked.bom else ""
    return (mark + "".join(f"{line}\r\n" for line in lines)).encode()


def _cell(value):
    """As COPY writes it: nothing for no value, quotes only where needed."""
    if value is None:
        return ""
    if not value or "," in value or '"' in value or "\n" in value or "\r" in value:
        return '"' + value.replace('"', '""') + '"'
    return value


BODIES = {"json": _json, "ndjson": _ndjson, "csv": _csv}
TYPES = {"json": "application/json", "ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


def _etag(seen, asked, suffix):
    also = (seen.pk, seen.generation, suffix, asked.cursor, asked.count, [column["name"] for column in seen.columns])
    return f'"{seen.label}-{asked.fingerprint(*also)}"'


def _headed(response, seen, asked, suffix, etag):
    response["Content-Type"] = TYPES[suffix]
    if asked.download:
        response["Content-Disposition"] = f'attachment; filename="{seen.slug}.{suffix}"'
    if seen.complete_through:
        response["X-Data-Complete-Through"] = seen.complete_through.isoformat()
    response["X-Dataset-Version"] = seen.label
    return with_validators(response, seen, etag)
