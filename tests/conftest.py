"""What every test stands on: a real PostgreSQL, a real broker, Alice who owns, Bob who is a stranger, and Amazon's simulator."""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import hypothesis
import psycopg
import pytest
from psycopg.pq import TransactionStatus

from connector.runtime.embedded import children
from connector.runtime.embedded.services import left_to_us
from tests import clock

PROJECT = Path(__file__).resolve().parent.parent

hypothesis.settings.register_profile("house", deadline=None)  # a busy machine is no defect of ours
hypothesis.settings.load_profile("house")


def own_broker(url, number):
    """The same Redis with a database of its own, so that tests side by side do not take each other's messages."""
    parts = urlsplit(url)
    if parts.scheme.endswith("+socket"):
        return urlunsplit(parts._replace(query=f"virtual_host={number}"))
    if parts.scheme in ("redis", "rediss"):
        return urlunsplit(parts._replace(path=f"/{int(parts.path.strip('/') or 0) + number}"))
    raise RuntimeError("Tests side by side need Redis: a RabbitMQ has no databases to keep them apart. Leave -n out.")


def wait_for_no_disk(url):
    """For a server of our own: what tests write need not outlive a loss of power. Those about that have a server of theirs."""
    with psycopg.connect(url, autocommit=True) as link:
        for setting in ("fsync", "full_page_writes"):
            link.execute(f"ALTER SYSTEM SET {setting} = off")
        link.execute("SELECT pg_reload_conf()")


