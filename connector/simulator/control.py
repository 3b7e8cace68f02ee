"""How a test steers the simulator and asks it for the truth; all under /simulator/, JSON in and out.

GET    /simulator/                       what there is, and who sells
POST   /simulator/reset                  as at the start: faults, log, clock, buckets, reports, consents, settings
GET    /simulator/settings               POST {name: value, …}
GET    /simulator/clock                  POST {"now": ISO} freezes there, {"now": ISO, "run": true} goes on from
                                         there, {"freeze": true}, {"advance": seconds}, {"run": true}
GET    /simulator/faults                 POST a rule or a list of rules → ids; DELETE all, or /simulator/faults/ID
GET    /simulator/applications           POST {"client_id", "client_secret" or "client_secrets", "application_id",
                                         "name", "redirect_uris", "draft", "error"}
POST   /simulator/codes                  {"application_id", "selling_partner_id", "redirect_uri"} → an authorisation
                                         code without the consent page
POST   /simulator/revoke                 {"selling_partner_id", "client_id"?}; /simulator/restore gives it back
POST   /simulator/drain                  {"operation", "selling_partner_id", "client_id"?}: empties that bucket
GET    /simulator/limits                 limits on top of each operation's own; POST {"operation", "rate", "burst",
                                         "of": "account" or "application", "report_type"?}: one more
GET    /simulator/requests               ?operation= &since=n &status=; DELETE forgets them
GET    /simulator/counts                 requests, 429s and statuses by operation
GET    /simulator/buckets                tokens left
GET    /simulator/reports                every report, with its status; DELETE forgets them
GET    /simulator/truth/orders           ?from=DATE&to=DATE [&zone=&by=created|last_updated&marketplaces=US,CA
GET    /simulator/truth/flat_file         &seller=ID&at=ISO&ids=0]
"""

import json
from datetime import date
from urllib.parse import unquote

from . import checks, document_corruption, faults, partners, truth
from .answers import Answer, Refusal, html, json_answer
from .applications import Application
from .buckets import Further
from .clock import iso
from .marketplaces import BY_COUNTRY, BY_ID
from .world import zone_of


class BadControl(Exception):
    """The control call itself is wrong; the message says how."""


def answer(simulator, request):
    parts = unquote(request.path).strip("/").split("/")[1:]
    name = "_".join([request.method.lower(), *parts[:2]]) if parts[:1] == ["truth"] else ""
    name = name or "_".join([request.method.lower(), *parts[:1]])
    call = CALLS.get(name)
    if call is None:
        if request.method == "GET" and not parts:
            return _index(simulator)
        return json_answer({"error": f"no such control: {request.method} {request.path}", "see": "/simulator/"}, 404)
    try:
        return json_answer(call(simulator, request, *parts[1:2] if "faults" in parts else ()))
    except (BadControl, ValueError, KeyError, TypeError) as problem:
        return json_answer({"error": f"{type(problem).__name__}: {problem}"}, 400)
    except Refusal as refusal:
        return refusal.answer


def _body(request):
    body = json.loads(request.body or b"{}")
    if not isinstance(body, dict):
        raise BadControl("the body must be a JSON object")
    return body


def reset(simulator, request):
    simulator.reset()
    return {"reset": True}


def show_settings(simulator, request):
    return simulator.settings.as_json()


def change_settings(simulator, request):
    simulator.change_settings(_body(request))
    return simulator.settings.as_json()


def show_clock(simulator, request):
    return {"now": iso(simulator.clock.now()), "frozen": simulator.clock.frozen}


def move_clock(simulator, request):
    body = _body(request)
    if "now" in body:
        moment = checks.date_time(body["now"], "now")
        simulator.clock.set(moment) if body.get("run") else simulator.clock.freeze(moment)
    elif body.get("freeze"):
        simulator.clock.freeze()
    elif body.get("run"):
        simulator.clock.run()
    elif "advance" not in body:
        raise BadControl("say now, advance, freeze or run")
    if "advance" in body:
        simulator.clock.advance(float(body["advance"]))
    return show_clock(simulator, request)


def show_faults(simulator, request):
    return {"faults": simulator.faults.all()}


def add_faults(simulator, request):
    body = json.loads(request.body or b"[]")
    return {"ids": [simulator.faults.add(dict(rule)) for rule in (body if isinstance(body, list) else [body])]}


def remove_faults(simulator, request, rule_id=None):
    if rule_id is None:
        simulator.faults.clear()
    else:
        simulator.faults.remove(int(rule_id))
    return show_faults(simulator, request)


def show_applications(simulator, request):
    return {
        "applications": [
            {
                "client_id": each.client_id,
                "application_id": each.application_id,
                "name": each.name,
                "redirect_uris": each.redirect_uris,
                "draft": each.draft,
            }
            for each in simulator.applications.all()
        ]
    }


def add_application(simulator, request):
    body = _body(request)
    secret = [body.pop("client_secret")] if "client_secret" in body else []
    simulator.applications.register(Application(secrets=secret + body.pop("client_secrets", []), **body))
    return show_applications(simulator, request)


