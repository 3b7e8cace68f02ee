"""A report that Amazon builds: it is asked for, looked for until it is made, and downloaded as one document."""

import os
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Any, ClassVar, NoReturn, cast

import orjson
from django.db.models import QuerySet
from django.db.models.functions import Now

from connector.accounts import clocks
from connector.catalogue.report import Document
from connector.database.clock import database_now
from connector.spapi import documents, errors, reports
from connector.spapi.charsets import Choice
from connector.spapi.specification import Asked
from datasets import calendar
from datasets.backfill.answers import flat_file, parsed, records
from datasets.backfill.answers.raw import Raw, Split
from datasets.backfill.sources import plan
from datasets.backfill.sources.asking import Asking
from datasets.backfill.sources.plan import Window
from datasets.backfill.sources.progress import Progress
from datasets.backfill.sources.source import Estimate, Phase, Quota, Source
from datasets.backfill.sources.waits import FIRST_POLL, MAX_POLL, scaled
from datasets.models import Answer, Day, Request
from datasets.retries import LATER

BUILDING_SECONDS = 60  # what Amazon usually needs to build a report, from asking to the document
REPORT_TIMEOUT = timedelta(hours=72)  # Amazon has been seen to take days; a second request would not be quicker
MAX_BYTES = 20 << 30
MAX_READINGS = 3  # of the document with Amazon's reason why a report failed
MAX_LOST = 3  # times that a report is asked for of which Amazon then knows nothing
CLOCK_SKEW = timedelta(minutes=5)  # beyond what is known of the difference
ON_ITS_WAY = 5.0  # seconds after which a report that was asked for is certainly on Amazon's list
TOO_SOON = timedelta(hours=1)  # within which Amazon may cancel a report because of an earlier one like it


@dataclass(frozen=True, slots=True)
class Building(Progress):
    """How far a report is: first how often it was looked for, then what its document is and was read as."""

    sought: bool = False  # a question without an answer was looked for at Amazon once, and may not have arrived yet
    polls: int = 0
    content_type: str = ""  # as Amazon labels the document
    charset: str | None = None  # that it was read as, by Python's name, and what decided
    because: str | None = None


