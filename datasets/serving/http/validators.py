"""ETag and its kin: how a reader learns that nothing has changed, before a row is made."""

from django.http import StreamingHttpResponse
from django.utils.http import http_date

from datasets.serving.http import encodings


def is_known(request, etag):
    """Whether If-None-Match names this state, in whichever compression the client got it."""
    bare = _bare(etag)
    return any(
        known.strip() == "*" or _bare(known) == bare
        for known in request.headers.get("If-None-Match", "").split(",")
        if known
    )


def _bare(etag):
    etag = etag.strip().removeprefix("W/").strip('"')
    for encoding in encodings.OFFERED:
        etag = etag.removesuffix("-" + encoding.name)
    return etag


def tagged(text, encoding):
    """The ETag for what `text` names in this compression: other bytes, another tag."""
    return f'"{text}{"" if encoding is encodings.Identity else "-" + encoding.name}"'


def with_validators(response, seen, etag):
    """The headers that a 200, a HEAD and a 304 share."""
    response["ETag"] = etag
    if seen.changed_at:
        response["Last-Modified"] = http_date(seen.changed_at.timestamp())
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "Authorization, Cookie, Accept-Encoding"
    return response


def without_body(status=200):
    """For HEAD and 304: streaming, so that nobody adds a Content-Length of 0, which some readers believe."""
    response = StreamingHttpResponse((), status=status)
    if status == 304:
        del response["Content-Type"]
    return response
