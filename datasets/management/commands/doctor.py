"""manage.py doctor: what is wrong with this installation and how to fix it, a line each."""

import os
import shutil
import stat
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from connector.accounts import clocks
from connector.accounts.models import Account, Application
from connector.accounts.sealing import CannotOpen
from connector.checks import LOOPBACK
from connector.database.base import DatabaseWrapper
from connector.runtime import liveness, readiness
from connector.runtime.embedded.binaries import OLDEST_POSTGRES
from datasets.rows import pool
from datasets.serving.sql import reader

LEAST_FREE = 2_000_000_000  # bytes
CLOCK_APART = 5  # seconds
TICK_OLD = 60  # seconds


class Command(BaseCommand):
    help = (
        "Lists what is wrong with this installation and how to fix it, one line each. Exit code 1 if anything is wrong."
    )
    requires_system_checks = []

    def handle(self, **options: object) -> None:
        wrong = 0
        for name, check in CHECKS:
            problem = check()
            wrong += problem is not None
            self.stdout.write(f"{'FIX ' if problem else 'ok  '}{name}" + (f": {problem}" if problem else ""))
        if wrong:
            sys.exit(1)


def when_database_answers(check: Callable[[], str | None]) -> Callable[[], str | None]:
    """Checks that need the database are silent while it is unavailable: one line already reports that."""

    def careful() -> str | None:
        try:
            return check()
        except DatabaseError as problem:
            connection.close()
            return f"unknown, because the database cannot be read ({type(problem).__name__}). Fix the problems above first."

    return careful


def version() -> str | None:
    connection.ensure_connection()
    found = cast(DatabaseWrapper, connection).pg_version // 10000
    if found < OLDEST_POSTGRES:
        return f"this is PostgreSQL {found}. Upgrade it to {OLDEST_POSTGRES} or newer, or point DATABASE_URL at a newer one."
    return None


def worker() -> str | None:
    return liveness.problem()


def beat() -> str | None:
    found = liveness.ages()
    if found.ticked is not None and found.ticked < TICK_OLD:
        return None
    if found.busy and found.seen is not None and found.seen < liveness.SILENT_AFTER:
        return None  # ticks queue behind the work
    ago = "never" if found.ticked is None else f"{found.ticked:.0f} seconds ago"
    return (
        f"the last tick was {ago}. Start beat (celery -A connector beat), and check that its entry 'Tick' is enabled."
    )


def keys() -> str | None:
    for name in ("secret_key", "field_keys"):
        path = settings.DATA_DIR / name
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            return f"{path} can be read by others. Run: chmod 600 {path}"
    return None


def sealed_secrets() -> str | None:
    """Whether FIELD_KEYS open the stored secrets."""
    for account in Account.objects.all():
        try:
            _ = account.refresh_token
        except CannotOpen:
            return (
                f"the secrets of account '{account.name}' cannot be opened with the present FIELD_KEYS. "
                "Add the key that sealed them to FIELD_KEYS again, or re-authorise the account."
            )
    return None


def public_url() -> str | None:
    if settings.HTTPS or settings.PUBLIC_HOST in LOOPBACK:
        return None
    return f"PUBLIC_URL is {settings.PUBLIC_URL}, and Amazon sends people back to https addresses only. Set it to https://…"


def application() -> str | None:
    if settings.LWA_CLIENT_ID or Application.objects.exists():
        return None
    return (
        "no Amazon application is set up. Set LWA_CLIENT_ID, LWA_CLIENT_SECRET and SPAPI_APPLICATION_ID, "
        "or add one on the Accounts page."
    )


def disk() -> str | None:
    place = settings.DATA_DIR if settings.DATA_DIR.exists() else settings.BASE_DIR
    free = shutil.disk_usage(place).free
    if free < LEAST_FREE:
        return f"only {free / 1e9:.1f} GB is free at {place}. Free some space, or move DATA_DIR."
    return None


def data_dir() -> str | None:
    if not settings.DATA_DIR.exists() or os.access(settings.DATA_DIR, os.W_OK):
        return None
    return f"{settings.DATA_DIR} is not writable. Start as the user that owns it, or set DATA_DIR."


def clock() -> str | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        apart = abs((cursor.fetchone()[0] - datetime.now(UTC)).total_seconds())
    if apart > CLOCK_APART:
        return f"this machine's clock and the database's are {apart:.0f} seconds apart. Synchronise both with NTP."
    return None


def amazons_clock() -> str | None:
    """From the Date header of Amazon's answers, as recorded by the workers."""
    told = [
        f"{clocks.name_of(each.host)} is {clocks.apart(each.ahead)}, by an answer of {each.age / 60:.0f} min ago: "
        + (
            "Amazon is not asked for anything that is in the future by its clock, so the newest rows arrive that much "
            "later."
            if each.ahead < 0
            else "days and schedules start that much too late here."
        )
        for each in clocks.known()
        if abs(each.ahead) > clocks.WORTH_TELLING
    ]
    return (
        " ".join([*told, "Synchronise the clock of the database's machine with NTP (timedatectl set-ntp true)."])
        if told
        else None
    )


def sql_queries() -> str | None:
    """Whether the role that statements run as exists and we may use it; it is created if we may create it."""
    try:
        with pool.alone() as alone:
            return reader.problem(alone)
    except psycopg.Error as problem:
        return f"unknown, because the database cannot be read ({type(problem).__name__}). Fix the problems above first."


CHECKS = (
    ("database", readiness.database_problem),
    (f"PostgreSQL {OLDEST_POSTGRES} or newer", when_database_answers(version)),
    ("migrations", readiness.migrations_problem),
    ("broker", readiness.broker_problem),
    ("worker", when_database_answers(worker)),
    ("beat", when_database_answers(beat)),
    ("data folder", data_dir),
    ("keys", keys),
    ("sealed secrets", when_database_answers(sealed_secrets)),
    ("public address", public_url),
    ("Amazon application", when_database_answers(application)),
    ("disk space", disk),
    ("clock", when_database_answers(clock)),
    ("Amazon's clock", when_database_answers(amazons_clock)),
    ("SQL queries", sql_queries),
)
