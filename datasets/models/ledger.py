"""Our rows' ledger: datasets, runs, days, requests and their answers, and how one of them changes its state.

What changes many days or runs in one statement stands where it is decided: the beginning of a run, its schedule, the lease, clearing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypedDict, cast

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Case, DurationField, Exists, F, Q, Sum, Value, When
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from connector.accounts.models import Account, User
from connector.catalogue import index
from connector.catalogue.report import Report
from datasets import retries
from datasets.raw_files import raw_folder

RUN_LENGTH = timedelta(hours=24)  # Domo's rule: a run goes on for at most a day, the next one goes on from the days
MAX_INTERRUPTIONS = 3  # worker crashes at one request in a row without progress


class LeaseLost(Exception):
    """Another worker has the run now; this one must not write anything more."""


class DatasetQuerySet(models.QuerySet):
    def of(self, user: User) -> Self:
        """The datasets this person may see; those of others are treated as not existing."""
        return self.filter(owner=user)

    def due(self, now: datetime) -> Self:
        """Scheduled, not paused, and their time has come."""
        return self.filter(paused=False, next_run_at__lte=now)


class Dataset(models.Model):
    """Account + report + answers + dates + update mode + schedule; owns one table of rows."""

    class Mode(models.TextChoices):
        APPEND = "append"
        REPLACE = "replace"
        MERGE = "merge"

    class Schedule(models.TextChoices):
        MANUAL = "manual"
        DAILY = "daily"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    slug = models.CharField(max_length=50, unique=True)  # [a-z][a-z0-9_]*: also a legal SQL and OData name
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="datasets")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="datasets")
    report = models.CharField(max_length=100)  # a key of the catalogue; plain text, so a new report is no migration
    options = models.JSONField(default=dict)
    start = models.CharField(
        max_length=20, blank=True
    )  # ISO date or today, yesterday, today-7; blank for reports without dates
    end = models.CharField(max_length=20, blank=True)
    mode = models.CharField(max_length=10, choices=Mode.choices)
    schedule_kind = models.CharField(max_length=10, choices=Schedule.choices, default=Schedule.MANUAL)
    schedule_at = models.TimeField(null=True)
    schedule_zone = models.CharField(max_length=64, blank=True)
    next_run_at = models.DateTimeField(null=True)
    paused = models.BooleanField(default=False)
    days_zone = models.CharField(
        max_length=64, blank=True, default="", db_default=""
    )  # in which its days were counted so far; "" before its first run
    generation = models.PositiveIntegerField(default=1)  # which physical table readers see
    version = models.BigIntegerField(default=0)  # rises by one with every landing; the ETag
    rows = models.BigIntegerField(default=0)
    columns = models.JSONField(default=list)  # [{"name", "title", "type", "personal"}] of the readers' table, in order
    changed_at = models.DateTimeField(null=True)  # when rows last changed
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(slug__regex=r"^[a-z][a-z0-9_]*$"), name="slug_is_a_name"),
        ]
        indexes = [
            models.Index(
                fields=["next_run_at"], name="dataset_due", condition=Q(paused=False, next_run_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def effective_report(self) -> Report | None:
        """The report as this dataset's answers make it; None if the catalogue no longer has it: its rows can still be
        read."""
        try:
            return index.effective(self.report, self.options)
        except KeyError:
            return None

    @property
    def report_title(self) -> str:
        """The report's title, and where an answer makes another report of it, that answer; the key of a dropped one."""
        try:
            report = index.get(self.report)
        except KeyError:
            return self.report
        chosen = [dict(report.option(name).choices or ()).get(self.options.get(name), "") for name in report.variants]
        return ": ".join([report.title, *(str(answer) for answer in chosen if answer)])

    def open_run(self) -> Run | None:
        """The run under way, if any."""
        return self.runs.open().first()

    def building_generation(self) -> int:
        """The generation a new run lands into: the one readers see, or for a replace the one built aside."""
        if self.mode != self.Mode.REPLACE:
            return self.generation
        last = self.runs.order_by("-pk").values_list("generation", flat=True).first() or 0
        return max(last, self.generation + 1)

    def touch(self, *, change: int, active: bool, changed: bool) -> None:
        """A day has landed: counts and version follow, in the landing's own transaction."""
        moved: dict[str, Any] = {"version": F("version") + 1}
        if active:
            moved["rows"] = F("rows") + change
        if changed:
            moved["changed_at"] = Now()
        Dataset.objects.filter(pk=self.pk).update(**moved)

    def show(self, generation: int, *, rows: int, columns: Sequence[Mapping[str, Any]]) -> None:
        """Readers see this generation from now on."""
        Dataset.objects.filter(pk=self.pk).update(
            generation=generation, rows=rows, columns=columns, version=F("version") + 1, changed_at=Now()
        )
        self.refresh_from_db()

    def read_all_again(self) -> None:
        """Each day that is in is read once more by the next run, and replaced whole; until then its rows stay."""
        days = self.days.filter(state__in=Day.IN, from_file=False)
        # An open run leaves to the next one what it has brought in itself: these are nobody's now.
        days.filter(run__in=self.runs.open()).update(run=None)
        days.update(again=True, request=None)

    def ask_again(self) -> None:
        """Open requests were made for another definition: none of them lands any more, and an open run starts again."""
        Run.objects.filter(dataset=self).open().update(
            generation=self.building_generation(),
            state=Run.State.QUEUED,
            fence=F("fence") + 1,
            lease_until=None,
            lease_owner="",
            hinted_at=None,
            not_before=None,
            first_day=None,
            last_day=None,
        )
        Day.objects.filter(dataset=self).lift_waits(forget=True)  # those failures belong to the old definition
        # A replay or a file run no longer has anything to land and would end with nothing: it now asks Amazon, like
        # any run.
        self.runs.open().filter(trigger__in=Run.ASKS_NOTHING).update(trigger=Run.Trigger.MANUAL)
        for request in self.requests.filter(state__in=Request.OPEN):
            request.abandon()

    @transaction.atomic
    def count_days_in(self, zone: str) -> None:
        """Its days are those of this time zone from now on, by an open run too.

        In another one they began and ended at other instants: what is in, and what is under way, would leave rows out and have
        others twice beside days of this zone. So it is all sent again, as after a change of the answers.
        """
        if self.days_zone:
            self.ask_again()
            self.read_all_again()
        Dataset.objects.filter(pk=self.pk).update(days_zone=zone)
        self.days_zone = zone

    def run_next(self, at: datetime | None) -> None:
        """Puts the next scheduled run at this instant; None means none is scheduled."""
        Dataset.objects.filter(pk=self.pk).update(next_run_at=at)
        self.next_run_at = at


