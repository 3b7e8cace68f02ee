"""The report types made here, and what each puts in its document."""

from dataclasses import dataclass

from . import flat_file
from .clock import DAY
from .world import marketplaces_of


@dataclass(frozen=True)
class AllOrders:
    """The two all-orders flat files; `by` says which date the window goes by.

    The window is taken inclusive at both ends, so an order placed exactly at midnight is in two neighbouring files.
    """

    by: str
    longest: int = 30 * DAY

    def reason_to_fail(self, start, end):
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

    def charset(self, report):
        """(Python's name, what the storage host calls it)."""
        return ("cp932", "Shift_JIS") if report.partner.region == "FE" else ("utf-8", "UTF-8")


REPORT_TYPES = {
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL": AllOrders("created"),
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL": AllOrders("updated"),
}
