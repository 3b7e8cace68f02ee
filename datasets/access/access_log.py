"""Who read a dataset's rows last. Written at most once a minute for each reader and dataset, so that reads cause few
writes."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

from django.db import IntegrityError, connection
from django.db.models import F, QuerySet
from django.http import HttpRequest

from datasets.access.tokens import Caller
from datasets.models import Dataset, Reading
from datasets.problems import printable
from datasets.rows.policy import Policy

NOTED_EVERY = 60.0  # seconds
MAX_REMEMBERED = 10_000

_noted: dict[tuple[int, str], float] = {}  # (dataset, reader): when this process last recorded it
_lock = threading.Lock()


def note(request: HttpRequest, caller: Caller, dataset: Dataset, what: str) -> None:
    """Remembers that this caller has read the dataset's rows, as what, and by what program."""
    key, now = (dataset.pk, caller.key), time.monotonic()
    with _lock:
        if now - _noted.get(key, -NOTED_EVERY) < NOTED_EVERY:
            return
        if len(_noted) >= MAX_REMEMBERED:
            _noted.clear()
        _noted[key] = now
    values: dict[str, Any] = {
        "dataset": dataset.pk,
        "reader": caller.key,
        "token": caller.token.pk if caller.token else None,
        "user": caller.user.pk,
        "what": what,
        "client": printable(request.headers.get("User-Agent", ""), 200),
        "seconds": NOTED_EVERY,
    }
    with (
        contextlib.suppress(IntegrityError),
        connection.cursor() as cursor,
    ):  # the dataset or token has just been deleted
        cursor.execute(NOTE, values)


def latest(dataset: Dataset, policy: Policy, most: int = 10) -> QuerySet[Reading]:
    """The readers of this dataset, most recent first; a caller who does not see all of it sees only their own entry."""
    found = dataset.readings if policy.is_open else dataset.readings.filter(reader=policy.who)
    return found.select_related("token", "user").order_by(F("at").desc(), "pk")[:most]


def forget() -> None:
    """Resets the state to that of a new process."""
    with _lock:
        _noted.clear()


# Of several processes that write at once only the first one does.
NOTE = """
    INSERT INTO datasets_reading AS r (dataset_id, reader, token_id, user_id, at, what, client)
    SELECT d.id, %(reader)s, t.id, %(user)s, clock_timestamp(), %(what)s, %(client)s
    FROM datasets_dataset AS d LEFT JOIN datasets_accesstoken AS t ON t.id = %(token)s
    WHERE d.id = %(dataset)s AND (t.id IS NOT NULL OR %(token)s::bigint IS NULL)
    ON CONFLICT (dataset_id, reader) DO UPDATE SET at = excluded.at, what = excluded.what, client = excluded.client
    WHERE r.at <= excluded.at - make_interval(secs => %(seconds)s)
"""