class RunQuerySet(models.QuerySet):
    def open(self) -> Self:
        return self.filter(state__in=Run.OPEN)


class Run(models.Model):
    """One attempt to update a dataset; at most one is open per dataset."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        WAITING = "waiting"
        SUCCEEDED = "succeeded"
        PARTIAL = "partial"
        FAILED = "failed"
        CANCELLED = "cancelled"

    OPEN = (State.QUEUED, State.RUNNING, State.WAITING)

    class Trigger(models.TextChoices):
        CREATED = "created"
        MANUAL = "manual"
        SCHEDULE = "schedule"
        RELOAD = "reload"
        REPLAY = "replay"
        FILE = "file"  # rows of a file that a person uploaded

    ASKS_NOTHING = (Trigger.REPLAY, Trigger.FILE)  # they land stored answers

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="runs")
    generation = models.PositiveIntegerField()  # the table this run lands into
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    fence = models.BigIntegerField(default=0)  # rises with every lease; a landing with an older one changes nothing
    lease_until = models.DateTimeField(null=True)
    lease_owner = models.CharField(
        max_length=200, blank=True
    )  # host, boot and process, so a dead neighbour is seen at once
    hinted_at = models.DateTimeField(null=True)  # when the broker was last told; only a hint
    heartbeat_at = models.DateTimeField(null=True)
    not_before = models.DateTimeField(null=True)
    deadline = models.DateTimeField()
    interruptions = models.PositiveIntegerField(default=0)  # leases that ran out without being given back
    cancel_requested = models.BooleanField(default=False)
    first_day = models.DateField(null=True)  # the days it is about, fixed when it begins
    last_day = models.DateField(null=True)
    rows = models.BigIntegerField(default=0)  # rows this run landed
    days_total = models.PositiveIntegerField(default=0)
    done_at_end = models.PositiveIntegerField(null=True)  # what it had come to; later runs land the same days again
    failed_at_end = models.PositiveIntegerField(null=True)
    message = models.TextField(blank=True)
    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "dataset", name="one_open_run", condition=Q(state__in=["queued", "running", "waiting"])
            ),
        ]
        indexes = [
            models.Index(
                fields=["not_before"], name="run_open", condition=Q(state__in=["queued", "running", "waiting"])
            )
        ]

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    def span(self, first: date, last: date, *, days_total: int) -> None:
        """The run knows its days now."""
        self.first_day, self.last_day, self.days_total = first, last, days_total
        self.save(update_fields=["first_day", "last_day", "days_total"])

    def count(self, *, rows: int) -> None:
        Run.objects.filter(pk=self.pk).update(rows=F("rows") + rows)

    def days_done(self) -> int:
        """How many of its days it brought in."""
        if self.done_at_end is not None:
            return self.done_at_end
        return self.days.filter(state__in=Day.IN, again=False).count()

    def days_failed(self) -> int:
        """How many of its days could not be had."""
        if self.failed_at_end is not None:
            return self.failed_at_end
        return self.days.filter(Q(state=Day.State.FAILED) | Q(state__in=Day.IN, again=True)).count()

    def mark(self, fence: int) -> str:
        """What the files bear that the worker with this fence has under way."""
        return f"{self.pk}-{fence}"

    @classmethod
    def has_lost(cls, mark: str) -> bool:
        """Whether the worker with this mark has the run no more; False of a mark that is no worker's."""
        run_id, _, fence = mark.partition("-")
        if not (run_id.isdigit() and fence.isdigit()):
            return False
        return not cls.objects.filter(pk=int(run_id), fence=int(fence), state=cls.State.RUNNING).exists()

    def hold(self, fence: int) -> None:
        """Within a transaction: nobody takes the run over before its end. Raises LeaseLost where somebody has."""
        mine = Run.objects.select_for_update().filter(pk=self.pk, fence=fence, state=self.State.RUNNING)
        if mine.values_list("pk", flat=True).first() is None:
            raise LeaseLost

    def give_back(self, *, fence: int, until: datetime | None, message: str = "") -> bool:
        """The worker releases the run: any worker continues at `until`, or immediately if None. False if the lease was
        lost."""
        return bool(
            Run.objects.filter(pk=self.pk, fence=fence, state=self.State.RUNNING).update(
                state=self.State.WAITING if until else self.State.QUEUED,
                not_before=until,
                lease_until=None,
                lease_owner="",
                hinted_at=None,
                message=message,
            )
        )

    def mark_interrupted(self) -> None:
        """Its worker is gone: the lease is free, and anything that worker still tries is fenced off."""
        self.state, self.fence, self.lease_until, self.lease_owner = self.State.QUEUED, self.fence + 1, None, ""
        self.interruptions, self.hinted_at, self.not_before = self.interruptions + 1, None, None
        self.save()

    def end(self, *, fence: int, state: Run.State, message: str) -> bool:
        """The run is over. False when the lease was lost, in which case nothing changed."""
        return bool(
            Run.objects.filter(pk=self.pk, fence=fence, state=self.State.RUNNING).update(
                state=state,
                message=message,
                ended_at=Now(),
                done_at_end=self.days_done(),
                failed_at_end=self.days_failed(),
                lease_until=None,
                lease_owner="",
                not_before=None,
            )
        )


