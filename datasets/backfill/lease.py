"""Who works on a run: leases on the database's clock, a heartbeat, and the fence that makes a stale worker harmless."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.db import connection

from datasets.models import RUN_LENGTH
from datasets.models import LeaseLost as LeaseLost  # raised by whoever writes, handled by whoever works

LEASE_SECONDS = 60
HEARTBEAT_SECONDS = 10


def _boot() -> str:
    """The boot id of the host and the PID namespace: containers may share one without the other."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        return f"{boot}-{os.readlink('/proc/self/ns/pid').strip('pid:[]')}"
    except OSError:
        return "-"


def _started(pid: int | str) -> str | None:
    """When the process started, in clock ticks since boot; None where there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def owner() -> str:
    """This process, so that a neighbour on the same host can tell whether it still lives."""
    pid = os.getpid()
    return f"{socket.gethostname()}/{_boot()}/{pid}/{_started(pid)}"


def is_dead(owner: str) -> bool:
    """Whether the owner is certainly gone: a process of this host and boot that no longer exists."""
    host, _, rest = owner.rpartition("/")[0].partition("/")
    boot, _, pid = rest.partition("/")
    if not pid or host != socket.gethostname() or boot != _boot() or not Path("/proc/self/stat").exists():
        return False
    return _started(pid) != owner.rpartition("/")[2]


def take(run_id: int) -> int | None:
    """The fence of a fresh lease on the run, or None where it is over, not yet due, or another's.

    A run's 24 hours begin with its first lease: time spent in the queue does not count.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE datasets_run SET state = 'running', fence = fence + 1, lease_owner = %s, not_before = NULL,
                lease_until = clock_timestamp() + make_interval(secs => %s), heartbeat_at = clock_timestamp(),
                deadline = CASE WHEN started_at IS NULL THEN clock_timestamp() + %s ELSE deadline END,
                started_at = coalesce(started_at, clock_timestamp())
            WHERE id = (
                SELECT id FROM datasets_run
                WHERE id = %s AND state IN ('queued', 'waiting') AND coalesce(not_before, '-infinity') <= clock_timestamp()
                FOR UPDATE SKIP LOCKED
            )
            RETURNING fence
            """,
            [owner(), LEASE_SECONDS, RUN_LENGTH, run_id],  # type: ignore[list-item]  # psycopg takes a timedelta, which Django's stubs do not know
        )
        row = cursor.fetchone()
    if row:
        limit_standstill()
    return row[0] if row else None


def limit_standstill(*, within: bool = False) -> None:
    """A session that stalls in a transaction loses its locks as soon as its lease would have expired.

    It holds for the connection, or `within` a transaction until that one ends.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', %s, %s)",
            [f"{int(LEASE_SECONDS * 1000)}ms", within],
        )


@contextmanager
def heartbeat(run_id: int, fence: int) -> Iterator[threading.Event]:
    """Prolongs the lease from a thread with a connection of its own; yields an Event that is set once the lease is lost."""
    lost, over = threading.Event(), threading.Event()
    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory", None)
    parameters.pop("context", None)

    def beat() -> None:
        link = None
        while not over.wait(HEARTBEAT_SECONDS):
            try:
                link = link or psycopg.connect(**parameters, autocommit=True)
                found = link.execute(
                    """
                    UPDATE datasets_run
                    SET lease_until = clock_timestamp() + make_interval(secs => %s), heartbeat_at = clock_timestamp()
                    WHERE id = %s AND fence = %s AND state = 'running'
                    """,
                    [LEASE_SECONDS, run_id, fence],
                ).rowcount
            except psycopg.Error:
                link = None  # unknown while the database is unavailable; the fence decides at landing
                continue
            if not found:
                lost.set()
                return
        if link:
            link.close()

    thread = threading.Thread(target=beat, name=f"heartbeat-{run_id}", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        over.set()
        thread.join(timeout=5)
