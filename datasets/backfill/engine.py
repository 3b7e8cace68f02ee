"""The life of a run: which days, which requests, one step at a time, until done or there is only waiting left.

`advance` may be called for any run, any number of times, by anybody: the lease decides who works, the fence
who lands, and the Days are the only memory.
"""

import logging
import time
from datetime import timedelta

import psycopg
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, InternalError, OperationalError, connection, transaction
from django.db.models import Avg, Max, Min, Q

from connector.accounts import clocks
from connector.accounts.buckets import Place
from connector.accounts.clients import client_for
from connector.accounts.sealing import CannotOpen
from connector.catalogue import index
from connector.catalogue.report import NoWindow
from connector.database.clock import database_now
from connector.spapi import errors
from connector.spapi.explanations import explanation
from datasets import calendar, retries, schedule
from datasets.backfill import days as ledger
from datasets.backfill import fetch, land, lease, plan, refusals, refused, sharing, tracing, window
from datasets.backfill.runs import place_of
from datasets.backfill.set_aside import SetAside
from datasets.backfill.span import Span, span_of
from datasets.models import Dataset, Day, Request, Run

log = logging.getLogger(__name__)

TURN_SECONDS = 120  # a worker lets others have their turn after this long
PATIENCE = timedelta(minutes=15)  # a newer request may hold up the landing of older days for so long
MOST_FAILURES = (
    3  # of a request within a run, for what is usually over soon: a dead page token, a report asked for too soon
)

BUSY = {  # what PostgreSQL answers when the same statement may succeed later, in words for people
    psycopg.errors.LockNotAvailable: "somebody reads the table",
    psycopg.errors.DeadlockDetected: "another statement was in the way",
    psycopg.errors.SerializationFailure: "another statement was in the way",
    psycopg.errors.DiskFull: "its disk is full: make room",
    psycopg.errors.QueryCanceled: "it took too long",
}
AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    OperationalError,
    InterfaceError,
)  # Django's words and the driver's
PAUSES = (0, 1, 2, 4, 8, 15)  # seconds between the tries to tell a database that was away that a run is free


def advance(run_id):
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
                return _without_report(run, fence, problem.args[0])
            return _Turn(run, fence, lost).work()
        except lease.LeaseLost:
            return _fenced_off(run_id)
        except FileNotFoundError:  # whoever takes a run over clears away what the worker before it was writing
            if lease.is_held(run_id, fence):
                raise
            return _fenced_off(run_id)
        except SoftTimeLimitExceeded:
            return _took_too_long(run, fence)
        except AWAY as problem:
            return _give_back(run, fence, problem)
        except InternalError as problem:  # Django's word for a line that was cut because its worker stood still
            if not isinstance(problem.__cause__, AWAY):
                raise
            return _give_back(run, fence, problem)


def _without_report(run, fence, reason):
    """The catalogue has dropped the report: no worker can do anything for the run."""
    message = f"{reason} What is in stays. Make another dataset of a report that there is, or go back to a version that has it."
    if not run.end(fence=fence, state=Run.State.FAILED, message=message):
        raise lease.LeaseLost


def _took_too_long(run, fence):
    """One step filled the time of a whole task. What is in of it stays; without getting on it is tried so often, and no more."""
    log.warning("run %s: a step took longer than a task may", run.pk)
    connection.close()  # whatever was under way on it
    message = (
        "A step took longer than ten minutes and was broken off. What is in stays, it goes on from there by itself."
    )
    with transaction.atomic():
        if not run.give_back(fence=fence, until=None, message=message):
            return _fenced_off(run.pk)
        for request in Request.in_hand_of(run):
            request.mark_interrupted(
                "Fetching or landing what Amazon has for these days was broken off three times, after ten minutes each, so they "
                "are set aside. The other days go on. They are tried again later; if it stays so, tell the people who run this "
                "installation: the line, the database or the disk may be too slow.",
                run=run,
            )
    return 0


