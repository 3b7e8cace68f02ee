"""Each answer of the simulator follows Amazon's official model of that operation, to the last name and format."""

import pytest

from tests.models import answer_definition, operation, surprises, validator
from tests.simulator.caller import BY_LAST_UPDATE, BY_ORDER_DATE, DOCUMENTS, ORDERS, REPORTS, US, running_amazon

MODELS = {
    "searchOrders": "orders_2026-01-01",
    "getOrder": "orders_2026-01-01",
    "getMarketplaceParticipations": "sellers",
    "createReport": "reports_2021-06-30",
    "getReport": "reports_2021-06-30",
    "getReports": "reports_2021-06-30",
    "cancelReport": "reports_2021-06-30",
    "getReportDocument": "reports_2021-06-30",
}
SELLERS = (
    "Atzr|simulator-seller",
    "Atzr|simulator-seller-eu",
    "Atzr|simulator-seller-fe",
    "Atzr|simulator-seller-empty",
)
DATA_SETS = (
    "BUYER",
    "RECIPIENT",
    "PROCEEDS",
    "EXPENSE",
    "PROMOTION",
    "CANCELLATION",
    "FULFILLMENT",
    "PACKAGES",
    "TAX",
    "PAYMENT",
    "FULFILLMENT_ORDERS",
)
AFTER = "2026-08-10T00:00:00Z"
PERIOD = {"dataStartTime": "2026-08-01T00:00:00Z", "dataEndTime": "2026-08-05T00:00:00Z"}
REPORT = {"reportType": BY_ORDER_DATE, "marketplaceIds": [US]} | PERIOD
PATHS = {
    "searchOrders": ("GET", ORDERS),
    "getOrder": ("GET", f"{ORDERS}/112-0000000-0000000"),
    "getMarketplaceParticipations": ("GET", "/sellers/v1/marketplaceParticipations"),
    "createReport": ("POST", REPORTS),
    "getReport": ("GET", f"{REPORTS}/1"),
    "getReports": ("GET", REPORTS),
    "cancelReport": ("DELETE", f"{REPORTS}/1"),
    "getReportDocument": ("GET", f"{DOCUMENTS}/1"),
}


@pytest.fixture(scope="module")
def one_amazon():
    with running_amazon() as amazon:
        yield amazon


@pytest.fixture
def amazon(one_amazon):
    one_amazon.control("reset", {})
    one_amazon.forget_tokens()
    one_amazon.freeze("2026-08-15T12:00:00Z")
    return one_amazon


def follows(reply, operation_id, status=None):
    """The body has the shape, and the headers are those that the model lists for that status."""
    model = MODELS[operation_id]
    if status:
        assert reply.status == status, reply.body
    declared = operation(model, operation_id)[2]["responses"][str(reply.status)]
    definition = answer_definition(model, operation_id, reply.status)
    if definition is None:
        assert reply.body == b""
    else:
        problems = [
            f"{error.json_path}: {error.message}" for error in validator(model, definition).iter_errors(reply.json)
        ]
        assert problems == []
        assert surprises(model, definition, reply.json) == []
    assert reply.headers["x-amzn-requestid"]
    if "x-amzn-ratelimit-limit" in reply.headers:
        assert "x-amzn-RateLimit-Limit" in declared["headers"]
    return reply


