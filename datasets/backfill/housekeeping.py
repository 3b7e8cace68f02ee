"""Drops what is no longer needed: old generations, old raw files, expired links and consents."""

import re
import shutil
from datetime import datetime, timedelta

import psycopg
from django.db import transaction

from connector.accounts import housekeeping as accounts
from datasets.backfill import land
from datasets.models import Allowance, Dataset, Day, Request
from datasets.raw_files import raw_root
from datasets.storage import read, table

KEEP_GENERATION = timedelta(hours=1)  # a reader that started before the switch may still page through the old one
KEEP_RAW = timedelta(days=30)


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
    """Raw answers older than their retention, and those of datasets that are gone."""
    root = raw_root()
    if not root.is_dir():
        return
    folders = list(root.iterdir())  # before the datasets, for the same reason
    known = {str(pk) for pk in Dataset.objects.values_list("pk", flat=True)}
    running = {str(pk) for pk in Request.objects.filter(state__in=Request.OPEN).values_list("pk", flat=True)}
    for dataset in folders:
        if dataset.name not in known:
            shutil.rmtree(dataset, ignore_errors=True)
            continue
        for request in dataset.iterdir():
            if request.name not in running and request.stat().st_mtime < (now - KEEP_RAW).timestamp():
                shutil.rmtree(request, ignore_errors=True)
