"""A statement's answer as a file: parameters and body in, one statement, rows out as exports give them."""

from __future__ import annotations

import hashlib
import json
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from datasets.access import access_log, tokens
from datasets.access.export_slots import EXPORT_SLOTS, take_everywhere
from datasets.access.lookup import find_dataset
from datasets.access.policies import look
from datasets.access.tokens import Caller
from datasets.formats.copy_to_stdout import CopyOut, ReaderLeft
from datasets.formats.format import Format, Layout, PackedFile, RowSource
from datasets.formats.index import FORMATS
from datasets.formats.text import JsonLines
from datasets.models import Dataset
from datasets.problems import (
    BadParameters,
    BadRequest,
    NotAcceptable,
    NotFound,
    TooLarge,
    WrongContentType,
    nearest,
    printable,
)
from datasets.rows import controls as shaping
from datasets.rows import query, row_request
from datasets.rows.pool import pool
from datasets.rows.query import Query
from datasets.serving.http import accepted, encodings
from datasets.serving.http.bodies import read_json
from datasets.serving.http.problems import endpoint
from datasets.serving.http.stream import Stream
from datasets.serving.http.validators import check_match, is_known, tagged, with_validators, without_body
from datasets.serving.sql import sandbox, saved, statement_errors
from datasets.serving.sql.limits import Limits

SHAPE = ("_limit", "_header", "_bom", "_safe", "_dl", "_decimals")
CONTROLS = ("sql", "_format", *SHAPE)
CLOCK = re.compile(r"now|today|yesterday|tomorrow|current_\w+|local\w*|\w*timestamp\w*|age|\\", re.IGNORECASE)
MAX_BODY = 1_000_000


@dataclass(frozen=True)
class TypedJson(JsonLines):
    """JSON for programs that ask: the columns with their types, then the rows."""

    def start(self, source: RowSource, layout: Layout) -> bytes:
        columns = [{"name": name, "type": kind} for name, kind in source.types.items()]
        return f'{{"columns": {json.dumps(columns)}, "rows": [\n'.encode()

    def join(self, rows: Sequence[bytes | memoryview], first: bool) -> bytes:
        return (b"" if first else b",\n") + b",\n".join(rows)

    def end(self, is_empty: bool) -> bytes:
        return b"\n]}\n"


ANSWERS = {"json": TypedJson("json", "JSON", "application/json")} | {
    name: file for name, file in FORMATS.items() if name != "json"
}
MEDIA_TYPES = {name: file.media_type for name, file in ANSWERS.items()}


@endpoint("GET", "POST")
def ask(request: HttpRequest, slug: str | None = None, suffix: str | None = None) -> HttpResponseBase:
    """/api/v1/query and /api/v1/datasets/{slug}/query, each also with .csv, .json … at its end"""
    caller, pairs = tokens.reader(request)
    dataset = find_dataset(caller, slug) if slug else None
    pairs = [*pairs, *_sent(request)]
    file = _file(request, pairs, suffix)
    controls = tuple(name for name in CONTROLS if not (suffix and name == "_format"))  # the address says it already
    text = [value for name, value in pairs if name == "sql"]
    if len(text) != 1:
        raise BadParameters([("sql", "sql: one statement is required, in the URL or in the body.")])
    response = answer(request, caller, text[0], file, pairs, dataset=dataset, slug=slug or "query", controls=controls)
    if not suffix:
        patch_vary_headers(response, ["Accept"])
    return response


@endpoint("GET")
def saved_query(request: HttpRequest, slug: str, suffix: str) -> HttpResponseBase:
    """GET or HEAD /api/v1/queries/{slug}/export.{name of a format}"""
    caller, pairs = tokens.reader(request)
    kept = saved.find(caller, slug)
    file = FORMATS.get(suffix)
    if file is None:
        raise NotFound(
            f"There is no export.{printable(suffix)}.{nearest(suffix, FORMATS)} There are: {', '.join(FORMATS)}."
        )
    accepted.check(request, file.media_type)
    return answer(request, caller, kept.sql, file, pairs, dataset=kept.dataset, slug=kept.slug, controls=SHAPE)


