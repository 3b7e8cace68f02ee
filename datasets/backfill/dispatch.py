"""The tick: releases dead leases, starts what is due, and tells the broker. Any number may run at once."""

from datetime import datetime, timedelta

from django.db import connection, transaction

from datasets import retries, schedule
from datasets.backfill import lease
from datasets.models import RUN_LENGTH, Dataset, Request, Run

CLAIM = 500  # datasets a statement; a tick goes on until none is due
HINT_AGAIN = timedelta(seconds=30)  # a hint older than this counts as lost: the broker may have been flushed
HINT_AHEAD = timedelta(seconds=4)  # a little more than the time between two ticks


def release_dead_leases(now: datetime) -> None:
    """Gives back the runs whose worker is gone. A request that has killed three workers in a row fails with its days."""
    with transaction.atomic():
        held = list(Run.objects.select_for_update(skip_locked=True).filter(state=Run.State.RUNNING))
        if held:
            lease.limit_standstill(within=True)
        for run in held:
            if run.lease_until > now and not lease.is_dead(run.lease_owner):
                continue
            run.mark_interrupted()
            for request in Request.in_hand_of(run):
                request.mark_interrupted(
                    "The worker crashed three times on these days without making progress, so they are set aside and "
                    f"{retries.LATER}. The other days continue. If it keeps failing, tell the people who run this "
                    "installation: the answer may be too large for the worker's memory.",
                    run=run,
                )


def start_due(now: datetime) -> int:
    """Starts a run for each dataset that is due; times missed while no tick ran become one run."""
    started = 0
    left: set[int] = set()
    while True:
        with transaction.atomic():
            due = list(
                Dataset.objects.due(now)
                .filter(account__state="connected", account__application__state="ready")
                .exclude(pk__in=left)
                .select_for_update(skip_locked=True, of=("self",))
                .order_by("next_run_at")[:CLAIM]
            )
            found = len(due)
            if found:
                lease.limit_standstill(within=True)
            # A run that is landing or ending has locked its row and waits for its dataset: the tick does not wait for
            # it, and the dataset stays due until the next tick.
            under_way = Run.objects.filter(dataset__in=due).open()
            followed = set(under_way.values_list("dataset", flat=True))
            left |= followed - set(under_way.select_for_update(skip_locked=True).values_list("dataset", flat=True))
            due = [dataset for dataset in due if dataset.pk not in left]
            runs = []
            for dataset in due:
                dataset.next_run_at = schedule.next_run(
                    dataset.schedule_kind, dataset.schedule_at, dataset.schedule_zone, now
                )
                if dataset.pk in followed:  # by another run when it ends
                    continue
                runs.append(
                    Run(
                        dataset=dataset,
                        generation=dataset.building_generation(),
                        trigger=Run.Trigger.SCHEDULE,
                        queued_at=now,
                        deadline=now + RUN_LENGTH,
                    )
                )
            Run.objects.bulk_create(runs, ignore_conflicts=True)
            Dataset.objects.bulk_update(due, ["next_run_at"])
        started += len(due)
        if found < CLAIM:
            return started


def to_hint(now: datetime) -> list[tuple[int, float, bool]]:
    """(id, seconds, whether people started it) of the runs that a worker may go on with now, or before the next tick.

    The seconds are the delay for the worker, so that a wait for Amazon ends on time and not at the next tick. The runs
    are marked as hinted.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE datasets_run SET hinted_at = %(now)s
            WHERE id IN (
                SELECT id FROM datasets_run
                WHERE state IN ('queued', 'waiting') AND coalesce(not_before, '-infinity') <= %(soon)s
                    AND (hinted_at IS NULL OR hinted_at < not_before - %(ahead)s::interval OR hinted_at < %(stale)s)
                ORDER BY queued_at
                FOR UPDATE SKIP LOCKED
            )
            RETURNING id, greatest(0, extract(epoch FROM not_before - %(now)s))::float8, trigger <> 'schedule'
            """,
            {"now": now, "soon": now + HINT_AHEAD, "ahead": HINT_AHEAD, "stale": now - HINT_AGAIN},  # type: ignore[dict-item]  # psycopg takes a timedelta, which Django's stubs do not know
        )
        return [(run_id, wait or 0.0, by_hand) for run_id, wait, by_hand in cursor.fetchall()]
