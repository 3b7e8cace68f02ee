"""Time as the simulator tells it: real, frozen, or moved by a test."""

import threading
import time
from datetime import UTC, datetime


class Clock:
    """`now` dates what is sold and reported; `ticks` ages tokens, addresses and queues.

    Ticks always run on, also while `now` is frozen, and jump along whenever `now` is moved forward: a frozen
    world still finishes its reports, and an advance of one hour ends every access token.
    """

    def __init__(self, now=None):
        self._lock = threading.Lock()
        self._first = now
        self.reset()

    def reset(self):
        with self._lock:
            self._frozen = self._first
            self._shift = 0.0
            self._jumped = 0.0

    @property
    def frozen(self):
        return self._frozen is not None

    def now(self):
        """Seconds since 1970, as the sellers' world has it."""
        return time.time() + self._shift if self._frozen is None else self._frozen

    def ticks(self):
        return time.time() + self._jumped

    def freeze(self, at=None):
        with self._lock:
            before = self.now()
            self._frozen = before if at is None else at
            self._jumped += max(0.0, self._frozen - before)

    def advance(self, seconds):
        with self._lock:
            if self._frozen is None:
                self._shift += seconds
            else:
                self._frozen += seconds
            self._jumped += max(0.0, seconds)

    def set(self, at):
        """Move to an instant and let time run on from there."""
        with self._lock:
            before = self.now()
            self._frozen = None
            self._shift = at - time.time()
            self._jumped += max(0.0, at - before)

    def run(self):
        """Let time run on from where it stands."""
        self.set(self.now())


DAY = 86400


def iso(seconds):
    """Amazon's spelling in JSON: 2026-01-01T00:00:00Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def years_before(seconds, years):
    moment = datetime.fromtimestamp(seconds, UTC)
    try:
        return moment.replace(year=moment.year - years).timestamp()
    except ValueError:  # 29 February
        return moment.replace(year=moment.year - years, day=28).timestamp()
