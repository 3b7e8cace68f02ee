"""The web server: what it adds to gunicorn."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import pytest

from tests.conftest import PROJECT
from tests.living import wait_until

pytestmark = pytest.mark.slow

CLIENTS = 8


class Web:
    """gunicorn with two processes and an application that says which one answers."""

    def __init__(self, folder):
        (folder / "says_its_pid.py").write_text(
            "import os\n"
            "def application(environ, start_response):\n"
            "    body = str(os.getpid()).encode()\n"
            "    start_response('200 OK', [('Content-Length', str(len(body)))])\n"
            "    return [body]\n"
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", "says_its_pid:application", "--bind", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(
            [*command, "--pythonpath", str(folder), "--log-level", "warning"],
            cwd=PROJECT,
            env=os.environ | {"WEB_CONCURRENCY": "2"},
            stdout=subprocess.DEVNULL,
        )
        wait_until(lambda: len(self.pids()) == 2 and self.answers(), seconds=30, every=0.02)

    def answers(self):
        assert self.process.poll() is None
        with suppress(OSError, http.client.HTTPException):
            return self.ask(self.connect())

    def pids(self):
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def open_connections(self):
        found = [link for pid in self.pids() for link in psutil.Process(pid).net_connections("tcp")]
        return sum(link.status == psutil.CONN_ESTABLISHED for link in found)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(self, link):
        """The process that answers; the connection stays open."""
        link.request("GET", "/")
        return int(link.getresponse().read())

    def crowd(self):
        """{process: how many of the clients that come at once and stay it has}, and these."""
        links = [self.connect() for _ in range(CLIENTS)]
        for link in links:
            link.connect()
        answered = [self.ask(link) for link in links]
        return {pid: answered.count(pid) for pid in answered}, links

    def stop(self):
        self.process.terminate()
        self.process.wait(40)


@pytest.fixture
def web(tmp_path):
    found = Web(tmp_path)
    yield found
    found.stop()


def test_clients_that_come_at_once_are_shared_evenly_between_the_processes(web):
    fewest = []
    for _ in range(6):
        wait_until(lambda: web.open_connections() == 0, seconds=30, every=0.02)
        shares, links = web.crowd()
        for link in links:
            link.close()
        fewest.append(min(shares.values()) if len(shares) == 2 else 0)

    # Half of them each time, but for once in a while where a process had no core just then; by luck it would be two of eight.
    assert sum(fewest) >= 0.8 * 6 * CLIENTS / 2, fewest


def test_many_more_clients_than_threads_are_all_answered_however_fast_some_ask_on(web):
    links = [web.connect() for _ in range(48)]  # of 32 threads
    with ThreadPoolExecutor(len(links)) as clients:
        answered = list(clients.map(lambda link: [web.ask(link) for _ in range(20)], links))

    assert [len(set(pids)) for pids in answered] == [1] * len(links), "each stays with one process"


def test_two_requests_in_one_packet_are_two_answers(web):
    with socket.create_connection(("127.0.0.1", web.port), timeout=20) as link:
        link.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        found = b"".join(iter(lambda: link.recv(1 << 16), b""))

    assert found.count(b"HTTP/1.1 200 OK") == 2


def test_a_killed_process_is_counted_no_more_and_a_stopped_one_waited_for_no_longer_than_a_moment(web):
    killed, stopped = web.pids()
    os.kill(killed, signal.SIGKILL)
    fresh = wait_until(lambda: set(web.pids()) - {killed, stopped}, seconds=30, every=0.02)
    wait_until(lambda: len(web.pids()) == 2, seconds=30, every=0.02)
    os.kill(stopped, signal.SIGSTOP)
    try:
        shares, links = web.crowd()
    finally:
        os.kill(stopped, signal.SIGCONT)

    assert shares == {fresh.pop(): CLIENTS}, "it had more than the other, but the other took none"
    for link in links:
        link.close()