class Question(TypedDict):
    """What is asked, whatever the dates, as fields of an Answer."""

    fingerprint: str
    marketplaces: list[str]
    zone: str


class Answer(models.Model):
    """A question to Amazon and its answer: a report with its document, a chain of pages, or the file that a person uploaded.

    The request that asks it writes it down step by step (`Request.keep`). Once it is collected other requests may take it as theirs
    (`backfill/sharing.py`): its question stays as it is from then on, and its files only come again where they are unreadable
    or on another machine. One that no request has any more goes with its files (`backfill/housekeeping.py`).
    """

    FILE = "file"  # the kind of one that is a file which a person uploaded; Amazon is not asked

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10)  # pages, report, or the file that a person uploaded
    fingerprint = models.CharField(
        max_length=64, blank=True
    )  # what is asked, whatever the dates: requests with equal ones can share
    marketplaces = ArrayField(
        models.CharField(max_length=2), default=list
    )  # those that the question names, whatever the account has by now
    zone = models.CharField(max_length=64, blank=True)  # in which its days are counted, likewise
    first_day = models.DateField()
    last_day = models.DateField()
    asked_at = models.DateTimeField(null=True)  # of a file: when it was loaded
    from_at = models.DateTimeField(null=True)  # the window as it was asked, half-open
    until_at = models.DateTimeField(null=True)
    amazon_id = models.CharField(max_length=200, blank=True)
    document_id = models.CharField(max_length=500, blank=True)  # Amazon's, or the id of the uploaded file
    collected_at = models.DateTimeField(null=True)  # when the whole of it was here; again where it was fetched again
    progress = models.JSONField(default=dict)  # how far it is; read and written by `backfill/sources/progress.py`
    place = models.CharField(max_length=50, blank=True)  # below the folder of raw answers, where it is not its id's
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["fingerprint", "last_day"], name="answer_by_fingerprint", condition=~Q(fingerprint=""))
        ]

    @property
    def folder(self) -> Path:
        """Where the raw answer lies on this machine, or would."""
        return raw_folder(self.place or f"answers/{self.pk}")

    @property
    def question(self) -> Question:
        """What it asks, whatever the dates."""
        told = {name: getattr(self, name) for name in Question.__annotations__}
        return cast(Question, told)

    def anew(self, **changed: Any) -> Answer:
        """Another one, to the same question, of which nothing has been asked yet; `changed` are the fields that differ."""
        same: dict[str, Any] = {**self.question, "first_day": self.first_day, "last_day": self.last_day}
        return Answer.objects.create(account_id=self.account_id, kind=self.kind, **same | changed)


