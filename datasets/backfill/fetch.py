"""Marries a report of the catalogue with Amazon's API: asks, waits, collects, and hands the days to land.py.

A request is taken one step further at a time, and what Amazon gave is written down before the next step:
planned → asked → ready → collected → done. A worker that dies leaves a row from which any other goes on.
"""

import random
import shutil
from datetime import timedelta
from functools import partial

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from connector.accounts import clocks
from connector.catalogue.report import NoWindow
from connector.database.clock import database_now
from connector.spapi import documents, errors, marketplaces, pages, reports
from connector.spapi.operations import OPERATIONS
from connector.spapi.specification import Asked
from datasets import calendar
from datasets.backfill import abreast, land, own_file, refusals, sharing, tracing, window
from datasets.backfill.lease import LeaseLost
from datasets.backfill.raw_files import raw_folder
from datasets.backfill.reading import Reading
from datasets.models import Request, Run
from datasets.storage import modes, stage

FIRST_POLL, LONGEST_POLL = timedelta(seconds=10), timedelta(seconds=60)
LONGEST_BACKOFF = 300.0
REPORT_PATIENCE = timedelta(hours=72)  # Amazon has been seen to take days; a second request would not be quicker
MOST_BYTES = 20 << 30
MOST_READINGS = 3
MOST_PASSED_ON = 20  # times that a page chain is left to the machine that has its pages
MOST_LOST = 3  # times that a report is asked for of which Amazon then knows nothing
CLOCK_SKEW = timedelta(minutes=5)  # beyond what is known of the difference
ON_ITS_WAY = 5.0  # seconds after which a report that was asked for is certainly on Amazon's list
TOO_SOON = timedelta(hours=1)  # within which Amazon may cancel a report because of an earlier one like it


def scaled(wait):
    """A real wait as the simulator's faster clock has it: Amazon's rates and our patience go by the same factor."""
    return wait / settings.SPAPI_RATE_FACTOR


def backoff(attempts):
    """Seconds until the next try after so many failures in a row: doubling, with jitter, five minutes at the most."""
    longest = min(LONGEST_BACKOFF, 2.0 ** min(attempts, 10))
    return max(0.5, random.uniform(longest / 2, longest) / min(settings.SPAPI_RATE_FACTOR, 20))


def _lasting(request):
    """What of the cursor outlives a chain that begins anew."""
    return {name: value for name, value in request.cursor.items() if name == "page_size"}


