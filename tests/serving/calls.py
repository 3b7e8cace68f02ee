"""Every place of every call in the OpenAPI document where a caller can write something, each with a good value.

The calls and their places come from the document, so that none is forgotten: a parameter without a value here is a KeyError.
A star in a value says where something else is put instead; without one, that is its end.
"""

import json
import re
from dataclasses import dataclass
from urllib.parse import quote

from tests.serving import shop

# By the name of the parameter or field; what a call needs otherwise stands under its own name, which goes before.
VALUES = {
    "slug": "orders_us",
    "id": "orders_us",
    "suffix": "csv",
    "sql": "SELECT title, quantity FROM orders_us WHERE title <> 'x*'",
    "_select": "title,quantity",
    "_sort": "-quantity,title",
    "_tz": "UTC",
    "_decimals": "string",
    "_header": "1",
    "_bom": "1",
    "_safe": "1",
    "_dl": "1",
    "_limit": "1",
    "_count": "exact",
    "_format": "json",
    "_row_id": "1",
    "$select": "title,quantity",
    "$filter": "title ne 'x*' and quantity gt -9* and contains(title,'*')",
    "$orderby": "title desc",
    "$top": "5",
    "$skip": "1",
    "$count": "true",
    "$format": "json",
    "grant_type": "client_credentials",
    "limit": "5",
    "offset": "0",
    "sort": "-lastUpdated",
    "nameLike": "orders",
    "includeHeader": "true",
    "fileName": "orders",
    "state": "new",
    "account": "Shop US",
    "account_id": "Shop US",
    **shop.DEFINITION,
    "q": "orders",
    "name": "Another one",
    "description": "Some words",
    "run": False,
    "scopes": ["data:read"],
    "datasets": ["orders_us"],
    "days": 30,
    "query": "_select=title&quantity__gte=0",
    "from": "2026-09-01",
    "to": "2026-09-30",
    "dataset": "orders_us",
    "kind": "seller",
    "marketplaces": ["US"],
    "selling_partner_id": "A2DEMOSELLER01",
    "refresh_token": "Atzr|simulator-seller",
    "client_id": "amzn1.application-oa2-client.simulator",
    "client_secret": "simulator-secret",
}
FILTERS = {
    "title__contains": "i",
    "title__startswith": "p",
    "title": "plain",
    "quantity__gte": "-9",
    "quantity__in": "1,2,3",
    "item_price__lt": "100000",
    "ship_date__ne": "2026-09-30",
    "purchase_date__gte": "today-9000",
    "is_business_order__isnull": "0",
}
OF_A_CALL = {
    "rows": {"suffix": "json"},
    "export": {"suffix": "ndjson"},
    "dataset_query": {"sql": "SELECT title, quantity FROM table WHERE title <> 'x*'"},
    "dataset_query_posted": {"sql": "SELECT title, quantity FROM table"},
    "dataset_query_file": {"sql": "SELECT title, quantity FROM table"},
    "dataset_query_file_posted": {"sql": "SELECT title, quantity FROM table"},
    "domo_query": {"sql": "SELECT title, quantity FROM table"},
    "export_query": {"slug": "kept"},
    "read_query": {"slug": "kept"},
    "change_query": {"slug": "kept"},
    "delete_query": {"slug": "forgotten"},
    "change_dataset": {"slug": "orders_spare"},
    "delete_dataset": {"slug": "orders_gone"},
    "clear_dataset": {"slug": "orders_spare"},
    "clone_dataset": {"slug": "orders_spare"},
    "pause_dataset": {"slug": "orders_spare"},
    "resume_dataset": {"slug": "orders_spare"},
    "start_run": {"slug": "orders_spare"},
    "cancel_run": {"slug": "under_way"},
    "read_run": {"slug": "under_way"},
    "list_days": {"state": "landed"},
}
# Ways to write an answer that not every format keeps: each is tried in a format that does.
WRITTEN_IN = {"_header": "csv", "_bom": "csv", "_decimals": "json"}
# Places that decide before the others are looked at, or hold for one query only: each is tried by itself.
BY_ITSELF = {"token", "_cursor", "$skiptoken"}
# Places that are left out, with the reason.
READS_AS_ITS_CALLER = (
    "a SELECT as its caller is what this is for; test_sql_hostile.py tries what it could do beyond that"
)
LEFT_OUT = {
    **{
        (name, "sql"): READS_AS_ITS_CALLER
        for name in (
            *("query", "query_posted", "query_file", "query_file_posted"),
            *("dataset_query", "dataset_query_posted", "dataset_query_file", "dataset_query_file_posted"),
            *("domo_query", "create_query", "change_query"),
        )
    },
}


