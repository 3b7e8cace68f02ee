"""A whole installation as people start it: `manage.py serve`, with embedded servers, in a process group of its own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from connector.runtime.embedded import children
from connector.runtime.embedded.folder import Hold
from tests import clock

PROJECT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform != "linux", reason="it looks at processes as Linux shows them"),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def bare_environment(**more):
    """What a shell has, and nothing of ours but the run's clock."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | clock.environment() | {name: str(value) for name, value in more.items()}


def manage(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env=bare_environment(**environment),
        capture_output=True,
        text=True,
        timeout=120,
    )


class Installation:
    program = ("manage.py",)

    def __init__(self, folder, port, command="serve"):
        self.folder, self.port = folder, port
        self.process = subprocess.Popen(
            [sys.executable, *self.program, command],
            cwd=PROJECT,
            env=bare_environment(DATA_DIR=folder, PORT=port, **self.amazon()),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = []
        threading.Thread(target=self._listen, daemon=True).start()

    def amazon(self):
        """Where Amazon is; nowhere, where nothing of it is asked."""
        return {}

    def _listen(self):
        self.said.extend(iter(self.process.stdout.readline, ""))

    def wait_for_word(self, word, seconds=90):
        self.wait_until(lambda: any(word in line for line in self.said) or self.process.poll() is not None, seconds)
        assert any(word in line for line in self.said), "".join(self.said)

    def wait_until(self, true, seconds=90):
        """Waits for something to be there, and answers it."""
        deadline = time.monotonic() + seconds
        while not (found := true()):
            assert time.monotonic() < deadline, "".join(self.said)
            time.sleep(0.1)
        return found

    def readiness(self):
        """The status of /readyz and the reasons it gives; 0 while the web server is away."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=30) as answer:
                return answer.status, {}
        except urllib.error.HTTPError as answer:
            return answer.code, json.load(answer)["checks"]
        except OSError:
            return 0, {}

    def wait_until_ready(self):
        self.wait_until(lambda: self.readiness()[0] == 200)

    def part(self, *words):
        """The oldest process of a part: the one that the group started."""
        found = [pid for pid in children.marked(self.folder) if set(words) <= set(command_line(pid))]
        return min(found) if found else None

    def server(self, name):
        """The process that the group started as that server, None while there is none; its own children come and go."""
        found = [pid for pid in children.working_in(self.folder / name) if parent_of(pid) == self.process.pid]
        return found[0] if found else None

    def kill_server(self, name):
        """Kills the server with all its children; answers which process it was."""
        killed = self.wait_until(lambda: self.server(name))
        for pid in [killed, *children.working_in(self.folder / name)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return killed

    def working(self):
        return [pid for name in ("postgres", "valkey") for pid in children.working_in(self.folder / name)]

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        return self.process.wait(60)


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def parent_of(pid):
    """The parent's process id, None once the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    installation = Installation(tmp_path_factory.mktemp("installation") / "data", free_port())
    try:
        installation.wait_for_word("Ctrl-C")
        installation.wait_until_ready()
        yield installation
    finally:
        if installation.process.poll() is None:
            installation.stop()


def test_the_first_start_prints_a_link_for_the_first_administrator_and_no_password(running):
    said = "".join(running.said)
    link = next(word for word in said.split() if "/first-admin/" in word)

    assert link.startswith(f"http://127.0.0.1:{running.port}/")
    with urllib.request.urlopen(link, timeout=30) as page:
        assert page.status == 200
    assert "password" not in said.lower()


def test_each_part_has_its_log_under_data_dir(running):
    for name in ("postgres", "valkey", "web", "worker", "beat"):
        assert (running.folder / "logs" / f"{name}.log").stat().st_size > 0


def test_a_second_start_on_the_folder_is_refused_and_harms_nobody(running):
    before = children.marked(running.folder)

    second = manage("serve", DATA_DIR=running.folder, PORT=free_port())

    assert second.returncode == 1
    assert f"make run (process {running.process.pid})" in second.stderr
    assert children.marked(running.folder) == before
    assert running.readiness()[0] == 200


def test_a_busy_port_is_refused_by_name_and_nothing_stays_behind(running, tmp_path):
    second = manage("serve", DATA_DIR=tmp_path / "other", PORT=running.port)

    assert second.returncode == 1
    assert f"PORT: 127.0.0.1:{running.port}" in second.stderr
    assert not children.working_in(tmp_path / "other" / "postgres")


def test_other_commands_talk_to_the_running_database(running):
    asked = manage(
        "shell", "-c", "from connector.models import Worker; print(Worker.objects.count())", DATA_DIR=running.folder
    )

    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.split()[-1] == "1"
    assert Hold(running.folder).holder().startswith("make run")


def test_the_doctor_finds_it_well_but_for_amazon(running):
    lines = manage("doctor", DATA_DIR=running.folder).stdout.splitlines()

    assert [line for line in lines if line.startswith("FIX")] == [line for line in lines if "LWA_CLIENT_ID" in line]


@pytest.mark.parametrize(
    "words", [("celery", "worker"), ("celery", "beat"), ("gunicorn",)], ids=lambda words: words[-1]
)
def test_a_killed_part_comes_back(running, words):
    victim = running.wait_until(lambda: running.part(*words))

    os.kill(victim, signal.SIGKILL)

    running.wait_until(lambda: running.part(*words) not in (victim, None) and children.is_gone(victim))
    running.wait_until_ready()


@pytest.mark.parametrize("server", ["postgres", "valkey"])
def test_a_killed_server_comes_back_and_the_parts_find_it_again(running, server):
    killed = running.kill_server(server)

    running.wait_until(lambda: running.server(server) not in (killed, None))
    running.wait_until_ready()


def test_readiness_names_the_part_that_is_missing(running):
    os.kill(running.process.pid, signal.SIGSTOP)  # nobody watches for a while
    try:
        running.kill_server("postgres")

        status, checks = running.readiness()

        assert status == 503
        assert "PostgreSQL does not answer" in checks["database"]["reason"]
        assert checks["broker"]["ready"]
    finally:
        os.kill(running.process.pid, signal.SIGCONT)
    running.wait_until_ready()


def test_killed_outright_it_leaves_nothing_that_the_next_start_minds(running):
    running.process.kill()
    running.process.wait()

    again = Installation(running.folder, running.port)
    again.wait_for_word("Ctrl-C")
    again.wait_until_ready()

    assert "first-admin" in "".join(again.said)
    assert again.stop(signal.SIGTERM) == 0
    assert "Stopping" in "".join(again.said)
    assert not again.working()
    assert not children.marked(again.folder)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """A folder whose database a command has made and left; nobody works in it."""
    folder = tmp_path_factory.mktemp("migrated") / "data"
    made = manage("migrate", "--verbosity", "0", DATA_DIR=folder)
    assert made.returncode == 0, made.stderr
    return folder


def test_a_command_brings_its_own_database_where_none_runs_and_takes_it_away_again(migrated):
    assert not children.working_in(migrated / "postgres")
    code = "from connector.accounts.models import User; print(User.objects.filter(username='nobody').count())"

    second = manage("shell", "-c", code, DATA_DIR=migrated)

    assert second.stdout.split()[-1] == "0", second.stderr
    assert not children.working_in(migrated / "postgres")


def test_two_commands_at_once_share_one_database(migrated):
    folder = migrated
    code = "import time; from django.db import connection; connection.ensure_connection(); time.sleep({}); connection.cursor().execute('SELECT 1'); print('fine')"
    command = [sys.executable, "manage.py", "shell", "-c"]
    arguments = {"cwd": PROJECT, "env": bare_environment(DATA_DIR=folder), "stdout": subprocess.PIPE, "text": True}

    started = [subprocess.Popen([*command, code.format(pause)], **arguments) for pause in (0.5, 3)]

    assert [process.communicate(timeout=60)[0].split()[-1] for process in started] == ["fine", "fine"]
    assert not children.working_in(folder / "postgres")


def test_the_demos_folder_is_refused_for_real_data(tmp_path):
    (tmp_path / "simulator.json").write_text('{"port": 1}')

    serve = manage("serve", DATA_DIR=tmp_path, PORT=free_port())

    assert serve.returncode == 1
    assert "holds the demo and its simulated orders" in serve.stderr


def test_the_demo_is_refused_where_people_have_accounts_and_the_folder_stays_theirs(migrated):
    folder = migrated
    person = {"DJANGO_SUPERUSER_USERNAME": "ana", "DJANGO_SUPERUSER_EMAIL": "ana@example.com"}
    made = manage(
        "createsuperuser", "--noinput", DATA_DIR=folder, DJANGO_SUPERUSER_PASSWORD="a long password", **person
    )
    assert made.returncode == 0, made.stderr

    demo = manage("demo", DATA_DIR=folder, PORT=free_port())

    assert demo.returncode == 1
    assert "people of its own" in demo.stderr
    assert not (folder / "simulator.json").exists()
    assert not children.working_in(folder / "postgres")
