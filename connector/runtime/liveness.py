"""Each worker records every few seconds that it is alive and when it last took a message: a worker can be alive and
still take none."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any, NoReturn

from celery import signals
from celery.worker import state
from django.db import DatabaseError, connection

REPORT_EVERY = 5  # seconds
SILENT_AFTER = 30  # no report: the worker is gone
IDLE_AFTER = 60  # alive, without work, and yet no tick taken: it is cut off from the broker, or nobody ticks
TICK = "datasets.tasks.tick"

REPORT = """
    INSERT INTO connector_worker (name, seen_at, took_at, ticked_at, busy)
    VALUES (%(name)s, now(), now() - make_interval(secs => %(took)s), now() - make_interval(secs => %(ticked)s), %(busy)s)
    ON CONFLICT (name) DO UPDATE SET seen_at = now(), busy = excluded.busy,
        took_at = coalesce(excluded.took_at, connector_worker.took_at),
        ticked_at = coalesce(excluded.ticked_at, connector_worker.ticked_at)
"""
FORGET = "DELETE FROM connector_worker WHERE seen_at < now() - interval '1 day'"

_last: dict[str, float | None] = {"took": None, "ticked": None}
_news = threading.Event()  # the first tick is reported at once: somebody may wait for it


@dataclass(frozen=True, slots=True)
class Ages:
    """Seconds since a worker reported, took a message and took a tick, None for never; `busy` tasks are at work."""

    seen: float | None
    took: float | None
    ticked: float | None
    busy: int


@signals.task_received.connect
def _note(request: Any = None, **_: object) -> None:
    _last["took"] = time.monotonic()
    if request is not None and request.name == TICK:
        if _last["ticked"] is None:
            _news.set()
        _last["ticked"] = _last["took"]


@signals.worker_ready.connect
def _begin(sender: Any = None, **_: object) -> None:
    threading.Thread(target=_report_for_ever, args=[sender.hostname], daemon=True, name="liveness").start()


@signals.worker_shutdown.connect
def _end(sender: Any = None, **_: object) -> None:
    """A worker that stops normally is removed."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM connector_worker WHERE name = %s", [sender.hostname])
    except DatabaseError:
        pass
    finally:
        connection.close()


def _report_for_ever(name: str) -> NoReturn:
    while True:
        try:
            report(name, busy=len(state.active_requests), **{key: _ago(moment) for key, moment in _last.items()})
        except DatabaseError:
            pass  # others report that the database is unavailable; the next attempt follows
        finally:
            connection.close()  # pool children are forked from this process and must inherit no connection
        _news.wait(REPORT_EVERY)
        _news.clear()


def _ago(moment: float | None) -> float | None:
    return None if moment is None else time.monotonic() - moment


def report(name: str, *, busy: int, took: float | None, ticked: float | None) -> None:
    """Notes that this worker lives; `took` and `ticked` are seconds ago."""
    with connection.cursor() as cursor:
        cursor.execute(REPORT, {"name": name, "busy": busy, "took": took, "ticked": ticked})
        cursor.execute(FORGET)


def ages() -> Ages:
    """How long ago the youngest sign of any worker is. Raises DatabaseError where the database cannot tell."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT extract(epoch FROM now() - max(seen_at))::float, extract(epoch FROM now() - max(took_at))::float,
                      extract(epoch FROM now() - max(ticked_at))::float,
                      coalesce(sum(busy) FILTER (WHERE seen_at > now() - make_interval(secs => %s)), 0)::int
               FROM connector_worker""",
            [SILENT_AFTER],
        )
        return Ages(*cursor.fetchone())


def problem() -> str | None:
    """Why no work would be done now, as a message; None if workers are alive and take work."""
    found = ages()
    if found.seen is None or found.seen > SILENT_AFTER:
        return "No worker is running. Start one: celery -A connector worker."
    if not found.busy and (found.took is None or found.took > IDLE_AFTER):
        return "A worker is alive but takes no work. Is beat running, and do both use the same BROKER_URL?"
    return None
