"""A scripted server: says exactly the bytes it is told to, and keeps exactly the bytes it was sent."""

import json
import socket
import threading
import time
from contextlib import suppress


class Sent:
    """One request as it came over the wire."""

    def __init__(self, raw):
        self.raw = raw
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = first.split(" ")
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def answer(body=b"", status="200 OK", headers=(), length=True):
    """The bytes of an HTTP answer; a body that is no bytes becomes JSON."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers = [("Content-Type", "application/json"), *headers]
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Wire:
    """`script` holds what is said to each request in turn: bytes, or a function of the connection; the last one repeats."""

    def __init__(self):
        self.requests = []
        self.script = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.host = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def says(self, *script):
        self.script = list(script)
        return self

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=[connection], daemon=True).start()

    def _talk(self, connection):
        with connection, suppress(OSError):
            while raw := self._read(connection):
                self.requests.append(Sent(raw))
                said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                if callable(said):
                    said(connection)
                    return
                connection.sendall(said)
                if b"Content-Length" not in said.partition(b"\r\n\r\n")[0] and b"chunked" not in said:
                    return

    @staticmethod
    def _read(connection):
        raw = b""
        while b"\r\n\r\n" not in raw:
            piece = connection.recv(65536)
            if not piece:
                return b""
            raw += piece
        head, _, body = raw.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self):
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # else the accept in the other thread keeps the port open
        self._listener.close()


def cut_after(data):
    """Says these bytes and hangs up."""

    def say(connection):
        connection.sendall(data)

    return say


def drip(data, pause):
    """Says one byte at a time."""

    def say(connection):
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(pause)

    return say
