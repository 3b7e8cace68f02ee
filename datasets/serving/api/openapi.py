"""What ninja cannot know for the OpenAPI document: how to sign in, what problems look like, and the calls beside its own."""

import copy
from typing import Any

from datasets.serving.api.surfaces.index import PATHS
from datasets.serving.api.surfaces.odata import ODATA_ERROR

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "errors", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what is wrong and what to do, for people"},
        "code": {"type": "string", "description": "what is wrong, for programs"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"param": {"type": "string"}, "detail": {"type": "string"}},
                "required": ["param", "detail"],
            },
        },
        "request_id": {"type": "string"},
    },
}
REFUSED = {
    "description": "Refused, with the reason",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An access token: bh_…"},
    "basic": {"type": "http", "scheme": "basic", "description": "An access token as the password; any user name."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "session",
        "description": "The browser's own session, for reading.",
    },
}


def described(document: dict[str, Any]) -> dict[str, Any]:
    """The document, completed."""
    document["paths"].update(copy.deepcopy(PATHS))
    for path in document["paths"].values():
        path.pop("head", None)
        for operation in path.values():
            operation["security"] = [{name: []} for name in SECURITY]
            operation["responses"].setdefault("4XX", REFUSED)
    components = document["components"]
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    components["schemas"]["ODataError"] = ODATA_ERROR
    components["securitySchemes"] = SECURITY
    if not document.get("servers"):
        document.pop("servers", None)
    return document
