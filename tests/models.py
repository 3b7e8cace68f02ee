"""Amazon's official API models, where this machine has them: what requests and answers are checked against.

They are found under SPAPI_MODELS, else under ../shared/spapi/models beside the project; tests skip without them.
"""

import json
import os
from functools import lru_cache
from pathlib import Path

import jsonschema
import pytest

PROJECT = Path(__file__).resolve().parent.parent
FILES = {
    "orders_2026-01-01": "orders-api-model/orders_2026-01-01.json",
    "reports_2021-06-30": "reports-api-model/reports_2021-06-30.json",
    "sellers": "sellers-api-model/sellers.json",
}


def folder():
    """Where the models are, or None."""
    named = os.environ.get("SPAPI_MODELS")
    places = [Path(named)] if named else [PROJECT.parent / "shared" / "spapi" / "models"]
    return next((place for place in places if place.is_dir()), None)


@lru_cache
def load(name):
    """The model by its file name without .json; skips the test when it is not here."""
    if folder() is None:
        pytest.skip("Amazon's API models are not here: set SPAPI_MODELS to the models folder of their repository")
    path = folder() / FILES.get(name, "")
    if not path.is_file():
        path = next(folder().glob(f"*/{name}.json"), None)
    if path is None:
        pytest.skip(f"Amazon's API model {name} is not under {folder()}")
    return json.loads(path.read_text())


@lru_cache
def validator(model, definition):
    """Checks values against one definition of a model, formats included; unknown properties are told by `surprises`."""
    schema = {"$ref": f"#/definitions/{definition}", "definitions": load(model)["definitions"]}
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)


def operation(model, operation_id):
    """(method, path, operation) as the model has it."""
    for path, item in load(model)["paths"].items():
        for method, content in item.items():
            if isinstance(content, dict) and content.get("operationId") == operation_id:
                return method.upper(), path, content
    raise KeyError(f"{model} has no operation {operation_id}")


def answer_definition(model, operation_id, status):
    """The name of the definition that an answer of that status follows; None for an empty body."""
    schema = operation(model, operation_id)[2]["responses"][str(status)].get("schema")
    return schema["$ref"].rpartition("/")[2] if schema else None


def surprises(model, definition, value, where="$"):
    """Paths of properties that the model does not name; schemas leave additional ones open, so nothing else tells."""
    definitions = load(model)["definitions"]
    return sorted(set(_unknown(definitions, definitions[definition], value, where)))


def _unknown(definitions, schema, value, where):
    while "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        for entry in value:
            yield from _unknown(definitions, schema.get("items", {}), entry, f"{where}[]")
    elif isinstance(value, dict) and "properties" in schema:
        for name, entry in value.items():
            if name not in schema["properties"]:
                yield f"{where}.{name}"
            else:
                yield from _unknown(definitions, schema["properties"][name], entry, f"{where}.{name}")
