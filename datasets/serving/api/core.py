"""What all calls share: who calls, how a body is read, and how whatever goes wrong is said."""

import json

import orjson
from django.db import IntegrityError
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser
from pydantic import ConfigDict

from datasets.backfill.runs import AlreadyRunning
from datasets.serving import query, tokens
from datasets.serving.api.openapi import described
from datasets.serving.problems import (
    NOBODY_HOME,
    BadParameters,
    BadRequest,
    Conflict,
    Problem,
    WrongContentType,
    nearest,
    of_exception,
    shown,
)

DEEPEST = 50  # nested brackets in a body


class Strict(Schema):
    """A body or an answer: what it does not name does not exist."""

    model_config = ConfigDict(extra="forbid")


class Needs:
    """Who calls, and that they may: the ninja auth of every call. `query` names the parameters the call takes."""

    def __init__(self, scope, *parameters):
        self.scope, self.parameters = scope, parameters

    def __call__(self, request):
        caller = tokens.caller(request, self.scope)
        given = query.pairs_of(request.META.get("QUERY_STRING", ""))
        wrong = [
            (name, f"There is no parameter '{shown(name)}'.{nearest(name, self.parameters)}")
            for name, _ in given
            if name not in self.parameters
        ]
        if wrong:
            raise BadParameters(wrong, code="unknown_parameter")
        return caller


class StrictParser(Parser):
    """JSON that the database and the forms can take: UTF-8, no NUL, no name twice, not nested without end."""

    def parse_body(self, request):
        kind = request.content_type
        if kind not in ("application/json", "text/json") and not kind.endswith("+json"):
            raise WrongContentType(f"Send JSON with Content-Type: application/json, not '{shown(kind)}'.")
        return read_json(request.body)


def read_json(body):
    try:
        orjson.loads(body)  # refuses what json lets through: NaN, lone surrogates, thousands of brackets
        found = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError) as problem:
        raise BadRequest(f"The body is not JSON: {shown(problem, 200)}") from None
    _check(found, 0)
    return found


def _once(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRequest(f"The body names '{shown(twice)}' twice.")
    return dict(pairs)


def _check(value, depth):
    if depth > DEEPEST:
        raise BadRequest("The body is nested too deeply.")
    if isinstance(value, str) and "\x00" in value:
        raise BadRequest("The body holds a NUL character.")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**63:
        raise BadRequest("The body holds a number that is too large.")
    if isinstance(value, dict):
        for name, item in value.items():
            _check(name, depth)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)


class Api(NinjaAPI):
    def get_openapi_schema(self, **where):
        return described(super().get_openapi_schema(**where))

    def get_openapi_operation_id(self, operation):
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
def _anything(request, exception):
    problem = of_exception(exception)
    if problem is None:
        raise exception
    return problem.response(request)


for _kind in (Problem, *NOBODY_HOME):
    api.add_exception_handler(_kind, _anything)


@api.exception_handler(AlreadyRunning)
def _already_running(request, exception):
    run = f" (run {exception.run.pk})" if exception.run else ""
    problem = Conflict(f"A run is under way{run}. Wait for its end or cancel it.", code="already_running")
    return problem.response(request)


@api.exception_handler(IntegrityError)
def _taken(request, exception):
    return Conflict("Somebody else changed this at the same moment. Look again and repeat.").response(request)


@api.exception_handler(HttpError)
def _http(request, exception):
    cause = of_exception(exception.__cause__) if exception.__cause__ else None
    return (cause or BadRequest(str(exception))).response(request)


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
def _invalid(request, exception):
    errors = []
    for error in exception.errors:
        path = [str(part) for part in error["loc"][2:]] or ["body"]
        param = ".".join(path)
        if error["type"] == "extra_forbidden":
            detail = f"There is no field '{shown(param)}'."
        else:
            detail = f"{shown(param)} {SAYINGS.get(error['type'], 'is not right: ' + shown(error['msg'], 200))}"
        errors.append((param, detail))
    return BadParameters(errors).response(request)
