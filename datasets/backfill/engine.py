"""The life of a run: which days, which requests, one step at a time, until done or there is only waiting left.

`advance` may be called for any run, any number of times, by anybody: the lease decides who works, the fence
who lands, and the Days are the only memory. The work of a turn is `turn.py`'s; here stands what ends one from outside.
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
        except FileNotFoundError:  # whoever takes a run over clears away what the worker before it was writing
            if lease.is_held(run_id, fence):
                raise
            _fenced_off(run_id)
            return None
        except SoftTimeLimitExceeded:
            return _took_too_long(run, fence)
        except AWAY as problem:
            return _give_back(run, fence, problem)
        except InternalError as problem:  # Django's word for a line that was cut because its worker stood still
            if not is_away(problem):
                raise
            return _give_back(run, fence, problem)


def _without_report(run: Run, fence: int, reason: str) -> None:
    """The catalogue has dropped the report: no worker can do anything for the run."""
    message = f"{reason} What is in stays. Make another dataset of a report that there is, or go back to a version that has it."
    if not run.end(fence=fence, state=Run.State.FAILED, message=message):
        raise lease.LeaseLost


def _took_too_long(run: Run, fence: int) -> float | None:
    """One step filled the time of a whole task. What is in of it stays; without getting on it is tried so often, and no more."""
    log.warning("run %s: a step took longer than a task may", run.pk)
    connection.close()  # whatever was under way on it
    message = (
        "A step took longer than ten minutes and was broken off. What is in stays, it goes on from there by itself."
    )
    with transaction.atomic():
        if not run.give_back(fence=fence, until=None, message=message):
            _fenced_off(run.pk)
            return None
        for request in Request.in_hand_of(run):
            request.mark_interrupted(
                "Fetching or landing what Amazon has for these days was broken off three times, after ten minutes each, so they "
                "are set aside. The other days go on. They are tried again later; if it stays so, tell the people who run this "
                "installation: the line, the database or the disk may be too slow.",
                run=run,
            )
    return 0


def _fenced_off(run_id: int) -> None:
    log.warning("run %s: fenced off, another worker has it", run_id)


def _give_back(run: Run, fence: int, problem: Exception) -> float | None:
    """The line to the database broke: on a new one the run is given back, so that nobody has to wait for the lease to run out."""
    log.warning("run %s: the database was away (%s)", run.pk, type(problem).__name__)
    for pause in PAUSES:
        time.sleep(pause)
        try:
            connection.close()
            until = database_now() + timedelta(seconds=backoff(1))
            if not run.give_back(fence=fence, until=until, message=busy.words(problem)):
                return None  # another worker has it
            Request.put_down(run)
        except AWAY:
            continue
        return (until - database_now()).total_seconds()
    raise problem
