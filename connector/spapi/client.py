"""One account's calls to Amazon: quota first, then one request, and an error class that says what to do.

The only retry here is one call with a fresh access token; the caller comes back after `wait` seconds.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import httpx2
import orjson

from connector.spapi import transport as wire
from connector.spapi.errors import (
    AccessDenied,
    AmazonRefused,
    AnswerTooLarge,
    DocumentElsewhere,
    DocumentExpired,
    DocumentRefused,
    DocumentTooLarge,
    PageTokenDied,
    Redirected,
    SpapiError,
    Throttled,
    Unreachable,
)
from connector.spapi.operations import OPERATIONS, Operation

CALL_SECONDS = 90.0
STEP_SECONDS = 30.0  # for one connect, read or write within the call
MAX_ANSWER = 64 << 20
DOWNLOAD_SECONDS = 3600.0
MAX_SLEEP = 1.0
MAX_PAUSE = 300.0

# Amazon's document hosts: the host names of its storage service, with or without a bucket and a region.
_STORAGE = re.compile(
    r"(?:[a-z0-9][a-z0-9.-]*\.)?s3(?:[.-](?:dualstack|accelerate|fips|external-1|[a-z]{2}(?:-[a-z]+)+-\d))*\.amazonaws\.com"
)
_TOKEN_WORDING = re.compile(r"token|expired|revoked|malformed", re.IGNORECASE)
_SIZE_WORDING = re.compile(r"(?:response|result|payload).{0,40}(?:size|large|big|exceed)", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """`replaced` counts characters that no database keeps (NUL, half surrogates) and that became U+FFFD."""

    json: object
    headers: httpx2.Headers
    status: int
    request_id: str
    replaced: int = 0


@dataclass(frozen=True)
class Downloaded:
    """A document on the disk as it came over the wire. `content_type` is empty where Amazon named none, `bytes` is
    the file's size."""

    path: Path
    content_type: str
    bytes: int


@dataclass
class Call:
    """One request that is about to go out, as the quota sees it. `kind` is what further limits go by, `place` is the
    client's; `taken`, and when that was by time.monotonic(), are for the quota to keep."""

    operation: Operation
    kind: str = ""
    place: object = None
    taken: Any = None
    taken_at: float = 0.0

    @property
    def name(self) -> str:
        return self.operation.name


@dataclass(frozen=True, slots=True)
class _Request:
    """What goes out, but for the access token."""

    method: str
    url: str
    content: bytes | None
    headers: dict[str, str]


