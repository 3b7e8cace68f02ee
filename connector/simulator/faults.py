"""What can be made to go wrong, on which request, and how often.

A rule names an `operation` (one of the API's, or `token`, `consent`, `downloadDocument`, `*`) and a `kind`. Without
more it meets every such request. It is narrowed by:

    nth          the 1-based number, or numbers, of the matching request since the rule was set
    after        leave the first so many alone
    every        each so-manieth
    count        at most so many times
    probability  by chance (seeded)
    paging       only requests that carry a page token
    match        only requests whose query, JSON body or form has these values, or the report or document that they
                 are about (so {"dataStartTime": …} meets one report from createReport to its document)
    covers       only requests whose window holds this moment, as 2026-01-31T12:00:00Z: what is wrong with one day is
                 wrong with every window around it

The first rule that applies is met. Kinds, and what they take:

    instead of an answer   429 (drain, header), 400, 404, 408, 413, 415, 500, 502, 503, 504, expired_token (for_good: so
                           have all access tokens that were given out until then),
                           revoked_token, forbidden, marketplace (marketplaces: the ids that are refused, whatever others
                           are named beside them; status 400 or 403), token_died, too_big, html (status), redirect (location),
                           empty_body, body (body: in base64, status, content_type); for `token`: invalid_grant, invalid_client, unauthorized_client
    to a page              repeat_token, endless, same_page (reversed: its rows the other way round), empty_page,
                           empty_payload, repeat_rows (changed: the moment of their update), shuffled, truncated_json,
                           invalid_json, unknown_fields, nul, lone_surrogate, row_missing (at), without_field (field: of
                           each row; value: in its place)
    before an answer       late (seconds): it is taken, and carried out only then
    on the way             cut (bytes or at, reset), no_answer, wrong_length (by), drip (seconds, bytes), delay (seconds),
                           bad_chunks, many_headers (number), big_header (bytes)
    of a report            on createReport: fatal (text), fatal_without_document, cancelled, stuck (seconds),
                           stuck_in_progress (seconds), done_without_document
    of a document          on downloadDocument: see `document_corruption`
"""

import base64
import json
import threading
from random import Random

from . import checks, document_corruption
from .answers import Answer, Refusal, denied, errors, html, invalid, json_answer
from .reports import OUTCOMES

STATUSES = {
    "400": ("InvalidInput", "Invalid input"),
    "404": ("NotFound", "Resource not found"),
    "408": ("RequestTimedOut", "The request timed out."),
    "413": ("RequestEntityTooLarge", "The request size exceeded the maximum accepted size."),
    "415": ("UnsupportedMediaType", "The entity of the request is in a format not supported."),
    "429": ("QuotaExceeded", "You exceeded your quota for the requested resource."),
    "500": ("InternalFailure", "We encountered an internal error. Please try again."),
    "502": ("InternalFailure", "Bad gateway"),
    "503": ("ServiceUnavailable", "Service is temporarily unavailable. Please try again later."),
    "504": ("InternalFailure", "Endpoint request timed out"),
}
INSTEAD = (
    *STATUSES,
    "expired_token",
    "revoked_token",
    "forbidden",
    "marketplace",
    "token_died",
    "too_big",
    "html",
    "redirect",
    "empty_body",
    "body",
    "invalid_grant",
    "invalid_client",
    "unauthorized_client",
)
PAGE = (
    "repeat_token",
    "endless",
    "same_page",
    "empty_page",
    "empty_payload",
    "repeat_rows",
    "shuffled",
    "truncated_json",
    "invalid_json",
    "unknown_fields",
    "nul",
    "lone_surrogate",
    "row_missing",
    "without_field",
)
DELIVERY = ("cut", "no_answer", "wrong_length", "drip", "delay", "bad_chunks", "many_headers", "big_header")
KINDS = (*INSTEAD, "late", *PAGE, *DELIVERY, *OUTCOMES, *document_corruption.KINDS)
OPERATIONS = (
    "*",
    "token",
    "consent",
    "downloadDocument",
    "searchOrders",
    "getOrder",
    "getMarketplaceParticipations",
    "getReports",
    "createReport",
    "getReport",
    "cancelReport",
    "getReportDocument",
)
PAGE_TOKENS = ("paginationToken", "nextToken")
WINDOWS = (
    ("createdAfter", "createdBefore"),
    ("lastUpdatedAfter", "lastUpdatedBefore"),
    ("dataStartTime", "dataEndTime"),
)


