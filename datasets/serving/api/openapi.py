"""What ninja cannot know for the OpenAPI document: how to sign in, what problems look like, and the calls that stream."""

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


def parameter(name, where, kind, words, **more):
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "schema": {"type": kind} | more,
        "description": words,
    }


SLUG = parameter("slug", "path", "string", "the dataset's slug or id")
FILTERS = {
    "name": "filters",
    "in": "query",
    "style": "form",
    "explode": True,
    "required": False,
    "description": (
        "`column=value`, or `column__op=value` with op ne, gt, gte, lt, lte, in, contains, startswith, isnull. "
        "Days may be said as today, yesterday, today-7. An unknown name is refused."
    ),
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}
SHAPE = [
    parameter("_select", "query", "string", "columns, separated by commas"),
    parameter("_sort", "query", "string", "columns, separated by commas; a minus in front for descending"),
    parameter("_tz", "query", "string", "whose day a date means: an IANA zone; the dataset's own when not said"),
    parameter("_decimals", "query", "string", "how JSON writes decimals", enum=["number", "string"]),
    parameter("_header", "query", "string", "off leaves out the header line of CSV, TSV and Excel"),
    parameter("_bom", "query", "string", "1 puts a byte order mark in front of CSV and TSV, for Excel"),
    parameter(
        "_safe", "query", "string", "1 puts an apostrophe in front of text that a spreadsheet would take for a formula"
    ),
    parameter("token", "query", "string", "a link's token, for programs that can only take an address"),
    parameter("_dl", "query", "string", "1 makes a browser save the file"),
]
HEADERS = {
    "ETag": {"schema": {"type": "string"}, "description": "version and query"},
    "X-Dataset-Version": {"schema": {"type": "string"}},
    "X-Data-Complete-Through": {"schema": {"type": "string", "format": "date"}},
}
ROW = {"type": "object", "additionalProperties": True}
PAGE = {
    "type": "object",
    "required": ["dataset", "version", "as_of", "complete_through", "columns", "rows", "count", "next"],
    "properties": {
        "dataset": {"type": "string"},
        "version": {"type": "string"},
        "as_of": {"type": ["string", "null"], "format": "date-time"},
        "complete_through": {"type": ["string", "null"], "format": "date"},
        "columns": {
            "type": "array",
            "items": {"type": "object", "properties": {"name": {"type": "string"}, "type": {"type": "string"}}},
        },
        "rows": {"type": "array", "items": ROW},
        "count": {
            "type": ["object", "null"],
            "properties": {"value": {"type": "integer"}, "exact": {"type": "boolean"}},
        },
        "next": {"type": ["string", "null"], "description": "the address of the next page"},
    },
}


def _reading(operation_id, summary, description, suffixes, parameters, content, headers):
    suffix = parameter("suffix", "path", "string", "the format", enum=list(suffixes))
    return {
        "get": {
            "operationId": operation_id,
            "summary": summary,
            "description": description,
            "tags": ["data"],
            "parameters": [SLUG, suffix, FILTERS, *SHAPE, *parameters],
            "responses": {
                "200": {"description": "OK", "content": content, "headers": headers},
                "304": {"description": "Not changed since the ETag that If-None-Match names"},
            },
        }
    }


TEXT = {"schema": {"type": "string"}}
BYTES = {"schema": {"type": "string", "format": "binary"}}
DATA = {
    "/api/v1/datasets/{slug}/export.{suffix}": _reading(
        "export",
        "The whole result as a file",
        "Streamed, without a limit, in one consistent moment. A failure on the way breaks the connection.",
        ("csv", "tsv", "json", "ndjson", "xlsx", "parquet"),
        [parameter("_limit", "query", "integer", "at most so many rows", minimum=1)],
        {
            "text/csv": TEXT,
            "text/tab-separated-values": TEXT,
            "application/json": {"schema": {"type": "array", "items": ROW}},
            "application/x-ndjson": TEXT,
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": BYTES,
            "application/vnd.apache.parquet": BYTES,
        },
        HEADERS | {"X-Row-Count": {"schema": {"type": "integer"}, "description": "where no filter or limit is given"}},
    ),
    "/api/v1/datasets/{slug}/rows.{suffix}": _reading(
        "rows",
        "One page of rows",
        "Keyset paging in the moment the walk began in; 410 version_gone where that is no longer to be had.",
        ("json", "ndjson", "csv"),
        [
            parameter("_limit", "query", "integer", "rows of a page, 1000 when not said", minimum=1, maximum=50_000),
            parameter("_cursor", "query", "string", "from the page before"),
            parameter(
                "_count", "query", "string", "count all rows that meet the filters", enum=["exact", "estimated", "none"]
            ),
        ],
        {"application/json": {"schema": PAGE}, "application/x-ndjson": TEXT, "text/csv": TEXT},
        HEADERS | {"Link": {"schema": {"type": "string"}, "description": 'the next page, rel="next"'}},
    ),
}


def described(document):
    """The document, completed."""
    document["paths"].update(DATA)
    for path in document["paths"].values():
        path.pop("head", None)
        for operation in path.values():
            operation["security"] = [{name: []} for name in SECURITY]
            operation["responses"]["4XX"] = REFUSED
    components = document["components"]
    components.setdefault("schemas", {})["Problem"] = PROBLEM
    components["securitySchemes"] = SECURITY
    if not document.get("servers"):
        document.pop("servers", None)
    return document
