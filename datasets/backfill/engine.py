"""Takes a run on, as far as it gets: the lease, a worker's turn, and what breaks one off from outside.

`advance` may be called for any run, any number of times, by any worker: the lease decides who works, the fence who
lands, and all that a turn leaves stands in the ledger. The work of a turn is `turn.py`'s.
"""

import logging
import time
from datetime import timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InternalError, connection, transaction

from connector.catalogue import index
from connector.database.away import AWAY, is_away
from connector.database.clock import database_now
from datasets.backfill import busy, lease
from datasets.backfill.sources.waits import backoff
from datasets.backfill.turn import Turn
from datasets.models import Request, Run

log = logging.getLogger(__name__)

PAUSES = (0, 1, 2, 4, 8, 15)  # seconds between the tries to tell a database that was away that a run is free


def advance(run_id: int) -> float | None:
    """Works on the run until it is over, has to wait, or has had its turn. Answers in how many seconds to come back, or None."""
    fence = lease.take(run_id)
    if fence is None:
        return None
    run = Run.objects.select_related("dataset__account__application").get(pk=run_id)
    with lease.heartbeat(run_id, fence) as lost:
        try:
            try:
                index.get(run.dataset.report)
            except KeyError as problem:
                _without_report(run, fence, problem.args[0])
                return None
            return Turn(run, fence, lost).work()
        except lease.LeaseLost:
            _fenced_off(run_id)
            return None
        except SoftTimeLimitExceeded:
            return _took_too_long(run, fence)
        except AWAY as problem:
            return _give_back(run, fence, problem)
        except InternalError as problem:  # Django's error for a connection closed because its worker stalled
            if not is_away(problem):
                raise
            return _give_back(run, fence, problem)


def _without_report(run: Run, fence: int, reason: str) -> None:
    """The catalogue no longer has the report: the run cannot do anything."""
    message = f"{reason} Loaded rows are kept. Create another dataset with an available report, or go back to a version that has it."
    if not run.end(fence=fence, state=Run.State.FAILED, message=message):
        raise lease.LeaseLost


def _took_too_long(run: Run, fence: int) -> float | None:
    """One step took the time of a whole task. Its landed days are kept; without progress it is retried only a few
    times."""
    log.warning("run %s: a step took longer than a task may", run.pk)
    connection.close()  # whatever was under way on it
    message = (
        "A step took longer than ten minutes and was interrupted. Loaded days are kept, and the run continues from "
        "there automatically."
    )
    with transaction.atomic():
        if not run.give_back(fence=fence, until=None, message=message):
            _fenced_off(run.pk)
            return None
        for request in Request.in_hand_of(run):
            request.mark_interrupted(
                "Downloading or loading these days was interrupted three times, after ten minutes each, so they are "
                "set aside. The other days continue. They are tried again later; if it keeps failing, tell the people "
                "who run this installation: the network, the database or the disk may be too slow.",
                run=run,
            )
    return 0


def _fenced_off(run_id: int) -> None:
    log.warning("run %s: fenced off, another worker has it", run_id)


def _give_back(run: Run, fence: int, problem: Exception) -> float | None:
    """The connection to the database broke: the run is released over a new one, so that nobody has to wait for the
    lease to expire."""
    log.warning("run %s: the database was unavailable (%s)", run.pk, type(problem).__name__)
    for pause in PAUSES:
        time.sleep(pause)
        try:
            connection.close()
            until = database_now() + timedelta(seconds=backoff(1))
            if not run.give_back(fence=fence, until=until, message=busy.words(problem)):
                return None  # another worker has it
            Request.release(run)
        except AWAY:
            continue
        return (until - database_now()).total_seconds()
    raise problem
