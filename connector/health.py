"""What platforms ask: does this process live, and could it serve people just now?"""

import contextlib

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import JsonResponse
from kombu import Connection
from kombu.exceptions import OperationalError

from connector import liveness
from connector.celery import app
from connector.logs import discreet

BROKER_PATIENCE = 2  # seconds


def healthz(_request):
    """This process answers; asks nobody else."""
    return JsonResponse({"status": "ok"})


def readyz(_request):
    """Each part we need, with the reason where it is not ready."""
    reasons = {"database": database_problem()}
    unknown = "Not known while the database is away."
    reasons["migrations"] = unknown if reasons["database"] else migrations_problem()
    reasons["broker"] = broker_problem()
    reasons["worker"] = unknown if reasons["database"] else worker_problem(reasons["migrations"])
    checks = {name: {"ready": reason is None, "reason": reason or ""} for name, reason in reasons.items()}
    ready = all(check["ready"] for check in checks.values())
    return JsonResponse({"status": "ready" if ready else "not ready", "checks": checks}, status=200 if ready else 503)


def database_problem():
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as problem:
        return f"PostgreSQL does not answer: {_first_line(problem)}"
    return None


def migrations_problem():
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as problem:
        return f"The tables could not be read: {_first_line(problem)}"
    if missing:
        return f"{len(missing)} migrations have not been applied. Run: python manage.py migrate."
    return None


def broker_problem():
    options = app.conf.broker_transport_options | {
        "socket_connect_timeout": BROKER_PATIENCE,
        "socket_timeout": BROKER_PATIENCE,
    }
    broker = Connection(app.conf.broker_url, connect_timeout=BROKER_PATIENCE, transport_options=options)
    try:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_PATIENCE)
    except (OperationalError, OSError, *broker.connection_errors) as problem:
        return f"The broker does not answer: {_first_line(problem)}"
    finally:
        with contextlib.suppress(Exception):
            broker.release()
    return None


def worker_problem(migrations):
    if migrations:
        return "Not known before the migrations."
    try:
        return liveness.problem()
    except DatabaseError as problem:
        return f"The workers' notes could not be read: {_first_line(problem)}"


def _first_line(problem):
    return discreet((str(problem).strip() or type(problem).__name__).splitlines()[0])


class Probes:
    """Stands before all else: platforms ask by IP address and over plain HTTP, and must be neither refused nor redirected."""

    VIEWS = {"/healthz": healthz, "/readyz": readyz}

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        view = self.VIEWS.get(request.path_info)
        if view and request.method in ("GET", "HEAD"):
            response = view(request)
            response.headers["Cache-Control"] = "no-store"
            response._has_been_logged = True  # an answer of 503 is what was asked for, no error of ours
            return response
        return self.get_response(request)
