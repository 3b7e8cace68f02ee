"""COPY … TO STDOUT as fast as libpq gives it.

psycopg's own `Cursor.copy` wakes a generator for each row; at a million rows that costs as much as everything else
together. Here rows are taken in batches through `psycopg.pq`, without blocking other threads, and each row is a
memoryview without its newline: PostgreSQL sends exactly one row per message.
"""

import errno
import select
import socket
from typing import Protocol

import psycopg
from psycopg import errors, pq

CHUNK_BYTES = 1 << 16
PAUSE_MS = 20
LEFT = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class ReaderLeft(ConnectionResetError):
    """The reader has closed the connection. Web servers treat this as the normal end of a connection; nothing is
    logged."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "the reader has left")


class Batches(Protocol):
    """Rows of a statement that runs, as CopyOut gives them."""

    @property
    def is_done(self) -> bool:
        """Whether nothing runs in the database any more."""

    def batch(self) -> list[memoryview]:
        """The next rows; an empty list at the end."""

    def stop(self) -> None:
        """Ends the statement wherever it is."""


class CopyOut:
    """The rows of one COPY statement, in batches of about 64 KiB.

    `reader` is the socket of the one we write to, where it is known: while the database works on the first row,
    a disconnect is noticed there and stops the work. A statement that cannot start raises here; PostgreSQL shows that
    one has started only with its first rows, so after `patience` milliseconds it counts as started (None: never).
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        statement: bytes,
        reader: socket.socket | None = None,
        patience: int | None = None,
    ) -> None:
        self.connection, self.pgconn, self.reader = connection, connection.pgconn, reader
        self.is_done = False
        self._poll = select.poll()
        self._poll.register(self.pgconn.socket, select.POLLIN)
        if reader is not None:
            self._poll.register(reader.fileno(), LEFT)
        self.pgconn.send_query(statement)
        self._flush()
        self._has_begun = False
        try:
            if patience is None or self._wait(patience):
                self._begin()
        except ReaderLeft:
            self.stop()
            raise

    def _begin(self) -> None:
        result = self._result()
        self._has_begun = True
        if result is None:
            raise errors.InternalError("The database gave no answer to a statement.")
        if result.status != pq.ExecStatus.COPY_OUT:
            self.is_done = True
            while self._result() is not None:
                pass
            raise errors.error_from_result(result, encoding="utf-8")

    def batch(self) -> list[memoryview]:
        """The next rows; an empty list at the end. Raises psycopg's error where the statement fails on the way."""
        if not self._has_begun:
            self._begin()
        rows, size = [], 0
        take = self.pgconn.get_copy_data
        while size < CHUNK_BYTES and not self.is_done:
            length, row = take(1)
            if length > 0:
                rows.append(row[:-1])
                size += length
            elif length == 0:
                if not self._wait(PAUSE_MS if rows else None):
                    break  # the database is working: pass on what has arrived
                self.pgconn.consume_input()
            else:
                self._finish()
        return rows

    def stop(self) -> None:
        """Cancels the statement; the connection cannot be used afterwards."""
        if not self.is_done:
            self.connection.cancel_safe(timeout=5)

    def _finish(self) -> None:
        failed = None
        while (result := self._result()) is not None:
            if result.status != pq.ExecStatus.COMMAND_OK:
                failed = failed or result
        self.is_done = True  # a failed statement has ended: the connection can be used for the next one
        if failed is not None:
            raise errors.error_from_result(failed, encoding="utf-8")

    def _result(self) -> pq.abc.PGresult | None:
        while self.pgconn.is_busy():
            self._wait()
            self.pgconn.consume_input()
        return self.pgconn.get_result()

    def _flush(self) -> None:
        while self.pgconn.flush():
            select.select([], [self.pgconn.socket], [])

    def _wait(self, milliseconds: int | None = None) -> bool:
        """Whether the database sends anything within the time."""
        ready = self._poll.poll(milliseconds)
        for descriptor, event in ready:
            if descriptor != self.pgconn.socket and event & LEFT:
                raise ReaderLeft
        return bool(ready)