class BuiltReport(Source):
    """A report type of the Reports API: createReport, getReport, getReportDocument."""

    kind = "report"
    in_flight = plan.REPORTS_IN_FLIGHT
    phases: ClassVar[tuple[Phase, ...]] = (
        Phase("planned", "Not yet requested"),
        Phase("asked", "Amazon is building it"),
        Phase("ready", "Downloading"),
        Phase("collected", "Saving"),
        Phase("done", "Saved"),
    )

    @property
    def declared(self) -> Document:
        """What the catalogue declares of a source of this kind."""
        return cast(Document, self.report.source)

    # What is asked

    def bounds(self, request: Request, zone: str) -> tuple[datetime | None, datetime | None]:
        from_at, until_at = super().bounds(request, zone)
        return (
            as_dates(from_at, until_at, zone)
            if self.declared.by_dates and from_at and until_at
            else (from_at, until_at)
        )

    def asked(self, asking: Asking, request: Request) -> Asked:
        """What Amazon was asked for with this request, to be held against what its answer says of itself."""
        wish = self.wish(asking, request)
        return Asked(
            wish["report_type"],
            tuple(wish["marketplace_ids"]),
            wish["start"],
            wish["end"],
            wish["options"],
            by_dates=self.declared.by_dates,
            zone=asking.zone_of(request),
        )

    # Planning

    def windows(
        self, wanted: Collection[date], *, zone: str, edge: date | None, days_in: QuerySet[Day]
    ) -> list[Window]:
        return plan.for_report(self.report.dated_window, wanted, zone, edge=edge, spare=self.declared.burst)

    # The forecast

    def estimate(self, days: Collection[date], *, zone: str, edge: date | None, days_in: QuerySet[Day]) -> Estimate:
        notes = [self.report.dated_window.note]
        if not days:
            notes.append("These dates do not contain one yet; later runs will load it.")
        return Estimate(len(self.windows(days, zone=zone, edge=edge, days_in=days_in)), notes)

    def seconds(self, calls: int, quota: Quota) -> float:
        """Whatever is slowest: the calls that ask, those that fetch, or the building."""
        if not calls:
            return 0.0
        asking = quota(self.declared.call, calls, self.declared.report_type)
        fetching = quota("getReportDocument", calls, "")
        building = (ceil(calls / self.in_flight) - 1) * scaled(BUILDING_SECONDS)
        return max(asking, fetching, building) + scaled(BUILDING_SECONDS)

    def seconds_left(self, calls: int, under_way: QuerySet[Request], quota: Quota) -> float:
        asked = under_way.exclude(state=Request.State.PLANNED).count()
        return self.seconds(max(0, calls - asked), quota) or scaled(BUILDING_SECONDS)

    # Asking

    def progress(self, request: Request) -> Building:
        return Building.of(request.answer)

    def resume(self, asking: Asking, request: Request) -> bool:
        """Asked, and yet no id: a worker died, or the line was cut, before Amazon's answer was written down."""
        if request.answer.asked_at is None:
            return False
        if found := self._orphan(asking, request):
            told = {"amazon_id": found, "progress": Building().stored()}
            request.advance(state=Request.State.ASKED, told=told, answered_at=Now())
            return True
        if not self.progress(request).sought:  # what was sent in that last moment may not have arrived yet
            request.keep(told={"progress": Building(sought=True).stored()})
            raise errors.NotReady("This report may already have been requested from Amazon.", wait=ON_ITS_WAY)
        return False

    def ask(self, asking: Asking, request: Request) -> None:
        try:
            amazon_id = reports.create(asking.client, **self.wish(asking, request))
        except (errors.Throttled, errors.AmazonRefused):
            request.unintend()  # Amazon said no: there is nothing to look for
            raise
        request.advance(
            state=Request.State.ASKED,
            told={"amazon_id": amazon_id, "progress": Building().stored()},
            answered_at=Now(),
            not_before=_asked_at(request) + scaled(FIRST_POLL),
            message="Amazon is building the report.",
        )

    def _same(self, asking: Asking, request: Request, since: datetime) -> list[reports.FoundReport]:
        """The reports that Amazon holds for the very same question."""
        wish = self.wish(asking, request)
        places = wish["marketplace_ids"]
        return reports.find(asking.client, wish["report_type"], places, wish["start"], wish["end"], since=since)

    def _orphan(self, asking: Asking, request: Request) -> str | None:
        found = self._same(asking, request, clocks.amazons(_asked_at(request), asking.account.region) - CLOCK_SKEW)
        taken = set(
            Answer.objects.filter(account=asking.account).exclude(amazon_id="").values_list("amazon_id", flat=True)
        )
        return next((other.report_id for other in found if other.report_id not in taken), None)

    # Waiting and fetching

    def collect(self, asking: Asking, request: Request) -> None:
        if request.state == Request.State.READY:
            self.fetch(asking, request)
        else:
            self._look(asking, request)

    def _look(self, asking: Asking, request: Request) -> None:
        try:
            document_id = self._poll(asking, request)
        except errors.NotReady as problem:
            self._wait(request, problem)
        except errors.AnotherReport as problem:
            raise errors.AmazonRefused(f"{problem.message} Nothing was loaded; its days are {LATER}.") from None
        except errors.AmazonRefused as problem:
            if problem.status != 404:
                raise
            self._lost(request, problem)
        except errors.ReportCancelled as problem:
            self._cancelled(asking, request, problem)
        except errors.ReportFailed as problem:
            problem.reason = self._reason(asking, request, problem)
            raise
        except errors.NothingThere:
            self.nothing(request, "Amazon's report for this day has no rows.")
        else:
            request.advance(state=Request.State.READY, told={"document_id": document_id}, answered_at=Now())

    def _poll(self, asking: Asking, request: Request) -> str:
        """The report's document. Whatever Amazon says about the report counts as an answer, even that there is none."""
        try:
            return reports.check(asking.client, request.answer.amazon_id, self.asked(asking, request))
        except (errors.ComeBackLater, errors.ConsentLost, errors.SecretRejected, errors.SignInRefused):
            raise
        except errors.SpapiError:
            request.keep(answered_at=Now(), failing_since=None, throttled_since=None)
            raise

    def _wait(self, request: Request, problem: errors.SpapiError) -> NoReturn:
        if database_now() - _asked_at(request) > REPORT_TIMEOUT:
            raise errors.AmazonRefused(
                "Amazon has not finished this report within 72 hours. The next attempt requests a new one."
            ) from None
        polls = self.progress(request).polls
        request.answered(told={"progress": Building(polls=polls + 1).stored()}, answered_at=Now())
        wait = min(MAX_POLL, FIRST_POLL * 1.3**polls)
        raise errors.NotReady(
            "Amazon is building the report.", wait=max(0.5, scaled(wait).total_seconds())
        ) from problem

    def _lost(self, request: Request, problem: errors.SpapiError) -> None:
        if request.failures_of(Request.Cause.LOST) + 1 >= MAX_LOST:
            raise errors.AmazonRefused(
                f"Amazon accepted the request {MAX_LOST} times but did not know the report afterwards. The next "
                "attempt requests a new one.",
                status=problem.status,
            ) from None
        request.start_over(
            database_now() + scaled(max(self.report.cooldown, TOO_SOON / 4)),
            cause=Request.Cause.LOST,
            message="Amazon no longer knows the requested report; a new one is requested later.",
        )

    def _cancelled(self, asking: Asking, request: Request, problem: errors.SpapiError) -> None:
        """Nothing to report, or asked for too soon after the same one: the other reports that Amazon holds tell which.

        One that is built, or being built, for the very same question is taken in place of ours. One that failed says
        that ours came too soon: it is asked for once more after the cool-down. Without either, Amazon had nothing to
        tell, and to know that has cost one report.
        """
        since = clocks.amazons(_asked_at(request), asking.account.region) - max(self.report.cooldown, TOO_SOON)
        try:
            others = self._same(asking, request, since)
        except errors.AmazonRefused:
            others = []  # where Amazon does not tell, its first word holds
        others = [other for other in others if other.report_id != request.answer.amazon_id]
        alive = [other.report_id for other in others if other.status not in ("CANCELLED", "FATAL")]
        # getReports does not say with which options one was made
        if alive and not self.wish(asking, request).get("options"):
            told = {"amazon_id": alive[0], "progress": Building().stored()}
            request.advance(told=told, message="Amazon has this report already.")
        elif alive or any(other.status == "FATAL" for other in others):
            raise problem
        else:
            self.nothing(request, "Amazon has no data for this day.")

    def fetch(self, asking: Asking, request: Request) -> None:
        """Ready → collected: the document lies on this machine. Raises parsed.InUse while somebody else has it in hand."""
        answer = request.answer
        document = answer.folder / "document"
        answer.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with asking.alone_with(answer):
            collected_at = Answer.objects.values_list("collected_at", flat=True).get(pk=answer.pk)
            if collected_at != answer.collected_at and document.exists():  # somebody else has fetched it meanwhile
                request.advance(state=Request.State.COLLECTED)
                return
            ours = answer.folder / f"document.{asking.mark}"  # as long as it is on its way
            try:
                found = reports.fetch_document(asking.client, answer.document_id, ours, MAX_BYTES)
            except errors.AmazonRefused as problem:
                if problem.status != 404:
                    raise
                self._lost(request, problem)
                return
            os.replace(ours, document)
            for left in answer.folder.glob("document.*"):  # by workers that were killed
                left.unlink(missing_ok=True)
            parsed.forget(answer.folder)
        request.collect(Building(content_type=found.content_type or "").stored(), answered_at=Now())

    def _reason(self, asking: Asking, request: Request, problem: errors.ReportFailed) -> str:
        """Amazon's own words on a failed report, from the document it left; empty where there is none.

        Where the document cannot be had just now, the report is looked at again later: its words are waited for.
        """
        if not problem.document_id:
            return ""
        folder = request.answer.folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / "reason"
        try:
            found = reports.fetch_document(asking.client, problem.document_id, path, 1 << 20)
            with documents.open_text(found.path, found.content_type, asking.account.home.country) as text:
                said = text.read(2000)
        except errors.ComeBackLater as later:
            if isinstance(later, errors.Throttled) or request.attempts < MAX_READINGS:
                raise
            return ""
        except (errors.AmazonRefused, OSError):
            return ""
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return _words(said)

    # Reading

    def is_here(self, answer: Answer) -> bool:
        return (answer.folder / "document").exists()

    def has_raw(self, asking: Asking, request: Request) -> bool:
        if self.is_here(request.answer):
            return True
        request.advance(state=Request.State.READY)
        return False

    def read(self, asking: Asking, request: Request, raw: Raw) -> Split:
        progress = self.progress(request)
        if self.declared.shape.path:
            split = records.read(raw, progress.content_type, self.asked(asking, request))
        else:
            split = flat_file.read(raw, progress.content_type)
        charset = cast(Choice, split.charset)  # a document was read as one
        read_as = replace(progress, charset=charset.codec, because=charset.because)
        request.keep(told={"progress": read_as.stored()})
        return split

    # Which of several marketplaces Amazon refuses

    def probe(self, asking: Asking, wish: Mapping[str, Any]) -> str:
        return reports.create(asking.client, **wish)

    def withdraw(self, asking: Asking, made: str) -> None:
        with suppress(errors.SpapiError):  # where it is being made already, nobody fetches it
            asking.client.call("cancelReport", path={"reportId": made})


def as_dates(from_at: datetime, until_at: datetime, zone: str) -> tuple[datetime, datetime]:
    """The first and the last day of the instants, as midnights of UTC: for reports whose bounds Amazon reads as dates, both included."""
    edges = calendar.today(from_at, zone), calendar.today(until_at - timedelta(microseconds=1), zone)
    first, last = (datetime.combine(day, time(), UTC) for day in edges)
    return first, last


def _asked_at(request: Request) -> datetime:
    return cast(datetime, request.answer.asked_at)  # written down before the question is sent


def _words(said: str) -> str:
    """What a document of Amazon's says of a failure: the sentence in its JSON, or all of it."""
    try:
        told = orjson.loads(said)
    except orjson.JSONDecodeError:
        told = None
    words = str(told.get("errorDetails") or told.get("message") or said) if isinstance(told, dict) else said
    return words.replace("\0", "\ufffd").strip()
