"""Pause, resume, clear and remove a dataset, even while a run is open."""

from datetime import date, datetime

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from connector.accounts.models import User
from datasets import schedule
from datasets.backfill import runs
from datasets.backfill.sources import index
from datasets.backfill.sources.progress import Progress
from datasets.models import Dataset, Day, Request, Run


def pause(dataset: Dataset) -> None:
    """No more scheduled runs; a run in progress finishes normally."""
    Dataset.objects.filter(pk=dataset.pk).update(paused=True)


def resume(dataset: Dataset, now: datetime) -> None:
    """Scheduled runs again, from the next time on; what was missed is caught up by that run."""
    upcoming = schedule.next_run(dataset.schedule_kind, dataset.schedule_at, dataset.schedule_zone, now)
    Dataset.objects.filter(pk=dataset.pk).update(paused=False, next_run_at=upcoming)


def clear(dataset: Dataset) -> None:
    """All rows and the whole ledger go, the definition stays: the next run begins again.

    Readers of the old rows keep them until they are done; housekeeping drops the table later.
    """
    with transaction.atomic():
        held = hold(dataset)
        last = _fence_off(held, "The dataset was cleared.")
        Day.objects.filter(dataset=held).delete()
        Request.objects.filter(dataset=held).delete()
        Dataset.objects.filter(pk=held.pk).update(
            generation=max(last, held.generation) + 1, rows=0, columns=[], version=F("version") + 1, changed_at=Now()
        )
    dataset.refresh_from_db()


def remove(dataset: Dataset) -> None:
    """Deletes the dataset, its ledger and its tokens' access to it; housekeeping drops the rows."""
    with transaction.atomic():
        held = hold(dataset)
        _fence_off(held, "The dataset was deleted.")
        held.delete()


class NothingToReplay(Exception):
    """No raw answer of these days is kept any more, or the dataset is of a kind that cannot be replayed."""


def replay(dataset: Dataset, first: date, last: date, by: User | None = None, *, now: datetime) -> Run:
    """Lands these days again from the raw answers that are kept on this machine, without a call to Amazon.

    For use after a parser was fixed. A day whose newest answer is not stored here is left unchanged. Raises
    runs.AlreadyRunning, or NothingToReplay with what to do instead.
    """
    if dataset.mode == Dataset.Mode.REPLACE:
        raise NothingToReplay("A replace loads its whole range again with each run. Press Run now instead.")
    with transaction.atomic():
        run, report = runs.start(dataset, Run.Trigger.REPLAY, by, now=now), dataset.effective_report
        answers = Request.objects.filter(
            dataset=dataset,
            generation=run.generation,
            state__in=(Request.State.DONE, Request.State.FAILED),
            answer__asked_at__isnull=False,
            first_day__lte=last,
            last_day__gte=first,
        )
        answers = answers.select_related("answer").order_by("-answer__asked_at")
        days = Day.objects.filter(
            dataset=dataset, generation=run.generation, state__in=Day.IN, day__range=(first, last), again=False
        )
        found = 0
        newer: set[date] = set()
        for request in answers:
            covered = days.filter(day__range=(request.first_day, request.last_day)).exclude(day__in=newer)
            # A failed request may have landed some of its days before; of Amazon's word that there is nothing no rows can come.
            is_done = request.state == Request.State.DONE and Progress.of(request.answer).nothing is None
            if not is_done or report is None or not index.of_request(request, report).is_here(request.answer):
                newer.update(covered.values_list("day", flat=True))  # an older answer would overwrite newer rows
            elif taken := covered.update(again=True, request=request, checksum=""):
                request.reopen()
                found += taken
        if not found:
            raise NothingToReplay(
                "The latest raw answer for these days is not stored on this machine. Reload them from Amazon instead."
            )
        run.span(first, last, days_total=found)
    return run


def hold(dataset: Dataset) -> Dataset:
    """The dataset as it is now, locked after its open run, as a landing locks them: the other way round each could wait
    for the other. Within a transaction. Raises Dataset.DoesNotExist where it was deleted meanwhile."""
    list(Run.objects.select_for_update().filter(dataset=dataset).open())
    return Dataset.objects.select_for_update().get(pk=dataset.pk)


def _fence_off(dataset: Dataset, message: str) -> int:
    """Ends the open run so that nothing its worker still tries can land; returns the highest generation ever used."""
    Run.objects.filter(dataset=dataset).open().update(
        state=Run.State.CANCELLED,
        fence=F("fence") + 1,
        message=message,
        ended_at=Now(),
        lease_until=None,
        lease_owner="",
    )
    return dataset.runs.order_by("-generation").values_list("generation", flat=True).first() or 0
