"""JSON that came in a body: UTF-8, no NUL, no name twice, not nested without end."""

import json
from typing import Any

import orjson

from datasets.problems import BadRequest, printable

MAX_DEPTH = 50  # nested brackets
MAX_WHOLE = 2**63


def read_json(body: bytes) -> Any:
    """What the bytes say; raises BadRequest where the database and the forms could not take it."""
    try:
        orjson.loads(body)  # refuses what json lets through: NaN, lone surrogates, thousands of brackets
        found = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError) as problem:
        raise BadRequest(f"The body is not JSON: {printable(problem, 200)}") from None
    _check(found, 0)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRequest(f"The body names '{printable(twice)}' twice.")
    return dict(pairs)


def _check(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BadRequest("The body is nested too deeply.")
    if isinstance(value, str) and "\x00" in value:
        raise BadRequest("The body contains a NUL character.")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_WHOLE:
        raise BadRequest("The body holds a number that is too large.")
    if isinstance(value, dict):
        for name, item in value.items():
            _check(name, depth)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