@dataclass(frozen=True)
class Operation:
    """A call of the document; `parameters` are [(where, name)], `fields` [dotted path of a body's field]."""

    name: str
    method: str
    path: str
    parameters: tuple
    body: dict | None  # its JSON Schema, references resolved
    kind: str  # of the body

    @property
    def apart(self):
        """Parameters that the format in which the others are tried has no use for."""
        if not {name for _, name in self.parameters} & {"suffix", "_format"}:
            return set()
        suffix = self.value("suffix" if "suffix" in {name for _, name in self.parameters} else "_format")
        group = {"tsv": "csv", "ndjson": "json"}.get(suffix, suffix)
        return {name for _, name in self.parameters if WRITTEN_IN.get(name, group) != group}

    @property
    def fields(self):
        return tuple(_fields(self.body)) if self.body else ()

    def value(self, name):
        own = OF_A_CALL.get(self.name, {})
        return own[name] if name in own else VALUES[name]


@dataclass(frozen=True)
class Visit:
    """One request with stars in the places that are tried."""

    operation: Operation
    what: str  # address, body, or the one place
    address: str
    body: str | None = None
    signed: bool = True  # with an Authorization header

    @property
    def headers(self):
        """What goes with it besides: pages of OData short enough that there is a next one."""
        return {"Prefer": "odata.maxpagesize=2"} if self.operation.name == "odata_rows" else {}

    @property
    def name(self):
        return f"{self.operation.name} {self.what}"

    @property
    def places(self):
        return (self.body if self.what == "body" else self.address).count("*")

    def plain(self):
        """The request itself, (address, body)."""
        return self.address.replace("*", ""), self.body and self.body.replace("*", "")

    def with_text(self, place, text):
        """The request with the text behind what stands in that place, (address, body)."""
        if self.what == "body":
            written = quote(text, safe="") if "form" in self.operation.kind else json.dumps(text)[1:-1]
            return self.address, _put(self.body, place, written)
        return _put(self.address, place, quote(text, safe="")), self.body


def operations(document):
    """Every Operation of the OpenAPI document, in its order."""
    found = []
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            content = call.get("requestBody", {}).get("content", {})
            kind = next(iter(content), "")
            found.append(
                Operation(
                    call["operationId"],
                    method.upper(),
                    path,
                    tuple((one["in"], one["name"]) for one in call.get("parameters", [])),
                    _resolved(content[kind]["schema"], document) if kind else None,
                    kind,
                )
            )
    return found


