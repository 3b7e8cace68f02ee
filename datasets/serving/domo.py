"""Calls in the shape of Domo's public API, so that a script written for it works by changing its host.

Nothing of their own lies behind them: access tokens stand in for client secrets, our datasets for Domo's.
"""

import json
import re

from django.db.models.functions import Lower
from django.http import HttpResponse
from django.utils import timezone

from datasets.serving import query, tokens, wishes
from datasets.serving.export import FILES, answer
from datasets.serving.find import SEALED, find_dataset
from datasets.serving.moment import served
from datasets.serving.problems import BadParameters, BadRequest, Problem, endpoint, shown

TYPES = {"bigint": "LONG", "numeric": "DECIMAL", "date": "DATE", "timestamptz": "DATETIME"}  # others: STRING
SORTS = {"name": Lower("name"), "lastUpdated": "changed_at"}
MOST = 50
WITHOUT_END = 365 * 86400  # seconds: what we say of a token that never expires


class NotOffered(Problem):
    status, code, title = 501, "not_offered", "Not offered here"


@endpoint("GET", "POST")
def token(request):
    """/oauth/token: the access token that came as the client's secret is handed back; every other call takes it as Bearer."""
    given = request.POST if request.method == "POST" else request.GET
    grant = given.get("grant_type") or request.GET.get("grant_type")
    if grant != "client_credentials":
        raise BadRequest("Only grant_type=client_credentials is offered.", code="unsupported_grant_type")
    secret = request.POST.get("client_secret")  # never from the address: that ends up in logs and histories
    caller, text = tokens.presented_caller(request, secret)
    expires = caller.token.expires_at
    left = int((expires - timezone.now()).total_seconds()) if expires else WITHOUT_END
    found = {
        "access_token": text,
        "token_type": "bearer",
        "expires_in": left,
        "scope": " ".join(caller.token.scopes),
    }
    return _json(found)


@endpoint("GET")
def listing(request):
    """/v1/datasets: at most 50 at a time, by `offset`, `limit`, `sort` and `nameLike`."""
    caller, given = _asked(request)
    found = caller.datasets().select_related("account", "owner").defer(*SEALED)
    if given.get("nameLike"):
        found = found.filter(name__icontains=given["nameLike"])
    sort = given.get("sort", "")
    key = SORTS.get(sort.removeprefix("-"), SORTS["name"])
    found = found.order_by(key, "pk").reverse() if sort.startswith("-") else found.order_by(key, "pk")
    offset, limit = _whole(given, "offset", 0, 10**9), _whole(given, "limit", MOST, MOST)
    return _json([_described(dataset, with_schema=False) for dataset in found[offset : offset + limit]])


@endpoint("GET")
def described(request, name):
    """/v1/datasets/{id}: one dataset with its schema."""
    caller, _ = _asked(request)
    return _json(_described(find_dataset(caller, name), with_schema=True))


@endpoint("GET")
def data(request, name):
    """/v1/datasets/{id}/data: the whole result as CSV; without a header line unless includeHeader says so, as Domo does."""
    caller, pairs = wishes.of(request)
    given = dict(pairs)
    dataset = find_dataset(caller, name)
    rest = [(key, value) for key, value in pairs if key not in ("includeHeader", "fileName", "_header")]
    response = answer(
        request, caller, dataset, FILES["csv"], [*rest, ("_header", given.get("includeHeader") or "false")]
    )
    if file_name := re.sub(r"[^A-Za-z0-9_.-]+", "_", given.get("fileName", ""))[:100]:
        response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    return response


@endpoint("POST")
def execute(request, name):
    """/v1/datasets/query/execute/{id}: SQL is not offered."""
    caller, _ = _asked(request)
    find_dataset(caller, name)
    raise NotOffered("SQL queries are not offered here. Filter, sort and select with the parameters of export.csv.")


def _asked(request):
    return tokens.caller(request, "data:read"), dict(query.pairs_of(request.META.get("QUERY_STRING", "")))


def _whole(given, name, default, most):
    text = given.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise BadParameters([(name, f"{name}: a whole number is needed, not '{shown(text)}'.")])
    return min(int(text), most)


def _described(dataset, *, with_schema):
    columns = served(dataset)
    found = {
        "id": str(dataset.uuid),
        "name": dataset.name,
        "description": dataset.description,
        "rows": dataset.rows,
        "columns": len(columns),
        "owner": {"id": dataset.owner_id, "name": dataset.owner.username},
        "createdAt": _instant(dataset.created_at),
        "updatedAt": _instant(dataset.updated_at),
        "dataCurrentAt": _instant(dataset.changed_at),
        "pdpEnabled": False,
    }
    if with_schema:
        found["schema"] = {
            "columns": [{"type": TYPES.get(each["type"], "STRING"), "name": each["name"]} for each in columns]
        }
    return found


def _instant(at):
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else None


def _json(content):
    response = HttpResponse(json.dumps(content), content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response
