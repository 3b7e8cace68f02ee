"""Starting and cancelling runs: ledger entries only. The engine does the work."""

from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from connector.accounts.models import User
from datasets.models import RUN_LENGTH, Dataset, Day, Run


class AlreadyRunning(Exception):
    """The dataset has an open run."""

    def __init__(self, run: Run | None) -> None:
        super().__init__("A run is already in progress.")
        self.run = run


def start(
    dataset: Dataset, trigger: Run.Trigger, by: User | None = None, *, now: datetime, at_once: bool = True
) -> Run:
    """A queued run; raises AlreadyRunning while one is open.

    A person who asks for it wants the days that have failed tried `at_once`; otherwise these keep waiting for their time.
    """
    try:
        with transaction.atomic():
            # Its row would be waited for with the dataset locked, while a landing that has it waits for the dataset.
            if run := Run.objects.select_for_update().filter(dataset=dataset).open().first():
                raise AlreadyRunning(run)
            held = Dataset.objects.select_for_update().get(pk=dataset.pk)
            if at_once and trigger == Run.Trigger.MANUAL:
                held.days.lift_waits()
            return Run.objects.create(
                dataset=held,
                generation=held.building_generation(),
                trigger=trigger,
                started_by=by,
                queued_at=now,
                deadline=now + RUN_LENGTH,
            )
    except IntegrityError:
        raise AlreadyRunning(dataset.open_run()) from None


def reload(dataset: Dataset, first: date, last: date, by: User | None = None, *, now: datetime) -> Run:
    """These days are fetched again and replaced whole; until then their rows stay as they are. Raises AlreadyRunning."""
    with transaction.atomic():
        run = start(dataset, Run.Trigger.RELOAD, by, now=now)
        first, last = _whole_periods(dataset, first, last)
        days = Day.objects.filter(dataset=dataset, generation=run.generation, day__range=(first, last))
        days.lift_waits()
        days.filter(state__in=Day.IN, from_file=False).update(again=True)  # of the others see `reloadable`
        return run


def reloadable(dataset: Dataset, first: date, last: date) -> QuerySet[Day]:
    """The days of the readers' table that a reload of these ones is about; those of uploaded files are never fetched from Amazon."""
    first, last = _whole_periods(dataset, first, last)
    days = Day.objects.filter(dataset=dataset, generation=dataset.generation, day__range=(first, last))
    return days.exclude(state__in=Day.IN, from_file=True)


def _whole_periods(dataset: Dataset, first: date, last: date) -> tuple[date, date]:
    report = dataset.effective_report
    if report is None or not report.has_dates:  # if the report was dropped, the run says so
        return first, last
    return report.dated_window.period(first)[0], report.dated_window.period(last)[1]


def cancel(run: Run) -> None:
    """Asks the run to stop: immediately if no worker has it, else after the current day."""
    Run.objects.filter(pk=run.pk).open().update(cancel_requested=True, not_before=None, hinted_at=None)


def place_of(run: Run) -> str:
    """The name under which a run queues for Amazon's quota."""
    return f"run {run.pk}"
