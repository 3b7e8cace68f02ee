"""Datasets of one account that ask Amazon the same share the answer: the second one costs nothing.

An answer serves another dataset when it was asked with the same words for a window that covers the days, and
either just now and later than the other has read them itself, or after those days had settled.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, cast

import orjson
from django.db import connection
from django.db.models import Max, QuerySet

from connector.accounts.models import Account
from connector.catalogue.report import Report
from datasets import calendar
from datasets.backfill.sources.asking import Asking, marketplace_ids
from datasets.backfill.sources.progress import Progress
from datasets.models import Dataset, Day, Request, Run
from datasets.raw_files import raw_folder

FRESH = timedelta(hours=1)
UNDER_WAY = (Request.State.PLANNED, Request.State.ASKED, Request.State.READY)  # planned, and about to be asked
THERE = (Request.State.COLLECTED, Request.State.DONE)


def source(
    account: Account, report: Report, marketplace_ids: Sequence[str], answers: Mapping[str, Any], zone: str
) -> str:
    """What is asked, whatever the dates: equal for datasets that can share."""
    wish = report.request(None, None, marketplace_ids, answers)
    said = [str(account.pk), report.source.kind, getattr(report.source, "operation", ""), zone, wish]
    for name in ("after", "before"):
        said.append(getattr(report.source, name, ""))
    if report.day_column is None and report.has_dates:
        said.append(repr(report.window))  # rows without a date stand for the whole window: it must be the very same
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def question(asking: Asking, lacking: Iterable[str], countries: list[str] | None = None) -> dict[str, object]:
    """What a request asks, whatever the dates, as fields of the Request: `source` as equal ones have it, the marketplaces that
    are named and those that are left out, and the zone of its days. Where no `countries` are given, as the account is now."""
    named = asking.countries(lacking) if countries is None else countries
    return {
        "source": source(asking.account, asking.report, marketplace_ids(named), asking.options, asking.zone),
        "lacking": list(lacking),
        "marketplaces": named,
        "zone": asking.zone,
    }


def one_asks(source: str) -> None:
    """Until the transaction ends nobody else makes up their mind whether to ask this: so only one of two does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s), 1)", [f"source {source}"])


def window_of(
    dataset: Dataset, generation: int, source: str, day: date, *, zone: str, now: datetime, settling_days: int
) -> tuple[date, date] | None:
    """(first, last) of another dataset's request whose answer covers the day, or None."""
    read_at = _read_at(Day.objects.filter(dataset=dataset, generation=generation, day=day))
    for other in _candidates(dataset, source).filter(first_day__lte=day, last_day__gte=day):
        if _usable(other, zone, now, settling_days, read_at):
            return other.first_day, other.last_day
    return None


def find(request: Request, *, zone: str, now: datetime, settling_days: int) -> Request | None:
    """Another dataset's request that answers this one too, or None: one whose answer is here, or else one under way."""
    read_at = _read_at(request.days.all())
    usable = [
        other
        for other in _candidates(request.dataset, request.source).filter(
            first_day__lte=request.first_day, last_day__gte=request.last_day
        )
        if _usable(other, zone, now, settling_days, read_at)
    ]
    return next((other for other in usable if other.state in THERE), usable[0] if usable else None)


def adopt(request: Request, other: Request) -> None:
    """Takes over the other's raw answer as if it had been asked for; the files are linked, not copied, where that can be.

    Raises FileNotFoundError where the files were dropped this exact moment.
    """
    here, there = raw_folder(request.dataset_id, request.pk), raw_folder(other.dataset_id, other.pk)
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir(parents=True, mode=0o700)
    for file in there.iterdir() if other.spool else ():  # Amazon's word that there is nothing leaves no file
        if file.is_file():
            try:
                os.link(file, here / file.name)
            except OSError:
                shutil.copyfile(file, here / file.name)
    request.advance(
        state=Request.State.COLLECTED,
        asked_at=other.asked_at,
        from_at=other.from_at,
        until_at=other.until_at,
        marketplaces=other.marketplaces,
        zone=other.zone,
        document_id=other.document_id,
        cursor=other.cursor,
        spool=other.spool and str(here),
    )


def _candidates(dataset: Dataset, source: str) -> QuerySet[Request]:
    return (
        Request.objects.filter(source=source, state__in=[*UNDER_WAY, *THERE], asked_at__isnull=False, is_parked=False)
        .exclude(dataset=dataset)
        .order_by("-asked_at")
    )


def _read_at(days: QuerySet[Day]) -> datetime | None:
    """When the newest of what is in of these days came in."""
    return days.filter(state__in=Day.IN).aggregate(newest=Max("landed_at"))["newest"]


def _usable(other: Request, zone: str, now: datetime, settling_days: int, read_at: datetime | None) -> bool:
    asked_at = cast(datetime, other.asked_at)  # every candidate was asked
    settled_by = other.last_day + timedelta(days=settling_days + 1)
    is_whole = other.until_at is None or other.until_at >= calendar.bounds(other.last_day, zone)[1]
    is_settled = is_whole and calendar.today(asked_at, zone) >= settled_by
    if not is_settled and (now - asked_at > FRESH or (read_at and asked_at <= read_at)):
        return False
    if other.state in UNDER_WAY:
        return Run.objects.filter(dataset=other.dataset_id).open().exists()
    return Progress.of(other).nothing is not None or raw_folder(other.dataset_id, other.pk).is_dir()
