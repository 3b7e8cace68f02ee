"""The whole result as a file, streamed from COPY in one repeatable-read moment: no cap, no buffering, first bytes at once."""

import logging
import socket
import struct
from dataclasses import replace

import psycopg
from django.conf import settings
from django.http import StreamingHttpResponse
from django.utils import timezone
from psycopg import ClientCursor, errors

from datasets.backfill import facts
from datasets.serving import encodings, moment, readings, wishes
from datasets.serving.copyout import PAUSE_MS, CopyOut, ReaderLeft
from datasets.serving.files import TEXT_FILES
from datasets.serving.find import find_dataset
from datasets.serving.parquet import Parquet
from datasets.serving.places import PLACES, take_everywhere
from datasets.serving.pool import pool
from datasets.serving.problems import BadRequest, NotFound, Unavailable, endpoint, nearest, shown
from datasets.serving.statement import Parameters
from datasets.serving.validators import is_known, with_validators, without_body
from datasets.serving.xlsx import Xlsx

log = logging.getLogger(__name__)

FILES = TEXT_FILES | {
    file.suffix: file
    for file in (
        Xlsx("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        Parquet("parquet", "application/vnd.apache.parquet"),
    )
}
STALLED_SECONDS = (
    settings.EXPORTS_STALL_SECONDS
)  # a reader who takes no byte for so long has gone away without saying so


@endpoint("GET")
def export(request, slug, suffix):
    """GET or HEAD /api/v1/datasets/{slug}/export.{csv,tsv,json,ndjson,xlsx,parquet}"""
    caller, pairs = wishes.of(request)
    dataset = find_dataset(caller, slug)
    file = FILES.get(suffix)
    if file is None:
        raise NotFound(f"There is no export.{shown(suffix)}.{nearest(suffix, FILES)} There are: {', '.join(FILES)}.")
    return answer(request, caller, dataset, file, pairs)


def answer(request, caller, dataset, file, pairs):
    """The file of what the parameters ask for, or that the reader has it already."""
    now = timezone.now()
    seen = moment.glance(dataset)
    asked = wishes.read(caller, pairs, seen.columns, dataset, now)
    encoding = encodings.chosen("" if file.is_packed else request.headers.get("Accept-Encoding", ""))
    etag = _etag(seen, asked, file, encoding)
    if is_known(request, etag):
        return with_validators(without_body(304), seen, etag)
    file.check(asked, seen)
    if request.method == "HEAD":
        seen = replace(seen, complete_through=facts.complete_through(dataset, now))
        return _with_headers(without_body(), seen, asked, file, encoding, etag, now)

    stream = Stream.open(caller, dataset, file, pairs, encoding, request, now)
    readings.note(request, caller, dataset, f"export.{file.suffix}")
    response = StreamingHttpResponse(stream)
    etag = _etag(stream.moment, stream.query, file, encoding)
    return _with_headers(response, stream.moment, stream.query, file, encoding, etag, now)


class Stream:
    """The body: an iterator of bytes that owns a connection, its snapshot and a place among the exports, and gives all back.

    Whoever stops reading calls `close` (WSGI servers do): the statement is cancelled and the connection is free at once.
    """

    def __init__(self, moment, query, file, encoding, request):
        self.moment, self.query, self.file = moment, query, file
        self._encoder, self._request = encoding(), request
        self._copy = self._packed = self._connection = self._give_back = None
        self._chunks = self._make()

    @classmethod
    def open(cls, caller, dataset, file, pairs, encoding, request, now):
        """Everything that can go wrong goes wrong here, while an error can still be said."""
        stream = cls(None, None, file, encoding, request)
        stream._give_back = PLACES.take(caller.key)
        try:
            stream._connection = pool().getconn()
            stream._begin(caller, dataset, pairs, now)
        except ReaderLeft:
            stream.close()
            raise BadRequest("The reader has left.") from None  # said to nobody
        except BaseException:
            stream.close()
            raise
        return stream

    def _begin(self, caller, dataset, pairs, now):
        self.moment = moment.snapshot(self._connection, dataset, now=now)
        if self.moment is None:
            raise NotFound("This dataset has just been deleted.")
        take_everywhere(self._connection, caller.key)
        self.query = wishes.read(caller, pairs, self.moment.columns, dataset, now)
        if not self.moment.has_table and not self.file.is_packed:
            return
        reader = _socket_of(self._request)
        if reader is not None:
            reader.settimeout(STALLED_SECONDS)
        try:
            if self.file.is_packed:
                self._copy = self._packed = self.file.pack(self._connection, self.query, self.moment, reader)
                if self._packed.is_done:
                    self._connection.rollback()  # a slow reader of a finished file holds up nothing
                return
            parameters = Parameters()
            statement = self.file.statement(self.query, self.moment, parameters)
            text = ClientCursor(self._connection).mogrify(statement, parameters.values or None)
            self._copy = CopyOut(self._connection, text.encode(), reader, patience=PAUSE_MS)
        except (errors.UndefinedTable, errors.UndefinedColumn) as problem:
            log.warning("export of dataset %s: its table changed on the way (%s)", dataset.pk, type(problem).__name__)
            raise Unavailable("The dataset's table changed just now. Try again.") from None

    def _make(self):
        encoder, file = self._encoder, self.file
        if self._packed is not None:
            yield from self._packed
            return
        if start := file.start(self.query):
            yield encoder.add(start) + encoder.flush()
        first = True
        while self._copy is not None and (rows := self._copy.batch()):
            chunk = encoder.add(file.join(rows, first))
            if first:
                chunk += encoder.flush()
            first = False
            if chunk:
                yield chunk
        if end := encoder.add(file.end(is_empty=first)) + encoder.end():
            yield end

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return next(self._chunks)
        except StopIteration:
            self.close()
            raise
        except ReaderLeft:
            self.close()
            raise
        except BaseException:
            # The headers are gone: breaking the connection is the only way left to say that this file is not whole.
            log.exception("export of %s broke off", self.moment.slug)
            self.close()
            _abort(self._request)
            raise

    def close(self):
        if self._packed is not None:
            self._packed.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                if self._copy is not None and not self._copy.is_done:
                    try:
                        self._copy.stop()
                    finally:
                        connection.close()
                else:
                    connection.rollback()
            except psycopg.Error:
                connection.close()
            finally:
                pool().putconn(connection)
        if self._give_back is not None:
            self._give_back()


def _socket_of(request):
    """The reader's socket where the server shows it and it carries nothing but this answer."""
    if request.META.get("HTTP_VERSION") == "2":
        return None
    return request.environ.get("gunicorn.socket") if hasattr(request, "environ") else None


def _abort(request):
    """An HTTP/1.0 reader takes the end of the connection for the end of the file; a reset it takes for what it is."""
    reader = _socket_of(request)
    if reader is not None and request.META.get("SERVER_PROTOCOL") == "HTTP/1.0":
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reader.close()


# Headers


def _etag(seen, asked, file, encoding):
    asked_for = asked.fingerprint(seen.pk, seen.generation, file.suffix, [column["name"] for column in seen.columns])
    return f'"{seen.label}-{asked_for}{"" if encoding is encodings.Identity else "-" + encoding.name}"'


def _with_headers(response, seen, asked, file, encoding, etag, now):
    response["Content-Type"] = file.type_for(asked)
    kind = "attachment" if asked.download else "inline"
    response["Content-Disposition"] = f'{kind}; filename="{seen.slug}_{now:%Y-%m-%d}.{file.suffix}"'
    if encoding is not encodings.Identity:
        response["Content-Encoding"] = encoding.name
    if asked.is_whole:
        response["X-Row-Count"] = str(seen.rows)
    if seen.complete_through:
        response["X-Data-Complete-Through"] = seen.complete_through.isoformat()
    response["X-Dataset-Version"] = seen.label
    response["Accept-Ranges"] = "none"
    return with_validators(response, seen, etag)
