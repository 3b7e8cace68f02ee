"""Answers that are made whole before they go out, compressed where the client asks for it: pages of rows, OData, the API's JSON, HTML.

Exports compress themselves as they stream (`Stream`), and static files lie compressed beside themselves (whitenoise); both pass
here untouched.

Compression must not reveal secrets to somebody who can make a browser ask and who measures lengths on the way
(BREACH). What may not be stored (`no-store`: pages with a new token, sign-in, problems) and what opens a session goes
out as it is. Django masks a form's CSRF token again on every page. HTML is padded by a random length besides, since a
page may repeat its address beside the rows that it shows; and requests that other sites cause carry no session
(SameSite=Lax).
"""

import io
import secrets
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from isal import igzip

from datasets.serving.http import encodings
from datasets.serving.http.problems import PATHS, service_response_of

MIN_BYTES = 1000  # below, headers weigh more than what is saved
MAX_PADDING = 100  # bytes
COMPRESSIBLE = ("text/", "application/json", "application/xml", "application/x-ndjson")


class Compression:
    """Middleware. Middleware that sets cookies, validators or `Content-Length` must be inside it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        accept = request.headers.get("Accept-Encoding", "")
        coding = encodings.chosen(accept)
        if coding is None and PATHS.match(request.path_info):
            return service_response_of(encodings.nothing_accepted(), request)
        response = self.get_response(request)
        if not isinstance(response, HttpResponse) or not response.get("Content-Type", "").startswith(COMPRESSIBLE):
            return response
        patch_vary_headers(response, ["Accept-Encoding"])
        if coding is None or coding is encodings.Identity:
            return response
        is_worth_it = len(response.content) >= MIN_BYTES or encodings.refuses_identity(accept)
        if is_worth_it and _may_be_compressed(response):
            _compress(response, coding, accept)
        return response


def _may_be_compressed(response: HttpResponse) -> bool:
    is_secret = "no-store" in response.get("Cache-Control", "")
    opens_a_session = set(response.cookies) - {settings.CSRF_COOKIE_NAME}  # that one comes with every form
    return not (is_secret or opens_a_session or response.has_header("Content-Encoding"))


def _compress(response: HttpResponse, coding: type[encodings.Coding], accept: str) -> None:
    if response["Content-Type"].startswith("text/html"):
        if encodings.chosen(accept, offered=(encodings.Gzip,)) is not encodings.Gzip:
            return
        coding = encodings.Gzip
        response.content = _padded(response.content)
    else:
        encoder = coding()
        response.content = encoder.add(response.content) + encoder.end()
    response["Content-Encoding"] = coding.name
    response["Content-Length"] = str(len(response.content))


def _padded(content: bytes) -> bytes:
    """gzip with a name of random length in its header, which nobody reads: the length says less of what the page holds."""
    padding = "x" * (secrets.randbelow(MAX_PADDING) + 1)
    packed = io.BytesIO()
    with igzip.IGzipFile(padding, "wb", encodings.GZIP_LEVEL, packed, mtime=0) as file:
        file.write(content)
    return packed.getvalue()
