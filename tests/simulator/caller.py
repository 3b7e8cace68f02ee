"""Calls the simulator over real HTTP with nothing but the standard library."""

import http.client
import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from connector.simulator.server import running

CLIENT_ID = "amzn1.application-oa2-client.simulator"
CLIENT_SECRET = "simulator-secret"
APPLICATION_ID = "amzn1.sellerapps.app.simulator"
SELLER = "Atzr|simulator-seller"
ORDERS = "/orders/2026-01-01/orders"
REPORTS = "/reports/2021-06-30/reports"
DOCUMENTS = "/reports/2021-06-30/documents"
BY_ORDER_DATE = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"
BY_LAST_UPDATE = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL"
US, CA, MX = "ATVPDKIKX0DER", "A2EUQ1WTGCTBG2", "A1AM78C64UM0Y8"


@dataclass
class Reply:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["errors"][0]


class Amazon:
    """One simulator, and a seller's access token for it."""

    def __init__(self, url):
        self.url = url
        self._tokens = {}

    def send(self, method, path, body=None, headers=None):
        """`path` may be a whole address; the connection is new each time, and redirects are not followed."""
        parts = urlsplit(path if "://" in path else self.url + path)
        link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            link.request(method, target, body, {"User-Agent": "Tests/1.0 (Language=Python)"} | (headers or {}))
            answer = link.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            link.close()

    def token_request(self, **form):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET} | form
        form = {name: value for name, value in form.items() if value is not None}
        return self.send("POST", "/auth/o2/token", urlencode(form), headers)

    def access_token(self, refresh_token=SELLER):
        if refresh_token not in self._tokens:
            reply = self.token_request(grant_type="refresh_token", refresh_token=refresh_token)
            assert reply.status == 200, reply.body
            self._tokens[refresh_token] = reply.json["access_token"]
        return self._tokens[refresh_token]

    def forget_tokens(self):
        self._tokens.clear()

    def call(self, method, path, query=None, body=None, seller=SELLER, headers=None):
        headers = {"x-amz-access-token": self.access_token(seller)} | (headers or {})
        if body is not None:
            headers = {"Content-Type": "application/json"} | headers
            body = body if isinstance(body, str) else json.dumps(body)
        return self.send(method, path + (f"?{urlencode(query)}" if query else ""), body, headers)

    def get(self, path, query=None, **more):
        return self.call("GET", path, query, **more)

    def search(self, seller=SELLER, **query):
        return self.get(ORDERS, query, seller=seller)

    def search_all(self, seller=SELLER, **query):
        """Every order of all pages, and how many pages there were."""
        orders, pages, token = [], 0, {}
        while True:
            reply = self.search(seller=seller, **query, **token)
            assert reply.status == 200, reply.body
            orders += reply.json["orders"]
            pages += 1
            if "nextToken" not in reply.json.get("pagination", {}):
                return orders, pages
            token = {"paginationToken": reply.json["pagination"]["nextToken"]}

    def create_report(self, start, end, report_type=BY_ORDER_DATE, marketplaces=(US,), seller=SELLER, **more):
        body = {"reportType": report_type, "marketplaceIds": list(marketplaces)}
        body |= {"dataStartTime": start, "dataEndTime": end} | more
        reply = self.call("POST", REPORTS, body=body, seller=seller)
        assert reply.status == 202, reply.body
        return reply.json["reportId"]

    def report(self, report_id, seller=SELLER):
        reply = self.get(f"{REPORTS}/{report_id}", seller=seller)
        assert reply.status == 200, reply.body
        return reply.json

    def document_address(self, report_id, seller=SELLER, **query):
        document_id = self.report(report_id, seller)["reportDocumentId"]
        reply = self.get(f"{DOCUMENTS}/{document_id}", query, seller=seller)
        assert reply.status == 200, reply.body
        return reply.json["url"]

    def control(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body)
        reply = self.send(method or ("GET" if body is None else "POST"), f"/simulator/{path}", data)
        assert reply.status == 200, reply.body
        return reply.json

    def fault(self, kind, operation="*", **rule):
        return self.control("faults", {"kind": kind, "operation": operation, **rule})["ids"][0]

    def freeze(self, now):
        return self.control("clock", {"now": now})

    def advance(self, **time):
        return self.control("clock", {"advance": timedelta(**time).total_seconds()})

    def truth(self, first, last, kind="orders", **query):
        return self.control(f"truth/{kind}?{urlencode({'from': first, 'to': last, **query})}")

    def requests(self, operation=None):
        return self.control("requests" + (f"?operation={operation}" if operation else ""))["requests"]


@contextmanager
def running_amazon(**options):
    """A simulator in this process, fast and with reports that are ready at once, unless said otherwise."""
    options = {"rate_factor": 1e6, "processing_seconds": 0} | options
    with running(**options) as server:
        yield Amazon(server.url)
