"""SELECTs that people write, and kept queries."""

from typing import Any

from datasets.serving.api.surfaces.parts import (
    COLUMN,
    FILE,
    FILES,
    LINK,
    NOT_CHANGED,
    ROW,
    SLUG,
    STATEMENT,
    SUFFIXES,
    TEXT,
    call,
    parameter,
    suffix_of,
)

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


def _asking(name: str, summary: str, places: list[dict[str, Any]]) -> dict[str, Any]:
    shape = [
        *FILE,
        LINK,
        parameter("_limit", "query", "integer", "the maximum number of rows", minimum=1, maximum=10**15),
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
    "/api/v1/query": _asking("query", "Query in SQL", []),
    "/api/v1/query.{suffix}": _asking("query_file", "Query in SQL, as a file", [suffix_of(SUFFIXES)]),
    "/api/v1/datasets/{slug}/query": _asking("dataset_query", "Query a dataset in SQL", [SLUG]),
    "/api/v1/datasets/{slug}/query.{suffix}": _asking(
        "dataset_query_file", "Query a dataset in SQL, as a file", [SLUG, suffix_of(SUFFIXES)]
    ),
    "/api/v1/queries/{slug}/export.{suffix}": {
        "get": call(
            "export_query",
            "queries",
            "The result of a saved query, as a file",
            [
                parameter("slug", "path", "string", "the query's slug", minLength=1),
                suffix_of(SUFFIXES),
                *FILE,
                parameter("_limit", "query", "integer", "the maximum number of rows", minimum=1, maximum=10**15),
            ],
            FILES | {"application/json": {"schema": {"type": "array", "items": ROW}}},
            status_304=NOT_CHANGED,
        )
    },
}