@pytest.mark.parametrize("name", PATHS)
def test_the_path_and_method_are_the_models(amazon, name):
    method, path, _ = operation(MODELS[name], name)
    sent = PATHS[name]
    assert method == sent[0]
    ours, theirs = sent[1].split("/"), path.split("/")
    assert len(ours) == len(theirs)
    assert all(a == b or b.startswith("{") for a, b in zip(ours, theirs, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("seller", SELLERS)
@pytest.mark.parametrize("included", [(), DATA_SETS])
@pytest.mark.parametrize("by", ["createdAfter", "lastUpdatedAfter"])
def test_search_orders(amazon, seller, included, by):
    query = {by: "2026-07-20T00:00:00Z"} | ({"includedData": ",".join(included)} if included else {})
    token = {}
    for _ in range(8):
        reply = follows(amazon.search(seller=seller, **query, **token), "searchOrders", 200)
        token = {"paginationToken": reply.json.get("pagination", {}).get("nextToken")}
        if token["paginationToken"] is None:
            break


def test_get_order(amazon):
    for order in amazon.search(createdAfter=AFTER, maxResultsPerPage=30).json["orders"]:
        query = {"includedData": ",".join(DATA_SETS)}
        follows(amazon.get(f"{ORDERS}/{order['orderId']}", query), "getOrder", 200)
        follows(amazon.get(f"{ORDERS}/{order['orderId']}"), "getOrder", 200)


@pytest.mark.parametrize("seller", SELLERS)
def test_participations(amazon, seller):
    follows(amazon.get(PATHS["getMarketplaceParticipations"][1], seller=seller), "getMarketplaceParticipations", 200)


@pytest.mark.parametrize(
    "outcome", ["DONE", "FATAL", "CANCELLED", "stuck", "stuck_in_progress", "done_without_document"]
)
@pytest.mark.parametrize("report_type", [BY_ORDER_DATE, BY_LAST_UPDATE])
def test_reports(amazon, outcome, report_type):
    if outcome != "DONE":
        amazon.fault(outcome.lower(), "createReport")
    created = follows(amazon.call("POST", REPORTS, body=REPORT | {"reportType": report_type}), "createReport", 202)
    report = follows(amazon.get(f"{REPORTS}/{created.json['reportId']}"), "getReport", 200).json
    follows(amazon.get(REPORTS, {"reportTypes": report_type, "pageSize": 1}), "getReports", 200)
    if "reportDocumentId" in report:
        for query in ({}, {"enableContentEncodingUrlHeader": "true"}):
            follows(amazon.get(f"{DOCUMENTS}/{report['reportDocumentId']}", query), "getReportDocument", 200)


def test_report_pages(amazon):
    for _ in range(3):
        amazon.call("POST", REPORTS, body=REPORT)
    first = follows(amazon.get(REPORTS, {"reportTypes": BY_ORDER_DATE, "pageSize": 2}), "getReports", 200)
    follows(amazon.get(REPORTS, {"nextToken": first.json["nextToken"]}), "getReports", 200)


def test_cancel_report(amazon):
    amazon.fault("stuck", "createReport")
    report_id = amazon.call("POST", REPORTS, body=REPORT).json["reportId"]
    follows(amazon.call("DELETE", f"{REPORTS}/{report_id}"), "cancelReport", 200)


@pytest.mark.parametrize("name", ["searchOrders", "createReport", "getReports"])
def test_a_refused_request(amazon, name):
    method, path = PATHS[name]
    follows(amazon.call(method, path, body={} if method == "POST" else None), name, 400)


@pytest.mark.parametrize("name", ["getOrder", "getReport", "cancelReport", "getReportDocument"])
def test_something_that_is_not_there(amazon, name):
    follows(amazon.call(*PATHS[name]), name, 404)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize(
    "kind", ["400", "404", "415", "429", "500", "503", "expired_token", "forbidden", "revoked_token"]
)
def test_every_switched_on_refusal(amazon, name, kind):
    amazon.fault(kind, name)
    method, path = PATHS[name]
    reply = follows(amazon.call(method, path, body={} if method == "POST" else None), name)
    assert reply.status == (int(kind) if kind.isdigit() else 403)


@pytest.mark.parametrize("name", PATHS)
def test_a_vendor_is_denied_in_the_models_shape(amazon, name):
    method, path = PATHS[name]
    body = REPORT if method == "POST" else None
    follows(amazon.call(method, path, body=body, seller="Atzr|simulator-vendor"), name, 403)


def test_the_enums_of_the_model_are_the_ones_understood(amazon):
    parameters = {each["name"]: each for each in operation("orders_2026-01-01", "searchOrders")[2]["parameters"]}
    for name in ("fulfillmentStatuses", "fulfilledBy", "includedData"):
        for value in parameters[name]["items"]["enum"]:
            assert amazon.search(createdAfter=AFTER, **{name: value}).status == 200
    assert set(parameters["includedData"]["items"]["enum"]) == set(DATA_SETS)
