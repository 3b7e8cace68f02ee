"""Amazon's brand analytics: reports as JSON documents, of one marketplace each, whose bounds are dates."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from connector.catalogue import outline
from connector.catalogue.options import Option
from connector.catalogue.report import Document, Report
from connector.catalogue.report_types import ReportType
from connector.catalogue.windows import Aligned, Days

MARKETPLACE = Option(
    "marketplaces",
    "Marketplaces",
    kind="marketplaces",
    most=1,
    help="Amazon answers for one marketplace at a time: the account's home marketplace if none is chosen.",
    also={"GB": "UK"},
)
DATE_GRANULARITY = Option(
    "date_granularity",
    "Date Granularity",
    choices=(("DAY", "Day"), ("WEEK", "Week, Sunday to Saturday"), ("MONTH", "Calendar month")),
    default="DAY",
    help="The period that each figure covers.",
)
ROWS = Option(
    "rows",
    "Rows",
    choices=(("by_date", "By date: the whole business"), ("by_asin", "By ASIN")),
    default="by_date",
    help="By ASIN, each day, week or month needs its own report, and Amazon builds only a few at a time.",
)
ASIN_GRANULARITY = Option(
    "asin_granularity",
    "ASIN Granularity",
    choices=(("PARENT", "Parent ASIN"), ("CHILD", "Child ASIN"), ("SKU", "SKU")),
    default="CHILD",
    help="What each row describes.",
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
    help="The period that each figure covers. Such a report can have millions of rows.",
)


def _analytics(report_type: str, title: str, shape: str, answers: Mapping[str, str], **more: Any) -> ReportType:
    """Amazon may need a day and more to bring the figures together; asking sooner gives a report that fails."""
    source = _document(report_type, shape, answers)
    return ReportType(title=title, source=source, lag=timedelta(days=1), regional=False, **more)


def _document(report_type: str, shape: str, answers: Mapping[str, str]) -> Document:
    rows = outline.read(shape, proof="reportSpecification")
    return Document(report_type, rows, "json", answers=answers, by_dates=True, most_marketplaces=1)


_SALES_AND_TRAFFIC = "GET_SALES_AND_TRAFFIC_REPORT"
_ASKED = {DATE_GRANULARITY.name: "dateGranularity", ASIN_GRANULARITY.name: "asinGranularity"}


def _one_at_a_time(report: Report) -> Days | Aligned:
    """Rows by ASIN have no date: each period needs a report of its own."""
    window = report.window
    return Aligned(window.unit) if isinstance(window, Aligned) else Days(1, completed_only=True)


_BY_ASIN = {
    "source": _document(_SALES_AND_TRAFFIC, "sales_and_traffic_by_asin", _ASKED),
    "day_column": None,
    "window": _one_at_a_time,
}

TYPES = (
    _analytics(
        _SALES_AND_TRAFFIC,
        "Sales and traffic",
        "sales_and_traffic_by_date",
        _ASKED,
        options=(ROWS, DATE_GRANULARITY, ASIN_GRANULARITY, MARKETPLACE),
        day_column="date",
        window=Days(30, completed_only=True),
        variants={
            DATE_GRANULARITY.name: {"WEEK": {"window": Aligned("week", 4)}, "MONTH": {"window": Aligned("month")}},
            ROWS.name: {"by_asin": _BY_ASIN},
        },
    ),
    _analytics(
        "GET_BRAND_ANALYTICS_SEARCH_TERMS_REPORT",
        "Brand analytics: search terms",
        "search_terms",
        {REPORT_PERIOD.name: "reportPeriod"},
        options=(REPORT_PERIOD, MARKETPLACE),
        day_column=None,
        window=Aligned("week"),
        settling_days=0,
        variants={
            REPORT_PERIOD.name: {
                "DAY": {"window": Days(1, completed_only=True)},
                "MONTH": {"window": Aligned("month")},
                "QUARTER": {"window": Aligned("quarter")},
            }
        },
    ),
)
