"""Datasets of one account that ask Amazon the same share the answer: the second one costs no call, and one of the same report reads nothing again.

An answer serves another dataset when it was asked with the same words for a window that covers the days, and
either just now and later than the other has read them itself, or after those days had settled. The request that asks is the
one that takes the answer on; others wait for it and then have the same `Answer`.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any, cast

import orjson
from django.db import connection
from django.db.models import Max, QuerySet

from connector.accounts.models import Account
from connector.catalogue.report import Report
from datasets import calendar
from datasets.backfill.answers import parsed
from datasets.backfill.days import settles_on
from datasets.backfill.sources import index
from datasets.backfill.sources.asking import Asking, marketplace_ids
from datasets.backfill.sources.progress import Progress
from datasets.models import Answer, Dataset, Day, Question, Request, Run

FRESH = timedelta(hours=1)
UNDER_WAY = (Request.State.PLANNED, Request.State.ASKED, Request.State.READY)  # planned, and about to be asked
THERE = (Request.State.COLLECTED, Request.State.DONE)


def fingerprint(
    account: Account, report: Report, marketplace_ids: Sequence[str], options: Mapping[str, Any], zone: str
) -> str:
    """What is asked, whatever the dates: equal for datasets that can share."""
    wish = report.request(None, None, marketplace_ids, options)
    said = [str(account.pk), report.source.kind, getattr(report.source, "operation", ""), zone, wish]
    for name in ("after", "before"):
        said.append(getattr(report.source, name, ""))
    if report.day_column is None and report.has_dates:
        said.append(repr(report.window))  # rows without a date stand for the whole window: it must be the very same
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def question(asking: Asking, lacking: Iterable[str], countries: list[str] | None = None) -> Question:
    """What is asked, whatever the dates: its `fingerprint`, which equal questions share, the marketplaces that are named, and the zone of its days.
    Where no `countries` are given, all of the account as it is now but those that are `lacking`."""
    named = asking.countries(lacking) if countries is None else countries
    return {
        "fingerprint": fingerprint(asking.account, asking.report, marketplace_ids(named), asking.options, asking.zone),
        "marketplaces": named,
        "zone": asking.zone,
    }


def one_asks(fingerprint: str) -> None:
    """Until the transaction ends nobody else makes up their mind whether to ask this: so only one of two does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s), 1)", [f"question {fingerprint}"])


def window_of(
    dataset: Dataset, generation: int, fingerprint: str, report: Report, day: date, *, zone: str, now: datetime
) -> tuple[date, date] | None:
    """(first, last) of another dataset's request whose answer covers the day, or None."""
    read_at = _read_at(Day.objects.filter(dataset=dataset, generation=generation, day=day))
    for other in _candidates(dataset, fingerprint, day, day):
        if _usable(other, report, zone, now, read_at):
            return other.answer.first_day, other.answer.last_day
    return None


def find(request: Request, report: Report, *, zone: str, now: datetime) -> Request | None:
    """Another dataset's request whose answer serves this one too, or None: one whose answer is here, or else one under way."""
    read_at = _read_at(request.days.all())
    usable = [
        other
        for other in _candidates(request.dataset, request.answer.fingerprint, request.first_day, request.last_day)
        if _usable(other, report, zone, now, read_at)
    ]
    if report.day_column is None:  # rows without a date stand for all of the window, and on its first day
        same = request.first_day, request.last_day
        usable = [other for other in usable if (other.answer.first_day, other.answer.last_day) == same]
    return next((other for other in usable if other.state in THERE), usable[0] if usable else None)


def is_done_with(request: Request) -> None:
    """What was made of its answer goes, unless another dataset may still take it over; housekeeping drops it then."""
    neighbours = Dataset.objects.filter(account=request.dataset.account_id, report=request.dataset.report)
    if not neighbours.exclude(pk=request.dataset_id).exists():
        drop_parsed(request.answer)


def drop_parsed(answer: Answer) -> None:
    """What was made of the answer goes, unless a request is about to land it."""
    with suppress(parsed.InUse), parsed.alone(answer.folder, "what is done with"):
        if not answer.requests.filter(state__in=Request.OPEN).exists():
            parsed.drop(answer.folder)


def _candidates(dataset: Dataset, fingerprint: str, first: date, last: date) -> QuerySet[Request]:
    """Requests of other datasets that ask, or have asked, this for all of these days; the newest first."""
    return (
        Request.objects.filter(state__in=[*UNDER_WAY, *THERE], is_parked=False)
        .filter(answer__fingerprint=fingerprint, answer__first_day__lte=first, answer__last_day__gte=last)
        .filter(answer__asked_at__isnull=False)
        .exclude(dataset=dataset)
        .select_related("answer", "dataset")
        .order_by("-answer__asked_at")
    )


def _read_at(days: QuerySet[Day]) -> datetime | None:
    """When the newest of what is in of these days came in."""
    return days.filter(state__in=Day.IN).aggregate(newest=Max("landed_at"))["newest"]


def _usable(other: Request, report: Report, zone: str, now: datetime, read_at: datetime | None) -> bool:
    answer = other.answer
    asked_at = cast(datetime, answer.asked_at)  # every candidate was asked
    is_whole = answer.until_at is None or answer.until_at >= calendar.bounds(answer.last_day, zone)[1]
    is_settled = is_whole and calendar.today(asked_at, zone) >= settles_on(answer.last_day, report.settling_days)
    if not is_settled and (now - asked_at > FRESH or (read_at and asked_at <= read_at)):
        return False
    if other.state in UNDER_WAY:
        return Run.objects.filter(dataset=other.dataset_id).open().exists()
    return Progress.of(answer).nothing is not None or index.of_request(other, report).is_here(answer)
