"""Requests that get no answer: when one is set aside although Amazon may still answer it, and what happens to its days.

**When.** A request that Amazon does not answer keeps its run open. While Amazon answers nothing at all that is right: an
outage is waited out. While it answers others, the request is set aside once it has failed `MIN_TRIES` times over
`UNANSWERED_TIMEOUT` (`retries`). That Amazon answers is told by the ledger, where every answer leaves its time: one that any
request of the account, of any dataset and any worker, got within the last minutes and since this one began to fail. Where there is
none, because nothing else is under way, one cheap call to Amazon's Sellers API is made to find out, through the same client and quota,
at most once in five minutes for what has failed since. The sign-in service proves nothing, since it is another service.

**What then.** A request of several days is asked for in two halves, so that the days Amazon can answer for are loaded.
A half that fails too is halved again once another part of the same request is loaded: then only few days fail. Without
such a part the request itself seems to be the problem, and all parts fail. Failed days wait for their next attempt,
longer after each failure.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from connector.catalogue.report import Report
from connector.database.clock import database_now
from connector.spapi import errors
from connector.spapi.operations import OPERATIONS, Further, Operation
from datasets import retries
from datasets.backfill.sources.waits import scaled
from datasets.models import Day, Request, Run

# Small, open to every account, and of quotas that little else needs; the second one for requests of the first one's kind.
PROOFS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("getMarketplaceParticipations", {}),
    ("getReports", {"reportTypes": ["GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"], "pageSize": 1}),
)


class SetAside:
    """Decides about the requests of one run. `client()` gives the account's client."""

    def __init__(self, run: Run, report: Report, client: Callable[[], Any]) -> None:
        self.run, self.report, self._client = run, report, client
        self.requests = Request.objects.filter(dataset=run.dataset_id, generation=run.generation)

    # When

    def is_due(self, request: Request, now: datetime) -> bool:
        """Whether the request, which Amazon has just failed to answer again, is set aside now."""
        tries = request.attempts + 1
        # A part, or a request after one that was set aside, gets no further waiting time.
        if request.part_of or self.unanswered_in_a_row():
            is_enough = tries >= retries.MIN_TRIES_OF_A_PART
        else:
            failing_for = now - (request.failing_since or now)
            is_enough = tries >= retries.MIN_TRIES and failing_for >= scaled(retries.UNANSWERED_TIMEOUT)
        return is_enough and self._answers_others(request, now, request.failing_since or now)

    def is_throttled_for_good(self, request: Request, operation: str, since: datetime, now: datetime) -> bool:
        """Whether the request, to which Amazon has said nothing but 429 `since` then, is set aside now.

        Only where Amazon may refuse one kind of calls and take the others of the same operation, as it does with types of
        reports; any other 429 is waited out. With one report a minute a long queue is ordinary, so the request waits four times
        as long as its quota takes to fill up again, and a request after one that was set aside once as long.
        """
        known = OPERATIONS[operation]
        if not known.kind:
            return False
        limits: list[Operation | Further] = [known, *known.further_for(self.report.source.subject)]
        filled = timedelta(seconds=max(limit.burst / limit.rate for limit in limits))
        patience = (
            filled if self.unanswered_in_a_row() else max(retries.UNANSWERED_TIMEOUT, retries.FILLS_THROTTLED * filled)
        )
        return now - since >= scaled(patience) and self._answers_others(request, now, since)

    def unanswered_in_a_row(self) -> int:
        """How many requests this run has set aside that began to fail after the last of its days came in."""
        given_up = self.requests.filter(
            state=Request.State.FAILED, failing_since__isnull=False, created_at__gte=self.run.queued_at
        )
        landed_at = Day.objects.filter(run=self.run).aggregate(newest=Max("landed_at"))["newest"]
        return (given_up.filter(failing_since__gt=landed_at) if landed_at else given_up).count()

    def _answers_others(self, request: Request, now: datetime, since: datetime) -> bool:
        """Whether Amazon has answered anything of this account's within the last minutes and `since` this one fails, or does now."""
        since = max(now - scaled(retries.EVIDENCE), since)
        others = Request.objects.filter(dataset__account=self.run.dataset.account_id)
        if others.filter(answered_at__gt=since).exists():
            return True
        if others.filter(proof_asked_at__gt=since).exists():
            return False
        request.keep(proof_asked_at=now)
        try:
            operation, query = next(proof for proof in PROOFS if proof[0] != self.report.source.call)
            self._client().call(operation, query=query)
        except errors.ComeBackLater:
            return False
        except (errors.ConsentLost, errors.SecretRejected):
            raise
        except errors.SpapiError:
            pass  # a refusal counts as an answer too
        request.keep(answered_at=database_now())
        return True

    # What then

    def give_up(self, request: Request, message: str) -> None:
        """Halves the request, or lets it wait for what becomes of its other parts, or fails its days with this message."""
        if self._may_be_halved(request):
            told = f"{message} It is now requested in two halves, to find the days that can be loaded."
            self.halve(request, told, part_of=request.part_of or request.pk)
        elif request.part_of and self._others_under_way(request):
            request.park(message)
        else:
            request.fail(message, run=self.run, unanswered=request.failing_since is not None)

    def parked(self) -> Request | None:
        """The newest request that waited for the other parts of its whole, if these have ended now."""
        for request in self.requests.filter(state__in=Request.OPEN, is_parked=True).order_by("-last_day"):
            if not self._others_under_way(request):
                return request
        return None

    def _parts(self, request: Request) -> QuerySet[Request]:
        return self.requests.filter(part_of=request.part_of).exclude(pk=request.pk)

    def _others_under_way(self, request: Request) -> bool:
        return self._parts(request).filter(state__in=Request.OPEN, is_parked=False).exists()

    def has_several(self, request: Request) -> bool:
        """Whether the request is for more than one of the periods that Amazon answers for."""
        if not self.report.has_dates:
            return False
        return self.report.dated_window.period(request.first_day) != self.report.dated_window.period(request.last_day)

    def _may_be_halved(self, request: Request) -> bool:
        if not self.has_several(request):
            return False
        if request.part_of:
            return self._parts(request).filter(state=Request.State.DONE).exists()
        if self.unanswered_in_a_row():
            return False
        # While nothing is loaded yet, only one request of the run is halved, to find out whether halving helps.
        tried = self.requests.filter(Q(part_of__isnull=False), created_at__gte=self.run.queued_at)
        return not tried.exists() or self.run.days_done() > 0

    def halve(
        self, request: Request, message: str, *, part_of: int | None = None, cause: Request.Cause = Request.Cause.HALVED
    ) -> None:
        """The older half of the days, whole periods, becomes a request of its own; both are requested again."""
        middle = self._middle(request)
        with transaction.atomic():
            older = Request.plan(
                self.run.dataset,
                self.run.generation,
                request.first_day,
                middle,
                kind=request.answer.kind,
                asked=request.answer.question,
                lacking=request.lacking,
                part_of=part_of,
            )
            request.days.filter(day__lte=middle).update(request=older)
            request.first_day = middle + timedelta(days=1)
            request.start_over(None, cause=cause, message=message, part_of=part_of)

    def _middle(self, request: Request) -> date:
        """The last day of the older half."""
        period = self.report.dated_window.period
        middle = period(request.first_day + (request.last_day - request.first_day) / 2)[1]
        return middle if middle < request.last_day else period(middle)[0] - timedelta(days=1)
