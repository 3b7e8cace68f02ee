"""How long to wait before Amazon is asked again, in this installation's time."""

import random
from datetime import timedelta
from typing import overload

from django.conf import settings

FIRST_POLL, MAX_POLL = timedelta(seconds=10), timedelta(seconds=60)
MAX_BACKOFF = 300.0  # seconds


@overload
def scaled(wait: timedelta) -> timedelta: ...
@overload
def scaled(wait: float) -> float: ...
def scaled(wait: timedelta | float) -> timedelta | float:
    """A real wait (a timedelta, or seconds) as the simulator's faster clock has it: Amazon's rates and our patience go by the
    same factor."""
    return wait / settings.SPAPI_RATE_FACTOR


def backoff(attempts: int) -> float:
    """Seconds until the next try after so many failures in a row: doubling, with jitter, five minutes at most."""
    longest = min(MAX_BACKOFF, 2.0 ** min(attempts, 10))
    return max(0.5, random.uniform(longest / 2, longest) / min(settings.SPAPI_RATE_FACTOR, 20))
