"""Problems over HTTP in one shape: RFC 9457 `application/problem+json`, or OData's error format.

The kinds of problems are in `datasets/problems.py`.
"""

import functools
import json
import logging
import re
import secrets
from collections.abc import Callable
from typing import Any

import psycopg
import psycopg_pool
from django.core.exceptions import RequestDataTooBig
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from connector.database.away import AWAY
from datasets.formats.format import CannotHold
from datasets.problems import BadRequest, Forbidden, MethodNotAllowed, NotFound, Problem, TooLarge, Unavailable

View = Callable[..., HttpResponseBase]

log = logging.getLogger(__name__)

PATHS = re.compile(r"^/+(api|odata|v1|oauth)(/|$)")  # what programs read; people's pages keep their own error pages
ODATA = re.compile(r"^/+odata(/|$)")
ODATA_JSON = "application/json;odata.metadata=minimal"
WAYS_OUT = {  # of what a format cannot hold
    "too_many_rows": "Use export.csv, which has no limit, or request fewer rows with a filter or _limit.",
    "too_long_for_excel": "Use export.csv, which has no such limit, or leave the column out with _select.",
}
NOBODY_HOME = (*AWAY, psycopg_pool.PoolTimeout)


def response_of(problem: Problem, request: HttpRequest) -> HttpResponse:
    """The problem in RFC 9457 format."""
    body = {
        "type": f"urn:backhaul:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "errors": problem.errors,
        **problem.more,
        "request_id": request_id(request),
    }
    content = json.dumps(body, ensure_ascii=True)  # a lone surrogate from somebody's URL must not break the answer
    response = _response(problem, content, "application/problem+json")
    response._has_been_logged = not problem.is_event  # type: ignore[attr-defined]  # Django's own mark, which no stub knows
    return response


def odata_response_of(problem: Problem, request: HttpRequest) -> HttpResponse:
    """The same in OData's error format; status and headers are kept."""
    details = [{"code": problem.code, "message": each["detail"], "target": each["param"]} for each in problem.errors]
    error = {"code": problem.code, "message": problem.detail, "details": details}
    content = json.dumps({"error": error | {"innererror": {"request_id": request_id(request)}}})
    return _response(problem, content, ODATA_JSON)


def service_response_of(problem: Problem, request: HttpRequest) -> HttpResponse:
    """The problem in the shape of the service whose address was asked."""
    if not ODATA.match(request.path_info):
        return response_of(problem, request)
    response = odata_response_of(problem, request)
    response["OData-Version"] = "4.0"
    return response


def _response(problem: Problem, content: str, content_type: str) -> HttpResponse:
    response = HttpResponse(content, status=problem.status, content_type=content_type)
    for name, value in problem.headers.items():
        response[name] = value
    response["Cache-Control"] = "no-store"
    return response


def request_id(request: HttpRequest) -> str:
    """An id that links the response to our log."""
    found: str | None = getattr(request, "request_id", None)
    if found is None:
        found = request.request_id = secrets.token_hex(8)  # type: ignore[attr-defined]  # kept where the next one looks
    return found


def of_exception(problem: Exception) -> Problem | None:
    """The Problem for this exception, or None if it is a bug."""
    if isinstance(problem, Problem):
        return problem
    if isinstance(problem, CannotHold):
        return BadRequest(f"{problem.detail} {WAYS_OUT.get(problem.code, '')}".strip(), code=problem.code)
    if isinstance(problem, Http404):
        return NotFound("There is nothing at this address that you may see.")
    if isinstance(problem, RequestDataTooBig):
        return TooLarge("The body is larger than this API accepts.")
    if isinstance(problem, NOBODY_HOME):
        log.warning("the API could not reach the database: %s", type(problem).__name__)
        return Unavailable()
    if isinstance(problem, (DataError, psycopg.DataError)):
        return BadRequest("A value in this request cannot be stored or compared.")
    return None


def endpoint(*methods: str) -> Callable[[View], View]:
    """A plain view for programs: only these methods (GET brings HEAD along), problems as problem+json, no CSRF of forms."""
    allowed = [*methods, "HEAD"] if "GET" in methods else [*methods]

    def wrap(view: View) -> View:
        @csrf_exempt  # sessions are checked by tokens.caller; a token needs no CSRF
        @functools.wraps(view)
        def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                if request.method not in allowed:
                    raise MethodNotAllowed(allowed)
                return view(request, *args, **kwargs)
            except Exception as exception:
                problem = of_exception(exception)
                if problem is None:
                    raise
                return response_of(problem, request)

        return run

    return wrap


class ProblemMiddleware:
    """Outermost: whatever Django itself refuses on a path for programs is said as the service asked says its own refusals."""

    SAYINGS = {
        400: BadRequest("The request could not be understood. Check the Host header, the URL and the body."),
        403: Forbidden("This is not allowed.", code="forbidden"),
        404: NotFound("There is nothing at this address. /api/v1/openapi.json lists what there is."),
        413: TooLarge("The body is larger than this API accepts."),
        503: Unavailable(),
    }

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not PATHS.match(request.path_info):
            return self.get_response(request)
        response = self.get_response(request)
        if response.status_code >= 400 and "json" not in response.get("Content-Type", ""):
            response = service_response_of(self.of(response), request)
            response["Content-Length"] = str(len(response.content))
        response["X-Request-ID"] = request_id(request)
        response["Referrer-Policy"] = "no-referrer"
        response.setdefault("X-Content-Type-Options", "nosniff")
        return response

    def of(self, response: HttpResponseBase) -> Problem:
        """The Problem that says Django's own refusal."""
        if response.status_code == 405:
            return MethodNotAllowed(response.get("Allow", "").split(", "))
        problem = self.SAYINGS.get(response.status_code)
        if problem is None:
            problem = Problem(
                "This is an error in Backhaul, and it has been logged. Give the request_id to the people who run this "
                "installation."
            )
            if response.status_code < 500:
                problem = BadRequest("The request cannot be answered.")
            problem.status = response.status_code
        return problem
