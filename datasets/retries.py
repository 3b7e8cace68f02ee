"""When days and requests that have failed are tried again. Pure, in Amazon's real time; callers scale it.

A day that could not be had keeps a count of its failures in the ledger. Each failure puts the next try farther away, whoever
starts the runs in between, so a day that Amazon cannot give costs a few requests a week and not a few in every run.
"""

from datetime import timedelta

SLACK = timedelta(hours=2)  # the failure comes some time after its run began: a daily schedule's next run is a try
DISTANCES = (  # from a day's first, second, … failure to its next attempt; after that, always the last value
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(days=1) - SLACK,
    timedelta(days=3) - SLACK,
    timedelta(days=7) - SLACK,
)
MAX_TRIES_IN_A_RUN = 2  # of a report that Amazon could not build: the second one after the report's cool-down

# A request that Amazon does not answer, while it answers others.
UNANSWERED_TIMEOUT = timedelta(minutes=30)  # from its first failure until it is set aside
MIN_TRIES = 8  # however long that took; with the pauses between them, about six minutes
MIN_TRIES_OF_A_PART = 3  # of a request whose whole was set aside before, or that follows one that was
MAX_UNANSWERED = 3  # requests of a run set aside in a row; what it has not asked for by then is left to the next
FILLS_THROTTLED = 4  # a request that meets nothing but 429: so many times as long as its quota takes to fill up again
EVIDENCE = timedelta(minutes=5)  # for this long, an answer to any request of the account proves that Amazon answers


def in_words(distance: timedelta) -> str:
    """A distance as people say it: an hour, 4 hours, a day, 3 days, a week. The slack of a day and more is left out."""
    hours = round(distance / timedelta(hours=1))
    if hours < 20:
        return "an hour" if hours == 1 else f"{hours} hours"
    days = round((distance + SLACK) / timedelta(days=1))
    return {1: "a day", 7: "a week"}.get(days, f"{days} days")


# What every message says of days that have failed. How often these have failed before is not known where it is written, and it
# stays on the day's page until the next try, which may be a week away: "the next run" would be untrue.
LATER = f"retried by later runs, {in_words(DISTANCES[0])} after the first failure and then at increasing intervals of up to {in_words(DISTANCES[-1])}"


def distance(failures: int) -> timedelta:
    """How long after a day's failure it is tried again; `failures` counts this one too, so it is 1 or more."""
    return DISTANCES[min(max(failures, 1), len(DISTANCES)) - 1]