class Request(models.Model):
    """What one dataset wants of Amazon, for one or many days: its way from the plan to the rows.

    What is asked and what has come of it stands in its Answer, which it may have in common with other datasets' requests.
    """

    class State(models.TextChoices):
        PLANNED = "planned"  # nothing has been asked yet
        ASKED = "asked"  # Amazon is building the report, or the page chain is under way
        READY = "ready"  # Amazon has the document
        COLLECTED = "collected"  # the raw answer is here
        DONE = "done"
        FAILED = "failed"

    OPEN = (State.PLANNED, State.ASKED, State.READY, State.COLLECTED)

    class Cause(models.TextChoices):
        """Why an answer was of no use; each cause has a limit of its own."""

        FATAL = "fatal"  # Amazon could not build the report
        CANCELLED = "cancelled"  # Amazon cancelled it, too soon after another one like it
        LOST = "lost"  # Amazon knows nothing of the report that it was asked for
        DOCUMENT = "document"  # it cannot be read
        TOKEN = "token"  # of the next page, which Amazon takes no more
        CLOCK = "clock"  # the window ended later than Amazon's clock allows
        HALVED = "halved"  # its days are asked for in parts
        ELSEWHERE = "elsewhere"  # what was read so far lies on a machine that does not come back

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="requests")
    generation = models.PositiveIntegerField()
    first_day = models.DateField()  # of those that it is for; the answer may have more
    last_day = models.DateField()
    answer = models.ForeignKey(Answer, on_delete=models.PROTECT, related_name="requests")
    lacking = ArrayField(
        models.CharField(max_length=2), default=list, db_default=[]
    )  # marketplaces of the dataset's that the question leaves out, since Amazon refuses them
    state = models.CharField(max_length=10, choices=State.choices, default=State.PLANNED)
    not_before = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)  # failed attempts in a row because the connection was down
    failures = models.PositiveIntegerField(
        default=0
    )  # unusable answers in total: FATAL, a dead token, a broken document
    failures_by = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))  # {Cause: how many of them}
    in_hand = models.BooleanField(default=False)  # a worker is processing it; stays set if the worker dies
    interruptions = models.PositiveIntegerField(default=0)  # workers that died at it without progress
    failing_since = models.DateTimeField(null=True)  # since when Amazon has not answered it
    throttled_since = models.DateTimeField(null=True)  # the first of the 429s in a row: Amazon answered it nothing else
    answered_at = models.DateTimeField(null=True)  # when Amazon last answered it: evidence for others that fail
    proof_asked_at = models.DateTimeField(null=True)  # when it last made a call only to check whether Amazon answers
    part_of = models.BigIntegerField(null=True)  # the request whose days are asked for in parts, since the whole failed
    is_parked = models.BooleanField(default=False)  # a part that failed and waits for the outcome of the others
    out_of_window = models.BigIntegerField(default=0)  # rows that Amazon sent from outside the window
    message = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["dataset", "state"], name="request_by_state"),
        ]

    held_by: tuple[int, int] | None = (
        None  # (run's id, fence) of the worker that has it in hand: once that lost the run, it writes nothing more
    )

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @classmethod
    def plan(
        cls,
        dataset: Dataset,
        generation: int,
        first: date,
        last: date,
        *,
        kind: str,
        asked: Mapping[str, Any],
        **more: Any,
    ) -> Self:
        """A new request for these days, of which nothing has been asked yet; `asked` are fields of its Answer."""
        answer = Answer.objects.create(
            account_id=dataset.account_id, kind=kind, first_day=first, last_day=last, **asked
        )
        return cls.objects.create(
            dataset=dataset, generation=generation, first_day=first, last_day=last, answer=answer, **more
        )

    @transaction.atomic
    def keep(self, *, told: Mapping[str, Any] | None = None, **moved: Any) -> None:
        """Writes these fields down, and as `told` those of its answer; raises LeaseLost, and writes nothing, where the run
        belongs to another worker by now."""
        if moved:
            self._write(self, moved)
        if told:
            self._write(self.answer, told)

    def _write(self, row: Request | Answer, moved: Mapping[str, Any]) -> None:
        for name, value in moved.items():
            setattr(row, name, value)
        mine = type(row)._default_manager.filter(pk=row.pk)
        if self.held_by:
            run_id, fence = self.held_by
            mine = mine.filter(Exists(Run.objects.filter(pk=run_id, fence=fence, state=Run.State.RUNNING)))
        if not mine.update(**moved):
            raise LeaseLost

    def claim(self) -> None:
        self.keep(in_hand=True)

    def advance(self, **moved: Any) -> None:
        """A step is done: Amazon's answer is kept, and earlier failures are reset."""
        fresh = {"not_before": None, "interruptions": 0, "in_hand": False, "message": ""}
        self.answered(**fresh | moved)

    def collect(self, progress: Mapping[str, Any], **moved: Any) -> None:
        """Amazon's answer is here as a whole, or its word that there is nothing."""
        self.advance(state=self.State.COLLECTED, told={"progress": progress, "collected_at": Now()}, **moved)

    def answered(self, **moved: Any) -> None:
        """Amazon answers it, whatever it says: the tries before that came to nothing count no more."""
        self.keep(**{"attempts": 0, "failing_since": None, "throttled_since": None} | moved)

    def intend(self, *, asked_at: datetime, from_at: datetime | None, until_at: datetime | None) -> None:
        """About to ask: recorded first, so that a lost answer can be looked up at Amazon."""
        self.keep(told={"asked_at": asked_at, "from_at": from_at, "until_at": until_at, "progress": {}})

    def unintend(self) -> None:
        """Amazon refused or was not asked: there is no answer to look up."""
        self.keep(told={"asked_at": None})

    def wait(
        self,
        until: datetime | None,
        *,
        message: str,
        attempts: int | None = None,
        failing_since: datetime | None = None,
        throttled_since: datetime | None = None,
    ) -> None:
        """Nothing to do before `until`."""
        self.keep(
            not_before=until,
            message=message,
            in_hand=False,
            attempts=self.attempts if attempts is None else attempts,
            failing_since=failing_since or self.failing_since,
            throttled_since=throttled_since or self.throttled_since,
        )

    def failures_of(self, cause: str) -> int:
        """How many answers were of no use for this cause."""
        return self.failures_by.get(cause, 0)

    def _one_more(self, cause: str) -> dict[str, Any]:
        by_cause = {**self.failures_by, str(cause): self.failures_of(cause) + 1}
        return {"failures": self.failures + 1, "failures_by": by_cause}

    @transaction.atomic
    def start_over(self, until: datetime | None, *, message: str, cause: str, part_of: int | None = None) -> None:
        """Starts the request over, for its days as they are now: it gives up Amazon's earlier answer, which may be others' too."""
        self.keep(
            **self._one_more(cause),
            answer=self.answer.anew(first_day=self.first_day, last_day=self.last_day),
            state=self.State.PLANNED,
            first_day=self.first_day,
            part_of=part_of or self.part_of,
            is_parked=False,
            attempts=0,
            failing_since=None,
            throttled_since=None,
            not_before=until,
            message=message,
            in_hand=False,
        )

    def park(self, message: str) -> None:
        """It has failed, and is neither retried nor abandoned before the other parts of the same request have ended."""
        self.keep(is_parked=True, not_before=None, message=message, in_hand=False)

    def ask_in_parts(self, progress: dict[str, Any], *, message: str) -> None:
        """Amazon refused the request as a whole: it is asked in another way, which the progress records."""
        self.keep(
            state=self.State.PLANNED,
            told={"progress": progress, "asked_at": None},
            not_before=None,
            message=message,
            in_hand=False,
        )

    def adopt(self, amazon_id: str, *, at: datetime | None) -> None:
        """Amazon is already building this report for the same request."""
        self.advance(state=self.State.ASKED, told={"amazon_id": amazon_id, "asked_at": at, "progress": {}})

    @transaction.atomic
    def share(self, answer: Answer) -> None:
        """Takes another request's answer, which is here, in place of its own, of which nothing was asked."""
        planned = self.answer
        self.advance(state=self.State.COLLECTED, answer=answer)
        planned.delete()

    def fetch_again(self, until: datetime | None, *, message: str) -> None:
        """Amazon's document was unusable and is downloaded again."""
        counted = self._one_more(self.Cause.DOCUMENT)
        self.keep(state=self.State.READY, not_before=until, message=message, in_hand=False, **counted)

    def reopen(self) -> None:
        """Its raw answer is to be landed again."""
        self.keep(state=self.State.COLLECTED, not_before=None, message="")

    @transaction.atomic
    def fail(self, message: str, *, run: Run, waits: bool = True, unanswered: bool = False) -> None:
        """Given up, with the reason; its days fail with it, and what was already in stays readable.

        Unless it is told otherwise each day waits for its next try, the longer the more often it has failed (`retries`). The
        days of a file have none: no run can load them again before a person loads a file again.
        `unanswered`: it failed because no answer came.
        """
        since = self.failing_since if unanswered else None
        self.keep(state=self.State.FAILED, message=message, in_hand=False, is_parked=False, failing_since=since)
        self._fail_days(self.days.all(), message, run, waits and self.answer.kind != Answer.FILE)

    @transaction.atomic
    def fail_day(self, day: Day, message: str, *, run: Run) -> None:
        """One day of the answer could not be landed, with the reason; its other days go on."""
        self.keep(message=message)
        self._fail_days(self.days.filter(pk=day.pk), message, run, self.answer.kind != Answer.FILE)

    @staticmethod
    def _fail_days(days: models.QuerySet[Day], message: str, run: Run, waits: bool) -> None:
        failed = {"request": None, "message": message, "attempts": F("attempts") + 1, "run": run}
        failed["not_before"] = Day.next_try() if waits else None
        days.filter(state=Day.State.ASKED).update(state=Day.State.FAILED, **failed)
        days.filter(again=True).update(**failed)

    @classmethod
    def release(cls, run: Run) -> None:
        """The run's worker releases the requests it was processing, without a failure."""
        cls.objects.filter(dataset=run.dataset_id, generation=run.generation, in_hand=True).update(in_hand=False)

    @classmethod
    def in_hand_of(cls, run: Run) -> models.QuerySet[Request]:
        """The requests that the run's worker was processing."""
        return cls.objects.filter(dataset=run.dataset_id, generation=run.generation, state__in=cls.OPEN, in_hand=True)

    def mark_interrupted(self, message: str, *, run: Run) -> None:
        """A worker was interrupted at it; after three interruptions without progress it is abandoned, with the
        reason."""
        self.keep(interruptions=self.interruptions + 1, in_hand=False)
        if self.interruptions >= MAX_INTERRUPTIONS:
            self.fail(message, run=run)

    @transaction.atomic
    def abandon(self) -> None:
        """No longer wanted (the run was cancelled): its days are free to be asked for again."""
        self.keep(state=self.State.FAILED, in_hand=False, message=self.message or "Cancelled.")
        self.days.filter(state=Day.State.ASKED).update(state=Day.State.WANTED, request=None)
        self.days.filter(again=True).update(request=None)