def _fenced_off(run_id):
    log.warning("run %s: fenced off, another worker has it", run_id)


def _give_back(run, fence, problem):
    """The line to the database broke: on a new one the run is given back, so that nobody has to wait for the lease to run out."""
    log.warning("run %s: the database was away (%s)", run.pk, type(problem).__name__)
    for pause in PAUSES:
        time.sleep(pause)
        try:
            connection.close()
            until = database_now() + timedelta(seconds=fetch.backoff(1))
            message = f"{_busy(problem)} Nothing was lost, it is tried again by itself."
            if not run.give_back(fence=fence, until=until, message=message):
                return None  # another worker has it
            Request.put_down(run)
        except AWAY:
            continue
        return (until - database_now()).total_seconds()
    raise problem


def _busy(problem):
    """Why the database did not take what it was given, in words for people."""
    cause = problem if isinstance(problem, psycopg.Error) else problem.__cause__
    reason = BUSY.get(type(cause), "the line to it broke")
    return f"The database could not take the rows just now ({reason})."


def _tried_again(days, now):
    """When the first of the days that failed is tried again."""
    due = min((day.not_before for day in days if day.not_before), default=now)
    if due <= now or any(day.not_before is None for day in days):
        return "the next run tries them again"
    return f"the first run after {calendar.written(due)} tries again"


