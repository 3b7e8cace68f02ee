"""Reports that Amazon builds as tab-separated documents."""

from functools import partial
from typing import Any

from connector.catalogue import outline
from connector.catalogue.options import Option
from connector.catalogue.report import Document
from connector.catalogue.report_types import ReportType

QUOTE = Option(
    "csv_report_quote_character",
    "CSV Report Quote Character",
    choices=(("double", "Double quote"), ("single", "Single quote"), ("null", "Null character (no quoting)")),
    default="double",
    help="How a value that contains tabs or line breaks is quoted. A quote inside a value never shifts the columns, "
    "whatever you choose here; choose the null character to keep every quote exactly as Amazon sent it.",
)
MARKETPLACES = Option(
    "marketplaces",
    "Marketplaces",
    kind="marketplaces",
    help="All marketplaces of the account if none is chosen.",
    also={"GB": "UK"},
)


def flat_file(report_type: str, title: str, day_column: str | None, *, shape: str = "", **more: Any) -> ReportType:
    """A flat file whose columns stand in `shapes/REPORT_TYPE.txt`, or under the name of `shape` where types share one.

    A column that is not named there arrives as text.
    """
    document = Document(report_type, outline.read(shape or report_type), quote=QUOTE.name)
    return ReportType(title=title, source=document, day_column=day_column, **more)


# One row of Amazon's file is an order's item, but the file need not hold the item's id: no key is sure, so no merge.
_all_orders = partial(flat_file, shape="all_orders", channel_column="sales_channel")

TYPES = (
    _all_orders("GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL", "All orders by order date", "purchase_date"),
    _all_orders("GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL", "All orders by last update", "last_updated_date"),
    flat_file("GET_FBA_FULFILLMENT_CUSTOMER_RETURNS_DATA", "FBA customer returns", "return_date"),
)  # fmt: skip
