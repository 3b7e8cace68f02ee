"""Which request a run works on next: the newest one that can get on, or a new one for days that nobody has asked for."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import cast

from django.db import transaction
from django.db.models import Max, QuerySet

from connector.accounts.buckets import Place
from connector.catalogue.report import NoWindow
from datasets import retries
from datasets.backfill import sharing, tracing
from datasets.backfill.runs import place_of
from datasets.backfill.set_aside import SetAside
from datasets.backfill.sources import plan
from datasets.backfill.sources.asking import Asking
from datasets.backfill.sources.source import Source
from datasets.models import Day, DayQuerySet, Question, Request, Run

MAX_LANDING_DELAY = timedelta(minutes=15)  # for this long a newer request may delay the landing of older days


class Schedule:
    """The requests of one run, by one worker."""

    def __init__(self, asking: Asking, source: Source, set_aside: SetAside) -> None:
        self.asking, self.source, self.set_aside = asking, source, set_aside
        self.run, self.report = asking.run, asking.report

    def open_requests(self) -> QuerySet[Request]:
        """Those that are not over yet; some may be of an earlier run."""
        return Request.objects.filter(
            dataset=self.run.dataset_id, generation=self.run.generation, state__in=Request.OPEN
        ).select_related("answer")

    def next(self, now: datetime) -> Request | None:
        """The request to work on now, or None where all that there are have to wait.

        Where Amazon works on several at once, asking takes a moment and then keeps it busy: so it never waits behind a landing.
        """
        if parked := self.set_aside.parked():
            return parked
        waiting = list(self.open_requests().filter(is_parked=False).order_by("-last_day"))
        due = [request for request in waiting if request.not_before is None or request.not_before <= now]
        in_flight = self.source.in_flight
        if in_flight > 1:
            to_ask = [request for request in waiting if request.state == Request.State.PLANNED]
            if asks := [request for request in to_ask if request in due]:
                return asks[0]
            if not to_ask and len(waiting) < in_flight and (planned := self._plan(now)):
                return planned
        is_held_up = False
        for request in waiting:
            if request in due and not (is_held_up and request.state == Request.State.COLLECTED):
                return request
            asked_at = request.answer.asked_at
            if asked_at is None or now - asked_at < MAX_LANDING_DELAY:
                is_held_up = True  # newest first: older days wait for younger ones, but not for ever
        return None if waiting or in_flight > 1 else self._plan(now)

    def _plan(self, now: datetime) -> Request | None:
        """The next request for the days that nobody has asked for, or None. A replay or a file asks for nothing."""
        if self.run.trigger in Run.ASKS_NOTHING:
            return None
        if self.set_aside.unanswered_in_a_row() >= retries.MAX_UNANSWERED:
            return None
        unasked = self._next_unasked()
        wanted = list(unasked.values_list("day", flat=True))
        if not wanted:
            return None
        lacking = tracing.lacking(self.report, self.asking.account, self.asking.options)
        question = sharing.question(self.asking, lacking)
        if isinstance(self.report.window, NoWindow):
            first, last = max(wanted), max(wanted)
        else:
            first, last = self._newest_window(wanted)
            first, last = self._as_others_asked(question, last, now) or (first, last)
        with transaction.atomic():
            self.run.hold(self.asking.fence)
            request = Request.plan(
                self.run.dataset,
                self.run.generation,
                first,
                last,
                kind=self.source.kind,
                asked=question,
                lacking=lacking,
            )
            days = unasked.filter(day__range=(first, last))
            days.filter(again=True).update(request=request)
            days.filter(state=Day.State.WANTED).update(request=request, state=Day.State.ASKED)
        return request

    def unasked(self) -> DayQuerySet:
        """Days nobody has asked for. One whose second reading failed in this run is left to the next."""
        return Day.objects.of_run(self.run).unasked().exclude(again=True, run=self.run)

    def _next_unasked(self) -> DayQuerySet:
        """Those to be asked for next: days that never failed, and only after them the others.

        A request never reaches over a day that has failed: what is wrong with that one would be wrong with all of them.
        """
        unasked = self.unasked()
        new = unasked.filter(attempts=0)
        newest = new.aggregate(newest=Max("day"))["newest"]
        if newest is None:
            return unasked
        failed = (
            Day.objects.of_run(self.run).filter(attempts__gt=0, day__lt=newest).aggregate(newest=Max("day"))["newest"]
        )
        return new.filter(day__gt=failed) if failed else new

    def _as_others_asked(self, question: Question, newest: date, now: datetime) -> tuple[date, date] | None:
        """The window of another dataset's request that answers the newest wanted day too: then nothing has to be asked."""
        if self.run.trigger == Run.Trigger.RELOAD:
            return None
        found = sharing.window_of(
            self.run.dataset,
            self.run.generation,
            question["fingerprint"],
            self.report,
            newest,
            zone=self.asking.zone,
            now=now,
        )
        begun_on = cast(date, self.run.first_day)  # it has begun
        return (max(found[0], begun_on), newest) if found else None

    def _newest_window(self, wanted: Collection[date]) -> tuple[date, date]:
        days_in = Day.objects.of_run(self.run).filter(state__in=Day.IN)
        edge = cast(date, self.run.last_day)  # it has begun
        return self.source.windows(wanted, zone=self.asking.zone, edge=edge, days_in=days_in)[0]

    def place_in_line(self, request: Request) -> Place:
        """Where the request stands among all that want the same of Amazon's quota: the newest days go before any history."""
        last_day = cast(date, self.run.last_day)  # it has begun
        is_edge = request.last_day > last_day - timedelta(days=plan.EDGE_DAYS)
        return Place(place_of(self.run), urgent=is_edge)
