"""Datasets of one account that ask Amazon the same share the answer: the second one costs nothing.

An answer serves another dataset when it was asked with the same words for a window that covers the days, and
either just now, or after those days had settled.
"""

import hashlib
import os
import shutil
from datetime import timedelta

import orjson

from datasets.backfill import window
from datasets.backfill.housekeeping import raw_folder
from datasets.models import Request, Run

FRESH = timedelta(hours=1)
UNDER_WAY = (Request.State.ASKED, Request.State.READY)
THERE = (Request.State.COLLECTED, Request.State.DONE)


def source(account, report, marketplace_ids, answers, zone):
    """What is asked, whatever the dates: equal for datasets that can share."""
    wish = report.request(None, None, marketplace_ids, answers)
    said = [str(account.pk), report.source.kind, getattr(report.source, "operation", ""), zone, wish]
    for name in ("after", "before"):
        said.append(getattr(report.source, name, ""))
    if report.day_column is None and report.has_dates:
        said.append(repr(report.window))  # rows without a date stand for the whole window: it must be the very same
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def window_of(dataset, source, day, *, zone, now, settling_days):
    """(first, last) of another dataset's request whose answer covers the day, or None."""
    for other in _candidates(dataset, source).filter(first_day__lte=day, last_day__gte=day):
        if _usable(other, zone, now, settling_days):
            return other.first_day, other.last_day
    return None


def find(request, *, zone, now, settling_days):
    """Another dataset's request that answers this one too, or None: one whose answer is here, or else one under way."""
    usable = [
        other
        for other in _candidates(request.dataset, request.source).filter(
            first_day__lte=request.first_day, last_day__gte=request.last_day
        )
        if _usable(other, zone, now, settling_days)
    ]
    return next((other for other in usable if other.state in THERE), usable[0] if usable else None)


def adopt(request, other):
    """Takes over the other's raw answer as if it had been asked for; the files are linked, not copied, where that can be."""
    here, there = raw_folder(request.dataset_id, request.pk), raw_folder(other.dataset_id, other.pk)
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir(parents=True, mode=0o700)
    for file in there.iterdir():
        if file.is_file():
            try:
                os.link(file, here / file.name)
            except OSError:
                shutil.copyfile(file, here / file.name)
    request.got_on(
        state=Request.State.COLLECTED,
        asked_at=other.asked_at,
        from_at=other.from_at,
        until_at=other.until_at,
        document_id=other.document_id,
        cursor=other.cursor,
        spool=other.spool and str(here),
    )


def _candidates(dataset, source):
    return (
        Request.objects.filter(source=source, state__in=[*UNDER_WAY, *THERE], asked_at__isnull=False)
        .exclude(dataset=dataset)
        .order_by("-asked_at")
    )


def _usable(other, zone, now, settling_days):
    settled_by = other.last_day + timedelta(days=settling_days + 1)
    is_settled = window.today(other.asked_at, zone) >= settled_by
    if now - other.asked_at > FRESH and not is_settled:
        return False
    if other.state in UNDER_WAY:
        return now - other.asked_at <= FRESH and Run.objects.filter(dataset=other.dataset_id).open().exists()
    return "nothing" in other.cursor or raw_folder(other.dataset_id, other.pk).is_dir()