class DayQuerySet(models.QuerySet):
    def of_run(self, run: Run) -> Self:
        """The days of the table that the run lands into, within the run's span."""
        found = self.filter(dataset=run.dataset_id, generation=run.generation)
        return found.filter(day__range=(run.first_day, run.last_day)) if run.first_day else found

    def to_bring_in(self) -> Self:
        """Wanted, or in and to be read once more."""
        return self.filter(Q(state=Day.State.WANTED) | Q(again=True))

    def unasked(self) -> Self:
        return self.to_bring_in().filter(request=None)

    def waiting(self, now: datetime) -> Self:
        """Days that have failed and whose next attempt is still to come."""
        return self.filter(Q(state=Day.State.FAILED) | Q(again=True), not_before__gt=now)

    def lift_waits(self, *, forget: bool = False) -> None:
        """What has failed is tried again by the next run, however recent the failure; its count of failures is
        reset."""
        waiting = self.exclude(not_before=None, attempts=0)
        waiting.update(not_before=None, **({"attempts": 0} if forget else {}))

    def total_rows(self) -> int:
        return self.aggregate(total=Sum("rows"))["total"] or 0


class Day(models.Model):
    """The checkpoint: one calendar day of one dataset, in the report's own time zone."""

    class State(models.TextChoices):
        WANTED = "wanted"
        ASKED = "asked"
        LANDED = "landed"
        EMPTY = "empty"
        FAILED = "failed"

    IN = (State.LANDED, State.EMPTY)

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="days")
    generation = models.PositiveIntegerField()
    day = models.DateField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.WANTED)
    request = models.ForeignKey(Request, null=True, on_delete=models.SET_NULL, related_name="days")
    run = models.ForeignKey(
        Run, null=True, on_delete=models.SET_NULL, related_name="days"
    )  # the run that last touched it
    rows = models.BigIntegerField(default=0)
    checksum = models.CharField(max_length=64, blank=True)
    attempts = models.PositiveIntegerField(default=0)  # that failed, in a row and over all runs
    not_before = models.DateTimeField(null=True)  # of a day that failed: when its next try is due
    message = models.TextField(blank=True)
    again = models.BooleanField(default=False)  # its rows are loaded and stay readable, and it is to be loaded again
    from_file = models.BooleanField(default=False, db_default=False)  # its rows are of an uploaded file, not Amazon's
    read_until = models.DateTimeField(
        null=True
    )  # Amazon was asked up to here; before the day's end the day is still open
    landed_at = models.DateTimeField(null=True)
    lacking = ArrayField(
        models.CharField(max_length=2), default=list, db_default=[]
    )  # marketplaces that Amazon refused when the day was read

    objects = DayQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "generation", "day"], name="one_day_each")]
        indexes = [models.Index(fields=["dataset", "generation", "state"], name="day_by_state")]

    @classmethod
    def still_open(cls) -> Q:
        """The condition for a day that is yet to come in, or to be read once more."""
        return Q(state__in=[cls.State.WANTED, cls.State.ASKED]) | Q(again=True)

    @classmethod
    def not_had(cls) -> Q:
        """The condition for a day that has failed, at its first reading or at another one."""
        return Q(state=cls.State.FAILED) | Q(again=True, request=None, attempts__gt=0)

    def waits(self, now: datetime) -> bool:
        """Whether it has failed and its next attempt is still to come."""
        return self.not_before is not None and self.not_before > now and (self.again or self.state == self.State.FAILED)

    @staticmethod
    def next_try() -> CombinedExpression:
        """When a day that fails this moment is tried again, by the count of its failures before: an expression for an update."""
        waits = [Value(wait / settings.SPAPI_RATE_FACTOR) for wait in retries.DISTANCES]
        counted = [When(attempts=before, then=wait) for before, wait in enumerate(waits[:-1])]
        return Now() + Case(*counted, default=waits[-1], output_field=DurationField())

    def mark_landed(
        self, *, run: Run, rows: int, checksum: str, read_until: datetime | None, note: str, lacking: Sequence[str] = ()
    ) -> None:
        """The day is in, with rows or empty by Amazon's word. A replay lands what was read before: the day is no fresher by it."""
        is_of_file = self.request is not None and self.request.answer.kind == Answer.FILE  # whatever run it lands in
        self.state = self.State.LANDED if rows else self.State.EMPTY
        self.run, self.rows, self.checksum, self.read_until, self.message = run, rows, checksum, read_until, note
        self.again, self.request, self.attempts, self.not_before, self.lacking = False, None, 0, None, list(lacking)
        if run.trigger != Run.Trigger.REPLAY:
            self.landed_at, self.from_file = Now(), is_of_file
        self.save()


class Change(models.Model):
    """What Amazon restated: a loaded day that came back different."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="changes")
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="changes")
    day = models.DateField()
    rows_before = models.BigIntegerField()
    rows_after = models.BigIntegerField()
    totals_before = models.JSONField()  # the sum of each column of numbers, as text
    totals_after = models.JSONField()
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["dataset", "-seen_at"], name="change_by_dataset")]

    def differences(self) -> list[tuple[str, str | None, str | None]]:
        """[(column, before, after)] of the sums that changed."""
        names = self.totals_before | self.totals_after
        pairs = [(name, self.totals_before.get(name), self.totals_after.get(name)) for name in names]
        return [pair for pair in pairs if pair[1] != pair[2]]
