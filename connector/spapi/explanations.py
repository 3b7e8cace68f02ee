"""What Amazon writes into the document of a report that ended FATAL, as far as its sentences are known to mean "no data".

Amazon documents none of these sentences. Each stands here with where and when it was seen; a sentence that is not here is
unknown, and a report that ends with it is tried again at increasing intervals.

Not here on purpose: "A client error occurred. Please double check that your parameters are valid and fulfill the
requirements of the report type." It is Amazon's answer to wrong options as well as to periods it has not published
(amzn/selling-partner-api-models #4701 of March 2025 and #5065 of December 2025), so it proves nothing about the data.
"""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Explanation:
    """A sentence of Amazon's. `words` is the part of it that stays the same, in lower case.

    `never_comes`: Amazon says the same of a period that it has not published yet and of one for which it has nothing, and
    only the age of the period tells which. Without it the sentence promises data for later.
    `report_types`: those of which it was reported; another type may well answer with it too, so nothing hangs on them.
    """

    words: str
    never_comes: bool
    seen_on: date
    source: str
    report_types: tuple[str, ...] = ()


EXPLANATIONS = (
    Explanation(
        "the requested data is unavailable. please try a different date range",
        never_comes=True,
        seen_on=date(2022, 7, 22),
        source="https://github.com/amzn/selling-partner-api-docs/issues/2444",
        report_types=("GET_BRAND_ANALYTICS_MARKET_BASKET_REPORT", "GET_BRAND_ANALYTICS_SEARCH_TERMS_REPORT"),
    ),
    Explanation(
        "the report data for the requested date range is not yet available",
        never_comes=False,
        seen_on=date(2024, 4, 30),
        source="https://github.com/airbytehq/airbyte/issues/37729",
        report_types=(
            "GET_VENDOR_TRAFFIC_REPORT",
            "GET_VENDOR_NET_PURE_PRODUCT_MARGIN_REPORT",  # airbyte #38166, May 2024
            "GET_VENDOR_INVENTORY_REPORT",
        ),
    ),
)


def explanation(said: str) -> Explanation | None:
    """The known explanation in what a failed report's document says; None where there is none."""
    plain = " ".join(said.lower().split())
    return next((known for known in EXPLANATIONS if known.words in plain), None)
