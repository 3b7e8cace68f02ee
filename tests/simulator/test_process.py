"""The simulator as a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.simulator.caller import APPLICATION_ID, Amazon

PROJECT = Path(__file__).resolve().parents[2]


def start(*options, **environment):
    command = [sys.executable, "-m", "connector.simulator", *options]
    environment = {k: v for k, v in os.environ.items() if k != "SPAPI_RATE_FACTOR"} | environment
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=PROJECT, env=environment, **pipes)


@pytest.fixture
def process():
    running = []

    def begin(*options, **environment):
        running.append(start(*options, **environment))
        line = running[-1].stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), line
        return running[-1], line.split()[-1]

    yield begin
    for each in running:
        each.kill()
        each.wait()
        each.stdout.close()
        each.stderr.close()


def control(url, path):
    with urllib.request.urlopen(f"{url}/simulator/{path}", timeout=5) as answer:
        return json.load(answer)


def test_it_says_where_it_listens_and_takes_its_options(process):
    _, url = process("--now", "2026-01-05T00:00:00Z", "--rate-factor", "7", "--processing-seconds", "9")
    assert control(url, "clock") == {"now": "2026-01-05T00:00:00Z", "frozen": True}
    settings = control(url, "settings")
    assert (settings["rate_factor"], settings["processing_seconds"]) == (7, 9)


def test_the_environment_gives_the_rate_factor(process):
    assert control(process(SPAPI_RATE_FACTOR="50")[1], "settings")["rate_factor"] == 50
    assert control(process()[1], "settings")["rate_factor"] == 1


def test_it_starts_quickly(process):
    """Half a second on an idle machine; the bound leaves room for a busy one."""
    start = time.monotonic()
    process()
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_it_stops_when_told_to(process, name):
    running, _ = process()
    running.send_signal(getattr(signal, name))
    assert running.wait(5) == 0
    assert running.stderr.read() == ""


def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = start("--port", str(port))
        _, errors = running.communicate(timeout=10)
    assert running.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in errors
    assert "Traceback" not in errors


def test_it_needs_neither_django_nor_the_product():
    code = (
        "import sys, connector.simulator.__main__\n"
        "print([name for name in sys.modules if name.startswith(('django', 'datasets', 'httpx', 'psycopg')) or "
        "(name.startswith('connector.') and not name.startswith('connector.simulator'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_one_process_gave_out_the_next_one_still_knows(process):
    """A restarted Amazon keeps refresh tokens, access tokens and page tokens: they carry their own content."""
    options = ("--now", "2026-08-15T12:00:00Z", "--rate-factor", "1000000")
    running, url = process(*options)
    amazon = Amazon(url)
    body = {"application_id": APPLICATION_ID, "redirect_uri": "http://localhost/"}
    code = amazon.control("codes", body)["spapi_oauth_code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "http://localhost/"}
    refresh_token = amazon.token_request(**form).json["refresh_token"]
    query = {"createdAfter": "2026-08-01T00:00:00Z", "maxResultsPerPage": 3}
    token = amazon.search(**query).json["pagination"]["nextToken"]
    access_token = amazon.access_token()
    running.kill()
    again = Amazon(process(*options)[1])
    assert again.token_request(grant_type="refresh_token", refresh_token=refresh_token).status == 200
    again._tokens = {"Atzr|simulator-seller": access_token}
    assert again.search(**query, paginationToken=token).status == 200


def test_reports_outlive_the_process_where_a_folder_is_given(process, tmp_path):
    options = ("--now", "2026-08-15T12:00:00Z", "--data-dir", str(tmp_path))
    running, url = process(*options)
    amazon = Amazon(url)
    period = ("2026-08-01T00:00:00Z", "2026-08-02T00:00:00Z")
    first, second = amazon.create_report(*period), amazon.create_report(*period)
    assert amazon.call("DELETE", f"/reports/2021-06-30/reports/{second}").status == 200
    running.kill()
    with (tmp_path / "reports.jsonl").open("a") as file:
        file.write('{"id": "cut sho')
    running, url = process(*options)
    again = Amazon(url)
    assert again.report(first)["dataStartTime"] == period[0]
    assert again.report(second)["processingStatus"] == "CANCELLED"
    third = again.create_report(*period)
    assert third not in (first, second)
    running.kill()
    assert Amazon(process(*options)[1]).report(third)["reportId"] == third


def test_it_serves_two_hundred_requests_a_second(process):
    _, url = process("--rate-factor", "1000000")
    headers = {"x-amz-access-token": Amazon(url).access_token(), "User-Agent": "Tests/1.0"}
    link = HTTPConnection(url.removeprefix("http://"))
    start = time.monotonic()
    for _ in range(200):
        link.request("GET", "/sellers/v1/marketplaceParticipations", headers=headers)
        assert link.getresponse().read()
    assert time.monotonic() - start < 1
