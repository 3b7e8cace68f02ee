"""The calls beside the management API, for the OpenAPI document: files, pages, SQL, OData, and those in Domo's shape."""

from datasets.formats.index import FORMATS, OF_PAGES, understanding


def parameter(name, where, kind, words, **more):
    return {
        "name": name,
        "in": where,
        "required": where == "path",
        "schema": {"type": kind} | more,
        "description": words,
    }


SLUG = parameter("slug", "path", "string", "the dataset's slug or id", minLength=1)
LINK = parameter("token", "query", "string", "a link's token, for programs that can only take an address")
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
FILE = [
    parameter("_decimals", "query", "string", "how JSON writes decimals; only for JSON", enum=["number", "string"]),
    parameter(
        "_header", "query", "string", f"off leaves out the header line of {understanding('header')}; only for these"
    ),
    parameter(
        "_bom",
        "query",
        "string",
        f"1 puts a byte order mark in front of {understanding('bom')}, for Excel; only for these",
    ),
    parameter(
        "_safe",
        "query",
        "string",
        "1 puts an apostrophe in front of text that a spreadsheet would take for a formula; not for Excel and Parquet",
    ),
    parameter("_dl", "query", "string", "1 makes a browser save the file"),
]
SHAPE = [
    parameter("_select", "query", "string", "columns, separated by commas"),
    parameter("_sort", "query", "string", "columns, separated by commas; a minus in front for descending"),
    parameter("_tz", "query", "string", "whose day a date means: an IANA zone; the dataset's own when not said"),
    *FILE,
    LINK,
]
HEADERS = {
    "ETag": {"schema": {"type": "string"}, "description": "version and query"},
    "X-Dataset-Version": {"schema": {"type": "string"}},
    "X-Data-Complete-Through": {"schema": {"type": "string", "format": "date"}},
}
NOT_CHANGED = {"description": "Not changed since the ETag that If-None-Match names"}
ROW = {"type": "object", "additionalProperties": True}
COLUMN = {
    "type": "object",
    "required": ["name", "type"],
    "properties": {"name": {"type": "string"}, "type": {"type": "string"}},
}
PAGE = {
    "type": "object",
    "required": ["dataset", "version", "as_of", "complete_through", "columns", "rows", "count", "next"],
    "properties": {
        "dataset": {"type": "string"},
        "version": {"type": "string"},
        "as_of": {"type": ["string", "null"], "format": "date-time"},
        "complete_through": {"type": ["string", "null"], "format": "date"},
        "columns": {"type": "array", "items": COLUMN},
        "rows": {"type": "array", "items": ROW},
        "count": {
            "type": ["object", "null"],
            "properties": {"value": {"type": "integer"}, "exact": {"type": "boolean"}},
        },
        "next": {"type": ["string", "null"], "description": "the address of the next page"},
    },
}
TEXT = {"schema": {"type": "string"}}
BYTES = {"schema": {"type": "string", "format": "binary"}}
FILES = {each.media_type: TEXT if each.is_text else BYTES for each in FORMATS.values()}
SUFFIXES = tuple(FORMATS)


def suffix_of(suffixes):
    return parameter("suffix", "path", "string", "the format", enum=list(suffixes))


def call(operation_id, tag, summary, parameters, content, *, description="", headers=None, body=None, **responses):
    """One operation; `responses` are further ones, as status_304=…"""
    good = {"description": "OK", "content": content}
    found = {
        "operationId": operation_id,
        "summary": summary,
        "tags": [tag],
        "parameters": list(parameters),
        "responses": {"200": good | ({"headers": headers} if headers else {})}
        | {name.removeprefix("status_"): said for name, said in responses.items()},
    }
    if description:
        found["description"] = description
    if body:
        found["requestBody"] = {"required": True, "content": body}
    return found


# Files and pages

DATA = {
    "/api/v1/datasets/{slug}/export.{suffix}": {
        "get": call(
            "export",
            "data",
            "The whole result as a file",
            [
                SLUG,
                suffix_of(SUFFIXES),
                FILTERS,
                *SHAPE,
                parameter("_limit", "query", "integer", "at most so many rows", minimum=1, maximum=10**15),
            ],
            FILES | {"application/json": {"schema": {"type": "array", "items": ROW}}},
            description="Streamed, without a limit, in one consistent moment. A failure on the way breaks the connection.",
            headers=HEADERS
            | {"X-Row-Count": {"schema": {"type": "integer"}, "description": "where no filter or limit is given"}},
            status_304=NOT_CHANGED,
        )
    },
    "/api/v1/datasets/{slug}/rows.{suffix}": {
        "get": call(
            "rows",
            "data",
            "One page of rows",
            [
                SLUG,
                suffix_of(OF_PAGES),
                FILTERS,
                *SHAPE,
                parameter(
                    "_limit", "query", "integer", "rows of a page, 1000 when not said", minimum=1, maximum=50_000
                ),
                parameter("_cursor", "query", "string", "from the page before"),
                parameter(
                    "_count",
                    "query",
                    "string",
                    "count all rows that meet the filters; only for rows.json",
                    enum=["exact", "estimated", "none"],
                ),
            ],
            {each.media_type: TEXT for each in OF_PAGES.values()} | {"application/json": {"schema": PAGE}},
            description="Keyset paging in the moment the walk began in; 410 version_gone where that is no longer to be had.",
            headers=HEADERS | {"Link": {"schema": {"type": "string"}, "description": 'the next page, rel="next"'}},
            status_304=NOT_CHANGED,
        )
    },
}


