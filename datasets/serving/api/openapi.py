"""What ninja cannot know for the OpenAPI document: how to sign in, what problems look like, and the calls beside its own."""

import copy

from datasets.serving.api import surfaces

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

SQL = parameter("sql", "query", "string", "one SELECT; tables are the slugs of your datasets")
TABLE = parameter("slug", "path", "string", "slug or id of the dataset that the statement calls table")
QUERY = parameter("slug", "path", "string", "the query's slug")
ANSWER_SHAPE = [each for each in SHAPE if each["name"] in ("_decimals", "_header", "_bom", "_safe", "_dl", "token")] + [
    parameter("_limit", "query", "integer", "at most so many rows", minimum=1)
]
FILE_CONTENT = DATA["/api/v1/datasets/{slug}/export.{suffix}"]["get"]["responses"]["200"]["content"]
FILE_SUFFIX = parameter(
    "suffix", "path", "string", "the format", enum=["csv", "tsv", "json", "ndjson", "xlsx", "parquet"]
)
FORMAT = parameter(
    "_format", "query", "string", "the format, where Accept cannot be set", enum=FILE_SUFFIX["schema"]["enum"]
)
ROWS_AND_TYPES = {
    "type": "object",
    "required": ["columns", "rows"],
    "properties": {"columns": PAGE["properties"]["columns"], "rows": {"type": "array", "items": ROW}},
}
STATEMENT = {
    "type": "object",
    "required": ["sql"],
    "additionalProperties": False,
    "properties": {"sql": {"type": "string"}},
}


def _asking(name, where, *parameters):
    content = FILE_CONTENT | {"application/json": {"schema": ROWS_AND_TYPES}}
    asked = {
        "tags": ["data"],
        "description": "Carried out as somebody who sees your datasets and nothing else, in one consistent moment, within "
        "limits of time and rows. An error names the character that it is about as `position`.",
        "responses": {
            "200": {"description": "OK", "content": content},
            "304": {"description": "Not changed since the ETag that If-None-Match names"},
            "501": REFUSED | {"description": "The database role that statements run as is missing"},
            "504": REFUSED | {"description": "The statement took too long"},
        },
    }
    shape = [*parameters, FORMAT, *ANSWER_SHAPE]
    return {
        "get": asked
        | {
            "operationId": name,
            "summary": f"{where}, in the address",
            "parameters": [*shape, SQL | {"required": True}],
        },
        "post": asked
        | {
            "operationId": f"{name}_by_post",
            "summary": f"{where}, in the body",
            "parameters": shape,
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": STATEMENT},
                    "application/sql": {"schema": {"type": "string"}},
                },
            },
        },
    }


DATA |= {
    "/api/v1/query": _asking("query", "One SELECT over your datasets"),
    "/api/v1/datasets/{slug}/query": _asking("query_dataset", "One SELECT that calls this dataset table", TABLE),
    "/api/v1/queries/{slug}/export.{suffix}": {
        "get": {
            "operationId": "export_query",
            "summary": "What a kept query gives, as a file",
            "tags": ["queries"],
            "parameters": [QUERY, FILE_SUFFIX, *ANSWER_SHAPE],
            "responses": {
                "200": {"description": "OK", "content": FILE_CONTENT},
                "304": {"description": "Not changed since the ETag that If-None-Match names"},
                "504": REFUSED | {"description": "The statement took too long"},
            },
        }
    },
}


def described(document):
    """The document, completed."""
    document["paths"].update(copy.deepcopy(surfaces.PATHS))
    for path in document["paths"].values():
        path.pop("head", None)
        for operation in path.values():
            operation["security"] = [{name: []} for name in SECURITY]
            operation["responses"].setdefault("4XX", REFUSED)
    components = document["components"]
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    components["schemas"]["ODataError"] = surfaces.ODATA_ERROR
    components["securitySchemes"] = SECURITY
    if not document.get("servers"):
        document.pop("servers", None)
    return document
