"""ETag and related headers: how a client learns that nothing has changed, before any row is produced."""

from datetime import datetime
from typing import Protocol, TypeVar

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import http_date

from datasets.serving.http import encodings

Response = TypeVar("Response", bound=HttpResponseBase)


class Changed(Protocol):
    """What an answer is made of, as far as its headers tell of it; a Snapshot is one."""

    @property
    def changed_at(self) -> datetime | None: ...


def is_known(request: HttpRequest, etag: str) -> bool:
    """Whether If-None-Match names this state, in whichever compression the client got it."""
    bare = _bare(etag)
    return any(
        known.strip() == "*" or _bare(known) == bare
        for known in request.headers.get("If-None-Match", "").split(",")
        if known
    )


def _bare(etag: str) -> str:
    etag = etag.strip().removeprefix("W/").strip('"')
    for encoding in encodings.OFFERED:
        etag = etag.removesuffix("-" + encoding.name)
    return etag


def tagged(text: str, encoding: type[encodings.Coding]) -> str:
    """The ETag for what `text` names in this compression: different bytes need a different tag."""
    return f'"{text}{"" if encoding is encodings.Identity else "-" + encoding.name}"'


def with_validators(response: Response, seen: Changed, etag: str) -> Response:
    """The headers that a 200, a HEAD and a 304 share."""
    response["ETag"] = etag
    if seen.changed_at:
        response["Last-Modified"] = http_date(seen.changed_at.timestamp())
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "Authorization, Cookie, Accept-Encoding"
    return response


def without_body(status: int = 200) -> StreamingHttpResponse:
    """For HEAD and 304: streaming, so that nobody adds a Content-Length of 0, which some readers believe."""
    response = StreamingHttpResponse((), status=status)
    if status == 304:
        del response["Content-Type"]
    return response
