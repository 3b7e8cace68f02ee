"""The report types made here, and what each puts in its document.

Makers are written by hand where the truth of the rows matters: a test compares orders, sales and traffic with what the
world has. Every other flat file is made from its sample, in a line.
"""

from dataclasses import dataclass

from . import flat_file, xml_orders
from .analytics import SalesAndTraffic, SearchTerms
from .clock import DAY
from .sampled import Sampled
from .world import marketplaces_of


@dataclass(frozen=True)
class AllOrders:
    """The all-orders files, flat or as XML; `by` says which date the window goes by.

    The window is taken inclusive at both ends, so an order placed exactly at midnight is in two neighbouring files.
    """

    by: str
    as_xml: bool = False
    longest: int = 30 * DAY

    def reason_to_fail(self, start, end, options):
        """A window too wide is accepted when asked for and fails later, with a document that says why."""
        if end - start > self.longest:
            return "The requested date range exceeds the maximum of 30 days for this report type."
        return ""

    def orders(self, simulator, report):
        regional = simulator.settings.reports_regional
        marketplaces = marketplaces_of(report.partner, () if regional else report.marketplace_ids)
        find = simulator.world.created if self.by == "created" else simulator.world.updated
        return find(report.partner, marketplaces, report.start, report.end, self.as_of(simulator, report))

    def as_of(self, simulator, report):
        """A report shows the world as it was when it was asked for, less Amazon's delay."""
        return report.created - simulator.settings.report_lag_seconds

    def is_empty(self, simulator, report):
        return next(iter(self.orders(simulator, report)), None) is None

    def columns(self, simulator):
        extra = ("order-item-id",) if simulator.settings.flat_file_order_item_id else ()
        return (*flat_file.COLUMNS, *extra)

    def rows(self, simulator, report):
        now = self.as_of(simulator, report)
        for order in self.orders(simulator, report):
            yield from flat_file.lines(order, now)

    def write(self, report, rows, columns):
        return xml_orders.write(rows, columns) if self.as_xml else flat_file.write(rows, columns)

    def charset(self, report):
        """(Python's name, what the storage host calls it)."""
        return ("iso8859-1", None) if self.as_xml else flat_file.charset(report.partner)


_SAMPLED = (Sampled("GET_FBA_FULFILLMENT_CUSTOMER_RETURNS_DATA", by="return-date", later=9),)
REPORT_TYPES = {
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL": AllOrders("created"),
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL": AllOrders("updated"),
    "GET_XML_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL": AllOrders("created", as_xml=True),
    "GET_XML_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL": AllOrders("updated", as_xml=True),
    "GET_SALES_AND_TRAFFIC_REPORT": SalesAndTraffic(),
    "GET_BRAND_ANALYTICS_SEARCH_TERMS_REPORT": SearchTerms(),
    **{each.report_type: each for each in _SAMPLED},
}


def find(simulator, name):
    """The report type of this name; None where there is none, or its sample is not here."""
    found = REPORT_TYPES.get(name)
    return None if isinstance(found, Sampled) and not found.is_here(simulator) else found