class Client:
    """`access_token(force_refresh)` gives a token; `quota_take(call)` takes one request or says how long to wait.

    `on_answered(call, rate, is_well)` hears that a call has come back, or been cut off, with the rate in the answer's
    header, if any; `on_throttled(call, seconds)` hears of a 429 and may answer with a better pause;
    `on_date(call, date, sent, received)` hears the Date header of each answer, with the moments of time.monotonic() at which
    the request went out and the headers came in. `place` may be set to tell the quota who is asking.
    """

    def __init__(
        self,
        endpoint: str,
        access_token: Callable[..., str],
        quota_take: Callable[[Call], float | None],
        on_throttled: Callable[[Call, float], float | None] | None = None,
        on_answered: Callable[[Call, float | None, bool], object] | None = None,
        on_date: Callable[[Call, str, float, float], object] | None = None,
        *,
        document_hosts: Iterable[str] = (),
        transport: httpx2.BaseTransport | None = None,
        call_seconds: float = CALL_SECONDS,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._access_token = access_token
        self._quota_take = quota_take
        self._on_throttled = on_throttled or (lambda call, seconds: None)
        self._on_answered = on_answered or (lambda call, rate, is_well: None)
        self._on_date = on_date or (lambda call, date, sent, received: None)
        self.place: object = None
        self._document_hosts = frozenset(host.lower() for host in document_hosts)
        self._call_seconds = call_seconds
        self._sleep = sleep
        self._http = httpx2.Client(
            transport=transport or wire.shared(),
            timeout=httpx2.Timeout(STEP_SECONDS),
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": wire.USER_AGENT, "Accept-Encoding": "identity"},
        )

    def call(
        self,
        name: str,
        path: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Answer:
        """The answer to the operation of this name in `OPERATIONS`.

        `path` fills the places of the operation's path, `query` and `body` go as they are. Raises the errors of
        connector.spapi.errors: Throttled where the quota is used up for longer than a second or Amazon answers
        429, Unreachable, AccessDenied, PageTokenDied, AnswerTooLarge, Redirected, else AmazonRefused; and whatever the
        source of access tokens raises.
        """
        operation = OPERATIONS[name]
        request = self._request(operation, path or {}, query or {}, body)
        kind = str((body or {}).get(operation.kind, "")) if operation.kind else ""
        call, outcome = self._send(operation, kind, request, self._access_token())
        if isinstance(outcome, _Failure) and outcome.status in (401, 403) and _TOKEN_WORDING.search(outcome.words):
            call, outcome = self._send(operation, kind, request, self._access_token(force_refresh=True))
        if isinstance(outcome, _Failure):
            raise self._meaning(call, query or {}, outcome)
        return outcome

    def _send(
        self, operation: Operation, kind: str, request: _Request, access_token: str
    ) -> tuple[Call, Answer | _Failure]:
        """One request of the quota, and what became of it. The token is there before: it may take long to get one."""
        call = Call(operation, kind, self.place)
        self._take(call)
        return call, self._exchange(call, request, access_token)

    # Quota

    def _take(self, call: Call) -> None:
        slept = 0.0
        while True:
            wait = self._quota_take(call)
            if not wait:
                return
            if slept + wait > MAX_SLEEP:
                raise Throttled(
                    fact=f"Amazon's rate limit for {call.name} is used up for now; the next request can be sent in "
                    f"{_duration(wait)}.",
                    wait=wait,
                    operation=call.name,
                )
            self._sleep(wait)
            slept += wait

    # One exchange

    def _request(
        self,
        operation: Operation,
        path: Mapping[str, object],
        query: Mapping[str, object],
        body: Mapping[str, object] | None,
    ) -> _Request:
        filled = {name: quote(str(value), safe="") for name, value in path.items()}
        url = self._endpoint + operation.path.format(**filled)
        if query:
            url += "?" + encoded(query)
        content = None if body is None else orjson.dumps(body)
        headers = {"Accept": "application/json"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        return _Request(operation.method, url, content, headers)

    def _exchange(self, call: Call, request: _Request, access_token: str) -> Answer | _Failure:
        """The Answer, or a _Failure where it is no success. Raises Unreachable where there is none that can be read."""
        host = urlsplit(request.url).hostname
        rate, is_well, date, received = None, False, None, 0.0
        sent = time.monotonic()
        try:
            with (
                wire.deadline(self._call_seconds),
                self._http.stream(
                    request.method,
                    request.url,
                    content=request.content,
                    headers=request.headers | {"x-amz-access-token": access_token},
                ) as response,
            ):
                received = time.monotonic()
                date = None if "Age" in response.headers else response.headers.get("Date")  # not what a cache has kept
                rate = _number(response.headers.get("x-amzn-RateLimit-Limit"))
                is_well = response.status_code < 500 and response.status_code != 429
                content = _whole(response)
        except wire.FAILURES as problem:
            raise wire.unreachable(problem, host) from None
        finally:
            self._on_answered(call, rate, is_well)
            if date:
                self._on_date(call, date, sent, received)
        request_id = response.headers.get("x-amzn-RequestId", "")
        if response.status_code // 100 != 2:
            return _Failure(call.name, response.status_code, request_id, content)
        parsed, replaced = _parsed(content, call.name, request_id) if content.strip() else (None, 0)
        if call.operation.method != "DELETE" and not isinstance(parsed, (dict, list)):
            raise Unreachable(
                fact=f"Amazon's answer to {call.name} was empty.",
                wait=wire.RETRY_SECONDS,
                status=response.status_code,
                request_id=request_id,
                operation=call.name,
            )
        if _is_only_errors(parsed):
            return _Failure(call.name, 400, request_id, content)
        return Answer(parsed, response.headers, response.status_code, request_id, replaced)

    # What an answer without success means

    def _meaning(self, call: Call, query: Mapping[str, object], failure: _Failure) -> SpapiError:
        facts, operation = failure.facts(), call.operation
        status, said = failure.status, failure.said
        if status == 429:
            pause = min(MAX_PAUSE, max(1.0, 1 / operation.rate)) * random.uniform(1.0, 1.25)
            wait = self._on_throttled(call, pause) or pause
            fact = f"Amazon asks for a pause with {operation.name} (429); it continues in {_duration(wait)}."
            return Throttled(fact=fact, wait=wait, **facts)
        if status >= 500 or status == 408:
            fact = f"Amazon has an internal error ({status} for {operation.name})."
            return Unreachable(fact=fact, wait=wire.RETRY_SECONDS, **facts)
        if 300 <= status < 400:
            fact = f"The answer to {operation.name} points to another address ({status}), which is not followed."
            return Redirected(fact=fact, **facts)
        if status in (401, 403):
            return AccessDenied(fact=f"Amazon refuses {operation.name} to this account ({status}{said}).", **facts)
        if operation.pager and operation.pager.size in query and (status == 413 or _SIZE_WORDING.search(failure.words)):
            fact = (
                f"A page of {operation.name} with {query[operation.pager.size]} entries is larger than Amazon sends "
                f"({status}{said})."
            )
            return AnswerTooLarge(fact=fact, **facts)
        if status == 400 and operation.pager and operation.pager.send in query:
            return PageTokenDied(fact=f"Amazon no longer accepts the token of the next page ({status}{said}).", **facts)
        return AmazonRefused(fact=f"Amazon does not answer this request to {operation.name} ({status}{said}).", **facts)

    # Documents

    def download(self, url: str, path: str | Path, max_bytes: int, deadline: float = DOWNLOAD_SECONDS) -> Downloaded:
        """The document behind the address, whole, as a file at `path`; no token and no cookie is sent along.

        `deadline` is in seconds, for all of it. Raises DocumentElsewhere, DocumentExpired, DocumentTooLarge (above
        `max_bytes`), DocumentRefused, and Unreachable where it breaks off; then there is no file.
        """
        host = self._checked_host(url)
        path = Path(path)
        part = path.with_name(path.name + ".part")
        try:
            with wire.deadline(deadline), self._http.stream("GET", url, headers={"Accept": "*/*"}) as response:
                if response.status_code != 200:
                    raise _document_meaning(response)
                size = _save(response, part, max_bytes)
            os.replace(part, path)
        except wire.FAILURES as problem:
            raise wire.unreachable(problem, host) from None
        finally:
            part.unlink(missing_ok=True)
        return Downloaded(path, response.headers.get("Content-Type", ""), size)

    def _checked_host(self, url: str) -> str:
        parts = urlsplit(url)
        try:
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            host, port = "", None
        if parts.username is None and parts.password is None and "\\" not in url:
            named = {host, f"{host}:{port or (443 if parts.scheme == 'https' else 80)}"}
            if parts.scheme in ("http", "https") and host and named & self._document_hosts:
                return host
            if parts.scheme == "https" and port in (None, 443) and _STORAGE.fullmatch(host):
                return host
        raise DocumentElsewhere(
            fact=f"The report's document lies at {host or 'an address that cannot be read'}, which is not one of Amazon's "
            "storage hosts, so it was not requested."
        )


class _Failure:
    """An answer that is no success, with what Amazon says in it; its message may be missing or null."""

    def __init__(self, operation: str, status: int, request_id: str, content: bytes) -> None:
        self.operation, self.status, self.request_id = operation, status, request_id
        try:
            parsed = orjson.loads(content)
        except orjson.JSONDecodeError:
            parsed = None
        listed = parsed.get("errors") if isinstance(parsed, dict) else parsed
        first = next((entry for entry in listed if isinstance(entry, dict)), {}) if isinstance(listed, list) else {}
        self.code = _line(first.get("code"), 60)
        self.message_of_amazon = _line(first.get("message"), 300)
        self.details = _line(first.get("details"), 300)

    @property
    def words(self) -> str:
        return f"{self.message_of_amazon} {self.details}"

    @property
    def said(self) -> str:
        words = ", ".join(filter(None, (self.code, self.message_of_amazon, self.details)))
        return f", {words}" if words else ""

    def facts(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "code": self.code,
            "said": self.message_of_amazon,
            "details": self.details,
            "request_id": self.request_id,
            "operation": self.operation,
        }


def encoded(query: Mapping[str, object]) -> str:
    """The query string: lists joined by commas, and every other odd character percent-encoded exactly once."""
    pairs = []
    for name, value in query.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        pairs.append(quote(name, safe="") + "=" + ",".join(quote(_word(item), safe="") for item in values))
    return "&".join(pairs)


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _word(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _whole(response: httpx2.Response) -> bytes:
    if len(response.headers.raw) > wire.MAX_HEADERS:
        raise httpx2.RemoteProtocolError("too many headers")
    parts, size = [], 0
    for part in response.iter_bytes():
        size += len(part)
        if size > MAX_ANSWER:
            raise httpx2.ReadError(f"the answer is longer than {MAX_ANSWER} bytes")
        parts.append(part)
    return b"".join(parts)


def _parsed(content: bytes, operation: str, request_id: str) -> tuple[Any, int]:
    """(JSON, characters replaced). Half surrogates and NUL are legal in JSON, but no database keeps them."""
    try:
        parsed = orjson.loads(content)
        is_plain = b"\\u0000" not in content
    except orjson.JSONDecodeError:
        parsed, is_plain = None, False
    if is_plain:
        return parsed, 0
    try:
        if parsed is not None:
            return _kept(parsed)
        return _kept(json.loads(content.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite))
    except (ValueError, RecursionError):
        raise Unreachable(
            fact="Amazon's answer could not be read as JSON.",
            wait=wire.RETRY_SECONDS,
            request_id=request_id,
            operation=operation,
            details=f"{len(content)} bytes",  # never the bytes themselves: they may contain buyers' names
        ) from None


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is beyond all measure")
    return number


_UNKEPT = re.compile("[\x00\ud800-\udfff]")


def _kept(value: Any) -> tuple[Any, int]:
    if isinstance(value, str):
        return _UNKEPT.subn("�", value)
    if isinstance(value, list):
        pairs = [_kept(item) for item in value]
        return [item for item, _ in pairs], sum(count for _, count in pairs)
    if isinstance(value, dict):
        members = {_kept(key)[0]: _kept(item) for key, item in value.items()}
        return {key: item for key, (item, _) in members.items()}, sum(count for _, count in members.values())
    return value, 0


def _is_only_errors(parsed: object) -> bool:
    return (
        isinstance(parsed, dict)
        and bool(parsed.get("errors"))
        and not any(v for k, v in parsed.items() if k != "errors")
    )


def _line(value: object, most: int) -> str:
    text = "" if value is None else _UNKEPT.sub("\ufffd", str(value))
    return " ".join(text.split())[:most]


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 120 else f"{round(seconds / 60)} min"


def _document_meaning(response: httpx2.Response) -> SpapiError:
    status = response.status_code
    said = b"".join(part for part, _ in zip(response.iter_raw(4096), range(4), strict=False))
    if status == 403 or (status == 400 and b"xpired" in said):
        return DocumentExpired(fact="The document's address has expired.", status=status, details=str(status))
    if status >= 500 or status in (408, 429):
        fact = f"Amazon's storage has an internal error ({status})."
        return Unreachable(fact=fact, wait=wire.RETRY_SECONDS, status=status)
    return DocumentRefused(fact=f"Amazon's storage refuses the report's document ({status}).", status=status)


def _save(response: httpx2.Response, part: Path, max_bytes: int) -> int:
    """Writes the body as it is on the wire; a body that ends early never becomes a file."""
    told = response.headers.get("Content-Length")
    if told and told.isdigit() and int(told) > max_bytes:
        raise _too_large(max_bytes)
    size = 0
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        for piece in response.iter_raw():
            size += len(piece)
            if size > max_bytes:
                raise _too_large(max_bytes)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if told is None and "chunked" not in response.headers.get("Transfer-Encoding", "").lower():
        with part.open("rb") as file:
            if file.read(2) != b"\x1f\x8b":  # a gzip file tells by itself whether it is whole; nothing else would
                raise httpx2.RemoteProtocolError("an answer of unknown length")
    return size


def _too_large(max_bytes: int) -> DocumentTooLarge:
    return DocumentTooLarge(
        fact=f"The report's document is larger than the {max_bytes >> 20:,} MiB that this installation accepts."
    )
