"""Calls in Domo's shape."""

from datasets.serving.api.surfaces.parts import FILTERS, HEADERS, NOT_CHANGED, STATEMENT, TEXT, call, parameter

DOMO_ID = parameter("id", "path", "string", "the dataset's id or slug", minLength=1)
DOMO_DATASET = {
    "type": "object",
    "required": ["id", "name", "rows", "columns"],
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "rows": {"type": ["integer", "null"]},
        "columns": {"type": "integer"},
    },
}
DOMO_TOKEN = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["access_token", "token_type", "expires_in"],
            "properties": {
                "access_token": {"type": "string"},
                "token_type": {"type": "string"},
                "expires_in": {"type": "integer"},
                "scope": {"type": "string"},
            },
        }
    }
}
GRANT = {"type": "string", "enum": ["client_credentials"]}
DOMO_ROWS = {
    "type": "object",
    "required": ["datasource", "columns", "metadata", "rows", "numRows", "numColumns"],
    "properties": {
        "columns": {"type": "array", "items": {"type": "string"}},
        "rows": {"type": "array", "items": {"type": "array"}},
        "numRows": {"type": "integer"},
        "numColumns": {"type": "integer"},
    },
}
DOMO = {
    "/oauth/token": {
        "get": call(
            "domo_token",
            "domo",
            "The access token that came as the client's secret",
            [parameter("grant_type", "query", "string", "", **{"enum": GRANT["enum"]}) | {"required": True}],
            DOMO_TOKEN,
        ),
        "post": call(
            "domo_token_posted",
            "domo",
            "The access token that came as the client's secret",
            [],
            DOMO_TOKEN,
            body={
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "required": ["grant_type"],
                        "properties": {"grant_type": GRANT, "client_secret": {"type": "string"}},
                    }
                }
            },
        ),
    },
    "/v1/datasets": {
        "get": call(
            "domo_datasets",
            "domo",
            "The datasets, at most 50 at a time",
            [
                parameter("limit", "query", "integer", "", minimum=0, maximum=50),
                parameter("offset", "query", "integer", "", minimum=0, maximum=999_999_999),
                parameter("sort", "query", "string", "name or lastUpdated, a minus in front for descending"),
                parameter("nameLike", "query", "string", "a part of the name"),
            ],
            {"application/json": {"schema": {"type": "array", "items": DOMO_DATASET}}},
        )
    },
    "/v1/datasets/{id}": {
        "get": call(
            "domo_dataset",
            "domo",
            "One dataset with its schema",
            [DOMO_ID],
            {"application/json": {"schema": DOMO_DATASET}},
        )
    },
    "/v1/datasets/{id}/data": {
        "get": call(
            "domo_data",
            "domo",
            "The whole result as CSV",
            [
                DOMO_ID,
                parameter("includeHeader", "query", "boolean", "writes a header line"),
                parameter("fileName", "query", "string", "what a browser saves it as"),
                FILTERS,
            ],
            {"text/csv": TEXT},
            headers=HEADERS,
            status_304=NOT_CHANGED,
        )
    },
    "/v1/datasets/query/execute/{id}": {
        "post": call(
            "domo_query",
            "domo",
            "One SELECT over the dataset, which it calls `table`",
            [DOMO_ID],
            {"application/json": {"schema": DOMO_ROWS}},
            body={"application/json": {"schema": STATEMENT}},
        )
    },
}
