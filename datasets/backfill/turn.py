"""One worker's turn at one run: step by step, until the run is over, has to wait, or has had its turn."""

import time
from datetime import datetime, timedelta
from threading import Event
from typing import cast

from django.db import transaction

from connector.accounts.sealing import CannotOpen
from connector.catalogue import index as catalogue
from connector.database.clock import database_now
from connector.spapi import errors
from datasets import schedule
from datasets.backfill import beginning, ending, error_texts, lease, refused_requests, window
from datasets.backfill.outcomes import Outcomes
from datasets.backfill.scheduling import Schedule
from datasets.backfill.set_aside import SetAside
from datasets.backfill.sources import index
from datasets.backfill.sources.asking import Asking
from datasets.models import Dataset, Request, Run

TURN_SECONDS = 120  # after this long a worker yields to others


class Turn:
    """A run in the hands of the worker that has its lease. `lost` is set once another one has taken it over."""

    def __init__(self, run: Run, fence: int, lost: Event) -> None:
        self.run, self.fence, self.lost = run, fence, lost
        dataset, account = run.dataset, run.dataset.account
        report = catalogue.effective(dataset.report, dataset.options)
        self.asking = Asking(run, fence, report, account, window.zone_of(report, account), lost)
        self.set_aside = SetAside(run, report, lambda: self.asking.client)
        self.schedule = Schedule(self.asking, index.of(report), self.set_aside)
        self.outcomes = Outcomes(self.asking, self.set_aside)

    def work(self) -> float | None:
        """Answers in how many seconds to come back, or None where the run is over. Raises lease.LeaseLost."""
        began = time.monotonic()
        if self._is_of_another_zone():
            return 0
        now = database_now()
        if self.run.first_day is None and now < self.run.deadline:  # however often a worker has died at it
            beginning.begin(self.asking)
            now = database_now()
        while True:
            if self.lost.is_set():
                raise lease.LeaseLost
            if self._is_cancelled():
                return self._stop(Run.State.CANCELLED, f"Cancelled. {self._what_is_kept()}")
            if now >= self.run.deadline:
                message = f"The run reached its limit of 24 hours. {self._what_is_kept()}"
                if waited_for := self._sentence():
                    message += f" It was last waiting for: {waited_for}"
                return self._stop(Run.State.PARTIAL, message)
            request = self.schedule.next(now)
            if request is None:
                return self._yield_or_end(now)
            try:
                told_at = self._step(request)
            except (errors.ConsentLost, errors.SecretRejected) as problem:
                request.wait(None, message=error_texts.words(problem))
                return self._stop(Run.State.FAILED, error_texts.words(problem))
            except CannotOpen as problem:  # nor could any other request be sent
                request.wait(None, message=str(problem))
                return self._stop(Run.State.FAILED, str(problem))
            except errors.AccessDenied as problem:  # so would every other request be
                message = refused_requests.words(self.asking, request, problem)
                request.fail(message, run=self.run, waits=False)
                return self._stop(Run.State.PARTIAL if self.run.days_done() else Run.State.FAILED, message)
            if time.monotonic() - began > TURN_SECONDS:
                self.run.give_back(fence=self.fence, until=None, message=self._sentence())
                return 0
            # Whoever is told to wait waits: where nothing else is left to do, the run is given back, however short the wait.
            now = told_at or database_now()

    def _is_of_another_zone(self) -> bool:
        """Whether the days so far were counted in another zone than the account has by now: then the run begins
        again."""
        dataset, zone = self.run.dataset, self.asking.zone
        if dataset.days_zone == zone or not self.asking.report.has_dates:
            return False
        with transaction.atomic():
            self.run.hold(self.fence)
            before = dataset.days_zone
            dataset.count_days_in(zone)
        return bool(before)

    def _step(self, request: Request) -> datetime | None:
        """One step of the request; answers since when it has to wait, if it has."""
        request.held_by = self.run.pk, self.fence
        request.claim()
        if request.is_parked:
            self.set_aside.give_up(request, request.message)
            return None
        self.asking.client.place = self.schedule.place_in_line(request)
        return self.outcomes.step(request)

    # How it ends

    def _what_is_kept(self) -> str:
        """What a run that ends early leaves, and how to come by the rest."""
        is_of_file = self.run.trigger == Run.Trigger.FILE
        rest = "load the file again for the others" if is_of_file else "the next run continues from here"
        return f"Days already loaded are kept; {rest}."

    def _is_cancelled(self) -> bool:
        asked = Run.objects.filter(pk=self.run.pk, fence=self.fence).values_list("cancel_requested", flat=True).first()
        if asked is None:
            raise lease.LeaseLost
        return asked

    def _stop(self, state: Run.State, message: str) -> float | None:
        """Ends the run; answers None, as `work` does of a run that is over."""
        if state == Run.State.CANCELLED:
            for request in self.schedule.open_requests():
                request.abandon()
        with transaction.atomic():
            if not self.run.end(fence=self.fence, state=state, message=message):
                raise lease.LeaseLost
            if state != Run.State.CANCELLED:
                self._keep_its_time()
        return None

    def _keep_its_time(self) -> None:
        """A time of the schedule that came while this run was under way starts the next one at once: this one's days were fixed."""
        now, dataset = database_now(), Dataset.objects.get(pk=self.run.dataset_id)
        began = cast(datetime, self.run.started_at)  # with its first lease
        came = schedule.next_run(dataset.schedule_kind, dataset.schedule_at, dataset.schedule_zone, began)
        if came and came <= now:
            dataset.run_next(now)

    def _yield_or_end(self, now: datetime) -> float | None:
        waits = list(self.schedule.open_requests().values_list("not_before", flat=True))
        if waits:
            until = min((wait for wait in waits if wait is not None), default=now + timedelta(seconds=5))
            if not self.run.give_back(fence=self.fence, until=until, message=self._sentence()):
                raise lease.LeaseLost
            return max(0.0, (until - now).total_seconds())
        unasked = 0 if self.run.trigger in Run.ASKS_NOTHING else self.schedule.unasked().count()
        end = ending.end_of(self.asking, unasked)
        return self._stop(end.state, end.message)

    def _sentence(self) -> str:
        """What the run waits for, for the person who looks at it: the newest days that are still asked for tell."""
        waiting = self.schedule.open_requests().exclude(message="").order_by("-last_day").first()
        return waiting.message if waiting else ""