def answer(
    request: HttpRequest,
    caller: Caller,
    text: str,
    file: Format,
    pairs: list[tuple[str, str]],
    *,
    dataset: Dataset | None = None,
    slug: str = "query",
    controls: Sequence[str] = CONTROLS,
) -> HttpResponseBase:
    """The file of what the statement gives, or that the reader has it already. `dataset` is what it calls `table`."""
    now = timezone.now()
    asked = _shape(pairs, controls, caller.defaults)
    shaping.check(pairs, file, fixed=caller.defaults)
    sandbox.check_text(text)
    tables, known = sandbox.named(caller, text, dataset)
    encoding = encodings.required(request.headers.get("Accept-Encoding", ""), packed=file.is_packed)
    may_know = request.method in ("GET", "HEAD") and not CLOCK.search(text + caller.fixed)
    etag = _etag(text, tables, caller, asked, file, encoding, now)
    if may_know:
        check_match(request, etag)
    if may_know and is_known(request, etag):
        return with_validators(without_body(304), _Seen(sandbox.changed_at(tables)), etag)

    give_back = EXPORT_SLOTS.take(caller.key)
    stream = Answering(file, asked, encoding, request, give_back)
    try:
        stream.open(caller, tables, known, text, has_table=dataset is not None, slug=slug, now=now)
    except ReaderLeft:
        stream.close()
        raise BadRequest("The reader has left.") from None  # nobody is left to read it
    except BaseException:
        stream.close()
        raise
    if request.method != "HEAD":
        for each in {table.dataset.pk: table.dataset for table in tables}.values():
            access_log.note(request, caller, each, f"query.{file.name}")
    response = StreamingHttpResponse(stream) if request.method != "HEAD" else without_body()
    response["Content-Type"] = file.content_type(asked.layout)
    kind = "attachment" if asked.download else "inline"
    response["Content-Disposition"] = f'{kind}; filename="{slug}_{now:%Y-%m-%d}.{file.name}"'
    if encoding is not encodings.Identity:
        response["Content-Encoding"] = encoding.name
    response["Accept-Ranges"] = "none"
    if may_know:
        return with_validators(response, stream, _etag(text, tables, caller, asked, file, encoding, now))
    response["Cache-Control"] = "no-store"
    return response


class Answering(Stream):
    """An export's body over what a statement gives."""

    changed_at: datetime | None = None

    def __init__(
        self,
        file: Format,
        asked: Query,
        encoding: type[encodings.Coding],
        request: HttpRequest,
        give_back: Callable[[], None],
    ) -> None:
        super().__init__(file, asked.layout, encoding, request)
        self.asked, self._give_back = asked, give_back

    def open(
        self,
        caller: Caller,
        tables: Sequence[sandbox.NamedDataset],
        known: Sequence[str],
        text: str,
        *,
        has_table: bool,
        slug: str,
        now: datetime,
    ) -> None:
        """Everything that can fail fails here, while an error can still be sent: the rows are collected by then."""
        limits, self.name = Limits.of_settings(), slug
        self._connection = pool().getconn()
        try:
            self._ask(sandbox.Sandbox(self._connection, caller, tables, known, limits, now), text, has_table)
        except psycopg.Error as error:
            raise statement_errors.of_error(error, limits) from None

    def _ask(self, box: sandbox.Sandbox, text: str, has_table: bool) -> None:
        box.open()
        take_everywhere(box.connection, box.caller.key)
        columns = box.take(text, has_table=has_table)
        box.check(text)
        types = box.shape(columns, packed=self.file.is_packed, limit=self.asked.limit)
        self.changed_at = box.changed_at
        if self._request.method == "HEAD":
            self.close()
        else:
            self._run(box.connection, sandbox.source_of(types, name=self.name, changed_at=self.changed_at))

    def _begun(self, connection: psycopg.Connection, statement: bytes, reader: socket.socket | None) -> _Peeked:
        return _Peeked(CopyOut(connection, statement, reader))

    def _first_of_packed(self, packed: PackedFile) -> _Begun:
        return _Begun(packed)


class _Peeked:
    """A COPY whose first rows are here: nothing of the statement's own can go wrong behind them."""

    def __init__(self, copy: CopyOut) -> None:
        self._copy, self._first = copy, None
        try:
            self._first = copy.batch()
        except ReaderLeft:
            copy.stop()
            raise

    @property
    def is_done(self) -> bool:
        return self._copy.is_done

    def batch(self) -> list[memoryview]:
        first, self._first = self._first, None
        return self._copy.batch() if first is None else first

    def stop(self) -> None:
        self._copy.stop()


