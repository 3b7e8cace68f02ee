"""Drops what is no longer needed: old generations, old raw files, expired links and consents."""

import re
import shutil
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, ProtectedError

from connector.accounts import housekeeping as accounts
from datasets.backfill import land, sharing
from datasets.backfill.answers import parsed
from datasets.models import Allowance, Answer, Dataset, Day, Request
from datasets.raw_files import raw_root
from datasets.storage import read, table

KEEP_GENERATION = timedelta(hours=1)  # a reader that started before the switch may still page through the old one
KEEP_RAW = timedelta(days=30)
KEEP_PARSED = sharing.FRESH  # for datasets that share an answer of this age


def clean(now: datetime) -> None:
    drop_old_generations(now)
    drop_orphan_tables()
    drop_old_raw(now)
    accounts.sweep(now)
    Allowance.objects.filter(full_at__lt=now.timestamp()).delete()  # buckets that are full again


def drop_old_generations(now: datetime) -> None:
    """Tables left behind by a replace or a clear, an hour later; a table still in use is left for the next time."""
    shown = {
        pk: (generation, changed)
        for pk, generation, changed in Dataset.objects.values_list("pk", "generation", "changed_at")
    }
    for dataset_id, generation in _tables():
        current, changed_at = shown.get(dataset_id, (0, None))
        if generation < current and changed_at and changed_at < now - KEEP_GENERATION:
            _drop(dataset_id, generation)


def _tables() -> list[tuple[int, int]]:
    """(dataset id, generation) of each table of rows there is."""
    with land.cursor() as c:
        c.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [read.SCHEMA])
        found = [re.fullmatch(r"ds_(\d+)(?:_g(\d+))?", name) for (name,) in c.fetchall()]
    return [(int(match[1]), int(match[2] or 1)) for match in found if match]


def _drop(dataset_id: int, generation: int) -> None:
    try:
        with transaction.atomic(), land.cursor() as c:
            c.execute("SET LOCAL lock_timeout TO '2s'")
            table.drop(c, dataset_id, generation)
            Day.objects.filter(dataset=dataset_id, generation=generation).delete()
            Request.objects.filter(dataset=dataset_id, generation=generation).delete()
    except psycopg.errors.LockNotAvailable:
        pass  # still being read; tried again at the next housekeeping


def drop_orphan_tables() -> None:
    """Tables whose dataset is gone."""
    tables = _tables()  # before the datasets, so that the table of a dataset created meanwhile is not included
    known = set(Dataset.objects.values_list("pk", flat=True))
    for dataset_id, generation in tables:
        if dataset_id not in known:
            _drop(dataset_id, generation)


def drop_old_raw(now: datetime) -> None:
    """Answers that no request has any more, raw answers older than their retention, and what was made of those that are not."""
    root = raw_root()
    # Before the answers, for the same reason.
    folders = [folder for parent in _listed(root) for folder in _listed(parent)]
    with suppress(ProtectedError, IntegrityError), transaction.atomic():  # of one that a request takes this moment
        Answer.objects.filter(requests=None).delete()
    in_use = Request.objects.filter(answer=OuterRef("pk"), state__in=Request.OPEN)
    known = {answer.folder: answer for answer in Answer.objects.annotate(is_in_use=Exists(in_use)).iterator()}
    for folder in folders:
        answer = known.get(folder)
        if answer is None:
            shutil.rmtree(folder, ignore_errors=True)
        elif not answer.is_in_use:
            age = now - (answer.collected_at or answer.created_at)
            if age > KEEP_RAW:
                _drop_raw(answer)
            elif age > KEEP_PARSED and parsed.is_kept(folder):
                sharing.drop_parsed(answer)
    for parent in {folder.parent for folder in folders}:
        with suppress(OSError):
            parent.rmdir()  # once it is empty


def _listed(folder: Path) -> list[Path]:
    """The folders in it; none where it is not there, or not ours to look into."""
    try:
        return [each for each in folder.iterdir() if each.is_dir()]
    except OSError:
        return []


def _drop_raw(answer: Answer) -> None:
    """Its files, unless a request has taken the answer since."""
    with suppress(parsed.InUse), parsed.alone(answer.folder, "housekeeping"):
        if not answer.requests.filter(state__in=Request.OPEN).exists():
            shutil.rmtree(answer.folder, ignore_errors=True)