class _Turn:
    """One worker's turn at one run."""

    def __init__(self, run, fence, lost):
        self.run, self.fence, self.lost = run, fence, lost
        self.dataset, self.account = run.dataset, run.dataset.account
        self.report = index.effective(self.dataset.report, self.dataset.options)
        self.zone = window.zone_of(self.report, self.account)
        self._client = None
        self.set_aside = SetAside(run, self.report, lambda: self.client)

    @property
    def client(self):
        if self._client is None:
            self._client = client_for(self.account)
        return self._client

    def work(self):
        began = time.monotonic()
        now = database_now()
        if self.run.first_day is None and now < self.run.deadline:  # however often a worker has died at it
            self._begin()
            now = database_now()
        while True:
            if self.lost.is_set():
                raise lease.LeaseLost
            if self._is_cancelled():
                return self._stop(
                    Run.State.CANCELLED, "Cancelled. The days that are in stay; the next run goes on from here."
                )
            if now >= self.run.deadline:
                return self._stop(
                    Run.State.PARTIAL,
                    "A run lasts 24 hours at the most, and these are over. What is in stays; the next run goes on from here."
                    + self._waited_for(),
                )
            request = self._next(now)
            if request is None:
                return self._yield_or_end(now)
            try:
                told_at = self._step(request)
            except (errors.ConsentLost, errors.SecretRejected) as problem:
                request.wait(None, message=refusals.words(problem))
                return self._stop(Run.State.FAILED, refusals.words(problem))
            except CannotOpen as problem:  # nor could any other request be sent
                request.wait(None, message=str(problem))
                return self._stop(Run.State.FAILED, str(problem))
            except errors.Forbidden as problem:  # so would every other request be
                message = refused.words(self._asking(), request, problem)
                request.fail(message, run=self.run, waits=False)
                return self._stop(Run.State.PARTIAL if self.run.days_done() else Run.State.FAILED, message)
            if time.monotonic() - began > TURN_SECONDS:
                self.run.give_back(fence=self.fence, until=None, message=self._sentence())
                return 0
            # Whoever is told to wait waits: where nothing else is left to do, the run is given back, however short the wait.
            now = told_at or database_now()

    def _waited_for(self):
        """What the newest days that are still asked for wait for, as the end of a message; empty where nothing waits."""
        waiting = self._requests().exclude(message="").order_by("-last_day").first()
        return f" It last waited for this: {waiting.message}" if waiting else ""

    # Which days

    def _begin(self):
        """Writes down which days this run is to bring in. Safe to repeat: it only adds what is missing."""
        now = database_now()
        span = span_of(self.dataset, self.report, clocks.amazons(now, self.account.region))
        scope = {"dataset": self.dataset, "generation": self.run.generation}
        with transaction.atomic():
            self.run.hold(self.fence)
            if len(span):
                with connection.cursor() as cursor:
                    cursor.execute(
                        """
                        INSERT INTO datasets_day (dataset_id, generation, day, state, rows, checksum, attempts, message, again)
                        SELECT %s, %s, day::date, 'wanted', 0, '', 0, '', false
                        FROM generate_series(%s::date, %s::date, interval '1 day') AS day
                        ON CONFLICT DO NOTHING
                        """,
                        [self.dataset.pk, self.run.generation, span.first, span.last],
                    )
            # Before the span grows by what is reloaded: a day that failed and lies outside of it is wanted no more.
            failed = Day.objects.filter(**scope, day__range=(span.first, span.last), state=Day.State.FAILED)
            failed.exclude(not_before__gt=now).update(state=Day.State.WANTED, not_before=None, request=None)
            if self.dataset.mode == Dataset.Mode.REPLACE:
                land.trim(self.dataset, self.run.generation, span.first, span.last)
            elif self.report.has_dates:
                span = self._with_reloaded(span, Day.objects.filter(**scope), now)
            ours = Day.objects.filter(**scope, day__range=(span.first, span.last))
            # A day that another run asked for and that no open request carries any more is simply wanted again.
            stale = ~Q(request__state__in=Request.OPEN) | Q(request=None)
            ours.filter(stale, state=Day.State.ASKED).update(state=Day.State.WANTED, request=None)
            ours.filter(~Q(request__state__in=Request.OPEN), again=True).update(request=None)
            known = [
                ledger.Known(day.day, day.read_until, day.landed_at)
                for day in ours.filter(state__in=Day.IN, again=False).only("day", "read_until", "landed_at")
            ]
            repeated = ledger.again(known, zone=self.zone, now=now, settling_days=self.report.settling_days)
            if self.report.has_dates:
                repeated = ledger.whole_periods(repeated, self.report.window)
            ours.filter(day__in=repeated, state__in=Day.IN).update(again=True)
            tracing.want_again(self.dataset, self.run.generation, span, self.report, self.account)
            # Days that wait for their next try are counted among this run's, as those that it has not brought in.
            waiting = ours.waiting(now)
            total = ours.filter(Day.still_open() | Q(pk__in=waiting.values("pk"))).count()
            waiting.update(run=self.run)
            self.run.span(span.first, span.last, days_total=total)

    def _with_reloaded(self, span, days, now):
        """The span, and days outside of it that are in and to be read once more: the dataset's dates were moved since."""
        outside = days.exclude(day__range=(span.first, span.last))
        outside.filter(state=Day.State.WANTED).delete()  # nothing is in of them, and nobody wants them any more
        again = outside.filter(state__in=Day.IN, again=True)
        if self.report.reach_days:
            earliest = calendar.today(now, self.zone) - timedelta(days=self.report.reach_days)
            again = again.filter(day__gte=earliest)
        edges = again.aggregate(first=Min("day"), last=Max("day"))
        if edges["first"] is None:
            return span
        if not len(span):
            return Span(edges["first"], edges["last"])
        return Span(min(span.first, edges["first"]), max(span.last, edges["last"]))

    def _requests(self):
        return Request.objects.filter(dataset=self.dataset, generation=self.run.generation, state__in=Request.OPEN)

    # Which request

    def _next(self, now):
        """The request to work on now: the newest that can get on, or a new one.

        Asking for a report takes a moment and then keeps Amazon busy, so it never waits behind a landing.
        """
        if parked := self.set_aside.parked():
            return parked
        waiting = list(self._requests().filter(is_parked=False).order_by("-last_day"))
        due = [request for request in waiting if request.not_before is None or request.not_before <= now]
        if self.report.source.is_report:
            to_ask = [request for request in waiting if request.state == Request.State.PLANNED]
            if asks := [request for request in to_ask if request in due]:
                return asks[0]
            if not to_ask and len(waiting) < plan.REPORTS_IN_FLIGHT and (planned := self._plan(now)):
                return planned
        is_held_up = False
        for request in waiting:
            if request in due and not (is_held_up and request.state == Request.State.COLLECTED):
                return request
            if request.asked_at is None or now - request.asked_at < PATIENCE:
                is_held_up = True  # newest first: older days wait for younger ones, but not for ever
        return None if waiting or self.report.source.is_report else self._plan(now)

    def _plan(self, now):
        """The next request for the days that nobody has asked for, or None. A replay or a file asks for nothing."""
        if self.run.trigger in Run.ASKS_NOTHING:
            return None
        if self.set_aside.unanswered_in_a_row() >= retries.MAX_UNANSWERED:
            return None
        unasked = self._next_unasked()
        wanted = list(unasked.values_list("day", flat=True))
        if not wanted:
            return None
        if isinstance(self.report.window, NoWindow):
            first, last = max(wanted), max(wanted)
        else:
            first, last = self._windows(wanted)[0]
            first, last = self._as_others_asked(last, now) or (first, last)
        with transaction.atomic():
            self.run.hold(self.fence)
            request = Request.objects.create(
                dataset=self.dataset,
                generation=self.run.generation,
                first_day=first,
                last_day=last,
                kind="report" if self.report.source.is_report else "pages",
                **self._asking().question(),
            )
            days = unasked.filter(day__range=(first, last))
            days.filter(again=True).update(request=request)
            days.filter(state=Day.State.WANTED).update(request=request, state=Day.State.ASKED)
        return request

    def _unasked(self):
        """Days nobody has asked for. One whose second reading failed in this run is left to the next."""
        return Day.objects.of_run(self.run).unasked().exclude(again=True, run=self.run)

    def _next_unasked(self):
        """Those to be asked for next: days that never failed, and only after them the others.

        A request never reaches over a day that has failed: what is wrong with that one would be wrong with all of them.
        """
        unasked = self._unasked()
        new = unasked.filter(attempts=0)
        newest = new.aggregate(newest=Max("day"))["newest"]
        if newest is None:
            return unasked
        failed = (
            Day.objects.of_run(self.run).filter(attempts__gt=0, day__lt=newest).aggregate(newest=Max("day"))["newest"]
        )
        return new.filter(day__gt=failed) if failed else new

    def _as_others_asked(self, newest, now):
        """The window of another dataset's request that answers the newest wanted day too: then nothing has to be asked."""
        if self.run.trigger == Run.Trigger.RELOAD:
            return None
        found = sharing.window_of(
            self.dataset,
            self.run.generation,
            self._asking().question()["source"],
            newest,
            zone=self.zone,
            now=now,
            settling_days=self.report.settling_days,
        )
        return (max(found[0], self.run.first_day), newest) if found else None

    def _asking(self):
        return fetch.Asking(self.run, self.fence, self.report, self.account, self.zone, self.client, self.lost)

    def _windows(self, wanted):
        edge, source = self.run.last_day, self.report.source
        if source.is_report:
            return plan.for_report(self.report.window, wanted, self.zone, edge=edge, spare=source.burst)
        return plan.windows(wanted, fits=self._fits(), edge=edge, spare=len(wanted) + 1)

    def _fits(self):
        days_in = Day.objects.of_run(self.run).filter(state__in=Day.IN)
        average = days_in.order_by("-day")[:30].aggregate(mean=Avg("rows"))["mean"]
        return plan.at_most(
            plan.widest_for_pages(
                self.report.window.most,
                rows_per_day=average,
                page_rows=self.report.source.page_rows,
                known_days=days_in.count(),
            )
        )

    # One step

    def _step(self, request):
        """One step of one request; what an error means for it is decided here. Answers since when it has to wait, if it has."""
        request.held_by = self.run.pk, self.fence
        request.take_in_hand()
        if request.is_parked:
            self.set_aside.give_up(request, request.message)
            return None
        self.client.place = Place(place_of(self.run), urgent=self._is_edge(request))
        asking = self._asking()
        try:
            asking.step(request)
        except errors.ComeBackLater as later:
            return self._come_back(request, later)
        except (errors.ReportFailed, errors.ReportCancelled) as problem:
            self._report_failed(request, problem, asking)
        except AWAY as problem:
            connection.close()
            attempts = request.attempts + 1
            request.wait(
                database_now() + timedelta(seconds=fetch.backoff(attempts)),
                message=f"{_busy(problem)} Nothing was lost, it is tried again by itself.",
                attempts=attempts,
            )
        except errors.PageTokenDied:
            self._halve(request)
        except errors.Forbidden as problem:
            if not refused.is_asked_anew(asking, request, problem):
                raise
        except errors.Refused as problem:
            if not refused.is_asked_anew(asking, request, problem):
                request.fail(refused.words(asking, request, problem), run=self.run)

    def _come_back(self, request, later):
        """Amazon did not answer, or not yet: the request waits, or is set aside. Answers since when it waits."""
        told_at = database_now()
        if isinstance(later, (errors.Throttled, errors.NotReady, errors.Doubted)):
            wait = later.wait or fetch.backoff(request.attempts)
            request.wait(told_at + timedelta(seconds=wait), message=refusals.words(later))
            return told_at
        attempts = request.attempts + 1
        if self.set_aside.is_due(request, told_at):
            self.set_aside.give_up(
                request,
                f"Amazon has not answered this request since {calendar.written(request.failing_since or told_at)}, in {attempts} "
                f"tries, while it answers others; so it is set aside. The last try: {later.fact}",
            )
            return None
        request.wait(
            told_at + timedelta(seconds=fetch.backoff(attempts)),
            message=refusals.words(later),
            attempts=attempts,
            failing_since=request.failing_since or told_at,
        )
        return told_at

    def _report_failed(self, request, problem, asking):
        """What becomes of the days of a report that Amazon could not build."""
        if isinstance(problem, errors.ReportCancelled):
            said, most = "cancelled, too soon after another one like it.", MOST_FAILURES
        else:
            said, most = problem.reason or "Amazon gave no reason.", retries.MAX_TRIES_IN_A_RUN
        known = explanation(problem.reason) if isinstance(problem, errors.ReportFailed) else None
        if known:
            self._no_data(request, known, said, asking)
        elif request.failures + 1 < most and not request.part_of and not request.days.filter(attempts__gt=0).exists():
            request.start_over(
                database_now() + fetch.scaled(self.report.cooldown),
                message=f"Amazon could not build this report; it is asked for again after its cool-down. Amazon says: {said}",
            )
        else:
            self.set_aside.give_up(request, f"Amazon could not build this report. Amazon says: {said}")

    def _no_data(self, request, known, said, asking):
        """Amazon says that there is no data: not published yet, or never, as the age of the days tells.

        Only a single period is taken to be empty by such a sentence, as of several it does not say which one is meant; and
        never one whose rows are in.
        """
        published_at = calendar.bounds(request.last_day, self.zone)[1] + self.report.published_after
        is_old = known.never_comes and database_now() >= published_at
        if not is_old:
            self.set_aside.give_up(request, f"Amazon has not published the data of these days yet. Amazon says: {said}")
        elif self.set_aside.has_several(request):
            self.set_aside.halve(
                request, f"Amazon says: {said} Asked for again in halves.", part_of=request.part_of or request.pk
            )
        elif request.days.filter(rows__gt=0).exists():
            request.fail(
                f"Amazon no longer gives these days; the rows from before stay. Amazon says: {said}", run=self.run
            )
        else:
            asking.nothing(request, f"Amazon has no data for these dates, by its own word: {said}")

    def _is_edge(self, request):
        """The newest days go before any dataset's history where several want the same of Amazon's quota."""
        return request.last_day > self.run.last_day - timedelta(days=plan.EDGE_DAYS)

    def _halve(self, request):
        """A page token died: the days are asked for in two halves, so that the next chain is over sooner."""
        if request.failures >= MOST_FAILURES:
            request.fail("Amazon's page tokens died three times before the last page was read.", run=self.run)
        elif request.last_day > request.first_day:
            self.set_aside.halve(request, "A page token died; asked again in halves.")
        else:
            request.start_over(None, message="A page token died; asked again from the first page.")

    # How it ends

    def _is_cancelled(self):
        asked = Run.objects.filter(pk=self.run.pk, fence=self.fence).values_list("cancel_requested", flat=True).first()
        if asked is None:
            raise lease.LeaseLost
        return asked

    def _stop(self, state, message):
        if state == Run.State.CANCELLED:
            for request in self._requests():
                request.let_go()
        with transaction.atomic():
            if not self.run.end(fence=self.fence, state=state, message=message):
                raise lease.LeaseLost
            if state != Run.State.CANCELLED:
                self._keep_its_time()
        return None

    def _keep_its_time(self):
        """A time of the schedule that came while this run was under way starts the next one at once: this one's days were fixed."""
        now, dataset = database_now(), Dataset.objects.get(pk=self.dataset.pk)
        came = schedule.next_run(dataset.schedule_kind, dataset.schedule_at, dataset.schedule_zone, self.run.started_at)
        if came and came <= now:
            dataset.run_next(now)

    def _yield_or_end(self, now):
        moments = [moment for moment in self._requests().values_list("not_before", flat=True) if moment is not None]
        if self._requests().exists():
            until = min(moments, default=now + timedelta(seconds=5))
            if not self.run.give_back(fence=self.fence, until=until, message=self._sentence()):
                raise lease.LeaseLost
            return max(0.0, (until - now).total_seconds())
        return self._finish()

    def _finish(self):
        failed, done = self.run.days_failed(), self.run.days_done()
        unasked = 0 if self.run.trigger in Run.ASKS_NOTHING else self._unasked().count()
        without = tracing.summary(self.run, self.report, self.account)
        if failed or unasked:
            lacking = list(self.run.days.filter(Q(state=Day.State.FAILED) | Q(again=True)).order_by("-day"))
            again = _tried_again(lacking, database_now())
            sentences = [f"{failed + unasked} of {failed + done + unasked} days could not be loaded; {again}."]
            if unasked:
                sentences.append(f"Amazon did not answer, so {unasked} of them were not asked for: the next run does.")
            if self.dataset.mode == "replace":
                sentences.append("The rows that readers see are the old ones, since a replace shows nothing half done.")
            sentences += [day.message for day in lacking if day.message][:1]
            sentences += [without] if without else []
            has_failed = not done and (unasked or any(self._has_tried(day) for day in lacking))
            return self._stop(Run.State.FAILED if has_failed else Run.State.PARTIAL, " ".join(sentences))
        if self.dataset.mode == Dataset.Mode.REPLACE:
            land.flip(self.run, self.fence)
        rows = Run.objects.values_list("rows", flat=True).get(pk=self.run.pk)
        if not self.run.days_total:
            message = "Everything was in already; there was nothing to load."
        else:
            message = f"{done} {'day' if done == 1 else 'days'} loaded, {rows:,} rows."
        if without:
            return self._stop(Run.State.PARTIAL, f"{message} {without}")
        return self._stop(Run.State.SUCCEEDED, message)

    def _has_tried(self, day):
        """Whether a day that failed did so in this run, and has not only waited for its next try all along."""
        if day.not_before is None:
            return True
        return day.not_before - fetch.scaled(retries.distance(day.attempts)) >= self.run.started_at

    def _sentence(self):
        """What the run waits for, for the person who looks at it."""
        waiting = self._requests().exclude(message="").order_by("-last_day").first()
        return waiting.message if waiting else ""
