"""A statement's answer as a file: parameters and body in, one statement, rows out as exports give them."""

import hashlib
import json
import re
from dataclasses import dataclass, replace

import psycopg
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from datasets.serving import accepted, encodings, query, readings, wishes
from datasets.serving import controls as shaping
from datasets.serving.bodies import read_json
from datasets.serving.copyout import CopyOut, ReaderLeft
from datasets.serving.export import FILES, STALLED_SECONDS, Stream, _socket_of
from datasets.serving.files import Json
from datasets.serving.find import find_dataset
from datasets.serving.places import PLACES, take_everywhere
from datasets.serving.pool import pool
from datasets.serving.problems import (
    BadParameters,
    BadRequest,
    NotAcceptable,
    NotFound,
    TooLarge,
    WrongContentType,
    endpoint,
    nearest,
    shown,
)
from datasets.serving.sql import refusals, sandbox, saved
from datasets.serving.statement import Parameters
from datasets.serving.validators import is_known, tagged, with_validators, without_body

SHAPE = ("_limit", "_header", "_bom", "_safe", "_dl", "_decimals")
CONTROLS = ("sql", "_format", *SHAPE)
CLOCK = re.compile(r"now|today|yesterday|tomorrow|current_\w+|local\w*|\w*timestamp\w*|age|\\", re.IGNORECASE)
MOST_BODY = 1_000_000


@dataclass(frozen=True)
class Table(Json):
    """JSON for programs that ask: the columns with their types, then the rows."""

    columns: tuple = ()

    def start(self, query):
        columns = [{"name": name, "type": kind} for name, kind in self.columns]
        return f'{{"columns": {json.dumps(columns)}, "rows": [\n'.encode()

    def join(self, rows, first):
        return (b"" if first else b",\n") + b",\n".join(rows)

    def end(self, is_empty):
        return b"\n]}\n"


ANSWERS = {"json": Table("json", "application/json")} | {name: file for name, file in FILES.items() if name != "json"}
KINDS = {suffix: file.content_type.partition(";")[0] for suffix, file in ANSWERS.items()}


@endpoint("GET", "POST")
def ask(request, slug=None, suffix=None):
    """/api/v1/query and /api/v1/datasets/{slug}/query, each also with .csv, .json … at its end"""
    caller, pairs = wishes.of(request)
    dataset = find_dataset(caller, slug) if slug else None
    pairs = [*pairs, *_sent(request)]
    file = _file(request, pairs, suffix)
    controls = tuple(name for name in CONTROLS if not (suffix and name == "_format"))  # the address says it already
    text = [value for name, value in pairs if name == "sql"]
    if len(text) != 1:
        raise BadParameters([("sql", "sql: one statement is needed, in the address or in the body.")])
    response = answer(request, caller, text[0], file, pairs, dataset=dataset, slug=slug or "query", controls=controls)
    if not suffix:
        patch_vary_headers(response, ["Accept"])
    return response


@endpoint("GET")
def saved_query(request, slug, suffix):
    """GET or HEAD /api/v1/queries/{slug}/export.{csv,tsv,json,ndjson,xlsx,parquet}"""
    caller, pairs = wishes.of(request)
    kept = saved.find(caller, slug)
    file = FILES.get(suffix)
    if file is None:
        raise NotFound(f"There is no export.{shown(suffix)}.{nearest(suffix, FILES)} There are: {', '.join(FILES)}.")
    accepted.check(request, file.content_type)
    return answer(request, caller, kept.sql, file, pairs, dataset=kept.dataset, slug=kept.slug, controls=SHAPE)


def answer(request, caller, text, file, pairs, *, dataset=None, slug="query", controls=CONTROLS):
    """The file of what the statement gives, or that the reader has it already. `dataset` is what it calls `table`."""
    now = timezone.now()
    asked = _shape(pairs, controls)
    shaping.check(pairs, file.suffix)
    sandbox.check_text(text)
    tables, known = sandbox.named(caller, text, dataset)
    encoding = encodings.chosen(request.headers.get("Accept-Encoding", ""), packed=file.is_packed)
    may_know = request.method in ("GET", "HEAD") and not CLOCK.search(text + caller.fixed)
    etag = _etag(text, tables, caller, asked, file, encoding)
    if may_know and is_known(request, etag):
        return with_validators(without_body(304), _Seen(sandbox.changed_at(tables)), etag)

    give_back = PLACES.take(caller.key)
    stream = Answering(asked, file, encoding, request, give_back)
    try:
        stream.open(caller, tables, known, text, has_table=dataset is not None, slug=slug, now=now)
    except ReaderLeft:
        stream.close()
        raise BadRequest("The reader has left.") from None  # said to nobody
    except BaseException:
        stream.close()
        raise
    if request.method != "HEAD":
        for each in {table.dataset.pk: table.dataset for table in tables}.values():
            readings.note(request, caller, each, f"query.{file.suffix}")
    response = StreamingHttpResponse(stream) if request.method != "HEAD" else without_body()
    response["Content-Type"] = stream.file.type_for(stream.query)
    kind = "attachment" if asked.download else "inline"
    response["Content-Disposition"] = f'{kind}; filename="{slug}_{now:%Y-%m-%d}.{file.suffix}"'
    if encoding is not encodings.Identity:
        response["Content-Encoding"] = encoding.name
    response["Accept-Ranges"] = "none"
    if may_know:
        return with_validators(response, stream.moment, _etag(text, tables, caller, asked, file, encoding))
    response["Cache-Control"] = "no-store"
    return response


