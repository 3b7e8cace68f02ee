"""How often somebody may ask: requests a minute for each token, wrong tokens a minute for each address. Shared by all web
processes, on the database's clock.

A bucket holds what is allowed in a minute and refills steadily. So that an ordinary request costs nothing, a process
takes a hundredth of the bucket at a time and hands it out locally.
"""

import ipaddress
import math
import threading
import time
from typing import Any, Protocol

from django.conf import settings
from django.db import connection
from django.http import HttpRequest

from datasets.problems import TooMany


class Counted(Protocol):
    """Who asks, as far as counting needs to know: by the key that is theirs alone."""

    @property
    def key(self) -> str: ...


WINDOW = 60.0  # seconds that an empty bucket takes to refill
PARTS = 100  # a process holds at most this part of a bucket
MAX_HELD = 10_000  # callers that a process remembers


class Shares:
    """What this process has taken from each bucket and not given out yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, tuple[int, float]] = {}  # key: (how many, until when)

    def take(self, key: str, most: int) -> float:
        """One from the bucket; answers 0, or the seconds until there is one again."""
        now = time.monotonic()
        with self._lock:
            left, until = self._held.get(key, (0, 0.0))
            if left and now < until:
                self._held[key] = (left - 1, until)
                return 0.0
        share = max(1, most // PARTS)
        if share > 1 and not draw(key, most, share):
            with self._lock:
                if len(self._held) >= MAX_HELD:
                    self._held.clear()  # what was left in it is lost: a hundredth of a minute's allowance
                self._held[key] = (share - 1, now + WINDOW)
            return 0.0
        return draw(key, most, 1)

    def forget(self) -> None:
        """Resets the state to that of a new process."""
        with self._lock:
            self._held.clear()


SHARES = Shares()


def note_request(caller: Counted) -> None:
    """Counts a request of this caller; raises TooMany where the minute's requests are used up."""
    most = settings.REQUESTS_PER_MINUTE
    if wait := SHARES.take(caller.key, most):
        raise TooMany(
            f"This token is limited to {most:,} requests a minute. Wait {math.ceil(wait)} s.", seconds=math.ceil(wait)
        )


def note_wrong_token(request: HttpRequest) -> None:
    """Counts an invalid token; raises TooMany if this address has sent too many. A valid token is never refused."""
    most = settings.WRONG_TOKENS_PER_MINUTE
    if wait := draw(f"wrong {address_of(request)}", most, 1):
        raise TooMany(
            f"{most} invalid tokens were sent from your address within a minute. Wait {math.ceil(wait)} s and check "
            "the token.",
            seconds=math.ceil(wait),
        )


def draw(key: str, most: int, count: int) -> float:
    """Takes `count` from the bucket that holds `most`, or nothing; answers 0, or the seconds until there is one again."""
    numbers: dict[str, Any] = {"key": key, "each": WINDOW / most, "count": count, "window": WINDOW}
    with connection.cursor() as cursor:
        cursor.execute(TAKE, numbers)
        if cursor.fetchone():
            return 0.0
        cursor.execute(LOOK, numbers)
        row = cursor.fetchone()
    return max(row[0], 0.001) if row else 0.001


def address_of(request: HttpRequest) -> str:
    """The client's address; behind a proxy (an https PUBLIC_URL) the last entry of X-Forwarded-For. A whole IPv6
    network counts as one address."""
    text = request.META.get("REMOTE_ADDR", "")
    if settings.HTTPS:
        text = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() or text
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return "unknown"
    if found.version == 6 and found.ipv4_mapped:
        found = found.ipv4_mapped
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))


NOW = "extract(epoch FROM clock_timestamp())::float8"
# A bucket is known by the moment at which it will be full again. No row comes back where too little is in it.
TAKE = f"""
    INSERT INTO datasets_allowance AS a (key, full_at) VALUES (%(key)s, {NOW} + %(count)s * %(each)s)
    ON CONFLICT (key) DO UPDATE SET full_at = greatest(a.full_at, {NOW}) + %(count)s * %(each)s
    WHERE a.full_at <= {NOW} + %(window)s - %(count)s * %(each)s + 1e-6
    RETURNING 1
"""
LOOK = f"""
    SELECT full_at - {NOW} - %(window)s + %(each)s FROM datasets_allowance WHERE key = %(key)s
"""