class _Begun:
    """A packed file whose first bytes are here."""

    def __init__(self, packed: PackedFile) -> None:
        self._packed, self._chunks = packed, iter(packed)
        try:
            self._first = next(self._chunks, b"")
        except BaseException:
            packed.close()
            raise

    @property
    def is_done(self) -> bool:
        return self._packed.is_done

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        yield from self._chunks

    def stop(self) -> None:
        self._packed.stop()

    def close(self) -> None:
        self._packed.close()


def _sent(request: HttpRequest) -> list[tuple[str, str]]:
    """What a POST says: JSON {"sql": …}, a form, or the bare statement."""
    if request.method != "POST":
        return []
    if len(request.body) > MAX_BODY:
        raise TooLarge(f"A body of at most {MAX_BODY:,} bytes is taken.")
    kind = request.content_type
    if kind in ("application/sql", "text/plain"):
        charset = (request.content_params or {}).get("charset", "utf-8")
        if charset.lower() not in ("utf-8", "utf8", "us-ascii"):
            raise WrongContentType(f"Send the statement in UTF-8, not in {printable(charset)}.")
        try:
            return [("sql", request.body.decode("utf-8-sig"))]
        except UnicodeDecodeError:
            raise BadRequest("The body is not UTF-8.") from None
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        given = [(name, value) for name, values in request.POST.lists() for value in values]
        return [(name, value) for name, value in given if name != "csrfmiddlewaretoken"]
    if kind != "application/json":
        raise WrongContentType(
            f'Send {{"sql": "…"}} as application/json, or the statement as application/sql, not {printable(kind)}.'
        )
    found = read_json(request.body)
    if not isinstance(found, dict) or set(found) != {"sql"} or not isinstance(found["sql"], str):
        raise BadRequest('The body must be {"sql": "…"}: formats and limits belong in the URL.')
    return [("sql", found["sql"])]


def _file(request: HttpRequest, pairs: Sequence[tuple[str, str]], suffix: str | None) -> Format:
    """By the address's ending, else by `_format`, else by Accept; JSON where nothing is said."""
    wished = suffix or next((value for name, value in pairs if name == "_format"), None)
    if wished is None:
        return _accepted(request)
    if wished in ANSWERS:
        if suffix:
            accepted.check(request, MEDIA_TYPES[suffix])
        return ANSWERS[wished]
    sentence = f"There is no format '{printable(wished)}'.{nearest(wished, ANSWERS)} There are: {', '.join(ANSWERS)}."
    raise NotFound(sentence) if suffix else BadParameters([("_format", sentence)])


def _accepted(request: HttpRequest) -> Format:
    header = request.headers.get("Accept", "")
    wished = accepted.best(header, MEDIA_TYPES)
    if wished is None:
        raise NotAcceptable(
            f"Accept: {printable(header)} excludes every available format: {', '.join(MEDIA_TYPES.values())}. Add */*."
        )
    return ANSWERS[wished]


def _shape(pairs: Sequence[tuple[str, str]], controls: Sequence[str], defaults: Sequence[tuple[str, str]]) -> Query:
    """How the answer is to be written: as the parameters say, else as the reader's link does (`defaults`)."""
    wrong = [
        (printable(name), f"There is no parameter '{printable(name)}'.{nearest(name, controls)}")
        for name, _ in pairs
        if name not in controls
    ]
    if wrong:
        raise BadParameters(wrong, code="unknown_parameter")
    if sum(name == "_format" for name, _ in pairs) > 1:
        raise BadParameters([("_format", "_format is given more than once.")])
    kept = row_request.with_defaults([(name, value) for name, value in pairs if name in SHAPE], defaults)
    return query.parse(kept, (), zone="UTC", now=timezone.now(), controls=SHAPE)


@dataclass(frozen=True)
class _Seen:
    changed_at: datetime | None


def _etag(
    text: str,
    tables: Sequence[sandbox.NamedDataset],
    caller: Caller,
    asked: Query,
    file: Format,
    encoding: type[encodings.Coding],
    now: datetime,
) -> str:
    shown_of = [look(caller, table.dataset, now=now).marks for table in tables]
    told = repr(
        (text, sandbox.states(tables), shown_of, replace(asked, download=False), file.name, type(file).__name__)
    )
    mark = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return tagged(f"q-{mark}", encoding)
