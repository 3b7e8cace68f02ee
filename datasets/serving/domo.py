"""Calls compatible with Domo's public API, so that a script written for it works after changing its host.

They have no data of their own: access tokens replace client secrets, our datasets replace Domo's.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from psycopg import sql

from datasets.access import tokens
from datasets.access.lookup import SEALED, find_dataset
from datasets.access.policies import policy_of
from datasets.access.tokens import Caller
from datasets.formats.cells import cell as written
from datasets.formats.format import Layout, RowSource
from datasets.formats.index import FORMATS
from datasets.formats.text import AS_IT_IS
from datasets.models import AccessToken, Dataset
from datasets.problems import BadParameters, BadRequest, nearest, printable
from datasets.rows import query, snapshot
from datasets.serving.export import answer
from datasets.serving.http import accepted
from datasets.serving.http.bodies import read_json
from datasets.serving.http.problems import endpoint
from datasets.serving.sql.answers import SHAPE, TypedJson
from datasets.serving.sql.answers import answer as answer_sql

TYPES = {"bigint": "LONG", "numeric": "DECIMAL", "date": "DATE", "timestamptz": "DATETIME"}  # others: STRING
QUERY_TYPES = TYPES | {"numeric": "DOUBLE"}
SORTS: Mapping[str, str | Lower] = {"name": Lower("name"), "lastUpdated": "changed_at"}
MAX_LISTED = 50
WITHOUT_END = 365 * 86400  # seconds: what we say of a token that never expires


@endpoint("GET", "POST")
def token(request: HttpRequest) -> HttpResponse:
    """/oauth/token: the access token that came as the client's secret is handed back; every other call takes it as Bearer."""
    given = request.POST if request.method == "POST" else request.GET
    grant = given.get("grant_type") or request.GET.get("grant_type")
    if grant != "client_credentials":
        raise BadRequest("Only grant_type=client_credentials is offered.", code="unsupported_grant_type")
    secret = request.POST.get("client_secret")  # never from the address: that ends up in logs and histories
    caller, text = tokens.presented_caller(request, secret)
    held = cast(AccessToken, caller.token)  # a session has no secret
    expires = held.expires_at
    left = int((expires - timezone.now()).total_seconds()) if expires else WITHOUT_END
    found = {
        "access_token": text,
        "token_type": "bearer",
        "expires_in": left,
        "scope": " ".join(held.scopes),
    }
    response = _json(found)
    response["Cache-Control"] = "no-store"
    return response


@endpoint("GET")
def listing(request: HttpRequest) -> HttpResponse:
    """/v1/datasets: at most 50 at a time, by `offset`, `limit`, `sort` and `nameLike`."""
    caller, given = _asked(request, "limit", "offset", "sort", "nameLike")
    found = caller.datasets().select_related("account", "owner").defer(*SEALED)
    if given.get("nameLike"):
        found = found.filter(name__icontains=given["nameLike"])
    sort = given.get("sort") or "name"
    key = SORTS.get(sort.removeprefix("-"))
    if key is None:
        words = ", ".join(SORTS)
        raise BadParameters([("sort", f"sort: '{printable(sort)}' is not one of {words}, with or without a minus.")])
    found = found.order_by(key, "pk").reverse() if sort.startswith("-") else found.order_by(key, "pk")
    offset, limit = _whole(given, "offset", 0, 10**9), _whole(given, "limit", MAX_LISTED, MAX_LISTED)
    return _json([_described(caller, dataset, with_schema=False) for dataset in found[offset : offset + limit]])


@endpoint("GET")
def described(request: HttpRequest, name: str) -> HttpResponse:
    """/v1/datasets/{id}: one dataset with its schema."""
    caller, _ = _asked(request)
    return _json(_described(caller, find_dataset(caller, name), with_schema=True))


@endpoint("GET")
def data(request: HttpRequest, name: str) -> HttpResponseBase:
    """/v1/datasets/{id}/data: the whole result as CSV; without a header line unless includeHeader says so, as Domo does."""
    caller, pairs = tokens.reader(request)
    given = _once([pair for pair in pairs if pair[0] in ("includeHeader", "fileName")])
    dataset = find_dataset(caller, name)
    rest = [(key, value) for key, value in pairs if key not in given]
    if any(key == "_header" for key, _ in rest):
        raise BadParameters([("_header", "_header: this call has includeHeader=true for it, as Domo's has.")])
    header = given.get("includeHeader") or dict(caller.defaults).get("_header") or "false"
    response = answer(request, caller, dataset, FORMATS["csv"], [*rest, ("_header", header)])
    if file_name := re.sub(r"[^A-Za-z0-9_.-]+", "_", given.get("fileName", ""))[:100]:
        response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    return response


