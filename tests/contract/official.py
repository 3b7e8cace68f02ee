"""Amazon's official examples and static sandbox cases, taken out of its models."""

import json
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

import httpx2

from tests import models

MODEL_OF = {
    "searchOrders": "orders_2026-01-01",
    "getOrder": "orders_2026-01-01",
    "getMarketplaceParticipations": "sellers",
    "createReport": "reports_2021-06-30",
    "getReport": "reports_2021-06-30",
    "getReports": "reports_2021-06-30",
    "getReportDocument": "reports_2021-06-30",
    "cancelReport": "reports_2021-06-30",
}


@dataclass(frozen=True)
class Case:
    """One answer that Amazon publishes, and where it is known the request it belongs to."""

    operation: str
    status: int
    parameters: dict
    answer: object


def cases(*operations):
    """Every published answer of these operations; none where the models are not on this machine."""
    if models.folder() is None:
        return []
    found = []
    for name in operations:
        _, _, operation = models.operation(MODEL_OF[name], name)
        for status, response in operation["responses"].items():
            for example in (response.get("examples") or {}).values():
                found.append(Case(name, int(status), {}, example))
            for case in (response.get("x-amzn-api-sandbox") or {}).get("static", ()):
                parameters = {key: value["value"] for key, value in case["request"].get("parameters", {}).items()}
                found.append(Case(name, int(status), parameters, case.get("response")))
    return found


class Recorder(httpx2.BaseTransport):
    """Stands where the network is: keeps each request, answers with the JSON it was given."""

    def __init__(self, answer=None, status=200):
        self.answer, self.status = answer, status
        self.requests = []

    def handle_request(self, request):
        request.read()
        self.requests.append(request)
        return httpx2.Response(self.status, json=self.answer)


def violations(name, request):
    """What is wrong with a request by the official model: path, method, names with case, required, types, enums, formats."""
    model = MODEL_OF[name]
    method, template, operation = models.operation(model, name)
    found = []
    raw_path, _, raw_query = request.url.raw_path.decode().partition("?")
    if request.method != method:
        found.append(f"method {request.method}, not {method}")
    given = {("path", key): value for key, value in _path(template, raw_path, found).items()}
    for key, value in parse_qsl(raw_query, keep_blank_values=True, strict_parsing=True) if raw_query else ():
        if ("query", key) in given:
            found.append(f"{key} is given twice")
        given["query", key] = value
    known = {(parameter["in"], parameter["name"]): parameter for parameter in operation["parameters"]}
    for place in given:
        if place not in known:
            found.append(f"{place} is not in the model")
    for place, parameter in known.items():
        if place[0] == "body":
            found += _body(model, parameter, request)
        elif place in given:
            found += [f"{place[1]}: {problem}" for problem in _value(parameter, given[place])]
        elif parameter.get("required"):
            found.append(f"{place} is missing")
    return found


def _path(template, path, found):
    ours, theirs = path.strip("/").split("/"), template.strip("/").split("/")
    if len(ours) != len(theirs):
        found.append(f"path {path}, not {template}")
        return {}
    values = {}
    for mine, model in zip(ours, theirs, strict=True):
        if model.startswith("{"):
            values[model.strip("{}")] = unquote(mine)
        elif mine != model:
            found.append(f"path {path}, not {template}")
    return values


def _value(parameter, text):
    kind = parameter.get("type")
    if kind == "array":
        assert parameter.get("collectionFormat", "csv") == "csv"
        parts = text.split(",")
        if not parameter.get("minItems", 0) <= len(parts) <= parameter.get("maxItems", 10**6):
            yield f"{len(parts)} values"
        for part in parts:
            yield from _value(parameter["items"], part)
        return
    value = text
    if kind == "integer":
        if not text.lstrip("-").isdigit():
            yield f"'{text}' is no integer"
            return
        value = int(text)
    schema = {
        key: parameter[key] for key in ("type", "enum", "format", "pattern", "minimum", "maximum") if key in parameter
    }
    checker = models.jsonschema.Draft4Validator(schema, format_checker=models.jsonschema.Draft4Validator.FORMAT_CHECKER)
    for error in checker.iter_errors(value):
        yield error.message
    if parameter.get("format") == "date-time" and not text.endswith("Z"):
        yield f"'{text}' is no moment in UTC"


def _body(model, parameter, request):
    if not request.content:
        return ["the body is missing"] if parameter.get("required") else []
    definition = parameter["schema"]["$ref"].rpartition("/")[2]
    body = json.loads(request.content)
    problems = [error.message for error in models.validator(model, definition).iter_errors(body)]
    return problems + models.surprises(model, definition, body)
