"""What was asked of the simulator, so that a test can see what its product really sent."""

import json
import threading
from collections import Counter, deque
from urllib.parse import parse_qsl

SECRET_HEADERS = ("authorization", "x-amz-access-token", "cookie")
SECRET_FIELDS = ("client_secret", "refresh_token", "code", "access_token")
HIDDEN = "[hidden]"


class RequestLog:
    def __init__(self, kept=20000):
        self._lock = threading.Lock()
        self._kept = kept
        self.reset()

    def reset(self):
        with self._lock:
            self._entries = deque(maxlen=self._kept)
            self._number = 0
            self._requests, self._throttled, self._statuses, self._faults = Counter(), Counter(), Counter(), Counter()

    def add(self, request, answer, when):
        entry = {
            "at": when,
            "operation": request.operation,
            "method": request.method,
            "path": request.path,
            "query": request.values(),
            "raw_query": request.query,
            "headers": {name: HIDDEN if name in SECRET_HEADERS else value for name, value in request.headers.items()},
            "body": _readable(request),
            "status": answer.status,
            "fault": request.fault["kind"] if request.fault else None,
            **request.note,
        }
        with self._lock:
            self._number += 1
            self._entries.append({"n": self._number, **entry})
            self._requests[request.operation] += 1
            self._statuses[request.operation, answer.status] += 1
            if answer.status == 429:
                self._throttled[request.operation] += 1
            if request.fault:
                self._faults[request.fault["kind"]] += 1

    def entries(self, operation=None, since=0, status=None):
        with self._lock:
            entries = list(self._entries)
        return [
            entry
            for entry in entries
            if entry["n"] > since
            and (operation is None or entry["operation"] == operation)
            and (status is None or entry["status"] == status)
        ]

    def counts(self):
        with self._lock:
            statuses = {}
            for (operation, status), number in self._statuses.items():
                statuses.setdefault(operation, {})[str(status)] = number
            return {
                "total": self._number,
                "requests": dict(self._requests),
                "throttled": dict(self._throttled),
                "statuses": statuses,
                "faults": dict(self._faults),
            }


def _readable(request):
    if not request.body:
        return None
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            return json.loads(request.body)
        except ValueError:
            pass
    text = request.body[:10000].decode("utf-8", "replace")
    if "form-urlencoded" in request.headers.get("content-type", ""):
        fields = parse_qsl(text, keep_blank_values=True)
        return {name: HIDDEN if name in SECRET_FIELDS and value else value for name, value in fields}
    return text
