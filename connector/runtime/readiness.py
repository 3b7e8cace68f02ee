"""Each part that an installation needs, and in words why it is not ready: for the probes, for a start and for the doctor."""

import contextlib

from celery import current_app
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu import Connection
from kombu.exceptions import OperationalError

from connector.runtime import liveness
from connector.runtime.logs import discreet

BROKER_TIMEOUT = 2  # seconds


def database_problem() -> str | None:
    """Why PostgreSQL cannot be asked, in a sentence; None where it answers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as problem:
        return f"PostgreSQL does not answer: {_first_line(problem)}"
    return None


def migrations_problem() -> str | None:
    """What keeps the tables from being the ones that this program needs, in a sentence; None where they are."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as problem:
        return f"The tables could not be read: {_first_line(problem)}"
    if missing:
        return f"{len(missing)} migrations have not been applied. Run: python manage.py migrate."
    return None


def broker_problem() -> str | None:
    """Why the broker cannot be reached within two seconds, in a sentence; None where it answers."""
    options = current_app.conf.broker_transport_options | {
        "socket_connect_timeout": BROKER_TIMEOUT,
        "socket_timeout": BROKER_TIMEOUT,
    }
    broker = Connection(current_app.conf.broker_url, connect_timeout=BROKER_TIMEOUT, transport_options=options)
    try:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_TIMEOUT)
    except (OperationalError, OSError, *broker.connection_errors) as problem:
        return f"The broker does not answer: {_first_line(problem)}"
    finally:
        with contextlib.suppress(Exception):
            broker.release()
    return None


def worker_problem(migrations: str | None) -> str | None:
    """Why no work would be done, in a sentence; None where workers take it. `migrations` is the answer of
    `migrations_problem`."""
    if migrations:
        return "Unknown until the migrations have run."
    try:
        return liveness.problem()
    except DatabaseError as problem:
        return f"The workers' notes could not be read: {_first_line(problem)}"


def _first_line(problem: BaseException) -> str:
    return discreet((str(problem).strip() or type(problem).__name__).splitlines()[0])
