"""Amazon's quotas: a bucket for each application, seller and operation, and further ones on top."""

import pytest

from tests.simulator.caller import BY_LAST_UPDATE, BY_ORDER_DATE, ORDERS, REPORTS

PARTICIPATIONS = "/sellers/v1/marketplaceParticipations"
QUERY = {"createdAfter": "2026-08-14T00:00:00Z"}
PUBLISHED = [
    ("GET", ORDERS, 0.0056, 20),
    ("GET", f"{ORDERS}/112-0000000-0000000", 0.5, 30),
    ("GET", PARTICIPATIONS, 0.016, 15),
    ("GET", REPORTS, 0.0222, 10),
    ("POST", REPORTS, 0.0167, 15),
    ("GET", f"{REPORTS}/1", 2, 15),
    ("DELETE", f"{REPORTS}/1", 0.0222, 10),
    ("GET", "/reports/2021-06-30/documents/1", 0.0167, 15),
]


@pytest.fixture
def strict(amazon):
    amazon.control("settings", {"rate_factor": 1})
    amazon.access_token()
    return amazon


@pytest.mark.parametrize(("method", "path", "rate", "burst"), PUBLISHED)
def test_after_the_published_burst_comes_429(strict, method, path, rate, burst):
    body = {} if method == "POST" else None
    replies = [strict.call(method, path, body=body) for _ in range(burst + 1 + (rate >= 2))]
    assert 429 not in [reply.status for reply in replies[:burst]]
    assert replies[-1].status == 429
    assert replies[0].headers["x-amzn-ratelimit-limit"] == f"{rate:g}"


def test_the_429_has_amazons_body_and_neither_rate_nor_retry_after(strict):
    strict.control("drain", {"operation": "searchOrders"})
    reply = strict.search(**QUERY)
    assert reply.json == {
        "errors": [
            {
                "code": "QuotaExceeded",
                "message": "You exceeded your quota for the requested resource.",
                "details": "",
            }
        ]
    }
    assert not {"x-amzn-ratelimit-limit", "retry-after"} & set(reply.headers)
    assert reply.headers["x-amzn-requestid"] and reply.headers["x-amzn-errortype"]


def test_tokens_come_back_at_the_published_rate(strict):
    strict.control("drain", {"operation": "searchOrders"})
    strict.advance(seconds=170)
    assert strict.search(**QUERY).status == 429
    strict.advance(seconds=10)
    assert strict.search(**QUERY).status == 200
    assert strict.search(**QUERY).status == 429


def test_a_refused_request_costs_nothing(strict):
    strict.control("drain", {"operation": "searchOrders"})
    for _ in range(6):
        strict.advance(seconds=30)
        reply = strict.search(**QUERY)
    assert reply.status == 200


def test_the_factor_multiplies_the_rate_and_the_header_says_so(strict):
    strict.control("settings", {"rate_factor": 100})
    strict.control("drain", {"operation": "searchOrders"})
    strict.advance(seconds=2)
    reply = strict.search(**QUERY)
    assert (reply.status, reply.headers["x-amzn-ratelimit-limit"]) == (200, "0.56")


def test_sellers_and_operations_have_buckets_of_their_own(strict):
    strict.control("drain", {"operation": "searchOrders"})
    assert strict.search(**QUERY).status == 429
    assert strict.search(**QUERY, seller="Atzr|simulator-seller-2").status == 200
    assert strict.get(PARTICIPATIONS).status == 200


def test_requests_and_429s_are_counted(strict):
    strict.control("drain", {"operation": "searchOrders"})
    strict.search(**QUERY)
    strict.search(**QUERY)
    strict.get(PARTICIPATIONS)
    counts = strict.control("counts")
    assert counts["requests"] == {"token": 1, "searchOrders": 2, "getMarketplaceParticipations": 1}
    assert counts["throttled"] == {"searchOrders": 2}
    assert counts["statuses"]["searchOrders"] == {"429": 2}


def asked(strict, report_type, **options):
    return strict.call("POST", REPORTS, body={"reportType": report_type}, **options).status


def test_the_sales_and_traffic_report_may_be_asked_for_three_times_in_five_minutes(strict):
    traffic = "GET_SALES_AND_TRAFFIC_REPORT"
    assert [asked(strict, traffic) == 429 for _ in range(5)] == [False, False, False, True, True]
    assert asked(strict, BY_ORDER_DATE) != 429
    strict.advance(seconds=95)
    assert asked(strict, traffic) == 429
    strict.advance(seconds=5)
    assert asked(strict, traffic) != 429
    assert asked(strict, traffic) == 429


def test_a_further_limit_holds_for_its_report_type_alone_and_takes_nothing_when_it_refuses(strict):
    strict.control("limits", {"operation": "createReport", "rate": 0.001, "burst": 1, "report_type": BY_ORDER_DATE})
    assert [asked(strict, BY_ORDER_DATE) for _ in range(20)].count(429) == 19
    assert [asked(strict, BY_LAST_UPDATE) for _ in range(15)].count(429) == 1  # of 15 calls, one was spent before


def test_an_applications_limit_is_shared_by_its_sellers(strict):
    strict.control("limits", {"operation": "searchOrders", "rate": 0.001, "burst": 2, "of": "application"})
    second = {"seller": "Atzr|simulator-seller-2"}
    statuses = [strict.search(**QUERY).status, strict.search(**QUERY, **second).status]
    assert statuses == [200, 200]
    assert strict.search(**QUERY).status == strict.search(**QUERY, **second).status == 429
    assert strict.get(PARTICIPATIONS).status == 200


def test_a_limit_that_makes_no_sense_is_refused(strict):
    assert (
        strict.send("POST", "/simulator/limits", '{"operation": "createReport", "rate": 0, "burst": 1}').status == 400
    )
    assert len(strict.control("limits")["limits"]) == 1