def new_code(simulator, request):
    body = _body(request)
    application = simulator.applications.by_application_id(body["application_id"])
    if application is None:
        raise BadControl(f"unknown application {body['application_id']}")
    partner = _partner(body.get("selling_partner_id"))
    asked_for = "redirect_uri" in body
    redirect_uri = body.get("redirect_uri") or next(iter(application.redirect_uris), None)
    code = simulator.tokens.new_code(application, partner, redirect_uri, asked_for_uri=asked_for)
    return {"spapi_oauth_code": code, "selling_partner_id": partner.id}


def revoke(simulator, request):
    body = _body(request)
    partner = _partner(body.get("selling_partner_id"))
    simulator.tokens.revoke(partner.id, body.get("client_id"))
    return {"revoked": partner.id}


def restore(simulator, request):
    partner = _partner(_body(request).get("selling_partner_id"))
    simulator.tokens.restore(partner.id)
    return {"restored": partner.id}


def drain(simulator, request):
    body = _body(request)
    client_id = body.get("client_id") or simulator.applications.all()[0].client_id
    simulator.buckets.drain((client_id, _partner(body.get("selling_partner_id")).id, body["operation"]))
    return show_buckets(simulator, request)


def show_limits(simulator, request):
    return {"limits": [limit._asdict() for limit in simulator.buckets.further]}


def add_limit(simulator, request):
    try:
        simulator.buckets.limit(Further(**_body(request)))
    except (TypeError, ValueError) as problem:
        raise BadControl(str(problem)) from problem
    return show_limits(simulator, request)


def show_requests(simulator, request):
    asked = request.values()
    status = int(asked["status"]) if "status" in asked else None
    return {"requests": simulator.log.entries(asked.get("operation"), int(asked.get("since", 0)), status)}


def forget_requests(simulator, request):
    simulator.log.reset()
    return {"requests": []}


def show_counts(simulator, request):
    return simulator.log.counts()


def show_buckets(simulator, request):
    return {"buckets": simulator.buckets.levels()}


def show_reports(simulator, request):
    return {
        "reports": [
            {**simulator.reports.as_json(each), "sellingPartnerId": each.partner.id}
            for each in simulator.reports.newest_first()
        ]
    }


def forget_reports(simulator, request):
    simulator.forget_reports()
    return show_reports(simulator, request)


def true_orders(simulator, request):
    return _truth(simulator, request, truth.orders)


def true_flat_file(simulator, request):
    return _truth(simulator, request, truth.flat_file)


def _truth(simulator, request, tell):
    asked = request.values()
    if unknown := set(asked) - {"from", "to", "zone", "by", "marketplaces", "seller", "at", "ids"}:
        raise BadControl(f"unknown parameter {min(unknown)}")
    by = asked.get("by", "created")
    if by not in ("created", "last_updated"):
        raise BadControl("by is created or last_updated")
    if "zone" in asked:
        zone_of(asked["zone"])
    now = checks.date_time(asked["at"], "at") if "at" in asked else simulator.clock.now()
    partner = _partner(asked.get("seller"))
    wanted = [_marketplace_id(each) for each in asked.get("marketplaces", "").split(",") if each]
    found = tell(
        simulator.world,
        partner,
        wanted,
        date.fromisoformat(asked["from"]),
        date.fromisoformat(asked["to"]),
        zone=asked.get("zone"),
        by=by,
        now=now,
        with_ids=asked.get("ids") != "0",
    )
    return {"seller": partner.id, "by": by, "zone": asked.get("zone"), "at": iso(now), **found}


def _partner(partner_id):
    if partner_id is None:
        return partners.DEMO_SELLER
    if partner_id not in partners.BY_ID:
        raise BadControl(f"unknown seller {partner_id}; there are {', '.join(partners.BY_ID)}")
    return partners.BY_ID[partner_id]


def _marketplace_id(word):
    found = BY_COUNTRY.get(word) or BY_ID.get(word)
    if found is None:
        raise BadControl(f"unknown marketplace {word}")
    return found.id


def _index(simulator):
    sellers = "".join(
        f"<li><code>{partner.refresh_token}</code> {partner.id} {partner.name}, {', '.join(partner.shares)}</li>"
        for partner in partners.PARTNERS
    )
    page = html(200, "Amazon simulator", "It stands in for Amazon's Selling Partner API. Nothing here is real.")
    extra = f"<ul>{sellers}</ul><pre>{__doc__}</pre><pre>{faults.__doc__}</pre><pre>{document_corruption.__doc__}</pre></body>"
    return Answer(200, page.body.decode().replace("</body>", extra).encode(), page.content_type)


CALLS = {
    "post_reset": reset,
    "get_settings": show_settings,
    "post_settings": change_settings,
    "get_clock": show_clock,
    "post_clock": move_clock,
    "get_faults": show_faults,
    "post_faults": add_faults,
    "delete_faults": remove_faults,
    "get_applications": show_applications,
    "post_applications": add_application,
    "post_codes": new_code,
    "post_revoke": revoke,
    "post_restore": restore,
    "post_drain": drain,
    "get_requests": show_requests,
    "delete_requests": forget_requests,
    "get_limits": show_limits,
    "post_limits": add_limit,
    "get_counts": show_counts,
    "get_buckets": show_buckets,
    "get_reports": show_reports,
    "delete_reports": forget_reports,
    "get_truth_orders": true_orders,
    "get_truth_flat_file": true_flat_file,
}
