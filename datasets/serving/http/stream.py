"""The body of a download: bytes as the database gives the rows, over a connection of its own."""

import logging
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Self

import psycopg
from django.conf import settings
from django.http import HttpRequest
from psycopg import Connection

from datasets.formats.copy_to_stdout import PAUSE_MS, Batches, CopyOut, ReaderLeft
from datasets.formats.format import Format, Layout, PackedFile, PackedFormat, RowSource, TextFormat
from datasets.rows.pool import pool
from datasets.serving.http.encodings import Coding

log = logging.getLogger(__name__)

STALLED_SECONDS = settings.EXPORTS_STALL_SECONDS  # a reader who takes no byte for this long is gone


class Stream:
    """An iterator of bytes that owns a connection, its transaction and a slot among the exports, and gives all back.

    Whoever stops reading calls `close` (WSGI servers do): the statement is cancelled and the connection is free at once.
    Subclasses open the connection and call `_run`; `name` says in the log what broke off.
    """

    name = ""

    def __init__(self, file: Format, layout: Layout, encoding: type[Coding], request: HttpRequest) -> None:
        self.file, self.layout = file, layout
        self.source: RowSource | None = None
        self._encoder, self._request = encoding(), request
        self._rows: Batches | None = None
        self._packed: PackedFile | None = None
        self._connection: Connection | None = None
        self._give_back: Callable[[], None] | None = None
        self._chunks = self._make()

    def _run(self, connection: Connection, source: RowSource) -> None:
        """The source's rows are on their way; what cannot be begun raises, while an error can still be sent."""
        self.source = source
        file = self.file
        if source.select is None and not isinstance(file, PackedFormat):
            return
        reader = _socket_of(self._request)
        if reader is not None:
            reader.settimeout(STALLED_SECONDS)
        if isinstance(file, PackedFormat):
            self._packed = self._first_of_packed(file.pack(connection, source, self.layout, reader))
            if self._packed.is_done:
                connection.rollback()  # a slow reader of a finished file blocks nothing
        elif isinstance(file, TextFormat):
            statement = file.statement(source, self.layout).as_bytes(connection)
            self._rows = self._begun(connection, statement, reader)

    def _begun(self, connection: Connection, statement: bytes, reader: socket.socket | None) -> Batches:
        return CopyOut(connection, statement, reader, patience=PAUSE_MS)

    def _first_of_packed(self, packed: PackedFile) -> PackedFile:
        return packed

    def _make(self) -> Iterator[bytes]:
        encoder, file = self._encoder, self.file
        if self._packed is not None:
            yield from self._packed_chunks(self._packed)
            return
        if not isinstance(file, TextFormat) or self.source is None:
            raise TypeError(f"{file.name} is neither written line by line nor packed.")
        if start := file.start(self.source, self.layout):
            yield encoder.add(start) + encoder.flush()
        first = True
        while self._rows is not None and (rows := self._rows.batch()):
            chunk = encoder.add(file.join(rows, first))
            if first:
                chunk += encoder.flush()
            first = False
            if chunk:
                yield chunk
        if end := encoder.add(file.end(is_empty=first)) + encoder.end():
            yield end

    def _packed_chunks(self, packed: PackedFile) -> Iterator[bytes]:
        for chunk in packed:
            if chunk := self._encoder.add(chunk):
                yield chunk
        if end := self._encoder.end():
            yield end

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except StopIteration:
            self.close()
            raise
        except ReaderLeft:
            self.close()
            raise
        except BaseException:
            # The headers have been sent: breaking the connection is the only way left to show that the file is
            # incomplete.
            log.exception("export of %s broke off", self.name)
            self.close()
            _abort(self._request)
            raise

    def close(self) -> None:
        """Gives back the connection, its transaction and the slot; a statement that still runs is cancelled."""
        if self._packed is not None:
            self._packed.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                running = self._rows if self._packed is None else self._packed
                if running is not None and not running.is_done:
                    try:
                        running.stop()
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


def _socket_of(request: HttpRequest) -> socket.socket | None:
    """The reader's socket where the server shows it and it carries nothing but this answer."""
    if request.META.get("HTTP_VERSION") == "2":
        return None
    return request.environ.get("gunicorn.socket") if hasattr(request, "environ") else None


def _abort(request: HttpRequest) -> None:
    """An HTTP/1.0 client treats the end of the connection as the end of the file, but a reset as an error."""
    reader = _socket_of(request)
    if reader is not None and request.META.get("SERVER_PROTOCOL") == "HTTP/1.0":
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reader.close()
