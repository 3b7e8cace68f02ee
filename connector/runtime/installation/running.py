"""A whole installation in one process group: what `make demo` and `make run` start."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from datetime import datetime

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from kombu.utils.url import maybe_sanitize_url

from connector.database.clock import database_now
from connector.runtime import readiness
from connector.runtime.embedded.services import Services, left_to_us
from connector.runtime.embedded.start_errors import StartError
from connector.runtime.installation.supervisor import (
    Group,
    Program,
    Stopped,
    answers,
    check_port,
    end_on_signals,
    ignore_signals,
)


def run(
    holder: str,
    *,
    simulator_port: int | None = None,
    web_workers: int = 2,
    prepare: Callable[[], object] | None = None,
    welcome: Callable[[], str],
) -> int:
    """Starts everything, says `welcome()` when it serves, and watches until it is asked to stop. Returns the exit code.

    `prepare` is called when the tables are there and Amazon (or its simulator) can be reached.
    """
    services = left_to_us(settings.DATA_DIR)
    group = Group(settings.DATA_DIR, say=_say)
    end_on_signals()
    try:
        services.start(holder)
        group.adopt(services)
        group.end_leftovers()
        check_port(settings.PORT)
        environment = _environment(services)
        if simulator_port:
            group.launch(_simulator(group, simulator_port, environment))
        _check_given_servers()
        _migrate()
        _collect_static()
        group.launch(*_programs(group, environment | {"WEB_CONCURRENCY": str(web_workers)}, database_now()))
        if simulator_port:
            group.wait_until_serving("simulator")
        if prepare:
            prepare()
        words = welcome()
        group.wait_until_serving("web", "worker")
        _say(words)
        group.wait_until_serving("beat")
        connection.close()
        group.watch()
    except Stopped:
        _say("Stopping …")
        return 0
    except StartError as trouble:
        print(f"\n{trouble}", file=sys.stderr, flush=True)
        return 1
    finally:
        ignore_signals()
        connection.close()
        if services.are_ours:  # else the folder, and all that runs on it, is another group's
            group.stop()
            services.stop()


def _say(text: str) -> None:
    print(text, flush=True)


def _environment(services: Services) -> dict[str, str]:
    """What our programs are told: the servers' addresses, and to keep compiled modules, which halves the next start."""
    environment = dict(os.environ) | services.environment()
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment | {
        "DATA_DIR": str(settings.DATA_DIR),
        "STATIC_ROOT": str(settings.STATIC_ROOT),
        "PUBLIC_URL": settings.PUBLIC_URL,
        "PYTHONUNBUFFERED": "1",
    }


def _programs(group: Group, environment: dict[str, str], launched_at: datetime) -> Iterator[Program]:
    """Worker and beat leave Django's checks out: they would import every page, and the web server has them anyway."""
    port = str(settings.PORT)
    yield group.program(
        "worker",
        *(
            "celery",
            "--skip-checks",
            "-A",
            "connector",
            "worker",
            "-l",
            settings.LOG_LEVEL,
            "--without-gossip",
            "--without-mingle",
        ),
        environment=environment,
        serves=lambda: _noted("seen_at", launched_at),
    )
    yield group.program(
        "web",
        *(
            "gunicorn",
            "connector.wsgi",
            "--config",
            "gunicorn.conf.py",
            "--bind",
            f"127.0.0.1:{port}",
            "--graceful-timeout",
            "5",
        ),
        environment=environment,
        serves=answers(f"http://127.0.0.1:{port}/healthz"),
    )
    yield group.program(
        "beat",
        *("celery", "--skip-checks", "-A", "connector", "beat", "-l", settings.LOG_LEVEL, "--pidfile", ""),
        environment=environment,
        serves=lambda: _noted("ticked_at", launched_at),
    )


def _noted(column: str, since: datetime) -> bool:
    """A worker reported, or took a tick that beat sent, after we launched them."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM connector_worker WHERE {column} > %s", [since])
        return cursor.fetchone()[0] > 0


def _simulator(group: Group, port: int, environment: dict[str, str]) -> Program:
    folder = settings.DATA_DIR / "simulator"
    folder.mkdir(exist_ok=True)
    return group.program(
        "simulator",
        *(
            "connector.simulator",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--data-dir",
            str(folder),
        ),
        *("--redirect-uri", f"{settings.PUBLIC_URL}/accounts/callback"),
        environment=environment,
        serves=answers(f"http://127.0.0.1:{port}/simulator/"),
    )


def _check_given_servers() -> None:
    if problem := readiness.database_problem():
        raise StartError(f"DATABASE_URL: {problem}" if settings.DATABASE_IS_GIVEN else problem)
    if problem := readiness.broker_problem():
        raise StartError(f"BROKER_URL ({maybe_sanitize_url(settings.BROKER_URL)}): {problem}")


def _migrate() -> None:
    """Only when something is missing: looking costs a third of a second, asking Django to migrate nothing a whole one."""
    if readiness.migrations_problem() is None:
        return
    _say("Making the tables …")
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except (CommandError, DatabaseError) as problem:
        raise StartError(f"The database could not be brought up to date: {problem}") from problem


def _collect_static() -> None:
    """Only when a file changed since the last start."""
    fingerprint = hashlib.sha256(settings.STORAGES["staticfiles"]["BACKEND"].encode())
    for finder in get_finders():
        for path, storage in finder.list(ignore_patterns=[]):
            found = os.stat(storage.path(path))
            fingerprint.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    stamp = settings.STATIC_ROOT / ".collected"
    if stamp.exists() and stamp.read_text() == fingerprint.hexdigest():
        return
    try:
        call_command("collectstatic", interactive=False, verbosity=0)
    except (CommandError, ValueError, OSError) as problem:
        raise StartError(f"The static files could not be collected into {settings.STATIC_ROOT}: {problem}") from problem
    stamp.write_text(fingerprint.hexdigest())
