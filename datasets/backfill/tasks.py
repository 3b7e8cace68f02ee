"""What Celery calls, and what views call: thin, ids in, safe to run twice.

The names under which the broker and beat know the tasks are written out: messages and beat's rows outlive this file's place.
"""

import logging
from datetime import date
from typing import Any

from celery import shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

from connector.accounts.models import User
from connector.database.away import left_to_the_next
from connector.database.clock import database_now
from datasets.backfill import dispatch, engine, housekeeping, runs
from datasets.models import Dataset, Run

log = logging.getLogger(__name__)

COME_BACK_SECONDS = 20  # a wait this short is told to the broker at once; a longer one is the tick's


@shared_task(name="datasets.tasks.advance", acks_late=True, ignore_result=True)
def advance(*, run_id: int, by_hand: bool = False, **_later: Any) -> None:
    """One worker's turn at a run; schedules the next turn if there is soon more to do."""
    wait = engine.advance(run_id)
    if wait is not None and wait <= COME_BACK_SECONDS:
        hint(run_id, wait, by_hand=by_hand)


@shared_task(name="datasets.tasks.tick", ignore_result=True)
def tick(**_later: Any) -> None:
    """Releases dead runs, starts due ones, and sends hints for runs that wait."""
    with left_to_the_next("the tick"):
        now = database_now()
        dispatch.release_dead_leases(now)
        dispatch.start_due(now)
        for run_id, wait, by_hand in dispatch.to_hint(now):
            hint(run_id, wait, by_hand=by_hand)


@shared_task(name="datasets.tasks.housekeeping", ignore_result=True)
def clean(**_later: Any) -> None:
    """Drops what is no longer needed."""
    with left_to_the_next("housekeeping"):
        housekeeping.clean(database_now())


def hint(run_id: int, wait: float = 0.0, *, by_hand: bool) -> None:
    """Tells the broker that a run can get on. Losing the message changes nothing: the tick finds the run again."""
    tell(advance, "interactive" if by_hand else "backfill", wait, run_id=run_id, by_hand=by_hand)


def tell(task: Any, queue: str, wait: float = 0.0, **arguments: Any) -> bool:
    """Puts a task into a queue; False, and no failure, if the broker is unavailable: the work to do is recorded in the
    database."""
    try:
        task.apply_async(kwargs=arguments, countdown=wait or None, queue=queue)
    except (OperationalError, OSError) as problem:
        log.warning(
            "could not notify the broker of %s %s (%s); the tick will", task.name, arguments, type(problem).__name__
        )
        return False
    return True


def start(
    dataset: Dataset, trigger: Run.Trigger = Run.Trigger.MANUAL, by: User | None = None, *, at_once: bool = True
) -> Run:
    """A run for the dataset, on its way to a worker; raises runs.AlreadyRunning. `at_once`: see runs.start."""
    run = runs.start(dataset, trigger, by, now=database_now(), at_once=at_once)
    transaction.on_commit(lambda: hint(run.pk, by_hand=True))
    return run


def reload(dataset: Dataset, first: date, last: date, by: User | None = None) -> Run:
    """Fetches these days again; raises runs.AlreadyRunning."""
    run = runs.reload(dataset, first, last, by, now=database_now())
    transaction.on_commit(lambda: hint(run.pk, by_hand=True))
    return run


def cancel(run: Run) -> None:
    """Asks the run to stop."""
    runs.cancel(run)
    transaction.on_commit(lambda: hint(run.pk, by_hand=True))
