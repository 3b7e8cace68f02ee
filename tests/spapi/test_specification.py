"""What a report says of itself against what was requested, member by member."""

from datetime import UTC, datetime

import pytest

from connector.spapi.specification import Asked, difference

US, CA = "ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"
DATES = Asked(
    "GET_SALES_AND_TRAFFIC_REPORT",
    (US,),
    datetime(2026, 11, 1, tzinfo=UTC),
    datetime(2026, 11, 7, tzinfo=UTC),
    {"dateGranularity": "DAY", "asinGranularity": "CHILD"},
    by_dates=True,
    zone="America/Los_Angeles",
)
INSTANTS = Asked(
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL",
    (US, CA),
    datetime(2026, 11, 2, 8, tzinfo=UTC),
    datetime(2026, 11, 4, 8, tzinfo=UTC),
    zone="America/Los_Angeles",
)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (DATES, {}),
        (DATES, None),
        (DATES, "no object"),
        (DATES, {"reportType": None, "dataStartTime": None, "marketplaceIds": None, "reportOptions": None}),
        (
            DATES,
            {"reportType": "GET_SALES_AND_TRAFFIC_REPORT", "dataStartTime": "2026-11-01", "dataEndTime": "2026-11-07"},
        ),
        (DATES, {"reportType": "SALES_AND_TRAFFIC_REPORT"}),
        (DATES, {"dataStartTime": "2026-11-01T00:00:00Z", "dataEndTime": "2026-11-07T23:59:59Z"}),
        (DATES, {"dataStartTime": "2026-11-01T00:00:00-07:00", "dataEndTime": "2026-11-07T23:59:59.999-08:00"}),
        (DATES, {"dataStartTime": "2026-11-01T07:00:00Z", "dataEndTime": "2026-11-08T07:59:59Z"}),
        (DATES, {"marketplaceIds": [US], "reportOptions": {"dateGranularity": "DAY"}}),
        (DATES, {"reportOptions": {"dateGranularity": None, "another": "X"}, "lastUpdatedDate": "2020-01-01"}),
        (INSTANTS, {"dataStartTime": "2026-11-02T08:00:00+00:00", "dataEndTime": "2026-11-04T00:00:00-08:00"}),
        (INSTANTS, {"dataStartTime": "2026-11-02T08:00:00.500Z", "dataEndTime": "2026-11-04T07:59:59Z"}),
        (INSTANTS, {"dataStartTime": "2026-11-02", "dataEndTime": "2026-11-03"}),
        (INSTANTS, {"marketplaceIds": [CA, US, US]}),
        (Asked("X"), {"dataStartTime": "2026-11-02", "marketplaceIds": [US], "reportOptions": {"a": "b"}}),
        (Asked("X", options={"custom": "true"}), {"reportOptions": {"custom": True}}),
        (Asked("X", options={"asins": "A,B"}), {"reportOptions": {"asins": ["A", "B"]}}),
    ],
)
def test_what_was_asked_for_is_recognised_however_it_is_written(asked, said):
    assert difference(said, asked) is None


@pytest.mark.parametrize(
    ("asked", "said", "words"),
    [
        (
            DATES,
            {"reportType": "GET_OTHER"},
            "its reportType is GET_OTHER, and GET_SALES_AND_TRAFFIC_REPORT was requested",
        ),
        (DATES, {"dataStartTime": "2026-10-31"}, "its dataStartTime is 2026-10-31, and 2026-11-01 was requested"),
        (DATES, {"dataEndTime": "2026-11-08T00:00:00Z"}, "2026-11-07 was requested"),
        (DATES, {"dataEndTime": "2026-11-08T08:00:00Z"}, "2026-11-07 was requested"),
        (DATES, {"dataEndTime": "soon"}, "its dataEndTime is soon"),
        (DATES, {"dataEndTime": 7}, "its dataEndTime is 7"),
        (DATES, {"dataEndTime": ""}, "its dataEndTime is empty"),
        (DATES, {"marketplaceIds": [CA]}, f"its marketplaceIds is {CA}, and {US} was requested"),
        (DATES, {"marketplaceIds": [CA, US]}, f"its marketplaceIds is {CA}, {US}, and {US} was requested"),
        (DATES, {"marketplaceIds": []}, "its marketplaceIds is empty"),
        (DATES, {"reportOptions": {"asinGranularity": "SKU"}}, "its reportOptions.asinGranularity is SKU, and CHILD"),
        (INSTANTS, {"dataStartTime": "2026-11-02T07:00:00Z"}, "2026-11-02T08:00:00+00:00 was requested"),
        (INSTANTS, {"dataEndTime": "2026-11-04T08:00:02Z"}, "its dataEndTime is 2026-11-04T08:00:02Z"),
        (INSTANTS, {"dataStartTime": "2026-11-01"}, "its dataStartTime is 2026-11-01"),
        (INSTANTS, {"marketplaceIds": [US]}, f"{CA}, {US} was requested"),
        (DATES, {"reportType": "x\0" * 900}, "…"),
    ],
)
def test_a_difference_is_put_into_words(asked, said, words):
    found = str(difference(said, asked))

    assert words in found and len(found) < 300 and "\0" not in found
