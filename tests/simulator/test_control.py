"""Steering: clock, settings, log, and the truth that tests compare with."""

import json
import socket
from collections import Counter
from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from tests.simulator.caller import BY_ORDER_DATE, CA, ORDERS, US

ZONE = "America/Los_Angeles"


def totals(orders):
    sums = Counter()
    for order in orders:
        if "proceeds" in order:
            total = order["proceeds"]["grandTotal"]
            sums[total["currencyCode"]] += Decimal(total["amount"])
    return sums


def decimals(sums):
    return {currency: Decimal(amount) for currency, amount in sums.items()}


@pytest.mark.parametrize(
    ("first", "last", "after", "before"),
    [
        ("2026-08-01", "2026-08-07", "2026-08-01T07:00:00Z", "2026-08-08T06:59:59Z"),
        ("2025-11-02", "2025-11-02", "2025-11-02T07:00:00Z", "2025-11-03T07:59:59Z"),
        ("2026-03-08", "2026-03-08", "2026-03-08T08:00:00Z", "2026-03-09T06:59:59Z"),
        ("2025-11-28", "2025-11-28", "2025-11-28T08:00:00Z", "2025-11-29T07:59:59Z"),
    ],
)
def test_the_truth_of_created_orders_equals_the_pages(amazon, first, last, after, before):
    orders, _ = amazon.search_all(createdAfter=after, createdBefore=before, includedData="PROCEEDS", marketplaceIds=US)
    truth = amazon.truth(first, last, zone=ZONE, marketplaces="US")
    assert sorted(order["orderId"] for order in orders) == sorted(
        i for day in truth["days"].values() for i in day["ids"]
    )
    assert truth["orders"] == len(orders) > 0
    assert truth["items"] == sum(len(order["orderItems"]) for order in orders)
    assert truth["units"] == sum(item["quantityOrdered"] for order in orders for item in order["orderItems"])
    assert decimals(truth["totals"]) == totals(orders)


def test_the_truth_knows_the_orders_of_a_days_first_second(amazon):
    """Amazon includes the end of what it is asked for: these are in the answer for the day before, too."""
    orders, _ = amazon.search_all(
        createdAfter="2026-08-01T07:00:00Z", createdBefore="2026-08-01T07:00:00Z", marketplaceIds=US
    )
    days = amazon.truth("2026-08-01", "2026-08-03", zone=ZONE, marketplaces="US")["days"]
    assert [day["at_midnight"] for day in days.values()] == [len(orders), 0, 0]
    assert len(orders) == 1


def test_the_truth_of_changed_orders_equals_the_pages(amazon):
    orders, _ = amazon.search_all(
        lastUpdatedAfter="2026-08-10T07:00:00Z",
        lastUpdatedBefore="2026-08-12T06:59:59Z",
        includedData="PROCEEDS,FULFILLMENT",
    )
    truth = amazon.truth("2026-08-10", "2026-08-11", zone=ZONE, by="last_updated")
    assert sorted(order["orderId"] for order in orders) == sorted(
        i for day in truth["days"].values() for i in day["ids"]
    )
    assert decimals(truth["totals"]) == totals(orders)
    assert truth["statuses"] == Counter(order["fulfillment"]["fulfillmentStatus"] for order in orders)


def test_every_day_is_there_also_a_quiet_one(amazon):
    days = amazon.truth("2026-05-01", "2026-06-30")["days"]
    assert list(days)[0] == "2026-05-01" and len(days) == 61
    assert 0 in {day["orders"] for day in days.values()}


def test_the_truth_can_be_asked_for_another_moment(amazon):
    then = amazon.truth("2026-08-14", "2026-08-14", at="2026-08-14T20:00:00Z")
    now = amazon.truth("2026-08-14", "2026-08-14")
    assert then["orders"] < now["orders"]
    assert amazon.truth("2026-08-14", "2026-08-14", ids=0)["days"]["2026-08-14"].get("ids") is None


def test_the_truth_of_another_seller_and_marketplace(amazon):
    assert set(amazon.truth("2026-08-01", "2026-08-05", seller="A2DEMOSELLEREU")["totals"]) == {"GBP", "EUR"}
    by_country, by_id = (amazon.truth("2026-08-01", "2026-08-05", marketplaces=each) for each in ("CA", CA))
    assert by_country == by_id
    assert set(by_id["totals"]) == {"CAD"}


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-08-01",
        "from=x&to=y",
        "from=2026-08-01&to=2026-08-02&by=x",
        "from=2026-08-01&to=2026-08-02&zone=Mars/Base",
        "from=2026-08-01&to=2026-08-02&seller=nobody",
        "from=2026-08-01&to=2026-08-02&form=csv",
    ],
)
def test_a_wrong_question_is_told_so(amazon, query):
    reply = amazon.send("GET", f"/simulator/truth/orders?{query}")
    assert (reply.status, "error" in reply.json) == (400, True)


