"""Amazon's brand analytics: reports as JSON documents, of one marketplace each, whose bounds are dates."""

from datetime import timedelta

from connector.catalogue.options import Option
from connector.catalogue.report import Aligned, Column, Days, Document, Records, safe_name

MARKETPLACE = Option(
    "marketplaces",
    "Marketplaces",
    kind="marketplaces",
    most=1,
    help="Amazon answers for one marketplace at a time: the account's own when none is chosen.",
    also={"GB": "UK"},
)
DATE_GRANULARITY = Option(
    "date_granularity",
    "Date Granularity",
    choices=(("DAY", "Day"), ("WEEK", "Week, Sunday to Saturday"), ("MONTH", "Calendar month")),
    default="DAY",
    help="What one figure covers.",
)
ROWS = Option(
    "rows",
    "Rows",
    choices=(("by_date", "By date: the whole business"), ("by_asin", "By ASIN")),
    default="by_date",
    help="By ASIN, each day, week or month needs a report of its own, of which Amazon builds few at a time.",
)
ASIN_GRANULARITY = Option(
    "asin_granularity",
    "ASIN Granularity",
    choices=(("PARENT", "Parent ASIN"), ("CHILD", "Child ASIN"), ("SKU", "SKU")),
    default="CHILD",
    help="What one row is about.",
)
REPORT_PERIOD = Option(
    "report_period",
    "Report Period",
    choices=(
        ("DAY", "Day"),
        ("WEEK", "Week, Sunday to Saturday"),
        ("MONTH", "Calendar month"),
        ("QUARTER", "Calendar quarter"),
    ),
    default="WEEK",
    help="What one figure covers. A report of this kind may hold millions of rows.",
)

# A name alone is a count; % marks a rate or an average, $ an amount of money, and * what Amazon also tells for businesses.
_SALES_BY_DATE = """
    $orderedProductSales* unitsOrdered* totalOrderItems* $averageSalesPerOrderItem* %averageUnitsPerOrderItem*
    $averageSellingPrice* unitsRefunded %refundRate claimsGranted $claimsAmount $shippedProductSales unitsShipped
    ordersShipped
"""
_TRAFFIC_BY_DATE = """
    browserPageViews* mobileAppPageViews* pageViews* browserSessions* mobileAppSessions* sessions* %buyBoxPercentage*
    %orderItemSessionPercentage* %unitSessionPercentage* averageOfferCount averageParentItems feedbackReceived
    negativeFeedbackReceived %receivedNegativeFeedbackRate
"""
_SALES_BY_ASIN = "unitsOrdered* $orderedProductSales* totalOrderItems*"
_TRAFFIC_BY_ASIN = """
    browserSessions* mobileAppSessions* sessions* %browserSessionPercentage* %mobileAppSessionPercentage*
    %sessionPercentage* browserPageViews* mobileAppPageViews* pageViews* %browserPageViewsPercentage*
    %mobileAppPageViewsPercentage* %pageViewsPercentage* %buyBoxPercentage* %unitSessionPercentage*
"""


def measures(parent, words):
    """The columns of one object of figures, named after the figures alone."""
    found = []
    for word in words.split():
        name = word.strip("$%*")
        for source in (name, name + "B2B") if word.endswith("*") else (name,):
            column, path = safe_name(source.replace("B2B", "_b2b")), f"{parent}.{source}"
            if word.startswith("$"):
                found.append(Column(f"{column}_amount", "numeric", "", f"{path}.amount"))
                found.append(Column(f"{column}_currency", "text", "", f"{path}.currencyCode"))
            else:
                found.append(Column(column, "numeric" if word.startswith("%") else "bigint", "", path))
    return tuple(found)


_BY_DATE = (
    Column("date", "date", "", "date"),
    *measures("salesByDate", _SALES_BY_DATE),
    *measures("trafficByDate", _TRAFFIC_BY_DATE),
)
_START, _END = "reportSpecification.dataStartTime", "reportSpecification.dataEndTime"
_BY_ASIN = (
    Column("start_date", "date", "", _START),
    Column("end_date", "date", "", _END),
    Column("parent_asin", "text", "", "parentAsin"),
    Column("child_asin", "text", "", "childAsin"),
    Column("sku", "text", "", "sku"),
    *measures("salesByAsin", _SALES_BY_ASIN),
    *measures("trafficByAsin", _TRAFFIC_BY_ASIN),
)

_SALES_AND_TRAFFIC = "GET_SALES_AND_TRAFFIC_REPORT"
_ASKED = {DATE_GRANULARITY.name: "dateGranularity", ASIN_GRANULARITY.name: "asinGranularity"}
_PROOF = "reportSpecification"


def _of_sales_and_traffic(path, *head):
    records = Records(path, head=head, proof=_PROOF)
    return Document(_SALES_AND_TRAFFIC, "json", records=records, answers=_ASKED, by_dates=True, most_marketplaces=1)


def _one_at_a_time(report):
    """The rows of an ASIN bear no date: each period needs a report of its own."""
    window = report.window
    return Days(1, over=True) if isinstance(window, Days) else Aligned(window.unit)


_SEARCH_TERMS = "GET_BRAND_ANALYTICS_SEARCH_TERMS_REPORT"

TYPES = {
    _SALES_AND_TRAFFIC: {
        "title": "Sales and traffic",
        "options": (ROWS, DATE_GRANULARITY, ASIN_GRANULARITY, MARKETPLACE),
        "source": _of_sales_and_traffic("salesAndTrafficByDate"),
        "columns": _BY_DATE,
        "day_column": "date",
        "window": Days(30, over=True),
        "settling_days": 3,
        "variants": {
            DATE_GRANULARITY.name: {"WEEK": {"window": Aligned("week", 4)}, "MONTH": {"window": Aligned("month")}},
            ROWS.name: {
                "by_asin": {
                    "source": _of_sales_and_traffic("salesAndTrafficByAsin", _START, _END),
                    "columns": _BY_ASIN,
                    "day_column": None,
                    "window": _one_at_a_time,
                }
            },
        },
    },
    _SEARCH_TERMS: {
        "title": "Brand analytics: search terms",
        "options": (REPORT_PERIOD, MARKETPLACE),
        "source": Document(
            _SEARCH_TERMS,
            "json",
            records=Records("dataByDepartmentAndSearchTerm", head=(_START, _END), proof=_PROOF),
            answers={REPORT_PERIOD.name: "reportPeriod"},
            by_dates=True,
            most_marketplaces=1,
        ),
        "columns": (
            Column("start_date", "date", "", _START),
            Column("end_date", "date", "", _END),
            Column("department_name", "text", "", "departmentName"),
            Column("search_term", "text", "", "searchTerm"),
            Column("search_frequency_rank", "bigint", "", "searchFrequencyRank"),
            Column("clicked_asin", "text", "", "clickedAsin"),
            Column("click_share_rank", "bigint", "", "clickShareRank"),
            Column("click_share", "numeric", "", "clickShare"),
            Column("conversion_share", "numeric", "", "conversionShare"),
        ),
        "day_column": None,
        "window": Aligned("week"),
        "settling_days": 0,
        "variants": {
            REPORT_PERIOD.name: {
                "DAY": {"window": Days(1, over=True)},
                "MONTH": {"window": Aligned("month")},
                "QUARTER": {"window": Aligned("quarter")},
            }
        },
    },
}

# Amazon may need a day and more to bring the figures together; whoever asks sooner gets a report that fails.
for entry in TYPES.values():
    entry |= {"lag": timedelta(days=1), "regional": False, "channel_column": None}
