"""The all-orders reports as XML: an order with its items inside, one row for each item, named as in the flat files."""

from connector.catalogue import outline
from connector.catalogue.report import Document
from connector.catalogue.report_types import ReportType

_SHAPE = outline.read("all_orders_xml")


def _all_orders(report_type: str, title: str, day_column: str) -> ReportType:
    document = Document(report_type, _SHAPE, "xml")
    return ReportType(title=title, source=document, day_column=day_column, channel_column="sales_channel")


TYPES = (
    _all_orders("GET_XML_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL", "All orders by order date, from XML", "purchase_date"),
    _all_orders("GET_XML_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL", "All orders by last update, from XML", "last_updated_date"),
)  # fmt: skip
