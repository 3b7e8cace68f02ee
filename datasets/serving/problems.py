"""What goes wrong at the API, said in one shape: RFC 9457 `application/problem+json`.

Problem                 status  code
  BadRequest             400    bad_request, and per parameter: bad_parameter, unknown_parameter, unknown_column
  Unauthenticated        401    unauthenticated
  Forbidden              403    forbidden_scope, csrf_failed
  NotFound               404    not_found
  MethodNotAllowed       405    method_not_allowed
  NotAcceptable          406    not_acceptable
  Conflict               409    already_running, in_use …
  VersionGone            410    version_gone
  TooLarge               413    too_large
  WrongContentType       415    unsupported_media_type
  TooMany                429    rate_limited
  Unavailable            503    unavailable
"""

import difflib
import functools
import json
import logging
import re
import secrets

import psycopg
import psycopg_pool
from django.core.exceptions import RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from django.views.decorators.csrf import csrf_exempt

log = logging.getLogger(__name__)

PATHS = re.compile(r"^/+(api|odata|v1|oauth)(/|$)")  # what programs read; people's pages keep their own error pages
ODATA = re.compile(r"^/+odata(/|$)")
ODATA_JSON = "application/json;odata.metadata=minimal"
CHALLENGE = 'Basic realm="Backhaul", charset="UTF-8", Bearer realm="Backhaul"'
NOBODY_HOME = (
    OperationalError,
    InterfaceError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg_pool.PoolTimeout,
)


class Problem(Exception):
    """An answer that says what is wrong and what to do; raise it anywhere below a view."""

    status, code, title = 500, "internal_error", "Something went wrong here"
    more = {}  # further members of the answer, where a kind of problem has some

    def __init__(self, detail, *, code=None, errors=(), headers=None):
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.errors = list(errors)
        self.headers = headers or {}

    def response(self, request):
        body = {
            "type": f"urn:backhaul:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "errors": self.errors,
            **self.more,
            "request_id": request_id(request),
        }
        content = json.dumps(body, ensure_ascii=True)  # a lone surrogate from somebody's URL must not break the answer
        response = HttpResponse(content, status=self.status, content_type="application/problem+json")
        for name, value in self.headers.items():
            response[name] = value
        response["Cache-Control"] = "no-store"
        return response

    def as_odata(self, request):
        """The same as OData says it; status and headers stay."""
        details = [{"code": self.code, "message": each["detail"], "target": each["param"]} for each in self.errors]
        error = {"code": self.code, "message": self.detail, "details": details}
        response = HttpResponse(
            json.dumps({"error": error | {"innererror": {"request_id": request_id(request)}}}),
            status=self.status,
            content_type=ODATA_JSON,
        )
        for name, value in self.headers.items():
            response[name] = value
        response["Cache-Control"] = "no-store"
        return response


class BadRequest(Problem):
    status, code, title = 400, "bad_request", "The request cannot be understood"


class BadParameters(BadRequest):
    """One or more parameters or fields are wrong; each is named."""

    code, title = "bad_parameter", "A parameter is wrong"

    def __init__(self, errors, *, code=None):
        errors = [{"param": param, "detail": detail} for param, detail in errors]
        super().__init__(" ".join(error["detail"] for error in errors), code=code, errors=errors)


class Unauthenticated(Problem):
    status, code, title = 401, "unauthenticated", "Who are you?"

    def __init__(self, detail):
        super().__init__(detail, headers={"WWW-Authenticate": CHALLENGE})


class Forbidden(Problem):
    status, code, title = 403, "forbidden_scope", "Not allowed"


class NotFound(Problem):
    status, code, title = 404, "not_found", "There is no such thing"


class MethodNotAllowed(Problem):
    status, code, title = 405, "method_not_allowed", "Not with this method"

    def __init__(self, allowed):
        allowed = ", ".join(allowed)
        super().__init__(f"Allowed here: {allowed}.", headers={"Allow": allowed})


class NotAcceptable(Problem):
    status, code, title = 406, "not_acceptable", "Not in this form"


class Conflict(Problem):
    status, code, title = 409, "conflict", "Not now"