class Answering(Stream):
    """An export's body over what a statement gives."""

    def __init__(self, asked, file, encoding, request, give_back):
        super().__init__(None, asked, file, encoding, request)
        self._give_back = give_back

    def open(self, caller, tables, known, text, *, has_table, slug, now):
        """Everything that can go wrong goes wrong here, while an error can still be said: the rows are collected by then."""
        limits = sandbox.Limits.of_settings()
        self._connection = pool().getconn()
        try:
            self._ask(sandbox.Sandbox(self._connection, caller, tables, known, limits, now), text, has_table, slug)
        except psycopg.Error as error:
            raise refusals.of_error(error, limits) from None

    def _ask(self, box, text, has_table, slug):
        box.open()
        take_everywhere(self._connection, box.caller.key)
        columns = box.take(text, has_table=has_table)
        box.check(text)
        types = box.shape(columns, packed=self.file.is_packed, limit=self.query.limit)
        self.moment = sandbox.Answer(slug=slug, types=types, changed_at=box.changed_at)
        self.query = replace(self.query, select=tuple(types), limit=None)
        if isinstance(self.file, Table):
            self.file = replace(self.file, columns=tuple(types.items()))
        if self._request.method == "HEAD":
            self.close()
        else:
            self._run()

    def _run(self):
        reader = _socket_of(self._request)
        if reader is not None:
            reader.settimeout(STALLED_SECONDS)
        if self.file.is_packed:
            self._copy = self._packed = _Begun(self.file.pack(self._connection, self.query, self.moment, reader))
            if self._packed.is_done:
                self._connection.rollback()
        else:
            statement = self.file.statement(self.query, self.moment, Parameters())
            self._copy = _Peeked(CopyOut(self._connection, statement.as_bytes(self._connection), reader))


class _Peeked:
    """A COPY whose first rows are here: nothing of the statement's own can go wrong behind them."""

    def __init__(self, copy):
        self._copy, self._first = copy, None
        try:
            self._first = copy.batch()
        except ReaderLeft:
            copy.stop()
            raise

    @property
    def is_done(self):
        return self._copy.is_done

    def batch(self):
        first, self._first = self._first, None
        return self._copy.batch() if first is None else first

    def stop(self):
        self._copy.stop()


class _Begun:
    """A packed file whose first bytes are here."""

    def __init__(self, packed):
        self._packed, self._chunks = packed, iter(packed)
        try:
            self._first = next(self._chunks, b"")
        except BaseException:
            packed.close()
            raise

    @property
    def is_done(self):
        return self._packed.is_done

    def __iter__(self):
        yield self._first
        yield from self._chunks

    def stop(self):
        self._packed.stop()

    def close(self):
        self._packed.close()


def _sent(request):
    """What a POST says: JSON {"sql": …}, a form, or the bare statement."""
    if request.method != "POST":
        return []
    if len(request.body) > MOST_BODY:
        raise TooLarge(f"A body of at most {MOST_BODY:,} bytes is taken.")
    kind = request.content_type
    if kind in ("application/sql", "text/plain"):
        charset = (request.content_params or {}).get("charset", "utf-8")
        if charset.lower() not in ("utf-8", "utf8", "us-ascii"):
            raise WrongContentType(f"Send the statement in UTF-8, not in {shown(charset)}.")
        try:
            return [("sql", request.body.decode("utf-8-sig"))]
        except UnicodeDecodeError:
            raise BadRequest("The body is not UTF-8.") from None
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        given = [(name, value) for name, values in request.POST.lists() for value in values]
        return [(name, value) for name, value in given if name != "csrfmiddlewaretoken"]
    if kind != "application/json":
        raise WrongContentType(
            f'Send {{"sql": "…"}} as application/json, or the statement as application/sql, not {shown(kind)}.'
        )
    found = read_json(request.body)
    if not isinstance(found, dict) or set(found) != {"sql"} or not isinstance(found["sql"], str):
        raise BadRequest('The body must be {"sql": "…"}: formats and limits stand in the address.')
    return [("sql", found["sql"])]


def _file(request, pairs, suffix):
    """By the address's ending, else by `_format`, else by Accept; JSON where nothing is said."""
    wished = suffix or next((value for name, value in pairs if name == "_format"), None)
    if wished is None:
        return _accepted(request)
    if wished in ANSWERS:
        if suffix:
            accepted.check(request, KINDS[suffix])
        return ANSWERS[wished]
    sentence = f"There is no format '{shown(wished)}'.{nearest(wished, ANSWERS)} There are: {', '.join(ANSWERS)}."
    raise NotFound(sentence) if suffix else BadParameters([("_format", sentence)])


def _accepted(request):
    header = request.headers.get("Accept", "")
    wished = accepted.best(header, KINDS)
    if wished is None:
        raise NotAcceptable(
            f"Accept: {shown(header)} leaves out every format there is: {', '.join(KINDS.values())}. Add */*."
        )
    return ANSWERS[wished]


def _shape(pairs, controls):
    """How the answer is to be written."""
    wrong = [
        (shown(name), f"There is no parameter '{shown(name)}'.{nearest(name, controls)}")
        for name, _ in pairs
        if name not in controls
    ]
    if wrong:
        raise BadParameters(wrong, code="unknown_parameter")
    if sum(name == "_format" for name, _ in pairs) > 1:
        raise BadParameters([("_format", "_format is given more than once.")])
    kept = [(name, value) for name, value in pairs if name in SHAPE]
    return query.parse(kept, (), zone="UTC", now=None, controls=SHAPE)


@dataclass(frozen=True)
class _Seen:
    changed_at: object


def _etag(text, tables, caller, asked, file, encoding):
    told = repr(
        (text, sandbox.states(tables), caller.fixed, replace(asked, download=False), file.suffix, type(file).__name__)
    )
    mark = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    return tagged(f"q-{mark}", encoding)