class Asking:
    """One worker's dealings with Amazon on behalf of one run."""

    def __init__(self, run, fence, report, account, zone, client, lost):
        self.run, self.fence, self.report = run, fence, report
        self.account, self.zone, self.client, self.lost = account, zone, client, lost
        self.answers = run.dataset.options
        self.mark = (
            f"{run.pk}-{fence}"  # files under way bear it, so that a worker which lost the run writes into nobody's
        )

    def step(self, request):
        """Takes the request as far as it gets without waiting; raises spapi.errors for the engine to judge."""
        if request.state == Request.State.PLANNED:
            self._ask(request)
        elif request.state == Request.State.ASKED:
            self._check(request) if self.report.source.is_report else self._read_pages(request)
        elif request.state == Request.State.READY:
            self._fetch(request)
        else:
            self._land(request)

    # Asking

    def _ask(self, request):
        if tracing.is_under_way(request):
            tracing.go_on(self, request)
            return
        if request.lacking and request.asked_at is None:
            tracing.look_again(self, request)
        if not self.report.source.is_report:
            self._unless_shared(request, partial(self._begin_pages, request))
            return
        # Asked, and yet no id: a worker died, or the line was cut, before Amazon's answer was written down.
        if request.asked_at is not None:
            found = self._find_orphan(request)
            if found:
                request.got_on(state=Request.State.ASKED, amazon_id=found, cursor={"polls": 0}, answered_at=Now())
                return
            if "sought" not in request.cursor:  # what was sent in that last moment may not have arrived yet
                request.keep(cursor={"sought": True})
                raise errors.NotReady("Amazon may have been asked for this report already.", wait=ON_ITS_WAY)
        if not self._unless_shared(request, request.intend):
            return
        try:
            amazon_id = reports.create(self.client, **self.wish(request))
        except (errors.Throttled, errors.Refused):
            request.unintend()  # Amazon said no: there is nothing to look for
            raise
        request.got_on(
            state=Request.State.ASKED,
            amazon_id=amazon_id,
            cursor={"polls": 0},
            answered_at=Now(),
            not_before=request.asked_at + scaled(FIRST_POLL),
            message="Amazon is building the report.",
        )

    def _unless_shared(self, request, intend):
        """Writes down that Amazon is about to be asked, unless another dataset's answer serves: then False."""
        with transaction.atomic():
            sharing.one_asks(request.source)
            now = database_now()
            if request.asked_at is None and self._share(request, now):
                return False
            from_at, until_at = self._window(request, now)
            intend(asked_at=now, from_at=from_at, until_at=until_at)
        return True

    @staticmethod
    def _begin_pages(request, **asked):
        request.got_on(state=Request.State.ASKED, cursor=_lasting(request), **asked)

    def _share(self, request, now):
        """Uses another dataset's answer to the same question, where there is one. What is reloaded is asked anew."""
        if self.run.trigger == Run.Trigger.RELOAD or not request.source:
            return False
        other = sharing.find(request, zone=self.zone, now=now, settling_days=self.report.settling_days)
        if other is None:
            return False
        if other.state in sharing.UNDER_WAY:
            raise errors.NotReady(
                f"{other.dataset.name} is asking Amazon for the same days; the answer will serve both.",
                wait=max(1.0, scaled(FIRST_POLL).total_seconds()),
            )
        try:
            sharing.adopt(request, other)
        except FileNotFoundError:  # dropped this very moment
            return False
        return True

    def question(self, lacking=None):
        """What a new request is to ask, whatever the dates: `source` as equal ones have it, and the marketplaces left out."""
        if lacking is None:
            lacking = tracing.lacking(self.report, self.account, self.answers)
        places = [marketplaces.by_country(country).id for country in self._countries(lacking)]
        return {
            "source": sharing.source(self.account, self.report, places, self.answers, self.zone),
            "lacking": list(lacking),
        }

    def _window(self, request, now):
        """The instants to ask for: the days' bounds, and nothing younger than Amazon answers for, by its own clock."""
        if isinstance(self.report.window, NoWindow):
            return None, None
        from_at, _ = calendar.bounds(request.first_day, self.zone)
        _, until_at = calendar.bounds(request.last_day, self.zone)
        newest = self.newest(now)
        if newest <= from_at:  # the day has begun by our clock, and not yet by Amazon's
            wait = (from_at - newest).total_seconds() + 1
            raise errors.NotReady(
                "By Amazon's clock this day has only just begun; it is asked for in a moment.", wait=wait
            )
        return from_at, min(until_at, newest)

    def newest(self, now):
        """The youngest instant that Amazon can be asked for."""
        return clocks.amazons(now, self.account.region) - self.report.lag

    def set_window(self, request):
        """Fixes the instants to ask for, where a question is asked in parts before it is asked as a whole."""
        if request.asked_at is None:
            from_at, until_at = self._window(request, database_now())
            request.keep(from_at=from_at, until_at=until_at)

    def wish(self, request, countries=None):
        """What to ask of Amazon: for the request's marketplaces, or for these countries."""
        edges = request.from_at, request.until_at
        if self.report.source.is_report and self.report.source.by_dates and request.from_at:
            edges = window.as_dates(*edges, self.zone)
        if countries is None:
            countries = self._countries(request.lacking)
        places = [marketplaces.by_country(country).id for country in countries]
        return self.report.request(*edges, places, self.answers)

    def asked(self, request):
        """What Amazon was asked for with this request, to be held against what its answer says of itself."""
        wish = self.wish(request)
        return Asked(
            wish["report_type"],
            tuple(wish["marketplace_ids"]),
            wish["start"],
            wish["end"],
            wish["options"],
            by_dates=self.report.source.by_dates,
            zone=self.zone,
        )

    def _countries(self, lacking):
        chosen = self.answers.get("marketplaces") or self.account.marketplaces
        return [country for country in chosen if country not in lacking]

    def _same_reports(self, request, since):
        wish = self.wish(request)
        places = wish["marketplace_ids"]
        return reports.find(self.client, wish["report_type"], places, wish["start"], wish["end"], since=since)

    def _find_orphan(self, request):
        found = self._same_reports(request, clocks.amazons(request.asked_at, self.account.region) - CLOCK_SKEW)
        taken = set(
            Request.objects.exclude(amazon_id="")
            .filter(dataset__account=self.account)
            .values_list("amazon_id", flat=True)
        )
        return next((report_id for report_id, *_ in found if report_id not in taken), None)

    # Reports: wait and download

    def _check(self, request):
        try:
            document_id = self._poll(request)
        except errors.NotReady as problem:
            if database_now() - request.asked_at > REPORT_PATIENCE:
                raise errors.Refused(
                    "Amazon has not finished this report in 72 hours. It is asked for anew with the next try."
                ) from None
            polls = request.cursor.get("polls", 0)
            request.keep(cursor={"polls": polls + 1}, answered_at=Now(), attempts=0, failing_since=None)
            wait = min(LONGEST_POLL, FIRST_POLL * 1.3**polls)
            raise errors.NotReady(
                "Amazon is building the report.", wait=max(0.5, scaled(wait).total_seconds())
            ) from problem
        except errors.AnotherReport as problem:
            raise errors.Refused(
                f"{problem.message} Nothing was loaded; the next run asks for the report anew."
            ) from None
        except errors.Refused as problem:
            if problem.status != 404:
                raise
            if request.failures + 1 >= MOST_LOST:
                raise errors.Refused(
                    f"Amazon took the question {MOST_LOST} times, and knew nothing of the report each time. It is asked for "
                    "anew with the next try.",
                    status=problem.status,
                ) from None
            request.start_over(
                database_now() + scaled(max(self.report.cooldown, TOO_SOON / 4)),
                message="Amazon no longer knows the report that was asked for; it is asked for anew after a while.",
            )
        except errors.ReportCancelled as problem:
            self._cancelled(request, problem)
        except errors.ReportFailed as problem:
            problem.reason = self._reason(request, problem)
            raise
        except errors.NothingThere:
            self.nothing(request, "Amazon's report for this day has no rows.")
        else:
            request.got_on(state=Request.State.READY, document_id=document_id, answered_at=Now())

    def _poll(self, request):
        """The report's document. Whatever Amazon says of the report, and be it that there is none, is an answer."""
        try:
            return reports.check(self.client, request.amazon_id, self.asked(request))
        except (errors.ComeBackLater, errors.ConsentLost, errors.SecretRejected, errors.SignInRefused):
            raise
        except errors.SpapiError:
            request.keep(answered_at=Now(), failing_since=None)
            raise

    def _cancelled(self, request, problem):
        """Nothing to report, or asked for too soon after the same one: the other reports that Amazon holds tell which.

        One that is built, or being built, for the very same question is taken in place of ours. One that failed says
        that ours came too soon: it is asked for once more after the cool-down. Without either, Amazon had nothing to
        tell, and to know that has cost one report.
        """
        since = clocks.amazons(request.asked_at, self.account.region) - max(self.report.cooldown, TOO_SOON)
        try:
            others = [(report_id, status) for report_id, status, _ in self._same_reports(request, since)]
        except errors.Refused:
            others = []  # where Amazon does not tell, its first word holds
        others = [(report_id, status) for report_id, status in others if report_id != request.amazon_id]
        alive = [report_id for report_id, status in others if status not in ("CANCELLED", "FATAL")]
        if alive and not self.wish(request).get("options"):  # getReports does not say with which options one was made
            request.got_on(amazon_id=alive[0], cursor={"polls": 0}, message="Amazon has this report already.")
        elif alive or any(status == "FATAL" for _, status in others):
            raise problem
        else:
            self.nothing(request, "Amazon had nothing to report for this day.")

    @staticmethod
    def nothing(request, note):
        """Amazon has said that there is nothing: the request's days are empty by its word, which `note` tells."""
        request.got_on(state=Request.State.COLLECTED, cursor={"nothing": note}, answered_at=Now())

    def _fetch(self, request):
        folder = self.folder(request)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if request.kind == own_file.KIND:
            self._take_from_file(request, folder / "document")
            return
        found = reports.fetch_document(self.client, request.document_id, folder / "document", MOST_BYTES)
        request.got_on(
            state=Request.State.COLLECTED,
            spool=str(found.path),
            cursor={"content_type": found.content_type or ""},
            answered_at=Now(),
        )

    def _take_from_file(self, request, path):
        try:
            path.write_bytes(own_file.document(request, self.report))
        except own_file.CannotLoad as problem:
            raise errors.Refused(str(problem)) from None
        request.got_on(state=Request.State.COLLECTED, spool=str(path), cursor={"content_type": own_file.CONTENT_TYPE})

    def _reason(self, request, problem):
        """Amazon's own words on a failed report, from the document it left; empty where there is none.

        Where the document cannot be had just now, the report is looked at again later: its words are waited for.
        """
        if not problem.document_id:
            return ""
        folder = raw_folder(self.run.dataset_id, "reasons")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / str(self.run.pk)
        try:
            found = reports.fetch_document(self.client, problem.document_id, path, 1 << 20)
            with documents.open_text(found.path, found.content_type, self.account.home.country) as text:
                said = text.read(2000)
        except errors.ComeBackLater as later:
            if isinstance(later, errors.Throttled) or request.attempts < MOST_READINGS:
                raise
            return ""
        except (errors.Refused, OSError):
            return ""
        finally:
            path.unlink(missing_ok=True)
        try:
            told = orjson.loads(said)
        except orjson.JSONDecodeError:
            told = None
        words = str(told.get("errorDetails") or told.get("message") or said) if isinstance(told, dict) else said
        return words.replace("\0", "\ufffd").strip()

    # Page chains

    def _read_pages(self, request):
        folder = self.folder(request)
        done = request.cursor.get("pages", 0)
        if done and not all(self.page(folder, number).exists() for number in range(done)):
            self._leave_to_another_machine(request)
            return
        if not done:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        wish, operation = self.wish(request), self.report.source.operation
        if request.cursor.get("page_size"):
            wish[OPERATIONS[operation].pager.size] = request.cursor["page_size"]
        replaced = [request.cursor.get("replaced", 0)]
        chain = pages.pages(self.client, operation, wish, request.cursor.get("chain"), replaced.append)
        try:
            for page, follows in chain:
                if self.lost.is_set():
                    raise LeaseLost
                whole, aside = self.page(folder, done), folder / f"page-{self.mark}"
                aside.write_bytes(orjson.dumps(page))
                done += 1
                cursor = _lasting(request) | {"pages": done, "replaced": sum(replaced)}
                if follows is None:
                    collected = {"state": Request.State.COLLECTED, "spool": str(folder)}
                    request.got_on(cursor=cursor, answered_at=Now(), **collected)
                    aside.replace(whole)
                    return
                request.got_on(cursor=cursor | {"chain": follows}, answered_at=Now(), in_hand=True)
                aside.replace(whole)
        except errors.AnswerTooLarge:
            size = int(wish[OPERATIONS[operation].pager.size]) // 2
            if not size:
                raise
            request.got_on(
                state=Request.State.PLANNED,
                cursor={"page_size": size},
                message=f"Amazon's pages were too large; asked again for {size} entries at a time.",
            )

    @staticmethod
    def page(folder, number):
        return folder / f"page-{number:06d}.json"

    # Landing

    def _land(self, request):
        nothing = request.cursor.get("nothing")
        if nothing is None and not self._has_raw(request):
            return
        names, null, staged, note = [], stage.NULL, {}, nothing or ""
        self.types = land.prepare(self.run.dataset, self.run.generation, self._declared(), self.key())
        if nothing is None:
            reading = Reading(self, request)
            try:
                names, null, staged, note = reading.document() if self.report.source.is_report else reading.pages()
            except errors.DocumentRefused as problem:
                self._read_again(request, problem)
                return
            if request.kind == own_file.KIND:
                note = f"{own_file.note(request)} {note}".strip()
            if reading.unfit:
                note = f"{note} {land.widen(self.run, self.report, sorted(reading.unfit))}".strip()
            if reading.doubt:
                self._fail_days_without_rows(request, staged, reading.doubt)

        def land_one(day, turn=None):
            if self.lost.is_set():
                raise LeaseLost
            read_until = None
            if request.until_at:
                read_until = min(request.until_at, calendar.bounds(day.day, self.zone)[1])
            land.land(
                self.run,
                self.fence,
                day,
                staged.get(day.day),
                self.report,
                names=names,
                null=null,
                read_until=read_until,
                note=self._note_of(day.day, note),
                lacking=request.lacking,
                turn=turn,
            )
            Request.objects.filter(pk=request.pk).update(interruptions=0)

        note = f"{note} {tracing.note(self, request)}".strip()
        for day in request.days.order_by("-day"):
            if tracing.would_lose(self.run.dataset, request, day):
                request.fail_day(day, tracing.kept(self, request), run=self.run)
        # Two days of a merge may hold the same keys, and would wait for each other.
        if self.run.dataset.mode != "merge" and abreast.is_worth_it([so.path.stat().st_size for so in staged.values()]):
            abreast.land(list(request.days.order_by("-day")), land_one)
        for day in request.days.order_by("-day"):
            try:
                land_one(day)
            except errors.Refused as problem:
                request.fail_day(day, refusals.words(problem), run=self.run)
            except modes.KeyNotUnique as problem:
                request.fail_day(day, str(problem), run=self.run)
        for folder in self.folder(request).glob("days-*"):
            shutil.rmtree(folder, ignore_errors=True)
        request.got_on(state=Request.State.DONE, message=request.message)

    def _fail_days_without_rows(self, request, staged, doubt):
        """No row of theirs was found, but that is not Amazon's word. Days whose rows stand on another one have none anyway."""
        for day in request.days.all():
            if day.day not in staged and (
                not self.report.has_dates or self.report.window.period(day.day)[0] == day.day
            ):
                request.fail_day(day, doubt, run=self.run)

    def _note_of(self, day, note):
        """What the day's page says of it; a day whose rows stand on the first day of its period says where they are."""
        first, last = self.report.window.period(day) if self.report.has_dates else (day, day)
        if first == day:
            return note
        return f"Amazon answers here for {first} to {last} as a whole; the rows stand on {first}. {note}".strip()

    def _has_raw(self, request):
        """Whether the raw answer lies on this machine; if not, the request goes back to where it can be had again."""
        folder = self.folder(request)
        if self.report.source.is_report:
            if (folder / "document").exists():
                return True
            request.got_on(state=Request.State.READY, spool="")
            return False
        if all(self.page(folder, number).exists() for number in range(request.cursor.get("pages", 0))):
            return True
        self._leave_to_another_machine(request)
        return False

    def _leave_to_another_machine(self, request):
        """The pages read so far are not here: whoever has them goes on. Where nobody comes who has, they are read again."""
        passed_on = request.cursor.get("passed_on", 0)
        if passed_on >= MOST_PASSED_ON:
            request.start_over(None, message="The pages read so far lie on another machine; read again.")
            return
        request.keep(cursor=request.cursor | {"passed_on": passed_on + 1})
        raise errors.NotReady("The pages read so far lie on another machine, which goes on with them.", wait=2.0)

    def _read_again(self, request, problem):
        if request.failures + 1 >= MOST_READINGS:
            raise problem
        until = database_now() + timedelta(seconds=backoff(request.failures + 1))
        request.fetch_again(until, message=refusals.words(problem))

    def _declared(self):
        return [{"name": c.name, "title": c.title or c.name, "type": c.type} for c in self.report.columns]

    def key(self):
        return self.report.key_columns if self.run.dataset.mode == "merge" else ()

    def folder(self, request):
        return raw_folder(self.run.dataset_id, request.pk)