@endpoint("POST")
def execute(request: HttpRequest, name: str) -> HttpResponseBase:
    """/v1/datasets/query/execute/{id}: one SELECT over the dataset, which it calls `table`; {"sql": …} in the body."""
    caller, given = _asked(request, *SHAPE)
    dataset = find_dataset(caller, name)
    file = DomoRows("json", "JSON", "application/json", source=str(dataset.uuid))
    return answer_sql(
        request, caller, _statement(request), file, list(given.items()), dataset=dataset, slug=dataset.slug
    )


def _statement(request: HttpRequest) -> str:
    found = _member(read_json(request.body))
    if isinstance(found, dict):
        found = _member(found)  # pydomo wraps the object of its own example into another one
    if not isinstance(found, str):
        raise BadParameters([("sql", 'sql: a statement is needed, such as {"sql": "SELECT * FROM table"}.')])
    return found


def _member(body: object) -> Any:
    """The one member that a body may have."""
    if not isinstance(body, dict):
        return None
    if wrong := [name for name in body if name != "sql"]:
        raise BadParameters(
            [(printable(name), f"There is no field '{printable(name)}'. There is: sql.") for name in wrong]
        )
    return body.get("sql")


@dataclass(frozen=True)
class DomoRows(TypedJson):
    """The answer as Domo writes it: names, what each column is, and each row as a list."""

    source: str = ""
    sizes: list = field(default_factory=list)  # rows of each batch that went out
    width: list = field(default_factory=list)  # the one number of columns, once it is known

    def start(self, source: RowSource, layout: Layout) -> bytes:
        always = {"dataSourceId": self.source, "maxLength": -1, "minLength": -1, "periodIndex": 0}
        metadata = [{"type": QUERY_TYPES.get(kind, "STRING")} | always for kind in source.types.values()]
        head = {"datasource": self.source, "columns": source.names, "metadata": metadata}
        self.width.append(len(source.types))
        return f'{json.dumps(head)[:-1]}, "rows": [\n'.encode()

    def statement(self, source: RowSource, layout: Layout) -> sql.Composed:
        values = sql.SQL(", ").join(
            sql.SQL("to_json({})").format(written(name, kind, json=True)) for name, kind in source.types.items()
        )
        return sql.SQL("COPY (SELECT array_to_json(ARRAY[{}]) FROM ({}) AS r) TO STDOUT {}").format(
            values, source.select, AS_IT_IS
        )

    def join(self, rows: Sequence[bytes | memoryview], first: bool) -> bytes:
        self.sizes.append(len(rows))
        return super().join(rows, first)

    def end(self, is_empty: bool) -> bytes:
        tail = {"numRows": sum(self.sizes), "numColumns": sum(self.width), "fromcache": False}
        return f"\n], {json.dumps(tail)[1:]}".encode()


def _asked(request: HttpRequest, *known: str) -> tuple[Caller, dict[str, str]]:
    """The Caller and {parameter: value}; raises BadParameters for one that the call does not know."""
    caller = tokens.caller(request, "data:read")
    accepted.check(request, "application/json")
    given = _once(query.pairs_of(request.META.get("QUERY_STRING", "")))
    wrong = [
        (printable(name), f"There is no parameter '{printable(name)}'.{nearest(name, known)}")
        for name in given
        if name not in known
    ]
    if wrong:
        raise BadParameters(wrong, code="unknown_parameter")
    return caller, given


def _once(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadParameters([(printable(name), f"{printable(name)} is given more than once.") for name in twice])
    return dict(pairs)


def _whole(given: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = given.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise BadParameters([(name, f"{name}: a whole number is needed, not '{printable(text)}'.")])
    if int(text) > most:
        raise BadParameters([(name, f"{name}: at most {most} is taken, not {text}.")])
    return int(text)


def _described(caller: Caller, dataset: Dataset, *, with_schema: bool) -> dict[str, Any]:
    seen = snapshot.glance(dataset, policy_of(caller, dataset), now=timezone.now())
    columns = seen.columns
    found = {
        "id": str(dataset.uuid),
        "name": dataset.name,
        "description": dataset.description,
        "rows": seen.rows,
        "columns": len(columns),
        "owner": {"id": dataset.owner_id, "name": dataset.owner.username},
        "createdAt": _instant(dataset.created_at),
        "updatedAt": _instant(dataset.updated_at),
        "dataCurrentAt": _instant(dataset.changed_at),
        "pdpEnabled": not seen.policy.is_open,
    }
    if with_schema:
        found["schema"] = {
            "columns": [{"type": TYPES.get(each["type"], "STRING"), "name": each["name"]} for each in columns]
        }
    return found


def _instant(at: datetime | None) -> str | None:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else None


def _json(content: object) -> HttpResponse:
    response = HttpResponse(json.dumps(content), content_type="application/json")
    response["Cache-Control"] = "private, no-cache"
    return response
