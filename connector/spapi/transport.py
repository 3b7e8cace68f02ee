"""HTTP transport: one connection pool per process; every exchange has a total deadline, and redirects are not
followed."""

import os
import platform
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, cast

import httpcore2
import httpx2

from connector.spapi.errors import Unreachable

VERSION = "0.1"
USER_AGENT = (
    f"Backhaul/{VERSION} (Language=Python/{'.'.join(platform.python_version_tuple()[:2])}; "
    f"Platform={platform.system()}/{platform.machine()})"
)
MAX_HEADERS = 500
RETRY_SECONDS = 15.0

_clock = threading.local()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Everything sent and received inside must finish within this many seconds, however slowly the other side
    responds."""
    before = getattr(_clock, "until", None)
    until = time.monotonic() + seconds
    _clock.until = until if before is None else min(before, until)
    try:
        yield
    finally:
        _clock.until = before


def _left(timeout: float | None, error: type[Exception]) -> float | None:
    """The time-out of the next step: its own, but never past the deadline."""
    until = getattr(_clock, "until", None)
    if until is None:
        return timeout
    left = until - time.monotonic()
    if left <= 0:
        raise error("the deadline is over")
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout, httpcore2.ConnectTimeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore2.NetworkBackend):
    def __init__(self) -> None:
        self._backend = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        timeout = _left(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._backend.connect_tcp(host, port, timeout, local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class Transport(httpx2.HTTPTransport):
    """HTTP/1.1 over verified TLS 1.2 or newer, by a pool that keeps to the deadline."""

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        context = ssl_context or httpx2.create_ssl_context()
        context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
        super().__init__(verify=context)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context,
            max_connections=20,
            max_keepalive_connections=10,
            keepalive_expiry=30,
            network_backend=_Backend(),
        )


@lru_cache(maxsize=4)
def _of_process(pid: int) -> Transport:
    return Transport()


def shared() -> Transport:
    """The pool of this process; a worker that was forked gets its own."""
    return _of_process(os.getpid())


class Bounded(httpx2.BaseTransport):
    """Reads at most so many bytes of an answer: an endless one is cut off here."""

    def __init__(self, transport: httpx2.BaseTransport, most_bytes: int) -> None:
        self._transport, self._most = transport, most_bytes

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = self._transport.handle_request(request)
        response.stream = _BoundedStream(cast(httpx2.SyncByteStream, response.stream), self._most)
        return response


class _BoundedStream(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, most: int) -> None:
        self._stream, self._most = stream, most

    def __iter__(self) -> Iterator[bytes]:
        seen = 0
        for part in self._stream:
            seen += len(part)
            if seen > self._most:
                raise httpx2.ReadError(f"the answer is longer than {self._most} bytes")
            yield part

    def close(self) -> None:
        self._stream.close()


FAILURES = (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError)


def unreachable(problem: BaseException, host: str | None) -> Unreachable:
    """What a failed exchange means, with messages that distinguish a wrong name, a bad certificate and a broken
    connection. To be raised by the caller, `from None`: the failure may hold a secret."""
    causes = list(_causes(problem))
    text = " ".join(str(cause) for cause in causes)
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes) or "CERTIFICATE_VERIFY_FAILED" in text:
        what = f"{host} presented a certificate that cannot be trusted, so nothing was sent"
    elif any(isinstance(cause, ssl.SSLError) for cause in causes):
        what = f"no safe connection (TLS 1.2 or newer) to {host} could be made"
    elif "Name or service not known" in text or "name resolution" in text or "No address associated" in text:
        what = f"the name {host} could not be found"
    elif isinstance(problem, httpx2.TimeoutException):
        what = f"{host} did not answer in time"
    elif isinstance(problem, httpx2.ConnectError):
        what = f"no connection to {host} could be made"
    else:
        what = f"the connection to {host} broke off, or its answer could not be read"
    return Unreachable(
        fact=f"Amazon could not be reached: {what}.",
        wait=RETRY_SECONDS,
        details=type(problem).__name__,
    )


def _causes(problem: BaseException | None) -> Iterator[BaseException]:
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__