class VersionGone(Problem):
    status, code, title = 410, "version_gone", "These pages are no longer there"


class TooLarge(Problem):
    status, code, title = 413, "too_large", "Too large"


class WrongContentType(Problem):
    status, code, title = 415, "unsupported_media_type", "Not this content type"


class TooMany(Problem):
    status, code, title = 429, "rate_limited", "Too many at once"

    def __init__(self, detail, *, seconds):
        super().__init__(detail, headers={"Retry-After": str(max(1, min(120, int(seconds))))})


class Unavailable(Problem):
    status, code, title = 503, "unavailable", "Not reachable for the moment"

    def __init__(self, detail="The database cannot be reached just now. Nothing is lost; try again in a few seconds."):
        super().__init__(detail, headers={"Retry-After": "5"})


def nearest(word, known):
    """ " Did you mean 'x'?" for the most similar known word, or nothing."""
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" Did you mean '{found[0]}'?" if found else ""


def shown(text, most=80):
    """Somebody's text as it may stand in a sentence: short and printable."""
    plain = "".join(letter if letter.isprintable() else "\ufffd" for letter in str(text))
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def request_id(request):
    """An id that the answer and our log share."""
    if not hasattr(request, "request_id"):
        request.request_id = secrets.token_hex(8)
    return request.request_id


def of_exception(problem):
    """The Problem that says this exception to a program, or None where it is a bug of ours."""
    if isinstance(problem, Problem):
        return problem
    if isinstance(problem, Http404):
        return NotFound("There is nothing here for you.")
    if isinstance(problem, RequestDataTooBig):
        return TooLarge("The body is larger than this API takes.")
    if isinstance(problem, NOBODY_HOME):
        log.warning("the API could not reach the database: %s", type(problem).__name__)
        return Unavailable()
    if isinstance(problem, (DataError, psycopg.DataError)):
        return BadRequest("A value in this request cannot be stored or compared.")
    return None


def endpoint(*methods):
    """A plain view for programs: only these methods (GET brings HEAD along), problems as problem+json, no CSRF of forms."""
    allowed = [*methods, "HEAD"] if "GET" in methods else [*methods]

    def wrap(view):
        @csrf_exempt  # sessions are checked by tokens.caller; a token needs no CSRF
        @functools.wraps(view)
        def run(request, *args, **kwargs):
            try:
                if request.method not in allowed:
                    raise MethodNotAllowed(allowed)
                return view(request, *args, **kwargs)
            except Exception as exception:
                problem = of_exception(exception)
                if problem is None:
                    raise
                return problem.response(request)

        return run

    return wrap


def response_of(problem, request):
    """The problem's answer in the shape of the service that was asked."""
    if not ODATA.match(request.path_info):
        return problem.response(request)
    response = problem.as_odata(request)
    response["OData-Version"] = "4.0"
    return response


class ProblemMiddleware:
    """Outermost: whatever Django itself refuses on a path for programs is said as the service asked says its own refusals."""

    SAYINGS = {
        400: BadRequest("The request cannot be understood: check the Host header, the address and the body."),
        403: Forbidden("This is not allowed.", code="forbidden"),
        404: NotFound("There is nothing at this address. /api/v1/openapi.json lists what there is."),
        413: TooLarge("The body is larger than this API takes."),
        503: Unavailable(),
    }

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not PATHS.match(request.path_info):
            return self.get_response(request)
        response = self.get_response(request)
        if response.status_code >= 400 and "json" not in response.get("Content-Type", ""):
            response = response_of(self.of(response), request)
            response["Content-Length"] = str(len(response.content))
        response["X-Request-ID"] = request_id(request)
        response["Referrer-Policy"] = "no-referrer"
        response.setdefault("X-Content-Type-Options", "nosniff")
        return response

    def of(self, response):
        if response.status_code == 405:
            return MethodNotAllowed(response.get("Allow", "").split(", "))
        problem = self.SAYINGS.get(response.status_code)
        if problem is None:
            problem = Problem(
                "The fault is ours and has been logged. Tell the people who run this installation the request_id."
            )
            if response.status_code < 500:
                problem = BadRequest("The request cannot be answered.")
            problem.status = response.status_code
        return problem
