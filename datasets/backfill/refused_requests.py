"""What happens to a request that Amazon refuses: it is sent again if the cause can be corrected here, else it fails
with a message.

Two causes are not the dataset's: a window that ends in the future by Amazon's clock, and one marketplace of several that
Amazon does not answer for (`tracing`).
"""

import re

from connector.accounts import clocks
from connector.database.clock import database_now
from connector.spapi import errors
from datasets.backfill import error_texts, tracing
from datasets.backfill.sources.asking import Asking
from datasets.models import Request

MAX_CLOCK_RETRIES = 2  # times that one request is sent again because of the clocks

_OF_TIME = re.compile(
    r"future|current (?:date|time)|prior to|before the time|minutes? (?:before|ago)|createdBefore|lastUpdatedBefore|dataEndTime",
    re.IGNORECASE,
)


def is_sent_again(asking: Asking, request: Request, problem: errors.AmazonRefused) -> bool:
    """Whether the request was put back to be asked once more, in another way than it was refused."""
    return _by_amazons_clock(asking, request, problem) or tracing.begin(asking, request, problem)


def words(asking: Asking, request: Request, problem: errors.AmazonRefused) -> str:
    """The refusal in sentences for run and days, with what is known of its cause."""
    said, ahead = error_texts.words(problem), clocks.ahead_of(asking.account.region)
    if countries := tracing.concerned(asking, request, problem):
        said += f" Amazon was asked for {countries}."
    if abs(ahead) > clocks.WORTH_TELLING and _OF_TIME.search(problem.words_of_amazon):
        said += (
            f" Amazon's clock is {clocks.apart(ahead)}, which may be the cause: synchronise the clock of the "
            "database's machine with NTP, then run the dataset again."
        )
    return said


def _by_amazons_clock(asking: Asking, request: Request, problem: errors.AmazonRefused) -> bool:
    """A window that ended later than Amazon's clock allows, as its own answer has just shown, is asked for up to there."""
    if (
        problem.status != 400
        or request.answer.until_at is None
        or request.failures_of(Request.Cause.CLOCK) >= MAX_CLOCK_RETRIES
    ):
        return False
    if request.answer.until_at <= asking.newest(database_now()):
        return False
    ahead = clocks.ahead_of(asking.account.region)
    request.start_over(
        None,
        cause=Request.Cause.CLOCK,
        message=f"Amazon's clock is {clocks.apart(ahead)}; requested again up to Amazon's current time.",
    )
    return True