def test_late_orders_show_up_only_later_and_the_truth_knows(amazon):
    query = {"createdAfter": "2026-08-13T07:00:00Z", "createdBefore": "2026-08-15T06:59:59Z"}
    everything, _ = amazon.search_all(**query)
    amazon.control("settings", {"late_seconds": 3 * 86400})
    early, _ = amazon.search_all(**query)
    missing = {order["orderId"] for order in everything} - {order["orderId"] for order in early}
    assert 0 < len(missing) < len(everything) / 4
    assert amazon.truth("2026-08-13", "2026-08-14", zone=ZONE)["orders"] == len(early)
    assert amazon.get(f"{ORDERS}/{missing.pop()}").status == 404
    amazon.advance(days=3)
    amazon.forget_tokens()
    late, _ = amazon.search_all(**query)
    assert [order["orderId"] for order in late] == [order["orderId"] for order in everything]


def test_time_stands_still_is_moved_and_runs_again(amazon):
    assert amazon.control("clock") == {"now": "2026-08-15T12:00:00Z", "frozen": True}
    assert amazon.control("clock", {"advance": 90})["now"] == "2026-08-15T12:01:30Z"
    assert amazon.control("clock", {"run": True})["frozen"] is False
    moved = amazon.control("clock", {"now": "2026-01-01T00:00:00Z", "run": True})
    assert moved["now"][:16] == "2026-01-01T00:00" and moved["frozen"] is False


def test_an_unknown_or_mistyped_setting_is_told_so(amazon):
    for wrong in ({"nonsense": 1}, {"rate_factor": "fast"}, {"compress": 1}):
        reply = amazon.send("POST", "/simulator/settings", json.dumps(wrong))
        assert (reply.status, "error" in reply.json) == (400, True)


def test_the_log_says_what_was_sent(amazon):
    amazon.search(createdAfter="2026-08-14T00:00:00Z", marketplaceIds=f"{US},{CA}")
    amazon.create_report("2026-08-01T00:00:00Z", "2026-08-02T00:00:00Z")
    search, create = amazon.requests()[-2:]
    assert (search["operation"], search["method"], search["path"], search["status"]) == (
        "searchOrders",
        "GET",
        ORDERS,
        200,
    )
    assert search["query"] == {"createdAfter": "2026-08-14T00:00:00Z", "marketplaceIds": f"{US},{CA}"}
    assert search["headers"]["user-agent"] == "Tests/1.0 (Language=Python)"
    assert search["headers"]["x-amz-access-token"] == "[hidden]"
    assert search["selling_partner_id"] == "A2DEMOSELLER01"
    assert create["body"]["reportType"] == BY_ORDER_DATE
    assert amazon.requests("createReport") == [create]
    assert amazon.control("requests", method="DELETE") == {"requests": []}


def test_reset_forgets_everything(amazon):
    report_id = amazon.create_report("2026-08-01T00:00:00Z", "2026-08-02T00:00:00Z")
    amazon.fault("500")
    amazon.control("settings", {"processing_seconds": 50})
    amazon.control("applications", {"client_id": "c", "client_secret": "s", "application_id": "a"})
    amazon.control("revoke", {"selling_partner_id": "A2DEMOSELLER01"})
    amazon.control("reset", {})
    amazon.forget_tokens()
    assert amazon.get(f"/reports/2021-06-30/reports/{report_id}").status == 404
    assert amazon.control("settings")["processing_seconds"] == 0
    assert len(amazon.control("applications")["applications"]) == 1
    assert amazon.control("clock")["frozen"] is False
    assert amazon.control("faults") == {"faults": []}


def test_the_front_page_lists_sellers_and_faults(amazon):
    text = amazon.send("GET", "/simulator/").body.decode()
    assert "Atzr|simulator-seller-eu" in text and "truncated_gzip" in text and "token_died" in text


def test_an_unknown_control_is_told_so(amazon):
    assert amazon.send("GET", "/simulator/nonsense").status == 404


def test_reports_are_forgotten_and_their_numbers_given_out_again(amazon):
    """With the numbers' next owner another document comes."""
    days = ("2026-08-05T00:00:00Z", "2026-08-08T00:00:00Z")
    texts = []
    for end in days:
        report_id = amazon.create_report("2026-08-01T00:00:00Z", end)
        texts.append((report_id, amazon.send("GET", amazon.document_address(report_id)).body))
        assert amazon.control("reports", method="DELETE") == {"reports": []}
    assert texts[0][0] == texts[1][0]
    assert texts[0][1] != texts[1][1]


def test_a_request_whose_sender_dies_before_its_end_was_never_made(amazon):
    host, port = urlsplit(amazon.url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(b"POST /reports/2021-06-30/reports HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        line.shutdown(socket.SHUT_WR)
        assert line.recv(100) == b""

    assert amazon.control("counts")["requests"] == {}
