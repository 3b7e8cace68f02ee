"""One step of one request, and what becomes of it: what an error means for it is decided here."""

from datetime import datetime, timedelta

from django.db import connection

from connector.database.away import AWAY
from connector.database.clock import database_now
from connector.spapi import errors
from connector.spapi.explanations import Explanation, explanation
from connector.spapi.operations import OPERATIONS
from datasets import calendar, retries
from datasets.backfill import busy, error_texts, fetch, refused_requests
from datasets.backfill.set_aside import SetAside
from datasets.backfill.sources.asking import Asking
from datasets.backfill.sources.source import Source
from datasets.backfill.sources.waits import backoff, scaled
from datasets.models import Request

MAX_FAILURES = (
    3  # attempts of a request within a run after short-lived problems: a dead page token, a report requested too soon
)


class Outcomes:
    """Takes the requests of one run on, and judges what came of it."""

    def __init__(self, asking: Asking, set_aside: SetAside) -> None:
        self.asking, self.set_aside = asking, set_aside
        self.run, self.report = asking.run, asking.report

    def step(self, request: Request) -> datetime | None:
        """Returns since when the request has to wait, where it has. Raises what ends the whole run: errors.ConsentLost,
        SecretRejected and AccessDenied, and sealing.CannotOpen."""
        try:
            fetch.step(self.asking, request)
        except errors.ComeBackLater as later:
            return self._come_back(request, later)
        except (errors.ReportFailed, errors.ReportCancelled) as problem:
            self._report_failed(request, problem)
        except AWAY as problem:
            connection.close()
            attempts = request.attempts + 1
            request.wait(
                database_now() + timedelta(seconds=backoff(attempts)),
                message=busy.words(problem),
                attempts=attempts,
            )
        except OSError as problem:
            attempts = request.attempts + 1
            where = f": {problem.filename}" if problem.filename else ""
            request.wait(
                database_now() + timedelta(seconds=backoff(attempts)),
                message="The folder of Amazon's raw answers cannot be used on this machine "
                f"({problem.strerror or problem}{where}). Nothing was lost; it is tried again. If it stays so, tell the "
                "people who run this installation.",
                attempts=attempts,
            )
        except errors.PageTokenDied:
            self._halve(request)
        except errors.AccessDenied as problem:
            if not refused_requests.is_sent_again(self.asking, request, problem):
                raise
        except errors.AmazonRefused as problem:
            if not refused_requests.is_sent_again(self.asking, request, problem):
                request.fail(refused_requests.words(self.asking, request, problem), run=self.run)
        return None

    def _come_back(self, request: Request, later: errors.ComeBackLater) -> datetime | None:
        """Amazon did not answer, or not yet: the request waits, or is set aside. Answers since when it waits."""
        told_at = database_now()
        if isinstance(later, errors.Throttled) and later.status == 429 and later.operation in OPERATIONS:
            return self._throttled(request, later, told_at)
        if isinstance(later, (errors.Throttled, errors.NotReady, errors.Doubted)):
            wait = later.wait or backoff(request.attempts)
            request.wait(told_at + timedelta(seconds=wait), message=error_texts.words(later))
            return told_at
        attempts = request.attempts + 1
        if self.set_aside.is_due(request, told_at):
            self.set_aside.give_up(
                request,
                f"Amazon has not answered this request since {calendar.written(request.failing_since or told_at)}, in {attempts} "
                f"tries, while it answers others, so it is set aside. The last attempt: {later.fact}",
            )
            return None
        request.wait(
            told_at + timedelta(seconds=backoff(attempts)),
            message=error_texts.words(later),
            attempts=attempts,
            failing_since=request.failing_since or told_at,
        )
        return told_at

    def _throttled(self, request: Request, later: errors.Throttled, told_at: datetime) -> datetime | None:
        """Amazon asks for a pause. That is no failure, but a kind of request whose quota never comes back is set aside."""
        since = request.throttled_since or told_at
        if self.set_aside.is_throttled_for_good(request, later.operation, since, told_at):
            request.failing_since = since
            request.fail(
                f"Amazon has answered this request only with 429 (too many requests) since {calendar.written(since)}, "
                "while it answers others, so it is set aside.",
                run=self.run,
                unanswered=True,
            )
            return None
        wait = later.wait or backoff(request.attempts)
        request.wait(told_at + timedelta(seconds=wait), message=error_texts.words(later), throttled_since=since)
        return told_at

    def _report_failed(self, request: Request, problem: errors.ReportFailed | errors.ReportCancelled) -> None:
        """What becomes of the days of a report that Amazon could not build."""
        if isinstance(problem, errors.ReportCancelled):
            cause, most = Request.Cause.CANCELLED, MAX_FAILURES
            said = "cancelled, too soon after another one like it."
        else:
            cause, most = Request.Cause.FATAL, retries.MAX_TRIES_IN_A_RUN
            said = problem.reason or "Amazon gave no reason."
        known = explanation(problem.reason) if isinstance(problem, errors.ReportFailed) else None
        if known:
            self._no_data(request, known, said)
        elif self._is_built_again(request, cause, most):
            request.start_over(
                database_now() + scaled(self.report.cooldown),
                cause=cause,
                message="Amazon could not build this report; it is requested again after its cool-down. Amazon says: "
                f"{said}",
            )
        else:
            self.set_aside.give_up(request, f"Amazon could not build this report. Amazon says: {said}")

    @staticmethod
    def _is_built_again(request: Request, cause: Request.Cause, most: int) -> bool:
        """Whether a report that failed is asked for once more within this run: not where its days have failed before."""
        is_first = not request.part_of and not request.days.filter(attempts__gt=0).exists()
        return is_first and request.failures_of(cause) + 1 < most

    def _no_data(self, request: Request, known: Explanation, said: str) -> None:
        """Amazon says that there is no data: not published yet, or never, as the age of the days tells.

        Only a single period is taken to be empty by such a sentence, as of several it does not say which one is meant; and
        never one whose rows are in.
        """
        published_at = calendar.bounds(request.last_day, self.asking.zone_of(request))[1] + self.report.published_after
        is_old = known.never_comes and database_now() >= published_at
        if not is_old:
            self.set_aside.give_up(request, f"Amazon has not published the data of these days yet. Amazon says: {said}")
        elif self.set_aside.has_several(request):
            self.set_aside.halve(
                request, f"Amazon says: {said} Requested again in two halves.", part_of=request.part_of or request.pk
            )
        elif request.days.filter(rows__gt=0).exists():
            request.fail(
                f"Amazon no longer provides these days; their earlier rows are kept. Amazon says: {said}", run=self.run
            )
        else:
            Source.nothing(request, f"Amazon states that it has no data for these dates: {said}")

    def _halve(self, request: Request) -> None:
        """A page token died: the days are asked for in two halves, so that the next chain is over sooner."""
        if request.failures_of(Request.Cause.TOKEN) >= MAX_FAILURES:
            request.fail("Amazon's page tokens expired three times before the last page was read.", run=self.run)
        elif request.last_day > request.first_day:
            self.set_aside.halve(
                request, "A page token expired; requested again in two halves.", cause=Request.Cause.TOKEN
            )
        else:
            request.start_over(
                None, cause=Request.Cause.TOKEN, message="A page token expired; requested again from the first page."
            )
