"""Amazon's token buckets: one for each application, account and operation, and further ones that calls count against too."""

import json
import threading
from typing import NamedTuple


class Further(NamedTuple):
    """A limit on top of an operation's own; `report_type` narrows it, `of` says who shares it: an account or an application."""

    operation: str
    rate: float
    burst: int
    of: str = "account"
    report_type: str = ""

    def concerns(self, request):
        if request.operation != self.operation:
            return False
        return not self.report_type or _report_type(request) == self.report_type

    def key(self, client_id, partner_id):
        whose = (partner_id,) if self.of == "account" else ("all-sellers",)
        return client_id, *whose, self.operation, self.report_type or "further"


PUBLISHED = (Further("createReport", 3 / 300, 3, report_type="GET_SALES_AND_TRAFFIC_REPORT"),)


class Buckets:
    def __init__(self, ticks):
        self._ticks = ticks
        self._lock = threading.Lock()
        self.reset()

    def reset(self):
        with self._lock:
            self._levels = {}
            self._further = list(PUBLISHED)

    @property
    def further(self):
        with self._lock:
            return list(self._further)

    def limit(self, further):
        """One more limit; raises ValueError when it makes no sense."""
        if further.of not in ("account", "application") or not further.rate > 0 or not further.burst >= 1:
            raise ValueError(
                "a limit has a rate above 0, a burst of at least 1, and is of an account or an application"
            )
        with self._lock:
            self._further.append(further)

    def take(self, wanted):
        """True when each bucket of [(key, rate, burst)] had a token; a refused request costs nothing in any of them."""
        with self._lock:
            now = self._ticks()
            levels = {key: self._level(key, rate, burst, now) for key, rate, burst in wanted}
            taken = min(levels.values()) >= 1
            for key, level in levels.items():
                self._levels[key] = (now, level - 1 if taken else level)
            return taken

    def drain(self, key):
        """Leave nothing in it, as when another program of the same application has spent it."""
        with self._lock:
            self._levels[key] = (self._ticks(), 0.0)

    def levels(self):
        with self._lock:
            return {" ".join(key): level for key, (_, level) in self._levels.items()}

    def _level(self, key, rate, burst, now):
        then, level = self._levels.get(key, (now, float(burst)))
        return min(float(burst), level + max(0.0, now - then) * rate)


def _report_type(request):
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        return None
    return body.get("reportType") if isinstance(body, dict) else None
