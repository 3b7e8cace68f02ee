"""The ground benchmarks stand on: an embedded PostgreSQL of their own, one account, and psql as the baseline."""

import http.client
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Figure:
    """One line of the table. `ratio` is what the goal is about; `goal` says it in words, `holds` whether it is met."""

    what: str
    ours: str
    baseline: str
    ratio: str
    goal: str
    holds: bool


class Ground:
    """Starts everything; a context manager."""

    def __enter__(self):
        os.environ.pop("DATABASE_URL", None)
        os.environ.pop("BROKER_URL", None)
        self.folder = Path(tempfile.mkdtemp(prefix="backhaul-bench-"))
        self.folder.chmod(0o755)
        os.environ["DATA_DIR"] = str(self.folder)
        from connector.runtime.embedded.services import left_to_us

        self.services = left_to_us(self.folder).start("the benchmarks")
        os.environ.update(self.services.environment())
        os.environ["DJANGO_SETTINGS_MODULE"] = "connector.settings"
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        self.account = self._account()
        return self

    def __exit__(self, *_):
        from django.db import connections

        connections.close_all()
        self.services.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _account(self):
        from connector.accounts.models import Account, Application, User

        owner = User.objects.create(username="bench")
        application = Application.objects.create(owner=owner, name="bench", client_id="c", client_secret="s")
        return Account.objects.create(
            owner=owner, application=application, name="bench", kind="seller", region="NA", marketplaces=["US"],
            refresh_token="r", authorized_at=datetime.now(UTC),
        )  # fmt: skip

    def dataset(self, slug, report, options, mode, start="2026-10-01", end="2026-10-30"):
        """A dataset of the account; its rows come from a file, not from Amazon."""
        from connector.catalogue import index
        from datasets.models import Dataset

        return Dataset.objects.create(
            slug=slug, name=slug, owner=self.account.owner, account=self.account, report=report, mode=mode,
            options=index.check_answers(report, options), start=start, end=end,
        )  # fmt: skip

    def psql(self, *commands, quiet=False):
        """Runs psql with these commands; answers the seconds it took. `quiet`: what it prints is read and thrown away."""
        from connector.runtime.embedded import binaries

        program = next(binaries.postgres_servers()).bin / "psql"
        arguments = [part for command in commands for part in ("-c", command)]
        began = time.perf_counter()
        subprocess.run(
            [program, os.environ["DATABASE_URL"], "-qX", "-v", "ON_ERROR_STOP=1", *arguments],
            check=True,
            stdout=subprocess.DEVNULL if quiet else None,
        )
        return time.perf_counter() - began

    def sql(self, statement, parameters=()):
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else None

    def web(self):
        """A gunicorn as in production over this database; a context manager."""
        return Server(
            [sys.executable, "-m", "gunicorn", "connector.wsgi", "--config", "gunicorn.conf.py"],
            lambda port: ["--bind", f"127.0.0.1:{port}"],
            self.folder / "web.log",
            STATIC_ROOT=str(self.folder),
        )

    def child(self, module, *arguments):
        """Runs a module as a process of its own, as a worker would; answers the words of its last line."""
        done = subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=PROJECT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout.strip().splitlines()[-1].split()


class Server:
    """A web server of its own process group, on a free port; `pids` are those of its workers, or its own where it has none."""

    def __init__(self, command, bind, log, **environment):
        self.command, self.bind, self.log, self.environment = command, bind, log, environment

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.where = f"127.0.0.1:{self.port}"
        environment = os.environ | {"PUBLIC_URL": f"http://{self.where}"} | self.environment
        with self.log.open("wb") as log:
            command = [*map(str, self.command), *self.bind(self.port)]
            self.process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self.log.read_text()[-3000:])
            time.sleep(0.05)
        return self

    def _answers(self):
        link = http.client.HTTPConnection(self.where, timeout=10)
        try:
            link.request("GET", "/healthz")
            return bool(link.getresponse().read())
        except (OSError, http.client.HTTPException):
            return False
        finally:
            link.close()

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def pids(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children] or [self.process.pid]

    def peak_mb(self):
        """The most memory that one of its processes has ever held."""
        return max(peak_mb(pid) for pid in self.pids)


def peak_mb(pid):
    """The most memory the process has ever held, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def machine():
    """What this ran on."""
    import django
    import psycopg
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        server = cursor.fetchone()[0]
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"PostgreSQL {server}, Django {django.__version__}, psycopg {psycopg.__version__}"
    )
