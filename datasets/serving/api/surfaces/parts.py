"""What the descriptions of several surfaces share: parameters, headers, the shapes of rows and files."""

from collections.abc import Iterable
from typing import Any

from datasets.formats.index import FORMATS, understanding


def parameter(name: str, where: str, kind: str, words: str, **more: object) -> dict[str, Any]:
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
        f"1 puts a byte order mark before {understanding('bom')}, for Excel; only for these",
    ),
    parameter(
        "_safe",
        "query",
        "string",
        "1 puts an apostrophe before text that a spreadsheet would treat as a formula; not for Excel and Parquet",
    ),
    parameter("_dl", "query", "string", "1 makes a browser save the file"),
]
SHAPE = [
    parameter("_select", "query", "string", "columns, separated by commas"),
    parameter("_sort", "query", "string", "columns, separated by commas; a minus in front for descending"),
    parameter("_tz", "query", "string", "whose day a date means: an IANA zone; the dataset's own if omitted"),
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
STATEMENT = {"type": "object", "required": ["sql"], "properties": {"sql": {"type": "string"}}}
TEXT = {"schema": {"type": "string"}}
BYTES = {"schema": {"type": "string", "format": "binary"}}
FILES = {each.media_type: TEXT if each.is_text else BYTES for each in FORMATS.values()}
SUFFIXES = tuple(FORMATS)


def suffix_of(suffixes: Iterable[str]) -> dict[str, Any]:
    return parameter("suffix", "path", "string", "the format", enum=list(suffixes))


def call(
    operation_id: str,
    tag: str,
    summary: str,
    parameters: Iterable[dict[str, Any]],
    content: dict[str, Any],
    *,
    description: str = "",
    headers: dict[str, Any] | None = None,
    body: dict[str, Any] | None = None,
    **responses: dict[str, Any],
) -> dict[str, Any]:
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
