"""OData."""

from typing import Any

from datasets.serving.api.surfaces.parts import ROW, SLUG, TEXT, call, parameter

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


def _values(**fields: Any) -> dict[str, Any]:
    return {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["@odata.context", "value"],
                "properties": {"@odata.context": {"type": "string"}, "value": {"type": "array", "items": ROW}} | fields,
            }
        }
    }


def _feed(operation_id: str, summary: str, parameters: list[dict[str, Any]], content: dict[str, Any]) -> dict[str, Any]:
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
    "/odata/v4/": _feed("odata_service", "The datasets", [FORMAT], _values()),
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
            parameter("$top", "query", "integer", "the maximum number of rows", minimum=0, maximum=10**15 - 1),
            parameter("$skip", "query", "integer", "the number of rows to skip", minimum=0, maximum=10**15 - 1),
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
