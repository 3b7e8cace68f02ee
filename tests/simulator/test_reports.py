"""Reports 2021-06-30: asking, waiting, listing, cancelling."""

import pytest

from tests.simulator.caller import BY_LAST_UPDATE, BY_ORDER_DATE, CA, DOCUMENTS, REPORTS, US

START, END = "2026-08-01T00:00:00Z", "2026-08-10T00:00:00Z"
BODY = {"reportType": BY_ORDER_DATE, "marketplaceIds": [US], "dataStartTime": START, "dataEndTime": END}


@pytest.fixture
def slow(amazon):
    amazon.control("settings", {"processing_seconds": 90})
    return amazon


def assert_invalid(reply, *words):
    assert (reply.status, reply.error["code"]) == (400, "InvalidInput")
    for word in words:
        assert word in reply.error["details"]


def test_a_report_goes_through_queue_and_work_to_done(slow):
    report_id = slow.create_report(START, END)
    seen = []
    for _ in range(4):
        seen.append(slow.report(report_id))
        slow.advance(seconds=31)
    assert [report["processingStatus"] for report in seen] == ["IN_QUEUE", "IN_PROGRESS", "IN_PROGRESS", "DONE"]
    assert ["reportDocumentId" in report for report in seen] == [False, False, False, True]
    assert ["processingStartTime" in report for report in seen] == [False, True, True, True]
    assert ["processingEndTime" in report for report in seen] == [False, False, False, True]
    assert seen[0] | {"reportId": report_id} == seen[0]
    assert (seen[0]["reportType"], seen[0]["marketplaceIds"]) == (BY_ORDER_DATE, [US])
    assert (seen[0]["dataStartTime"], seen[0]["dataEndTime"]) == (START, END)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"reportType": "GET_NOTHING"}, "reportType"),
        ({"reportType": None}, "reportType"),
        ({"marketplaceIds": []}, "marketplaceIds"),
        ({"marketplaceIds": [US] * 26}, "marketplaceIds"),
        ({"marketplaceIds": US}, "marketplaceIds"),
        ({"marketplaceIds": ["XX"]}, "marketplaceId"),
        ({"marketplaceIds": ["A1PA6795UKMFR9"]}, "region"),
        ({"dataStartTime": "2026-08-01"}, "dataStartTime"),
        ({"dataStartTime": END, "dataEndTime": START}, "dataStartTime"),
        ({"dataEndTime": "2026-08-15T12:00:01Z"}, "dataEndTime"),
        ({"dataStartTime": 5}, "dataStartTime"),
        ({"reportOptions": {"a": 1}}, "reportOptions"),
        ({"reportOptions": "a"}, "reportOptions"),
    ],
)
def test_a_wrong_request_is_refused(amazon, change, word):
    assert_invalid(amazon.call("POST", REPORTS, body=BODY | change), word)


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"'])
def test_a_body_that_is_no_json_object_is_refused(amazon, body):
    assert_invalid(amazon.call("POST", REPORTS, body=body))


def test_a_body_that_does_not_call_itself_json_is_refused(amazon):
    reply = amazon.call("POST", REPORTS, body=BODY, headers={"Content-Type": "text/plain"})
    assert reply.status == 415


def test_every_request_makes_a_report_of_its_own(amazon):
    assert amazon.create_report(START, END) != amazon.create_report(START, END)


def test_too_soon_a_second_time_ends_cancelled_when_that_is_switched_on(amazon):
    amazon.control("settings", {"report_spacing_seconds": 600})
    first, second = amazon.create_report(START, END), amazon.create_report(START, END)
    assert amazon.report(first)["processingStatus"] == "DONE"
    assert amazon.report(second)["processingStatus"] == "CANCELLED"
    amazon.advance(seconds=601)
    assert amazon.report(amazon.create_report(START, END))["processingStatus"] == "DONE"


def test_more_than_thirty_days_ends_fatal(amazon):
    fine = amazon.create_report("2026-07-01T00:00:00Z", "2026-07-31T00:00:00Z")
    wide = amazon.create_report("2026-07-01T00:00:00Z", "2026-07-31T00:00:01Z")
    assert amazon.report(fine)["processingStatus"] == "DONE"
    assert amazon.report(wide)["processingStatus"] == "FATAL"
    assert amazon.report(wide)["reportDocumentId"]


def test_no_data_is_cancelled_by_amazon(amazon):
    report = amazon.report(
        amazon.create_report(START, END, seller="Atzr|simulator-seller-empty"), "Atzr|simulator-seller-empty"
    )
    assert report["processingStatus"] == "CANCELLED"
    assert "reportDocumentId" not in report


def test_no_data_is_a_header_when_that_is_switched_on(amazon):
    amazon.control("settings", {"cancel_when_empty": False, "compress": False})
    seller = "Atzr|simulator-seller-empty"
    address = amazon.document_address(amazon.create_report(START, END, seller=seller), seller)
    text = amazon.send("GET", address).body.decode()
    assert text.startswith("amazon-order-id\t") and text.count("\r\n") == 1


