"""Requests as they come in and answers as they go out, in Amazon's shapes."""

import json
from dataclasses import dataclass, field
from urllib.parse import parse_qsl


@dataclass
class Request:
    method: str
    path: str
    query: str
    headers: dict
    """Names in lower case."""
    body: bytes = b""
    base: str = ""
    """Scheme and host as the caller addressed us."""
    operation: str = ""
    about: dict = field(default_factory=dict)
    """The report that the request asks for or whose document it is, as getReport tells it; else nothing."""
    fault: dict | None = None
    """The switched-on fault that this request meets, if any."""
    note: dict = field(default_factory=dict)
    """What the request log says about it."""

    def __post_init__(self):
        self.pairs = parse_qsl(self.query, keep_blank_values=True)

    def values(self):
        return dict(self.pairs)

    def json(self):
        return json.loads(self.body)


@dataclass
class Answer:
    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict = field(default_factory=dict)
    delivery: dict | None = None
    """How the bytes go astray on the way; None sends them whole."""


class Refusal(Exception):
    """Raised anywhere below to end a request with that answer."""

    def __init__(self, answer):
        super().__init__(answer.status)
        self.answer = answer


def json_answer(content, status=200, **headers):
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(status, body, headers=headers)


def errors(status, code, message, details=""):
    """Amazon's error list."""
    answer = json_answer({"errors": [{"code": code, "message": message, "details": details}]}, status)
    answer.headers["x-amzn-ErrorType"] = f"{code}Exception"
    return answer


def invalid(details):
    return Refusal(errors(400, "InvalidInput", "Invalid input", details))


def denied(details=""):
    return Refusal(errors(403, "Unauthorized", "Access to requested resource is denied.", details))


def html(status, title, text):
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>"
    return Answer(status, page.encode(), "text/html; charset=utf-8")