# SQL

STATEMENT = {"type": "object", "required": ["sql"], "properties": {"sql": {"type": "string"}}}
SQL_BODY = {
    "application/json": {"schema": STATEMENT | {"additionalProperties": False}},
    "application/sql": TEXT,
    "application/x-www-form-urlencoded": {"schema": STATEMENT},
}
SQL_ANSWER = {
    "type": "object",
    "required": ["columns", "rows"],
    "properties": {"columns": {"type": "array", "items": COLUMN}, "rows": {"type": "array", "items": ROW}},
}
SQL_WORDS = "One SELECT over your datasets by slug, read-only, with limits of time and rows. Under a dataset's address `table` is it."


def _asking(name, summary, places):
    shape = [
        *FILE,
        LINK,
        parameter("_limit", "query", "integer", "at most so many rows", minimum=1, maximum=10**15),
        *([] if "_file" in name else [parameter("_format", "query", "string", "the format", enum=list(SUFFIXES))]),
    ]
    content = FILES | {"application/json": {"schema": SQL_ANSWER}}
    text = parameter("sql", "query", "string", "the statement") | {"required": True}
    return {
        "get": call(
            name,
            "sql",
            summary,
            [*places, text, *shape],
            content,
            description=SQL_WORDS,
            status_304=NOT_CHANGED,
        ),
        "post": call(
            f"{name}_posted", "sql", summary, [*places, *shape], content, description=SQL_WORDS, body=SQL_BODY
        ),
    }


SQL = {
    "/api/v1/query": _asking("query", "Ask in SQL", []),
    "/api/v1/query.{suffix}": _asking("query_file", "Ask in SQL, as a file", [suffix_of(SUFFIXES)]),
    "/api/v1/datasets/{slug}/query": _asking("dataset_query", "Ask a dataset in SQL", [SLUG]),
    "/api/v1/datasets/{slug}/query.{suffix}": _asking(
        "dataset_query_file", "Ask a dataset in SQL, as a file", [SLUG, suffix_of(SUFFIXES)]
    ),
    "/api/v1/queries/{slug}/export.{suffix}": {
        "get": call(
            "export_query",
            "queries",
            "What a kept query gives, as a file",
            [
                parameter("slug", "path", "string", "the query's slug", minLength=1),
                suffix_of(SUFFIXES),
                *FILE,
                parameter("_limit", "query", "integer", "at most so many rows", minimum=1, maximum=10**15),
            ],
            FILES | {"application/json": {"schema": {"type": "array", "items": ROW}}},
            status_304=NOT_CHANGED,
        )
    },
}


# OData

ODATA_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}
ODATA_REFUSED = {
    "description": "Refused, with the reason, as OData says it",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ODataError"}}},
}
ODATA_NOT_OFFERED = ODATA_REFUSED | {"description": "Part of OData, but not offered here"}


def _values(**fields):
    return {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["@odata.context", "value"],
                "properties": {"@odata.context": {"type": "string"}, "value": {"type": "array", "items": ROW}} | fields,
            }
        }
    }


def _feed(operation_id, summary, parameters, content):
    found = call(operation_id, "odata", summary, parameters, content, status_501=ODATA_NOT_OFFERED)
    found["responses"]["4XX"] = ODATA_REFUSED
    return {"get": found}


FORMAT = parameter(
    "$format",
    "query",
    "string",
    "json, with odata.metadata (none, minimal, full), IEEE754Compatible, odata.streaming, ExponentialDecimals; before Accept",
)
FILTER = parameter("$filter", "query", "string", "as OData writes conditions: quantity gt 2 and contains(title,'oil')")
ODATA = {
    "/odata/v4/": _feed("odata_service", "The datasets there are", [FORMAT], _values()),
    "/odata/v4/$metadata": _feed(
        "odata_metadata", "The columns of each dataset, as XML", [], {"application/xml": TEXT}
    ),
    "/odata/v4/{slug}": _feed(
        "odata_rows",
        "One page of rows, as OData",
        [
            SLUG,
            parameter("$select", "query", "string", "columns, separated by commas"),
            FILTER,
            parameter("$orderby", "query", "string", "columns, each with asc or desc behind it"),
            parameter("$top", "query", "integer", "at most so many rows", minimum=0, maximum=10**15 - 1),
            parameter("$skip", "query", "integer", "leaves out so many rows", minimum=0, maximum=10**15 - 1),
            parameter("$count", "query", "boolean", "also counts all rows that meet $filter"),
            parameter("$skiptoken", "query", "string", "from @odata.nextLink"),
            FORMAT,
        ],
        _values(**{"@odata.count": {"type": "integer"}, "@odata.nextLink": {"type": "string"}}),
    ),
    "/odata/v4/{slug}({_row_id})": _feed(
        "odata_row",
        "One row by its key",
        [
            SLUG,
            parameter("_row_id", "path", "integer", "the row's key", minimum=1, maximum=10**18 - 1),
            parameter("$select", "query", "string", "columns, separated by commas"),
            FORMAT,
        ],
        {"application/json": {"schema": ROW}},
    ),
    "/odata/v4/{slug}/$count": _feed("odata_count", "How many rows meet $filter", [SLUG, FILTER], {"text/plain": TEXT}),
}


# In Domo's shape

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
            "The datasets there are, at most 50 at a time",
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

PATHS = DATA | SQL | ODATA | DOMO
