"""gunicorn's thread workers with two additions.

Its processes share new connections evenly. All of them wait at one socket, and whoever wakes first takes what there is:
eight clients that connect at once often end up in one process, which then has one core's worth of Python for all of
them while the other process idles.

And a thread that has answered stays with its client for a moment: one that walks through pages asks on at once, and need
not go round by the process's main thread each time.
"""

import mmap
import select
import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

MOST = 256  # processes, old and new ones of a restart together
NOBODY = -1
MAX_WAIT = 0.25  # seconds for which a connection is left to the others, as far as they are not stuck
IN_VAIN = 5.0  # seconds for which nothing is left to them after they have taken nothing
PAUSE = 0.001
MOMENT = 2  # milliseconds for which a thread waits for its client's next request

# How many connections each process has open; made before the fork.
_shared = memoryview(mmap.mmap(-1, 4 * MOST)).cast("i")
for _place in range(MOST):
    _shared[_place] = NOBODY


class EvenWorker(ThreadWorker):
    """Leaves a new connection, for a moment, to the processes that have fewer open; stays with a client that asks on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # In gunicorn's master, which is alone in handing out places.
        self.place = next((place for place in range(MOST) if _shared[place] == NOBODY), None)
        self._left_first = self._left_last = self._in_vain_until = 0.0
        self._at_work: set[Any] = set()  # connections that have a thread
        super().__init__(*args, **kwargs)

    @property
    def nr_conns(self) -> int:
        """gunicorn's own count of open connections, where the other processes see it."""
        return self._open

    @nr_conns.setter
    def nr_conns(self, count: int) -> None:
        self._open = count
        if self.place is not None:
            _shared[self.place] = count

    def accept(self, listener: Any) -> None:
        if self._has_more_than_another() and self._has_patience():
            time.sleep(PAUSE)  # the listener stays readable until somebody accepts
            return
        super().accept(listener)

    def _has_more_than_another(self) -> bool:
        return any(NOBODY < count < self._open for count in _shared)

    def _has_patience(self) -> bool:
        now = time.monotonic()
        if now - self._left_last > 10 * PAUSE:  # what was left then has been taken
            self._left_first = now
        self._left_last = now
        if now - self._left_first > MAX_WAIT:
            self._in_vain_until = now + IN_VAIN
        return now > self._in_vain_until

    def handle(self, conn: Any) -> Any:
        """As gunicorn has it: whether the connection goes on."""
        self._at_work.add(conn)
        try:
            goes_on = super().handle(conn)
            while goes_on is True and self.alive and self._has_idle_threads() and _asks_on(conn):
                goes_on = super().handle(conn)
            return goes_on
        finally:
            self._at_work.discard(conn)

    def _has_idle_threads(self) -> bool:
        return len(self._at_work) < self.cfg.threads


def _asks_on(conn: Any) -> bool:
    watch = select.poll()
    watch.register(conn.sock, select.POLLIN)
    return bool(watch.poll(MOMENT))


def forget(_arbiter: object, worker: EvenWorker) -> None:
    """gunicorn's hook `child_exit`: the process is gone, and what it had open with it."""
    if worker.place is not None:
        _shared[worker.place] = NOBODY
