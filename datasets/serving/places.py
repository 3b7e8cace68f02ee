"""How many exports may run at once in this process: fewer than it has threads, so that pages always find one free."""

import threading
from collections import Counter

from django.conf import settings

from datasets.serving.problems import TooMany

AT_ONCE = 8
PER_CALLER = 4
COME_BACK_SECONDS = 5


class Places:
    """Counts who streams. Take one before opening anything, give it back exactly once."""

    def __init__(self):
        self._lock = threading.Lock()
        self._taken = Counter()

    def take(self, who):
        """A place for this caller; raises TooMany. Call what it returns to give the place back."""
        at_once = getattr(settings, "EXPORTS_AT_ONCE", AT_ONCE)
        per_caller = getattr(settings, "EXPORTS_PER_CALLER", PER_CALLER)
        with self._lock:
            if self._taken[who] >= per_caller:
                raise TooMany(
                    f"{per_caller} downloads of yours are under way already. Wait for one to end.",
                    seconds=COME_BACK_SECONDS,
                )
            if self._taken.total() >= at_once:
                raise TooMany(
                    f"{at_once} downloads are under way here. Try again in a few seconds.", seconds=COME_BACK_SECONDS
                )
            self._taken[who] += 1
        given_back = False

        def give_back():
            nonlocal given_back
            with self._lock:
                if not given_back:
                    given_back = True
                    self._taken[who] -= 1
                    if not self._taken[who]:
                        del self._taken[who]

        return give_back

    def taken(self):
        with self._lock:
            return self._taken.total()


PLACES = Places()
