"""A shop with committed rows, and a real web server over the same database."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def _pool_ends(django_db_setup):
    yield
    from datasets.rows import pool

    pool.close()


@pytest.fixture(scope="session")
def apart(_pool_ends, django_db_blocker):
    """Calls a function on a database connection of its own, so that what it writes is committed even inside a test."""

    def call(function, *args, **kwargs):
        def run():
            from django.db import connection

            try:
                return function(*args, **kwargs)
            finally:
                connection.close()

        with django_db_blocker.unblock(), ThreadPoolExecutor(1) as thread:
            return thread.submit(run).result()

    return call


@pytest.fixture
def october(time_machine):
    """The shop's September is over and within Amazon's reach, whatever the run's clock says."""
    time_machine.move_to("2026-10-05T20:00:00Z")


@pytest.fixture(scope="module")
def people(apart):
    """Alice owns, Bob is a stranger; committed, and gone with all they own when the module ends."""
    from connector.accounts.models import User
    from tests.serving import shop

    alice = apart(User.objects.create_user, "alice", "alice@example.com", "alice's long password")
    bob = apart(User.objects.create_user, "bob", "bob@example.com", "bob's long password")
    yield alice, bob
    apart(shop.sweep, alice, bob)


@pytest.fixture(scope="module")
def make(people, apart):
    """Makes committed things: make.dataset(slug, rows=…), make.rows(dataset, rows), make.token(user, …)."""
    from tests.serving import shop

    alice, _ = people

    class Make:
        def __init__(self):
            self.account = apart(shop.make_account, alice)

        def dataset(self, slug, **wishes):
            return apart(
                shop.make_dataset, wishes.pop("owner", alice), wishes.pop("account", self.account), slug, **wishes
            )

        def rows(self, dataset, rows, **wishes):
            apart(dataset.refresh_from_db)
            return apart(shop.add_rows, dataset, rows, **wishes)

        def token(self, user=alice, **wishes):
            return apart(shop.token_for, user, **wishes)

        def run(self, function, *args, **kwargs):
            return apart(function, *args, **kwargs)

    return Make()


# What most rooms here ask for; a module that needs other rows says its own.


@pytest.fixture(scope="module")
def rows():
    """Of `orders`, as dicts."""
    from tests.serving import shop

    return shop.orders(120)


@pytest.fixture(scope="module")
def orders(make, rows):
    return make.dataset("orders_us", rows=rows)


@pytest.fixture(scope="module")
def bearer(make):
    """The headers with which Alice may do everything."""
    return {"Authorization": f"Bearer {make.token()}"}


@pytest.fixture
def alice(people, db):
    return people[0]


@pytest.fixture
def bob(people, db):
    return people[1]


class Web:
    """A running server; `answers` are the statuses of all that it has answered so far, in order."""

    def __init__(self, url, process, log):
        self.url, self.process, self.log = url, process, log

    def answers(self):
        return [int(status) for status in re.findall(r'HTTP/1\.[01]" (\d{3}) ', self.log.read_text(errors="replace"))]


@pytest.fixture(scope="session")
def static_root(tmp_path_factory):
    """The static files as a release collects them."""
    folder = tmp_path_factory.mktemp("static")
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "-v0"]
    subprocess.run(command, cwd=PROJECT, env=os.environ | {"STATIC_ROOT": str(folder)}, check=True)
    return folder


@pytest.fixture(scope="module")
def web(request, people, tmp_path_factory, static_root):
    """gunicorn as shipped, on a free port, over the test database; a module may say ENVIRONMENT for it."""
    from django.db import connection

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = connection.settings_dict
    host = own["HOST"] or "/var/run/postgresql"
    password = f":{own['PASSWORD']}" if own["PASSWORD"] else ""
    where = f"host={host}&port={own['PORT'] or 5432}" if host.startswith("/") else ""
    address = "" if where else f"{host}:{own['PORT'] or 5432}"
    folder = tmp_path_factory.mktemp("web")
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gunicorn",
            "connector.wsgi",
            "--bind",
            f"127.0.0.1:{port}",
            "--log-level",
            "warning",
        ],
        cwd=PROJECT,
        env=os.environ
        | {
            "DATABASE_URL": f"postgresql://{own['USER']}{password}@{address}/{own['NAME']}{'?' + where if where else ''}",
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "STATIC_ROOT": str(static_root),
            "WEB_CONCURRENCY": "1",
        }
        | getattr(request.module, "ENVIRONMENT", {}),
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 100
    while True:
        if process.poll() is not None:
            raise RuntimeError((folder / "log").read_text())
        try:
            urllib.request.urlopen(f"{url}/api/v1/nothing", timeout=20)
        except urllib.error.HTTPError:
            break
        except OSError:
            if time.monotonic() > until:
                process.kill()
                raise
            time.sleep(0.05)
    yield Web(url, process, folder / "log")
    process.terminate()
    process.wait(60)
