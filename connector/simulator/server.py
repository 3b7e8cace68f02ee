"""HTTP/1.1 with keep-alive over a thread for each connection, and the ways in which an answer goes astray."""

import contextlib
import socket
import struct
import threading
import time
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import document_corruption
from .answers import Answer, Request
from .simulator import Simulator

MAX_BODY = 10 * 2**20


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, address, simulator):
        super().__init__(address, Handler)
        self.simulator = simulator

    @property
    def url(self):
        host, port = self.server_address[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def handle_error(self, request, client_address):
        """A caller that hangs up is part of the play."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Server"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 2**16
    timeout = 120

    def answer(self):
        path, _, query = self.path.partition("?")
        length = self.headers.get("Content-Length", "0")
        chunked = "Transfer-Encoding" in self.headers
        if chunked or not length.isdigit() or int(length) > MAX_BODY:
            self.close_connection = True  # whatever follows is not read
        if (chunked and self.command != "GET") or not length.isdigit() or int(length) > MAX_BODY:
            self._send(Answer(411, b"A Content-Length is needed.", "text/plain"))
            return
        body = b"" if chunked else self.rfile.read(int(length))
        if not chunked and len(body) < int(length):
            self.close_connection = True  # its sender died before the end: no server takes that for a request
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        base = f"http://{headers.get('host') or self.server.url.removeprefix('http://')}"
        self._send(self.server.simulator.answer(Request(self.command, path, query, headers, body, base)))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

    def log_message(self, *args):
        pass

    def _send(self, answer):
        deliver = DELIVERIES.get((answer.delivery or {}).get("kind"), _whole)
        with contextlib.suppress(ConnectionError, TimeoutError):
            deliver(self, answer)

    def head(self, answer, length):
        lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, '')}"]
        headers = {"Date": self.date_time_string(self.server.simulator.clock.now()), **answer.headers}
        if answer.body or answer.content_type != "application/json":
            headers["Content-Type"] = answer.content_type
        if length is not None:
            headers["Content-Length"] = str(length)
        if self.close_connection:
            headers["Connection"] = "close"
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def put(self, data):
        self.wfile.write(data)
        self.wfile.flush()

    def hang_up(self, reset=False):
        self.close_connection = True
        if reset:  # a reset instead of an orderly end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _whole(handler, answer):
    body = b"" if handler.command == "HEAD" else answer.body
    handler.put(handler.head(answer, len(answer.body)) + body)


def _cut(handler, answer):
    sent = answer.delivery.get("bytes", document_corruption.place(answer.delivery, len(answer.body), 0.5))
    handler.put(handler.head(answer, len(answer.body)) + answer.body[:sent])
    handler.hang_up(answer.delivery.get("reset", False))


def _no_answer(handler, answer):
    handler.hang_up(answer.delivery.get("reset", True))


def _wrong_length(handler, answer):
    by = answer.delivery.get("by", 10)
    handler.put(handler.head(answer, max(0, len(answer.body) + by)) + answer.body)
    handler.hang_up()


def _drip(handler, answer):
    step = answer.delivery.get("bytes", 1)
    handler.put(handler.head(answer, len(answer.body)))
    for start in range(0, len(answer.body), step):
        handler.put(answer.body[start : start + step])
        time.sleep(answer.delivery.get("seconds", 1))


def _delay(handler, answer):
    time.sleep(answer.delivery.get("seconds", 5))
    _whole(handler, answer)


def _bad_chunks(handler, answer):
    answer.headers["Transfer-Encoding"] = "chunked"
    handler.put(handler.head(answer, None) + b"5\r\n" + answer.body[:5] + b"\r\nnot a number\r\n")
    handler.hang_up()


def _many_headers(handler, answer):
    for number in range(answer.delivery.get("number", 10000)):
        answer.headers[f"x-filler-{number}"] = "x"
    _whole(handler, answer)


def _big_header(handler, answer):
    answer.headers["x-filler"] = "x" * answer.delivery.get("bytes", 2**20)
    _whole(handler, answer)


DELIVERIES = {
    "cut": _cut,
    "no_answer": _no_answer,
    "wrong_length": _wrong_length,
    "drip": _drip,
    "delay": _delay,
    "bad_chunks": _bad_chunks,
    "many_headers": _many_headers,
    "big_header": _big_header,
}


@contextlib.contextmanager
def running(host="127.0.0.1", port=0, **options):
    """A simulator on its own thread of this process, for tests: gives the server, with `.url` and `.simulator`."""
    server = Server((host, port), Simulator(**options))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
