"""Files and pages of rows."""

from datasets.formats.index import OF_PAGES
from datasets.serving.api.surfaces.parts import (
    COLUMN,
    FILES,
    FILTERS,
    HEADERS,
    NOT_CHANGED,
    ROW,
    SHAPE,
    SLUG,
    SUFFIXES,
    TEXT,
    call,
    parameter,
    suffix_of,
)

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
                parameter("_limit", "query", "integer", "the maximum number of rows", minimum=1, maximum=10**15),
            ],
            FILES | {"application/json": {"schema": {"type": "array", "items": ROW}}},
            description="Streamed, without a limit, from one consistent snapshot. A failure while streaming breaks "
            "the connection.",
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
                parameter("_limit", "query", "integer", "rows per page, 1000 if omitted", minimum=1, maximum=50_000),
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
            description="Keyset paging in the snapshot of the first page; 410 version_gone if that snapshot is no "
            "longer available.",
            headers=HEADERS | {"Link": {"schema": {"type": "string"}, "description": 'the next page, rel="next"'}},
            status_304=NOT_CHANGED,
        )
    },
}