def start_services():
    """Runs before Django reads its settings: a temporary DATA_DIR, and embedded services where no URL names other ones."""
    folder = Path(tempfile.mkdtemp(prefix="backhaul-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # runs last: what is registered later runs first
    (folder / "static").mkdir()
    os.environ |= {"DATA_DIR": str(folder), "STATIC_ROOT": str(folder / "static")}
    running = None
    alone = "PYTEST_XDIST_WORKER" not in os.environ  # else the servers are those of the process that started us
    if alone and clock.is_moved() and (os.environ.get("DATABASE_URL") or os.environ.get("BROKER_URL")):
        raise RuntimeError(
            "Servers that others started go by the machine's clock. Leave DATABASE_URL and BROKER_URL out."
        )
    if not (os.environ.get("DATABASE_URL") and os.environ.get("BROKER_URL")):
        running = left_to_us(folder).start("the tests")
        os.environ.update(ours := running.environment())
        if "DATABASE_URL" in ours:
            wait_for_no_disk(ours["DATABASE_URL"])
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        os.environ["BROKER_URL"] = own_broker(os.environ["BROKER_URL"], int(worker.removeprefix("gw")) + 1)
    os.environ["DJANGO_SETTINGS_MODULE"] = "connector.settings"
    import django

    django.setup()
    from django.conf import settings

    # Side by side, settings are read before this, with a folder that all would share, though each has ids of its own.
    settings.DATA_DIR = folder
    return folder, running


signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as in order as Ctrl-C does
FOLDER, SERVICES = start_services()


@atexit.register  # not pytest_unconfigure: a run that ends before or beside it (Ctrl-C, a broken conftest) comes by here too
def stop_services():
    if SERVICES:
        SERVICES.stop()


# What these rooms promise depends on the version of PostgreSQL: they run again on the others that we support.
INTEGRATION = {"accounts", "backfill", "faults", "serving", "storage"}
SLOW = {
    "embedded",
    "faults",
    "journeys",
}  # kills, whole installations and the browser; elsewhere files and tests say so themselves


def pytest_collection_modifyitems(items):
    for item in items:
        rooms = set(item.path.relative_to(PROJECT).parts)
        if rooms & INTEGRATION:
            item.add_marker(pytest.mark.integration)
        if rooms & SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def plain_static_files():
    """Pages link to static files by their own names: nothing has been collected when tests run."""
    from django.conf import settings
    from django.test import override_settings

    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES=settings.STORAGES | {"staticfiles": plain}):
        yield


@pytest.fixture(autouse=True)
def one_day():
    """Midnight may pass during a test: it goes on counting from the day on which it began."""
    from tests import days

    days.begin()


REBUILT = {"django_content_type", "auth_permission"}  # the same after every test, and costly to make again


@pytest.fixture(scope="session", autouse=True)
def light_flush():
    """After a test with transactions of its own: what it wrote goes, what migrations made of Django's own stays."""
    from django.apps import apps
    from django.core.management.color import no_style
    from django.db import connections
    from django.test import TransactionTestCase

    from connector import beat

    def flush(case):
        for name in case._databases_names(include_mirrors=False):
            connection = connections[name]
            if connection.connection and connection.connection.info.transaction_status == TransactionStatus.ACTIVE:
                connection.close()  # a test was broken off in the midst of a statement: that shall fail no other
            tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
            emptied = [table for table in tables if table not in REBUILT]
            connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), emptied))
            beat.install(apps.get_app_config("django_celery_beat"), using=name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", flush)
        yield


@pytest.fixture(scope="session", autouse=True)
def light_passwords():
    """Hashing takes long, as it should: with Argon2 as ever, but in these processes with the least work."""
    from django.contrib.auth.hashers import Argon2PasswordHasher

    with pytest.MonkeyPatch.context() as patch:
        for name, least in {"time_cost": 1, "memory_cost": 8, "parallelism": 1}.items():
            patch.setattr(Argon2PasswordHasher, name, least)
        yield


@lru_cache
def sealed_password(name):
    """Each is hashed once a session."""
    from django.contrib.auth.hashers import make_password

    return make_password(f"{name}'s long password")


@pytest.fixture
def alice(db, django_user_model):
    """She owns things; her password is "alice's long password"."""
    return django_user_model.objects.create(
        username="alice", email="alice@example.com", password=sealed_password("alice")
    )


@pytest.fixture
def bob(db, django_user_model):
    """A stranger: what is Alice's does not exist for him."""
    return django_user_model.objects.create(username="bob", email="bob@example.com", password=sealed_password("bob"))


@dataclass
class Simulator:
    """Amazon's stand-in, running in its own process and reached over real HTTP."""

    url: str

    def __str__(self):
        return self.url

    def control(self, path, body=None, method=None):
        """Asks the simulator's own control room (faults, truth, reset); returns its JSON."""
        data, headers = None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def reset(self):
        """Back to the seeded beginning: no faults, full buckets, no reports."""
        return self.control("/simulator/reset", {})


def start_simulator(folder, *, port=0, environment=None):
    """A simulator process and its base URL; the caller ends it."""
    command = [sys.executable, "-m", "connector.simulator", "--host", "127.0.0.1", "--port", str(port)]
    log = (Path(folder) / "simulator.log").open("ab")
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"} | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        preexec_fn=children.tie(),
    )
    for line in process.stdout:
        if line.startswith("listening on "):
            return process, line.removeprefix("listening on ").strip()
    process.wait()
    raise RuntimeError(f"the simulator did not start:\n{Path(log.name).read_text()}")


@pytest.fixture(scope="session")
def simulator_process(tmp_path_factory):
    """One simulator for the whole session; tests take the fixture `simulator`, which starts each of them afresh."""
    process, url = start_simulator(tmp_path_factory.mktemp("simulator"))
    yield Simulator(url)
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


@pytest.fixture
def simulator(simulator_process, settings):
    """Amazon, reset; every host of Amazon's points at it."""
    url = simulator_process.url
    settings.SPAPI_ENDPOINTS = dict.fromkeys(("NA", "EU", "FE"), url)
    settings.LWA_TOKEN_URL = f"{url}/auth/o2/token"
    settings.SELLER_CENTRAL_URL = url
    settings.VENDOR_CENTRAL_URL = url
    settings.SPAPI_DOCUMENT_HOSTS = [url.removeprefix("http://")]
    settings.LWA_CLIENT_ID = "amzn1.application-oa2-client.simulator"
    settings.LWA_CLIENT_SECRET = "simulator-secret"
    settings.SPAPI_APPLICATION_ID = "amzn1.sellerapps.app.simulator"
    simulator_process.reset()
    return simulator_process