class Faults:
    def __init__(self, seed):
        self._seed = seed
        self._lock = threading.Lock()
        self.clear()

    def clear(self):
        with self._lock:
            self._rules = []
            self._chance = Random(self._seed)
            self._next = 1

    def add(self, rule):
        """Switch a fault on; raises ValueError that says what is wrong with the rule."""
        if rule.get("kind") not in KINDS:
            raise ValueError(f"unknown kind {rule.get('kind')!r}; there are {', '.join(KINDS)}")
        if rule.setdefault("operation", "*") not in OPERATIONS:
            raise ValueError(f"unknown operation {rule['operation']!r}; there are {', '.join(OPERATIONS)}")
        if "covers" in rule and not checks.is_date_time(rule["covers"]):
            raise ValueError("covers must be a moment in ISO 8601 format, as 2026-01-31T12:00:00Z")
        with self._lock:
            rule = {**rule, "id": self._next, "met": 0, "fired": 0}
            self._next += 1
            self._rules.append(rule)
            return rule["id"]

    def remove(self, rule_id):
        with self._lock:
            self._rules = [rule for rule in self._rules if rule["id"] != rule_id]

    def all(self):
        with self._lock:
            return [dict(rule) for rule in self._rules]

    def meet(self, request):
        """The fault that this request runs into, or None."""
        with self._lock:
            for rule in self._rules:
                if _concerns(rule, request):
                    rule["met"] += 1
                    if self._applies(rule):
                        rule["fired"] += 1
                        return dict(rule)
        return None

    def _applies(self, rule):
        number = rule["met"]
        if "nth" in rule:
            wanted = rule["nth"] if isinstance(rule["nth"], list) else [rule["nth"]]
            return number in wanted
        if number <= rule.get("after", 0) or rule["fired"] >= rule.get("count", number):
            return False
        if "every" in rule:
            return (number - rule.get("after", 0)) % rule["every"] == 0
        return "probability" not in rule or self._chance.random() < rule["probability"]


def _concerns(rule, request):
    if rule["operation"] not in ("*", request.operation):
        return False
    sent = request.values()
    if (rule.get("paging") or rule["kind"] == "token_died") and not any(name in sent for name in PAGE_TOKENS):
        return False
    if rule["kind"] == "too_big" and int(sent.get("maxResultsPerPage") or 100) <= rule.get("most", 50):
        return False
    if rule["kind"] == "marketplace" and not _marketplaces(request) & set(rule.get("marketplaces", ())):
        return False
    for name, wanted in rule.get("match", {}).items():
        if name not in sent:
            sent = {**request.about, **_body(request), **sent}
        if sent.get(name) != wanted:
            return False
    return "covers" not in rule or _covers(rule["covers"], {**request.about, **_body(request), **sent})


def _covers(moment, sent):
    """Whether the window that is asked for holds the moment; what has no window of its own does not."""
    for start, end in WINDOWS:
        if sent.get(start) and sent.get(end):
            try:
                first, last = (checks.date_time(sent[name], name) for name in (start, end))
            except Refusal:
                return False  # the request itself will be told so
            return first <= checks.date_time(moment, "covers") < last
    return False


def _marketplaces(request):
    """The ids that the request names."""
    named = _body(request).get("marketplaceIds") or request.values().get("marketplaceIds", "").split(",")
    return {name for name in named if isinstance(name, str)} if isinstance(named, list) else set()


