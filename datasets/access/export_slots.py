"""How many exports may run at once: of one caller and in all, over all web processes; and in each process fewer than it has
threads, so that pages always find one free.

Across all processes a slot is an advisory lock of the export's own transaction: whatever ends the transaction, even a
kill, releases the slot.
"""

import threading
from collections import Counter
from collections.abc import Callable

import psycopg
from django.conf import settings

from datasets.problems import TooMany

IN_ONE_PROCESS = 8
COME_BACK_SECONDS = 5


class ExportSlots:
    """Counts the exports of this process. Acquire a slot before opening anything, and release it exactly once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    def take(self, who: str) -> Callable[[], None]:
        """A slot for this caller; raises TooMany. Call the returned function to release the slot."""
        with self._lock:
            if self._taken[who] >= settings.EXPORTS_PER_CALLER:
                raise too_many_of_yours()
            if self._taken.total() >= min(IN_ONE_PROCESS, settings.EXPORTS_AT_ONCE):
                raise too_many_here()
            self._taken[who] += 1
        given_back = False

        def give_back() -> None:
            nonlocal given_back
            with self._lock:
                if not given_back:
                    given_back = True
                    self._taken[who] -= 1
                    if not self._taken[who]:
                        del self._taken[who]

        return give_back

    def taken(self) -> int:
        """How many stream in this process."""
        with self._lock:
            return self._taken.total()


EXPORT_SLOTS = ExportSlots()


def take_everywhere(connection: psycopg.Connection, who: str) -> None:
    """A slot among those of all processes, until the connection's transaction ends; raises TooMany."""
    numbers = {
        "own": f"exports of {who}",
        "most_own": settings.EXPORTS_PER_CALLER,
        "all": "exports",
        "most": settings.EXPORTS_AT_ONCE,
    }
    [(has_own, has_one)] = connection.execute(TAKE, numbers).fetchall()
    if not has_own:
        raise too_many_of_yours()
    if not has_one:
        raise too_many_here()


# Tries one lock after the other until one is free.
_FREE = """
    SELECT bool_or(got) FROM (
        WITH RECURSIVE tried (place, got) AS (
            SELECT 1, pg_try_advisory_xact_lock(hashtext(%({name})s), 1)
            UNION ALL
            SELECT place + 1, pg_try_advisory_xact_lock(hashtext(%({name})s), place + 1)
            FROM tried WHERE NOT got AND place < %({most})s
        )
        SELECT got FROM tried
    ) AS tried
"""
TAKE = f"""
    SELECT own, CASE WHEN own THEN ({_FREE.format(name="all", most="most")}) END
    FROM ({_FREE.format(name="own", most="most_own")}) AS own (own)
"""


def too_many_of_yours() -> TooMany:
    return TooMany(
        f"{settings.EXPORTS_PER_CALLER} downloads of yours are already running. Wait for one to finish.",
        seconds=COME_BACK_SECONDS,
    )


def too_many_here() -> TooMany:
    return TooMany("This installation is already serving as many downloads as it can.", seconds=COME_BACK_SECONDS)
