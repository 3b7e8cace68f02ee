"""The simulator as a whole: takes a request, finds who answers it, and lets the faults have their way."""

import json
import secrets
import sys
import time
import traceback

from . import consent, control, documents, faults, operations, orders, participations, reports, sampled, tokens
from .answers import Refusal, denied, errors, html, invalid
from .applications import Applications
from .buckets import Buckets
from .clock import Clock
from .requestlog import RequestLog
from .settings import Settings
from .signing import Signer
from .world import World

HANDLERS = {
    "searchOrders": orders.search_orders,
    "getOrder": orders.get_order,
    "getMarketplaceParticipations": participations.get_marketplace_participations,
    "getReports": reports.get_reports,
    "createReport": reports.create_report,
    "getReport": reports.get_report,
    "cancelReport": reports.cancel_report,
    "getReportDocument": documents.get_report_document,
}
REGIONS = ("na", "eu", "fe")


class Simulator:
    """Everything one Amazon knows: its clock, world, applications, consents, reports and switched-on faults."""

    def __init__(self, seed=1, now=None, redirect_uris=(), folder=None, samples=sampled.FOLDER, **settings):
        self.clock = Clock(now)
        self.world = World(seed)
        self.samples = samples
        self.signer = Signer(seed)
        self._settings = settings
        self.settings = Settings(**settings)
        self.applications = Applications(redirect_uris)
        self.tokens = tokens.Tokens(self.applications, self.signer, self.clock.ticks, self.settings)
        self.buckets = Buckets(self.clock.ticks)
        self.reports = reports.Reports(self, folder)
        self.faults = faults.Faults(seed)
        self.log = RequestLog()
        self.run = 0
        self.last_page = {}

    def reset(self):
        """As at the start; the world itself cannot change."""
        self.settings.__init__(**self._settings)
        self.world.late_seconds = self.settings.late_seconds
        self.last_page.clear()
        self.faults.clear()
        self.forget_reports()
        for part in (self.clock, self.applications, self.tokens, self.buckets, self.log):
            part.reset()

    def forget_reports(self):
        """As if none had been asked for; their numbers are given out again."""
        self.run += 1
        self.reports.reset()

    def change_settings(self, values):
        self.settings.change(values)
        self.world.late_seconds = self.settings.late_seconds

    def answer(self, request):
        if request.path == "/simulator" or request.path.startswith("/simulator/") or request.path == "/":
            return control.answer(self, request)
        try:
            answer = self._route(request)
        except Refusal as refusal:
            answer = refusal.answer
        except Exception:
            traceback.print_exc(file=sys.stderr)
            answer = errors(500, "InternalFailure", "The simulator itself failed; its log says why.")
        self._after(request, answer)
        self.log.add(request, answer, self.clock.now())
        return answer

    def _route(self, request):
        if request.path == tokens.PATH:
            request.operation = "token"
            return self._or_fault(request, self.tokens.answer)
        if request.path in consent.PATHS:
            request.operation = "consent"
            return self._or_fault(request, lambda asked: consent.answer(self, asked))
        if request.path.startswith(documents.PATH):
            request.operation = "downloadDocument"
            request.about = self._about(request.path.removeprefix(documents.PATH))
            return self._or_fault(request, lambda asked: documents.download(self, asked))
        region, path = _region(request.path)
        found = operations.find(request.method, path)
        request.operation = found[0].name if found else "unknown"
        request.about = self._about(*(found[1].values() if found else ()))
        return self._or_fault(request, lambda asked: self._call(asked, found, region))

    def _about(self, name="", *_):
        """The report of this number, or of the document with this name."""
        report = self.reports.by_name(name) if name else None
        return self.reports.as_json(report) if report else {}

    def _or_fault(self, request, handler):
        request.fault = self.faults.meet(request)
        answer = faults.instead(request)
        if answer is None:
            if request.fault and request.fault["kind"] == "late":
                time.sleep(request.fault.get("seconds", 1))
            return handler(request)
        if request.fault.get("for_good"):
            self.tokens.expire()
        if request.fault.get("drain"):
            self._drain(request)
        return answer

    def _call(self, request, found, region):
        if request.method == "GET" and ("content-length" in request.headers or "transfer-encoding" in request.headers):
            return html(400, "400 Bad Request", "Bad request. A GET request must not have a body.")
        caller = self._caller(request)
        if found is None:
            raise denied()
        operation, parts = found
        if caller.partner.kind != "seller" or region not in (None, caller.partner.region.lower()):
            raise denied()
        if not 0 < len(request.headers.get("user-agent", "")) <= 500:
            raise invalid("The User-Agent header is required and has at most 500 characters.")
        if not self.buckets.take(self._counted(request, operation, caller)):
            return errors(429, *faults.STATUSES["429"])
        return HANDLERS[operation.name](self, request, caller, *parts.values())

    def _caller(self, request):
        token = request.headers.get("x-amz-access-token")
        if not token:
            raise denied("Access token is missing in the request header.")
        caller = self.tokens.caller(token)
        if caller is None or caller.revoked:
            raise denied("The access token you provided is revoked, malformed or invalid.")
        if caller.expired:
            raise denied("The access token you provided has expired.")
        if caller.partner is None:
            raise denied()
        request.note |= {"client_id": caller.client_id, "selling_partner_id": caller.partner.id}
        return caller

    def _rate(self, operation):
        return operation.rate * self.settings.rate_factor

    def _counted(self, request, operation, caller):
        """Every bucket that the request counts against, with rate and burst."""
        own = [(self._bucket(operation, caller), self._rate(operation), operation.burst)]
        return own + [
            (limit.key(caller.client_id, caller.partner.id), self._rate(limit), limit.burst)
            for limit in self.buckets.further
            if limit.concerns(request)
        ]

    @staticmethod
    def _bucket(operation, caller):
        return caller.client_id, caller.partner.id, operation.name

    def _drain(self, request):
        """As if another program of the same application had just spent everything."""
        found = operations.find(request.method, _region(request.path)[1])
        if found:
            self.buckets.drain(self._bucket(found[0], self._caller(request)))

    def _after(self, request, answer):
        fault = request.fault
        if (
            fault
            and fault["kind"] in faults.PAGE
            and answer.status == 200
            and answer.content_type == "application/json"
        ):
            faults.spoil_page(request, answer, self.last_page.get(request.operation))
        elif fault and fault["kind"] in faults.DELIVERY:
            answer.delivery = fault
        if request.operation == "searchOrders" and answer.status == 200:
            self._remember(request, answer)
        if request.operation in ("consent", "downloadDocument"):
            return
        answer.headers["x-amzn-RequestId"] = request_id = _uuid()
        request.note["request_id"] = request_id
        found = operations.find(request.method, _region(request.path)[1])
        if found and (200 <= answer.status < 210 or answer.status in (400, 404)):
            answer.headers.setdefault("x-amzn-RateLimit-Limit", f"{self._rate(found[0]):g}")

    def _remember(self, request, answer):
        """Only while a fault wants a page repeated into the next."""
        if any(rule["kind"] in ("repeat_rows", "same_page") for rule in self.faults.all()):
            self.last_page[request.operation] = json.loads(answer.body).get("orders")


def _region(path):
    """('eu', '/orders/…') for /eu/orders/…: a base address with a region refuses the other regions' sellers."""
    first, _, rest = path[1:].partition("/")
    return (first, "/" + rest) if first in REGIONS else (None, path)


def _uuid():
    number = secrets.token_hex(16)
    return f"{number[:8]}-{number[8:12]}-{number[12:16]}-{number[16:20]}-{number[20:]}"