def test_only_a_queued_report_can_be_cancelled(slow):
    report_id = slow.create_report(START, END)
    reply = slow.call("DELETE", f"{REPORTS}/{report_id}")
    assert (reply.status, reply.body) == (200, b"")
    assert slow.report(report_id)["processingStatus"] == "CANCELLED"
    other = slow.create_report(START, END)
    slow.advance(seconds=31)
    assert_invalid(slow.call("DELETE", f"{REPORTS}/{other}"), "IN_PROGRESS", "IN_QUEUE")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_report_is_not_found(amazon, method):
    reply = amazon.call(method, f"{REPORTS}/123")
    assert (reply.status, reply.error["code"]) == (404, "NotFound")


def test_anothers_report_is_not_found(amazon):
    report_id = amazon.create_report(START, END)
    assert amazon.get(f"{REPORTS}/{report_id}", seller="Atzr|simulator-seller-2").status == 404
    document_id = amazon.report(report_id)["reportDocumentId"]
    assert amazon.get(f"{DOCUMENTS}/{document_id}", seller="Atzr|simulator-seller-2").status == 404


def test_a_report_is_gone_after_ninety_days(amazon):
    report_id = amazon.create_report(START, END)
    amazon.advance(days=91)
    amazon.forget_tokens()
    assert amazon.get(f"{REPORTS}/{report_id}").status == 404


@pytest.fixture
def listed(amazon):
    """Twelve reports of an hour apart, every third by last update, the last for Canada."""
    ids = []
    for number in range(12):
        report_type = BY_LAST_UPDATE if number % 3 == 0 else BY_ORDER_DATE
        ids.append(amazon.create_report(START, END, report_type, [CA] if number == 11 else [US]))
        amazon.advance(minutes=4)
    return ids


def listing(amazon, **query):
    reply = amazon.get(REPORTS, query)
    assert reply.status == 200, reply.body
    return reply.json


def test_reports_are_listed_newest_first_ten_at_a_time(amazon, listed):
    first = listing(amazon, reportTypes=f"{BY_ORDER_DATE},{BY_LAST_UPDATE}")
    assert [report["reportId"] for report in first["reports"]] == listed[::-1][:10]
    second = listing(amazon, nextToken=first["nextToken"])
    assert [report["reportId"] for report in second["reports"]] == listed[::-1][10:]
    assert "nextToken" not in second


def test_next_token_must_be_the_only_parameter(amazon, listed):
    token = listing(amazon, reportTypes=BY_ORDER_DATE, pageSize=1)["nextToken"]
    for more in ({"reportTypes": BY_ORDER_DATE}, {"pageSize": 1}, {"anything": 1}):
        assert_invalid(amazon.get(REPORTS, {"nextToken": token} | more), "only parameter")


def test_a_made_up_or_foreign_next_token_is_refused(amazon, listed):
    assert_invalid(amazon.get(REPORTS, {"nextToken": "nonsense"}))
    token = listing(amazon, reportTypes=BY_ORDER_DATE, pageSize=1)["nextToken"]
    assert_invalid(amazon.get(REPORTS, {"nextToken": token}, seller="Atzr|simulator-seller-2"))


def test_filters_choose(amazon, listed):
    def ids(**query):
        return {report["reportId"] for report in listing(amazon, pageSize=100, **query)["reports"]}

    assert ids(reportTypes=BY_LAST_UPDATE) == set(listed[::3])
    assert ids(reportTypes=BY_ORDER_DATE, marketplaceIds=CA) == {listed[11]}
    assert ids(reportTypes=BY_ORDER_DATE, processingStatuses="FATAL,CANCELLED") == set()
    assert ids(reportTypes=BY_ORDER_DATE, processingStatuses="DONE") == set(listed) - set(listed[::3])
    assert ids(reportTypes=f"{BY_ORDER_DATE},{BY_LAST_UPDATE}", createdSince="2026-08-15T12:40:00Z") == set(listed[10:])
    assert ids(reportTypes=BY_LAST_UPDATE, createdUntil="2026-08-15T12:00:00Z") == {listed[0]}


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"processingStatuses": "DONE"},
        {"reportTypes": ""},
        {"reportTypes": ",".join([BY_ORDER_DATE] * 11)},
        {"reportTypes": BY_ORDER_DATE, "processingStatuses": "BAD"},
        {"reportTypes": BY_ORDER_DATE, "marketplaceIds": ",".join([US] * 11)},
        {"reportTypes": BY_ORDER_DATE, "pageSize": 0},
        {"reportTypes": BY_ORDER_DATE, "pageSize": 101},
        {"reportTypes": BY_ORDER_DATE, "createdSince": "yesterday"},
    ],
)
def test_a_wrong_listing_is_refused(amazon, query):
    assert_invalid(amazon.get(REPORTS, query))


def test_vendors_are_denied(amazon):
    assert amazon.call("POST", REPORTS, body=BODY, seller="Atzr|simulator-vendor").status == 403
