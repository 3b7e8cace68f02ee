"""A living installation around the test database: real web, worker and beat processes that tests may kill."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import connection

from connector.runtime.installation.supervisor import STOP
from tests.conftest import PROJECT


def database_url():
    """The test database as DATABASE_URL says it."""
    found = connection.settings_dict
    host = str(found["HOST"] or "")
    query = {key: value for key, value in found["OPTIONS"].items() if isinstance(value, (str, int))}
    if host.startswith("/"):
        query["host"], host = host, ""
    login = quote(found["USER"] or "") + (f":{quote(found['PASSWORD'])}" if found["PASSWORD"] else "")
    port = f":{found['PORT']}" if found["PORT"] else ""
    return f"postgresql://{login}{'@' if login else ''}{host}{port}/{found['NAME']}" + (
        f"?{urlencode(query)}" if query else ""
    )


def environment():
    """What a process needs to be part of the installation under test."""
    amazon = {f"SPAPI_ENDPOINT_{region}": url for region, url in settings.SPAPI_ENDPOINTS.items()}
    return (
        os.environ
        | amazon
        | {
            "DATABASE_URL": database_url(),
            "BROKER_URL": settings.BROKER_URL,
            "DATA_DIR": str(settings.DATA_DIR),
            "SECRET_KEY": settings.SECRET_KEY,
            "FIELD_KEYS": ",".join(settings.FIELD_KEYS),
            "LWA_TOKEN_URL": settings.LWA_TOKEN_URL,
            "SELLER_CENTRAL_URL": settings.SELLER_CENTRAL_URL,
            "VENDOR_CENTRAL_URL": settings.VENDOR_CENTRAL_URL,
            "SPAPI_DOCUMENT_HOSTS": ",".join(settings.SPAPI_DOCUMENT_HOSTS),
            "SPAPI_RATE_FACTOR": str(settings.SPAPI_RATE_FACTOR),
            "LWA_CLIENT_ID": settings.LWA_CLIENT_ID,
            "LWA_CLIENT_SECRET": settings.LWA_CLIENT_SECRET,
            "SPAPI_APPLICATION_ID": settings.SPAPI_APPLICATION_ID,
        }
    )


class Installation:
    """Processes of one test, each in a group of its own so that a kill takes the children along."""

    COMMANDS = {
        "worker": [
            "-m",
            "celery",
            "-A",
            "connector",
            "worker",
            "-l",
            "info",
            "-c",
            "2",
            "--without-gossip",
            "--without-mingle",
        ],
        "beat": ["-m", "celery", "-A", "connector", "beat", "-l", "info"],
        "web": ["-m", "gunicorn", "connector.wsgi"],
    }

    def __init__(self, folder, static=None):
        self.folder, self.static, self.processes = folder, static or folder / "static", {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"  # of "web"

    def environment(self):
        return environment() | {
            "WEB_CONCURRENCY": "1",
            "PUBLIC_URL": self.url,
            "STATIC_ROOT": str(self.static),
        }

    def start_web(self, seconds=30):
        """gunicorn as it is shipped, its static files collected; comes back when it answers."""
        if not self.static.is_dir():
            collect = [sys.executable, "manage.py", "collectstatic", "--no-input", "-v", "0"]
            subprocess.run(collect, cwd=PROJECT, env=self.environment(), check=True)
        self.start("web", "--bind", f"127.0.0.1:{self.port}")
        wait_until(self._answers, seconds=seconds, every=0.05)

    def _answers(self):
        try:
            return urllib.request.urlopen(f"{self.url}/healthz", timeout=2).status == 200
        except OSError:
            if self.processes["web"].poll() is not None:
                raise RuntimeError((self.folder / "web.log").read_text()) from None
            return False

    def start(self, name, *more):
        log = (self.folder / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(
            [sys.executable, *self.COMMANDS[name], *more],
            cwd=PROJECT,
            env=self.environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def kill(self, name):
        """kill -9 of the process and all its children."""
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def children(self, name):
        """The process ids of the part's own children: of a worker its pool."""
        parent, found = self.processes[name].pid, []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                        found.append(int(entry.name))
        return sorted(found)

    def kill_child(self, name, chance):
        """kill -9 of one child, the part itself lives on."""
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(chance.choice(self.children(name)), signal.SIGKILL)

    def stop_as_the_supervisor_does(self, name):
        """Asks it to end, and ends it where it takes its time over that."""
        process = self.processes[name]
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP[0][1])
        self.kill(name)

    def supervise(self):
        """Starts again what ended by itself, as the supervisor or systemd would."""
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                self.start(name)

    def stop(self):
        for name in list(self.processes):
            self.kill(name)


def wait_until(condition, *, seconds, every=0.2):
    """Waits for the condition and answers what it gave; fails after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {condition}")
        time.sleep(every)
