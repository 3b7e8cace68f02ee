"""Every request that our client sends is one that Amazon's official model allows."""

import re
from datetime import UTC, datetime
from itertools import product

import pytest

from connector.catalogue import index
from connector.spapi import reports
from connector.spapi.client import Client
from connector.spapi.marketplaces import MARKETPLACES, REGIONS
from connector.spapi.operations import OPERATIONS
from tests import models
from tests.contract.official import MODEL_OF, Recorder, cases, violations

pytestmark = pytest.mark.skipif(models.folder() is None, reason="Amazon's API models are not on this machine")

FROM = datetime(2026, 1, 1, 8, tzinfo=UTC)
UNTIL = datetime(2026, 1, 31, 8, 0, 0, 123456, tzinfo=UTC)
EVERYWHERE = [marketplace.id for marketplace in MARKETPLACES]


def send(answer=None):
    recorder = Recorder(answer)
    return recorder, Client(
        "https://sellingpartnerapi-na.amazon.com", lambda **_: "Atza|x", lambda _: 0, transport=recorder
    )


def every_answer(report):
    """All combinations of one value for each option."""
    values = [
        [None, *(option.values or (["US"] if option.kind == "marketplaces" else [True]))] for option in report.options
    ]
    for chosen in product(*values):
        answers = {
            option.name: [value] if option.kind in ("choices", "marketplaces") else value
            for option, value in zip(report.options, chosen, strict=True)
            if value is not None
        }
        try:
            yield index.check_answers(report.key, answers)
        except index.Invalid:
            continue  # a required answer is missing in this combination


@pytest.mark.parametrize("report", index.REPORTS, ids=lambda report: report.key)
@pytest.mark.parametrize("places", [EVERYWHERE[:1], EVERYWHERE], ids=["one", "all"])
def test_a_report_asks_as_the_model_says_whatever_is_answered(report, places):
    checked = 0
    for answers in every_answer(report):
        ready = index.effective(report.key, answers)
        recorder, client = send({"reportId": "1", "orders": [], "payload": []})
        sent = ready.request(FROM, UNTIL, places, answers)
        if ready.source.kind == "report":
            reports.create(client, **sent)
            name = "createReport"
        else:
            name = ready.source.operation
            client.call(name, query=sent)
            if OPERATIONS[name].pager:
                client.call(name, query=sent | {OPERATIONS[name].pager.send: "a+b/c=="})
        for request in recorder.requests:
            assert violations(name, request) == []
            checked += 1
    assert checked


def test_orders_are_asked_for_by_exactly_one_pair_of_dates():
    for key in ("order_details", "order_items", "orders_list_orders_upsert"):
        for answers in every_answer(index.get(key)):
            sent = index.effective(key, answers).request(FROM, UNTIL, EVERYWHERE, answers)
            assert ("createdAfter" in sent) + ("lastUpdatedAfter" in sent) == 1
            assert ("createdBefore" in sent) == ("createdAfter" in sent)
            assert ("lastUpdatedBefore" in sent) == ("lastUpdatedAfter" in sent)


def test_the_steps_of_a_report_ask_as_the_model_says(tmp_path):
    recorder, client = send({"processingStatus": "DONE", "reportDocumentId": "D"})
    reports.check(client, "50076018327")
    assert violations("getReport", recorder.requests[0]) == []

    recorder, client = send({"reports": []})
    reports.find(client, "GET_X", EVERYWHERE[:10], FROM, UNTIL, since=FROM)
    reports.find(client, "GET_X", EVERYWHERE, FROM, UNTIL)
    assert [violations("getReports", request) for request in recorder.requests] == [[], []]

    recorder, client = send({"reportDocumentId": "D", "url": "https://x"})
    client.call("getReportDocument", path={"reportDocumentId": "amzn1.spdoc.1.4.na.x/y"})
    assert violations("getReportDocument", recorder.requests[0]) == []

    recorder, client = send({})
    client.call("cancelReport", path={"reportId": "50076018327"})
    client.call("getOrder", path={"orderId": "902-3159896-1390916"}, query={"includedData": ["BUYER", "PACKAGES"]})
    assert violations("cancelReport", recorder.requests[0]) == []
    assert violations("getOrder", recorder.requests[1]) == []


def test_the_check_itself_finds_what_is_wrong():
    recorder, client = send({"orders": []})
    for query in (
        {"CreatedAfter": "2026-01-01T00:00:00Z"},
        {"createdAfter": "yesterday"},
        {"includedData": ["BUYER", "NOPE"]},
        {"marketplaceIds": ["M"] * 51},
        {"maxResultsPerPage": "many"},
        {"createdAfter": "2026-01-01T00:00:00+00:00"},
    ):
        client.call("searchOrders", query=query)
    client.call("createReport", body={"reportType": "X"})
    client.call("createReport", body={"reportType": "X", "marketplaceIds": ["M"], "reportoptions": {}})

    assert all(violations("searchOrders", request) for request in recorder.requests[:6])
    assert all(violations("createReport", request) for request in recorder.requests[6:])


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_have_the_published_path_rate_and_burst(name):
    ours = OPERATIONS[name]
    method, path, operation = models.operation(MODEL_OF[name], name)

    assert ours.method == method and ours.path == path
    rate, burst = re.search(r"\|\s*([\d.]+)\s*\|\s*(\d+)\s*\|", operation["description"]).groups()
    assert (ours.rate, ours.burst) == (float(rate), int(burst))
    if ours.pager:
        assert ours.pager.send in {parameter["name"] for parameter in operation["parameters"]}
        definition = models.load(MODEL_OF[name])["definitions"][models.answer_definition(MODEL_OF[name], name, 200)]
        assert ours.pager.items in definition["required"]
        assert ours.pager.receive.split(".")[0] in definition["properties"]


def test_statuses_offered_are_those_of_the_model():
    _, _, operation = models.operation("orders_2026-01-01", "searchOrders")
    statuses = next(p for p in operation["parameters"] if p["name"] == "fulfillmentStatuses")["items"]["enum"]

    assert set(index.get("order_details").option("select_statuses").values) == set(statuses)


def test_the_requests_of_the_published_cases_go_through_our_encoder_unharmed():
    for case in cases("searchOrders", "getReports"):
        if case.status == 200 and case.parameters:
            recorder, client = send({"orders": [], "reports": []})
            client.call(case.operation, query=case.parameters)
            assert violations(case.operation, recorder.requests[0]) == []


def test_hosts_are_amazons():
    assert set(REGIONS) == {"NA", "EU", "FE"}
    for region, host in REGIONS.items():
        assert host == f"https://sellingpartnerapi-{region.lower()}.amazon.com"
    assert models.load("orders_2026-01-01")["host"] == REGIONS["NA"].removeprefix("https://")
