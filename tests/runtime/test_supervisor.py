"""The process group: what falls over is started again, what cannot start is named with its log, nothing is left behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from connector.runtime.embedded import children
from connector.runtime.embedded.start_errors import StartError
from connector.runtime.installation import supervisor
from connector.runtime.installation.supervisor import Group, Program, check_port


@pytest.fixture
def said():
    return []


@pytest.fixture
def group(tmp_path, said):
    group = Group(tmp_path, say=said.append)
    yield group
    group.stop()


def program(group, name, code, **more):
    """A part that runs this Python."""
    part = group.program(name, "this_module_is_replaced", environment=dict(os.environ), **more)
    part.command = [sys.executable, "-c", code]
    return part


def watch_for(group, seconds, until=lambda: False):
    """The watch, ended after a while from outside, as a signal would end it."""
    deadline = time.monotonic() + seconds

    class Enough(BaseException):
        pass

    def sleep(pause):
        if until() or time.monotonic() > deadline:
            raise Enough
        original(pause)

    original, supervisor.time.sleep = time.sleep, sleep
    try:
        group.watch()
    except Enough:
        pass
    finally:
        supervisor.time.sleep = original


def test_a_part_that_is_killed_is_started_again(group, said):
    group.launch(program(group, "worker", "import time; time.sleep(60)"))
    first = group.processes["worker"]
    first.kill()
    first.wait()

    watch_for(group, 10, until=lambda: group.processes["worker"] is not first)

    assert group.processes["worker"].poll() is None
    assert "killed by SIGKILL" in said[0]
    assert "worker.log" in said[0]


@pytest.mark.slow
def test_a_part_that_keeps_falling_is_started_ever_more_slowly(group, said):
    group.launch(program(group, "beat", "raise SystemExit(3)"))

    watch_for(group, 12, until=lambda: len(said) == 4)

    pauses = [float(re.search(r"restarting it in (\S+) s", line)[1]) for line in said]
    assert pauses == [0, 1, 2, 4]
    assert "exit code 3" in said[0]


def test_a_part_that_cannot_start_is_named_with_the_end_of_its_log(group):
    group.launch(program(group, "web", "raise SystemExit('no such setting')", serves=lambda: False))

    with pytest.raises(StartError) as refused:
        group.wait_until_serving("web")

    assert "web did not start" in str(refused.value)
    assert "web.log" in str(refused.value)
    assert "no such setting" in str(refused.value)


def test_waiting_ends_when_another_part_falls(group):
    group.launch(program(group, "web", "import time; time.sleep(60)", serves=lambda: False))
    group.launch(program(group, "worker", "raise SystemExit(1)"))

    with pytest.raises(StartError, match="worker did not start"):
        group.wait_until_serving("web")


def test_a_stop_ends_children_of_children_too(group, tmp_path):
    code = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True); time.sleep(60)"
    group.launch(program(group, "worker", code))
    deadline = time.monotonic() + 10
    while len(children.marked(tmp_path)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    family = children.marked(tmp_path)
    assert len(family) == 2

    group.stop()

    assert all(children.is_gone(pid) for pid in family)


def test_a_process_that_has_given_up_its_memory_is_waited_for_until_it_is_gone():
    """Its environment, by which it is found, goes before its files and ports do."""
    code = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: time.sleep(0.5) or exit()); print(flush=True); time.sleep(60)"
    ending = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    ending.stdout.read(1)  # it is ready for the signal
    found = iter([[ending.pid]])

    assert children.reclaim(lambda: next(found, []), [(signal.SIGTERM, 30)])

    assert children.is_gone(ending.pid)
    ending.wait()


def test_a_part_that_ignores_the_signal_is_ended_hard_and_that_is_said(group, said, monkeypatch):
    monkeypatch.setattr(supervisor, "STOP", ((signal.SIGTERM, 0.3), (signal.SIGKILL, 5)))
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    deaf = program(group, "web", code)
    group.launch(deaf)
    while b"deaf" not in deaf.log.read_bytes():
        time.sleep(0.02)

    group.stop()

    assert "killed: web" in said[0]


def test_leftovers_of_a_killed_group_are_ended_before_a_start(tmp_path, group):
    left = children.spawn(["sleep", "60"], environment=os.environ | {children.MARK: str(tmp_path)})

    group.end_leftovers()

    assert left.wait(5) == -signal.SIGTERM


def test_a_busy_port_is_refused_with_the_next_one_as_advice():
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]

        with pytest.raises(StartError) as refused:
            check_port(port)

    assert f"PORT: 127.0.0.1:{port}" in str(refused.value)
    assert f"PORT={port + 1}" in str(refused.value)


def test_a_part_serves_when_its_address_answers(tmp_path):
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/good" else 503)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"

    assert supervisor.answers(f"{url}/good")()
    assert not supervisor.answers(f"{url}/bad")()
    server.shutdown()
    server.server_close()
    assert not supervisor.answers(f"{url}/good")()


def test_a_program_is_written_with_our_own_interpreter(group):
    part = group.program("web", "gunicorn", "connector.wsgi", environment={})

    assert isinstance(part, Program)
    assert part.command == [sys.executable, "-m", "gunicorn", "connector.wsgi"]
    assert part.environment[children.MARK] == str(group.data_dir)
