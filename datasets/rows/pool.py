"""Connections for reading rows: each web process has a small pool, separate from Django's connections."""

import os
import threading
from typing import Any

from django.conf import settings
from django.db import connections
from psycopg import Connection
from psycopg_pool import ConnectionPool

from connector.database.base import is_quiet

WAIT_SECONDS = 5  # wait for a free connection; then the response is 503 with Retry-After
PER_PROCESS = 16
PAGE_SECONDS = 60  # a page that takes longer is cancelled; an export sets its own limit (none) in its transaction

_made: dict[tuple[int, str], ConnectionPool] = {}
_making = threading.Lock()


def pool() -> ConnectionPool:
    """This process's pool, made on first use (once: threads wait for each other) and again after a fork."""
    where = _where()
    key = (os.getpid(), repr(where))
    found = _made.get(key)
    if found is None:
        with _making:
            found = _made.get(key)
            if found is None:
                found = _made[key] = ConnectionPool(
                    kwargs=where | {"autocommit": True},
                    min_size=1,
                    max_size=getattr(settings, "READ_CONNECTIONS", PER_PROCESS),
                    timeout=WAIT_SECONDS,
                    configure=_configure,
                    check=_check,
                    name="reading",
                    open=True,
                )
    return found


def alone() -> Connection:
    """A single connection outside the pool; the caller closes it. Raises psycopg's errors."""
    return Connection.connect(**_where(), autocommit=True)


def close() -> None:
    """Closes all connections; the next reader opens new ones."""
    with _making:
        for key, found in list(_made.items()):
            if key[0] == os.getpid():
                found.close(timeout=1)
            del _made[key]


def _check(connection: Connection) -> None:
    """Whether the database has closed the idle connection: then the socket is readable. Needs no round trip."""
    if not is_quiet(connection):
        ConnectionPool.check_connection(connection)


def _where() -> dict[str, Any]:
    """Connection parameters of Django's database for psycopg."""
    wanted = dict(connections["default"].get_connection_params())
    for own in ("cursor_factory", "context", "prepare_threshold", "pool"):
        wanted.pop(own, None)
    return wanted


def _configure(connection: Connection) -> None:
    """What every reader relies on: UTC, ISO dates, no writing, and rows in the order in which they lie. Nothing here is worth
    compiling: that takes longer than a page may."""
    connection.execute(
        f"""
        SET TimeZone TO 'UTC'; SET DateStyle TO 'ISO, YMD'; SET client_encoding TO 'UTF8';
        SET default_transaction_read_only TO on; SET synchronize_seqscans TO off;
        SET application_name TO 'backhaul reading'; SET statement_timeout TO '{PAGE_SECONDS}s'; SET lock_timeout TO '30s';
        SET max_parallel_workers_per_gather TO 0; SET jit TO off
        """
    )