def _body(request):
    try:
        content = json.loads(request.body or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def instead(request):
    """The answer that takes the place of the real one, or None."""
    fault = request.fault
    if fault is None or fault["kind"] not in INSTEAD:
        return None
    kind = fault["kind"]
    if kind == "html":
        return html(fault.get("status", 200), "Service Unavailable", "We are sorry, something went wrong on our end.")
    if kind == "redirect":
        return Answer(302, headers={"Location": fault.get("location", "http://169.254.169.254/latest/meta-data/")})
    if kind == "empty_body":
        return Answer(fault.get("status", 200))
    if kind == "body":
        content = base64.b64decode(fault.get("body", ""))
        return Answer(fault.get("status", 200), content, fault.get("content_type", "application/json"))
    if request.operation == "token":
        return _token_refusal(kind)
    if request.operation == "downloadDocument":
        body = f"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>{kind}</Message></Error>"
        return Answer(int(kind) if kind.isdigit() else 403, body.encode(), "application/xml")
    if kind in STATUSES:
        answer = errors(int(kind), *STATUSES[kind], fault.get("details", ""))
        if "header" in fault:
            answer.headers["x-amzn-RateLimit-Limit"] = str(fault["header"])
        return answer
    if kind == "marketplace":
        return (denied() if fault.get("status", 400) == 403 else invalid(fault.get("details", ""))).answer
    return {
        "expired_token": denied("The access token you provided has expired."),
        "revoked_token": denied("The access token you provided is revoked, malformed or invalid."),
        "token_died": invalid("Invalid or expired page token."),
        "too_big": invalid("The response exceeds the maximum size of 10 MB; request fewer results per page."),
    }.get(kind, denied()).answer


def _token_refusal(kind):
    refusals = {
        "invalid_grant": (
            400,
            "invalid_grant",
            "The request has an invalid grant parameter : refresh_token. "
            "User may have revoked or didn't grant the permission.",
        ),
        "invalid_client": (401, "invalid_client", "Client authentication failed"),
        "unauthorized_client": (400, "unauthorized_client", "Not authorized for requested operation"),
        "400": (400, "invalid_request", "The request is missing a required parameter : grant_type"),
        "429": (429, "too_many_requests", "Request rate exceeded"),
        "503": (503, "temporarily_unavailable", "The authorization server is currently unable to handle the request"),
    }
    status, error, description = refusals.get(
        kind, (500, "server_error", "The authorization server encountered an unexpected condition")
    )
    return json_answer({"error": error, "error_description": description}, status)


def spoil_page(request, answer, memory):
    """The real answer, made wrong; `memory` holds the page that was answered before."""
    kind = request.fault["kind"]
    if kind == "truncated_json":
        answer.body = answer.body[: request.fault.get("bytes", len(answer.body) * 2 // 3)]
        return
    if kind == "invalid_json":
        answer.body = b"{'orders': undefined}"
        return
    if kind == "empty_payload":
        answer.body = b"{}"
        return
    content = json.loads(answer.body)
    rows_name = next((name for name in ("orders", "reports", "payload") if name in content), None)
    rows = content.get(rows_name) or []
    sent = next((value for name, value in request.pairs if name in PAGE_TOKENS), None)
    if kind in ("repeat_token", "endless", "empty_page") and rows_name:
        token = sent or _token(content) or "ZW5kbGVzcw=="
        if kind == "endless":
            token = f"ZW5kbGVzcw{request.fault['fired']:06d}=="
        if kind == "empty_page":
            content[rows_name] = []
            token = _token(content) or token
        _set_token(content, rows_name, token)
    elif kind == "repeat_rows" and memory:
        again = memory[-1]
        if "changed" in request.fault:
            again = {**again, "lastUpdatedTime": request.fault["changed"]}
        content[rows_name] = [again, *rows]
    elif kind == "same_page" and memory:
        content[rows_name] = memory[::-1] if request.fault.get("reversed") else memory
        _set_token(content, rows_name, f"c2FtZQ{request.fault['fired']:06d}==")
    elif kind == "shuffled":
        content[rows_name] = rows[::-1]
    elif kind == "row_missing" and rows:
        del rows[document_corruption.place(request.fault, len(rows))]
    elif kind == "without_field":
        for row in rows:
            row.pop(request.fault["field"], None)
            if "value" in request.fault:
                row[request.fault["field"]] = request.fault["value"]
    elif kind == "unknown_fields":
        content["aFieldOfTomorrow"] = {"deep": [1, None, "x"]}
        for row in rows:
            row["anotherFieldOfTomorrow"] = "?"
            if "fulfillment" in row:
                row["fulfillment"]["fulfillmentStatus"] = "TELEPORTED"
    elif kind in ("nul", "lone_surrogate"):
        mark = "\0" if kind == "nul" else "\ud800"
        for row in rows:
            for item in row.get("orderItems", ()):
                item["product"]["title"] = f"Before{mark}after"
    answer.body = json.dumps(content).encode()


def _token(content):
    return content.get("nextToken") or content.get("pagination", {}).get("nextToken")


def _set_token(content, rows_name, token):
    if rows_name == "orders":
        content["pagination"] = {"nextToken": token}
    else:
        content["nextToken"] = token
