"""What all calls share: who calls, how a body is read, how an instant is written, and how whatever goes wrong is said."""

from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError
from ninja.operation import Operation
from ninja.parser import Parser
from pydantic import ConfigDict

from datasets.access import tokens
from datasets.backfill.runs import AlreadyRunning
from datasets.definition.definition import InvalidDefinition
from datasets.problems import BadParameters, BadRequest, Conflict, Problem, WrongContentType, nearest, printable
from datasets.rows import query
from datasets.serving.api.openapi import described
from datasets.serving.http import accepted
from datasets.serving.http.bodies import read_json
from datasets.serving.http.problems import NOBODY_HOME, of_exception, response_of

Instant = datetime | None


def utc(at: datetime | None) -> datetime | None:
    """Whole seconds in UTC, which JSON writes with a Z."""
    return at.astimezone(UTC).replace(microsecond=0) if at else None


class Strict(Schema):
    """A body or an answer: what it does not name does not exist."""

    model_config = ConfigDict(extra="forbid")


class Called(HttpRequest):
    """What a call is given once `Needs` has found who calls."""

    auth: tokens.Caller


class Needs:
    """Who calls, that they may, and that nothing is said which the call does not take: the ninja auth of every call.

    `parameters` are those of the address; `has_body` says that the call reads one.
    """

    def __init__(self, scope: str, *parameters: str, has_body: bool = False) -> None:
        self.scope, self.parameters, self.has_body = scope, parameters, has_body

    def __call__(self, request: HttpRequest) -> tokens.Caller:
        caller = tokens.caller(request, self.scope)
        accepted.check(request, "application/json")
        given = query.pairs_of(request.META.get("QUERY_STRING", ""))
        self._check_parameters([name for name, _ in given])
        if not self.has_body and request.method not in tokens.SAFE_METHODS:
            _check_empty(request)
        return caller

    def _check_parameters(self, given: list[str]) -> None:
        wrong = [
            (name, f"There is no parameter '{printable(name)}'.{nearest(name, self.parameters)}")
            for name in given
            if name not in self.parameters
        ]
        if wrong:
            raise BadParameters(wrong, code="unknown_parameter")
        twice = [(name, f"{name} is given more than once.") for name in self.parameters if given.count(name) > 1]
        if twice:
            raise BadParameters(twice)


def _check_empty(request: HttpRequest) -> None:
    """Raises where a body says something; a form may hold the page's CSRF token, which has been read."""
    try:
        if request.content_type in ("multipart/form-data", "application/x-www-form-urlencoded"):
            is_empty = set(request.POST) <= {"csrfmiddlewaretoken"} and not request.FILES
        else:
            is_empty = request.body.strip() in (b"", b"{}", b"null")
    except UnreadablePostError:
        raise BadRequest("The body is incomplete.") from None
    if not is_empty:
        raise BadRequest("This call has no body, so its content would be ignored. Send no body.")


class StrictParser(Parser):
    """JSON that the database and the forms can take: UTF-8, no NUL, no name twice, not nested without end."""

    def parse_body(self, request: HttpRequest) -> Any:
        kind = request.content_type or ""
        if kind not in ("application/json", "text/json") and not kind.endswith("+json"):
            raise WrongContentType(f"Send JSON with Content-Type: application/json, not '{printable(kind)}'.")
        return read_json(request.body)


class Api(NinjaAPI):
    def get_openapi_schema(self, **where: Any) -> Any:
        return described(super().get_openapi_schema(**where))

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__


api = Api(
    title="Backhaul",
    version="1",
    description="Datasets of Amazon's Selling Partner data: define them, load them, read them.",
    urls_namespace="api",
    docs_url=None,
    parser=StrictParser(),
)


# What goes wrong


@api.exception_handler(Exception)
def _anything(request: HttpRequest, exception: Any) -> HttpResponse:
    problem = of_exception(exception)
    if problem is None:
        raise exception
    return response_of(problem, request)


for _kind in (Problem, *NOBODY_HOME):
    api.add_exception_handler(_kind, _anything)


@api.exception_handler(AlreadyRunning)
def _already_running(request: HttpRequest, exception: AlreadyRunning) -> HttpResponse:
    run = f" (run {exception.run.pk})" if exception.run else ""
    problem = Conflict(f"A run is under way{run}. Wait until it ends, or cancel it.", code="already_running")
    return response_of(problem, request)


SCHEDULE = {f"schedule_{part}": f"schedule.{part}" for part in ("kind", "at", "zone")}  # as they stand in a body


@api.exception_handler(InvalidDefinition)
def _invalid_definition(request: HttpRequest, exception: InvalidDefinition) -> HttpResponse:
    errors = [
        (SCHEDULE.get(name, name), sentence) for name, sentences in exception.errors.items() for sentence in sentences
    ]
    return response_of(BadParameters(errors), request)


@api.exception_handler(IntegrityError)
def _taken(request: HttpRequest, exception: Exception) -> HttpResponse:
    problem = Conflict("Someone else changed this at the same time. Reload and try again.")
    return response_of(problem, request)


@api.exception_handler(HttpError)
def _http(request: HttpRequest, exception: Exception) -> HttpResponse:
    cause = of_exception(exception.__cause__) if isinstance(exception.__cause__, Exception) else None
    return response_of(cause or BadRequest(str(exception)), request)


SAYINGS = {
    "missing": "is needed.",
    "string_type": "must be text.",
    "bool_type": "must be true or false.",
    "bool_parsing": "must be true or false.",
    "int_type": "must be a whole number.",
    "int_parsing": "must be a whole number.",
    "dict_type": "must be an object.",
    "model_attributes_type": "must be an object.",
    "model_type": "must be an object.",
    "list_type": "must be a list.",
    "date_from_datetime_parsing": "must be a date such as 2026-10-01.",
}


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, exception: ValidationError) -> HttpResponse:
    errors = []
    for error in exception.errors:
        path = [str(part) for part in error["loc"][2:]] or ["body"]
        param = ".".join(path)
        if error["type"] == "extra_forbidden":
            detail = f"There is no field '{printable(param)}'."
        else:
            detail = f"{printable(param)} {SAYINGS.get(error['type'], 'is not right: ' + printable(error['msg'], 200))}"
        errors.append((param, detail))
    return response_of(BadParameters(errors), request)
