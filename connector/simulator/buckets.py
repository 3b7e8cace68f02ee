"""Amazon's token buckets: one for each application, account and operation."""

import threading


class Buckets:
    def __init__(self, ticks):
        self._ticks = ticks
        self._lock = threading.Lock()
        self._levels = {}

    def reset(self):
        with self._lock:
            self._levels.clear()

    def take(self, key, rate, burst):
        """True when a token was there; a refused request costs nothing."""
        with self._lock:
            level = self._level(key, rate, burst)
            taken = level >= 1
            self._levels[key] = (self._ticks(), level - 1 if taken else level)
            return taken

    def drain(self, key):
        """Leave nothing in it, as when another program of the same application has spent it."""
        with self._lock:
            self._levels[key] = (self._ticks(), 0.0)

    def levels(self):
        with self._lock:
            return {" ".join(key): level for key, (_, level) in self._levels.items()}

    def _level(self, key, rate, burst):
        now = self._ticks()
        then, level = self._levels.get(key, (now, float(burst)))
        return min(float(burst), level + max(0.0, now - then) * rate)
