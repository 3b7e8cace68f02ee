"""What is malformed before Django sees it: the server itself answers with a 4xx problem, and goes on serving."""

import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.serving import shop

pytestmark = [pytest.mark.django_db, pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def orders(make):
    return make.dataset("orders_us", rows=shop.orders(3))


@pytest.fixture(scope="module")
def token(make):
    return make.token()


def say(web, raw):
    """(status, content type, body) of the answer to these bytes."""
    parts = urlsplit(web.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as wire:
        wire.sendall(raw)
        wire.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := wire.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return int(lines[0].split()[1]), headers.get("content-type", ""), body


@pytest.mark.parametrize(
    ("start", "status"),
    [
        ("GET /api/v1/datasets?q=" + "x" * 9000 + " HTTP/1.1\r\nHost: {host}\r\n\r\n", 414),
        ("GET /api/v1/datasets HTTP/1.1\r\nHost: {host}\r\n" + "X-A: b\r\n" * 200 + "\r\n", 431),
        ("GET /api/v1/datasets HTTP/1.1\r\nHost: {host}\r\nX-A: " + "b" * 20_000 + "\r\n\r\n", 431),
        ("GET /api/v1/datasets HTTP/1.1\r\nHost: {host}\r\nX A: b\r\n\r\n", 400),
        ("GET /api/v1/datasets HTTP/1.1\r\nHost: {host}\r\nX-A: b\x00c\r\n\r\n", 400),
        ("GET /api/v1/datasets HTTP/7.3\r\nHost: {host}\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400),
        ("GET  HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
        ("POST /api/v1/datasets HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        ("POST /api/v1/datasets HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST /api/v1/datasets HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", 400),
    ],
)
def test_what_is_no_http_is_refused_as_a_problem(web, orders, start, status):
    answer = say(web, start.replace("{host}", urlsplit(web.url).netloc).encode("latin-1"))

    said = json.loads(answer[2])
    assert answer[:2] == (status, "application/problem+json")
    assert (said["status"], said["code"]) == (status, "bad_request" if status == 400 else "too_large")
    assert said["detail"] and said["title"] and said["errors"] == []


@pytest.mark.parametrize(
    "body",
    [
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n",
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        "Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{",
        "Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{}",
        "Content-Type: application/x-www-form-urlencoded; charset=nonsense\r\nContent-Length: 3\r\n\r\na=%",
        "Content-Type: multipart/form-data\r\nContent-Length: 3\r\n\r\nabc",
        "Content-Type: multipart/form-data; boundary=\r\nContent-Length: 3\r\n\r\nabc",
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 3\r\n\r\n--x",
    ],
)
@pytest.mark.parametrize(
    "path", ["/api/v1/datasets", "/oauth/token", "/api/v1/query", "/v1/datasets/query/execute/orders_us"]
)
def test_a_body_that_breaks_off_or_lies_is_refused_as_a_problem(web, orders, token, path, body):
    host = urlsplit(web.url).netloc
    raw = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n{body}"

    status, kind, said = say(web, raw.encode())

    assert (400 <= status < 500, kind) == (True, "application/problem+json"), (status, said)
    assert json.loads(said)["status"] == status
