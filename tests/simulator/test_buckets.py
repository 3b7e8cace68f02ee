"""Amazon's quotas: a bucket for each application, seller and operation."""

import pytest

from tests.simulator.caller import ORDERS, REPORTS

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
