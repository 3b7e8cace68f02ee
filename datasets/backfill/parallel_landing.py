"""Lands large days two at a time: the server has a core for each of two COPYs, and one connection keeps one busy.

Rows are copied in parallel, commits stay in order: a newer day is committed before the older one. Any failure ends the
parallel landing; days that are not committed by then are landed one by one in the ordinary way, where each error is
handled.
"""

import threading
from collections.abc import Callable, Collection, Sequence

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, connections

from datasets.models import Day

LANES = 2
WORTH_IT = 8 << 20  # bytes of rows below which a second connection costs more than it saves


class NotYet(Exception):
    """A newer day did not land, so this one must not land either."""


def is_worth_it(sizes: Collection[int]) -> bool:
    """Whether days of this many bytes should be landed in parallel."""
    return len(sizes) > 1 and sum(sizes) >= WORTH_IT and not connection.in_atomic_block


def land(days: Sequence[Day], land_one: Callable[[Day, Callable[[], None]], None]) -> None:
    """Calls `land_one(day, turn)` for each day, newest first, until all are in or something goes wrong.

    `land_one` calls `turn()` when its rows are copied and only the commit is left. It comes back when all newer days are
    in, and raises NotYet, which must undo the transaction, when one of them is not.
    """
    over = [threading.Event() for _ in days]
    guard = threading.Lock()
    state = {"next": 0, "wrong": False}

    def lane() -> None:
        while True:
            with guard:
                number = state["next"]
                if state["wrong"] or number == len(days):
                    return
                state["next"] = number + 1

            def turn(number: int = number) -> None:
                if number:
                    over[number - 1].wait()
                if state["wrong"]:
                    raise NotYet

            try:
                land_one(days[number], turn)
            except SoftTimeLimitExceeded:
                state["wrong"] = True
                raise
            except Exception:  # handled when the day is landed on its own
                state["wrong"] = True
            except BaseException:
                state["wrong"] = True
                raise
            finally:
                over[number].set()

    def other_lane() -> None:
        try:
            lane()
        finally:
            connections.close_all()

    others = [threading.Thread(target=other_lane, name=f"landing-{number}") for number in range(1, LANES)]
    for thread in others:
        thread.start()
    try:
        lane()
    finally:
        for thread in others:
            thread.join()
