"""The whole result as a file, streamed from COPY in one repeatable-read snapshot: no cap, no buffering, first bytes at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import psycopg
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from psycopg import errors

from datasets.access import access_log, tokens
from datasets.access.export_slots import EXPORT_SLOTS, take_everywhere
from datasets.access.lookup import find_dataset
from datasets.access.policies import policy_of
from datasets.access.tokens import Caller
from datasets.backfill import dataset_status
from datasets.formats.copy_to_stdout import ReaderLeft
from datasets.formats.format import Format
from datasets.formats.index import FORMATS
from datasets.models import Dataset
from datasets.problems import BadRequest, NotFound, Unavailable, nearest, printable
from datasets.rows import controls, row_request, snapshot
from datasets.rows.policy import Policy
from datasets.rows.pool import pool
from datasets.rows.query import Query
from datasets.rows.snapshot import Snapshot
from datasets.serving.http import accepted, encodings
from datasets.serving.http.problems import endpoint
from datasets.serving.http.stream import Stream
from datasets.serving.http.validators import Response, check_match, is_known, tagged, with_validators, without_body

log = logging.getLogger(__name__)


@endpoint("GET")
def export(request: HttpRequest, slug: str, suffix: str) -> HttpResponseBase:
    """GET or HEAD /api/v1/datasets/{slug}/export.{name of a format}"""
    caller, pairs = tokens.reader(request)
    dataset = find_dataset(caller, slug)
    file = FORMATS.get(suffix)
    if file is None:
        raise NotFound(
            f"There is no export.{printable(suffix)}.{nearest(suffix, FORMATS)} There are: {', '.join(FORMATS)}."
        )
    return answer(request, caller, dataset, file, pairs)


def answer(
    request: HttpRequest, caller: Caller, dataset: Dataset, file: Format, pairs: Sequence[tuple[str, str]]
) -> HttpResponseBase:
    """The file of what the parameters ask for, or that the reader has it already."""
    now = timezone.now()
    accepted.check(request, file.media_type)
    policy = policy_of(caller, dataset)
    seen = snapshot.glance(dataset, policy, now=now)
    asked = row_request.read(seen, pairs, defaults=caller.defaults)
    controls.check(pairs, file, fixed=caller.defaults)
    encoding = encodings.required(request.headers.get("Accept-Encoding", ""), packed=file.is_packed)
    etag = _etag(seen, asked, file, encoding)
    check_match(request, etag)
    if is_known(request, etag):
        return with_validators(without_body(304), seen, etag)
    if asked.is_whole:
        file.check(seen.rows)
    if request.method == "HEAD":
        seen = replace(seen, complete_through=dataset_status.complete_through(dataset, now))
        return _with_headers(without_body(), seen, asked, file, encoding, etag, now)

    stream = Export(file, asked.layout, encoding, request)
    stream.open(caller, dataset, policy, pairs, now)
    etag = _etag(stream.snapshot, stream.query, file, encoding)
    try:
        check_match(request, etag)  # rows may have landed since the first look
    except BaseException:
        stream.close()
        raise
    access_log.note(request, caller, dataset, f"export.{file.name}")
    response = StreamingHttpResponse(stream)
    return _with_headers(response, stream.snapshot, stream.query, file, encoding, etag, now)


class Export(Stream):
    """The rows of one dataset, in the snapshot that the stream's connection holds."""

    snapshot: Snapshot
    query: Query

    def open(
        self, caller: Caller, dataset: Dataset, policy: Policy, pairs: Sequence[tuple[str, str]], now: datetime
    ) -> None:
        """Everything that can fail fails here, while an error can still be sent."""
        self._give_back = EXPORT_SLOTS.take(caller.key)
        try:
            self._connection = pool().getconn()
            self._begin(self._connection, caller, dataset, policy, pairs, now)
        except ReaderLeft:
            self.close()
            raise BadRequest("The reader has left.") from None  # nobody is left to read it
        except BaseException:
            self.close()
            raise

    def _begin(
        self,
        connection: psycopg.Connection,
        caller: Caller,
        dataset: Dataset,
        policy: Policy,
        pairs: Sequence[tuple[str, str]],
        now: datetime,
    ) -> None:
        found = snapshot.take(connection, dataset, policy, now=now)
        if found is None:
            raise NotFound("This dataset has just been deleted.")
        self.snapshot, self.name = found, found.slug
        take_everywhere(connection, caller.key)
        self.query = row_request.read(self.snapshot, pairs, defaults=caller.defaults)
        try:
            self._run(connection, self.snapshot.source(self.query))
        except (errors.UndefinedTable, errors.UndefinedColumn) as problem:
            log.warning("export of dataset %s: its table changed on the way (%s)", dataset.pk, type(problem).__name__)
            raise Unavailable("The dataset's table has just changed. Try again.") from None


# Headers


def _etag(seen: Snapshot, asked: Query, file: Format, encoding: type[encodings.Coding]) -> str:
    names = [column["name"] for column in seen.columns]
    asked_for = asked.fingerprint(seen.pk, seen.generation, file.name, names, *seen.marks)
    return tagged(f"{seen.label}-{asked_for}", encoding)


def _with_headers(
    response: Response,
    seen: Snapshot,
    asked: Query,
    file: Format,
    encoding: type[encodings.Coding],
    etag: str,
    now: datetime,
) -> Response:
    response["Content-Type"] = file.content_type(asked.layout)
    kind = "attachment" if asked.download else "inline"
    response["Content-Disposition"] = f'{kind}; filename="{seen.slug}_{now:%Y-%m-%d}.{file.name}"'
    if encoding is not encodings.Identity:
        response["Content-Encoding"] = encoding.name
    if asked.is_whole and seen.rows is not None:
        response["X-Row-Count"] = str(seen.rows)
    if seen.complete_through:
        response["X-Data-Complete-Through"] = seen.complete_through.isoformat()
    response["X-Dataset-Version"] = seen.label
    response["Accept-Ranges"] = "none"
    return with_validators(response, seen, etag)
