"""One page of rows over HTTP, as JSON, JSON lines or CSV, and the address of the next."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlencode

import orjson
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from psycopg import errors

from datasets.access import access_log, tokens
from datasets.access.lookup import find_dataset
from datasets.access.policies import policy_of
from datasets.backfill import dataset_status
from datasets.formats.index import FORMATS, OF_PAGES
from datasets.models import Dataset
from datasets.problems import BadRequest, NotFound, nearest, printable
from datasets.rows import controls, cursors, query, row_request, snapshot
from datasets.rows.page import Page
from datasets.rows.pool import PAGE_SECONDS, pool
from datasets.rows.query import Query
from datasets.rows.snapshot import Snapshot
from datasets.serving.http import accepted, encodings
from datasets.serving.http.problems import endpoint
from datasets.serving.http.response_format import absolute, instant
from datasets.serving.http.validators import Response, check_match, is_known, tagged, with_validators, without_body


@endpoint("GET")
def rows(request: HttpRequest, slug: str, suffix: str) -> HttpResponseBase:
    """GET or HEAD /api/v1/datasets/{slug}/rows.{json,ndjson,csv}"""
    caller, pairs = tokens.reader(request)
    dataset = find_dataset(caller, slug)
    if suffix not in OF_PAGES:
        raise NotFound(
            f"There is no rows.{printable(suffix)}.{nearest(suffix, OF_PAGES)} There are: {', '.join(OF_PAGES)}."
        )
    accepted.check(request, OF_PAGES[suffix].media_type)
    also = ("_count",) if suffix == "json" else ()
    controls.check(pairs, OF_PAGES[suffix], *also, fixed=caller.defaults)
    now = timezone.now()
    policy = policy_of(caller, dataset)
    encoding = encodings.required(request.headers.get("Accept-Encoding", ""))
    position = _position(pairs, dataset)
    if position is None and (request.method == "HEAD" or "If-None-Match" in request.headers):
        seen = snapshot.glance(dataset, policy, now=now)
        asked = row_request.read(seen, pairs, defaults=caller.defaults, controls=query.PAGE_CONTROLS)
        etag = _etag(seen, asked, suffix, encoding)
        check_match(request, etag)
        if is_known(request, etag):
            return with_validators(without_body(304), seen, etag)
        if request.method == "HEAD":
            seen = replace(seen, complete_through=dataset_status.complete_through(dataset, now))
            return _headed(without_body(), seen, asked, suffix, etag)
    try:
        with pool().connection() as connection:
            page = Page(
                connection,
                dataset,
                policy,
                pairs,
                position,
                now,
                as_json=suffix != "csv",
                defaults=caller.defaults,
            )
    except errors.QueryCanceled:
        raise BadRequest(
            f"This page took more than {PAGE_SECONDS} seconds. Narrow it with filters, or use the export, which has "
            "no limit.",
            code="too_slow",
        ) from None
    access_log.note(request, caller, dataset, f"rows.{suffix}")
    etag = _etag(page.snapshot, page.query, suffix, encoding)
    check_match(request, etag)
    if is_known(request, etag):
        return with_validators(without_body(304), page.snapshot, etag)
    page.next = _next(request, page)
    response = _headed(HttpResponse(BODIES[suffix](page)), page.snapshot, page.query, suffix, etag)
    if page.next:
        response["Link"] = f'<{page.next}>; rel="next"'
    return response


def _position(pairs: Sequence[tuple[str, str]], dataset: Dataset) -> cursors.Position | None:
    given = [value for name, value in pairs if name == "_cursor"]
    return cursors.read(given[0], dataset.pk) if len(given) == 1 and given[0] else None


def _next(request: HttpRequest, page: Page) -> str | None:
    if page.cursor is None:
        return None
    given = query.pairs_of(request.META.get("QUERY_STRING", ""))  # with a link's token: the next page needs it as well
    kept = [(name, value) for name, value in given if name != "_cursor"]
    return absolute(request, f"{request.path}?{urlencode([*kept, ('_cursor', page.cursor)])}")


# Bodies


def _json(page: Page) -> bytes:
    seen = page.snapshot
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


def _ndjson(page: Page) -> bytes:
    return "".join(f"{row[1]}\n" for row in page.rows).encode()


def _csv(page: Page) -> bytes:
    asked = page.query
    lines = [",".join(asked.select)] if asked.layout.header else []
    lines += [",".join(map(_cell, row[1:])) or '""' for row in page.rows]
    mark = "\ufeff" if asked.layout.bom else ""
    return (mark + "".join(f"{line}\r\n" for line in lines)).encode()


def _cell(value: str | None) -> str:
    """As COPY writes it: nothing for no value, quotes only where needed."""
    if value is None:
        return ""
    if not value or "," in value or '"' in value or "\n" in value or "\r" in value:
        return '"' + value.replace('"', '""') + '"'
    return value


BODIES = {"json": _json, "ndjson": _ndjson, "csv": _csv}


def _media_type(suffix: str) -> str:
    media_type = FORMATS[suffix].media_type
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def _etag(seen: Snapshot, asked: Query, suffix: str, encoding: type[encodings.Coding]) -> str:
    names = [column["name"] for column in seen.columns]
    also = (seen.pk, seen.generation, suffix, asked.cursor, asked.count, names, *seen.marks)
    return tagged(f"{seen.label}-{asked.fingerprint(*also)}", encoding)


def _headed(response: Response, seen: Snapshot, asked: Query, suffix: str, etag: str) -> Response:
    response["Content-Type"] = _media_type(suffix)
    if asked.download:
        response["Content-Disposition"] = f'attachment; filename="{seen.slug}.{suffix}"'
    if seen.complete_through:
        response["X-Data-Complete-Through"] = seen.complete_through.isoformat()
    response["X-Dataset-Version"] = seen.label
    return with_validators(response, seen, etag)