def visits(operation, world):
    """The Visits that try each place of this operation once. `world` says what only a made world knows: run_id, token_id,
    token, client_secret, and cursors as {operation: cursor}."""
    known = {"run_id": world["run_id"], "token_id": world["token_id"], "client_secret": world.get("client_secret")}
    path, query = operation.path, []
    for where, name in operation.parameters:
        if where == "path":
            value = _starred(str(known.get(name) or operation.value(name)))
            path = path.replace(f"{{{name}}}", quote(value, safe="*"))
        elif name == "filters":
            query += [(key, _starred(value)) for key, value in FILTERS.items()]
        elif name not in BY_ITSELF | operation.apart:
            value = operation.value(name)
            query.append((name, value.replace("*", "") if (operation.name, name) in LEFT_OUT else _starred(value)))
    values = {name: operation.value(name) for name in (operation.body or {}).get("properties", {})}
    if operation.name == "domo_token_posted":
        values["client_secret"] = world["token"]
    body = _written(operation, values, starred=False) if operation.body else None

    found = [Visit(operation, "address", _address(path, query), body)]
    if operation.body:
        unstarred = _address(path, query).replace("*", "")
        starred = _written(operation, values, starred=True)
        found.append(Visit(operation, "body", unstarred, starred, signed=operation.name != "domo_token_posted"))
    path = path.replace("*", "")
    query = [(name, value.replace("*", "")) for name, value in query]
    for where, name in operation.parameters:
        if where == "query" and name == "token":
            address = _address(path, [*query, ("token", world["link"] + "*")])
            found.append(Visit(operation, "token", address, body, signed=False))
        elif where == "query" and name in BY_ITSELF:
            cursor = world["cursors"].get(operation.name, "")
            query = [pair for pair in query if pair[0] != "$skip"]  # a token says by itself where its page begins
            found.append(Visit(operation, name, _address(path, [*query, (name, cursor + "*")]), body))
        elif name in operation.apart:
            address = _in_format(operation, world, name)
            found.append(Visit(operation, name, address, body))
        elif name == "filters":
            address = _address(path, query) + "&title*__contains=a&quantity__gte*=0"
            found.append(Visit(operation, "filter names", address, body))
    return [visit for visit in found if visit.places]


def _in_format(operation, world, name):
    """The call's address with this parameter alone, in a format that keeps it."""
    path, query, suffix = operation.path, [(name, _starred(operation.value(name)))], WRITTEN_IN[name]
    for where, each in operation.parameters:
        if where == "path":
            value = suffix if each == "suffix" else str(operation.value(each))
            path = path.replace(f"{{{each}}}", quote(value, safe=""))
        elif each == "_format":
            query.append((each, suffix))
        elif each == "sql":
            query.append((each, operation.value(each).replace("*", "")))
    return _address(path, query)


def _address(path, query):
    return path + ("?" + "&".join(f"{name}={quote(value, safe='*')}" for name, value in query) if query else "")


def _starred(value):
    return value if "*" in value else f"{value}*"


def _put(text, place, written):
    parts = text.split("*")
    return "".join(parts[: place + 1]) + written + "".join(parts[place + 1 :])


def _written(operation, values, *, starred):
    """The body as text; numbers and truths cannot be continued, so they stay as they are in the list of places."""

    def walked(name, value):
        if isinstance(value, dict):
            return {key: walked(f"{name}.{key}", one) for key, one in value.items()}
        if isinstance(value, list):
            return [walked(name, one) for one in value]
        if not starred or (operation.name, name) in LEFT_OUT:
            return value.replace("*", "") if isinstance(value, str) else value
        if isinstance(value, str):
            return _starred(value)
        return f"{json.dumps(value)}*"  # as text, which is read as a number or a truth where it is one

    found = {name: walked(name, value) for name, value in values.items()}
    if "form" in operation.kind:
        return "&".join(f"{name}={quote(value, safe='*')}" for name, value in found.items())
    return json.dumps(found)


def _fields(schema, before=""):
    for name, field in schema.get("properties", {}).items():
        parts = [one for one in (field, *field.get("anyOf", ())) if one.get("properties")]
        if parts:
            yield from _fields(parts[0], f"{before}{name}.")
        else:
            yield f"{before}{name}"


def _resolved(schema, document):
    if isinstance(schema, list):
        return [_resolved(one, document) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if found := schema.get("$ref"):
        return _resolved(document["components"]["schemas"][re.sub(".*/", "", found)], document)
    return {key: _resolved(value, document) for key, value in schema.items()}
