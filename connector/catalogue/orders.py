"""Orders and their items, from Orders 2026-01-01. Columns bear the names of the older API where that had one.

The values are those of 2026-01-01, unchanged: `order_status` is SHIPPED, not Shipped. Buyer data is asked for, and
kept, only where the dataset's answers say so.
"""

from dataclasses import replace
from datetime import timedelta
from typing import cast

from connector.catalogue import outline
from connector.catalogue.flat_files import MARKETPLACES
from connector.catalogue.options import Option
from connector.catalogue.order_values import TAKES
from connector.catalogue.report import Days, Pages, Report

QUERY_DATE_TYPE = Option(
    "query_date_type",
    "Query Date Type",
    choices=(("created", "Created"), ("last_updated", "Last updated")),
    default="created",
    required=True,
    help="Whether an order belongs to the day on which it was placed, or to the day of its last change.",
)
SELECT_STATUSES = Option(
    "select_statuses",
    "Select Statuses",
    kind="choices",
    choices=(
        ("PENDING_AVAILABILITY", "Pending availability"),
        ("PENDING", "Pending"),
        ("UNSHIPPED", "Unshipped"),
        ("PARTIALLY_SHIPPED", "Partially shipped"),
        ("SHIPPED", "Shipped"),
        ("CANCELLED", "Cancelled"),
        ("UNFULFILLABLE", "Unfulfillable"),
    ),
    most=10,
    help="Orders in any status if none is chosen.",
    also={"Canceled": "CANCELLED"},
)
BUYER_DATA = Option(
    "include_buyer_and_address_data",
    "Include buyer and address data",
    kind="flag",
    default=False,
    help="Names, addresses and tax numbers of buyers. Amazon gives them only to applications with the roles for them, "
    "and requires them to be deleted 30 days after delivery.",
)

_PERSONAL_DATA = ("BUYER", "RECIPIENT", "TAX")
# Orders and items ask for the same, so that datasets of both share one answer.
_INCLUDED = (
    "PROCEEDS", "EXPENSE", "PROMOTION", "CANCELLATION", "FULFILLMENT", "PACKAGES", "PAYMENT", "FULFILLMENT_ORDERS",
)  # fmt: skip


_ORDERS = Pages(
    "searchOrders",
    outline.read("order_details", TAKES),
    query={"includedData": list(_INCLUDED), "maxResultsPerPage": 100},
    after="createdAfter",
    before="createdBefore",
    marketplaces="marketplaceIds",
    answers={SELECT_STATUSES.name: "fulfillmentStatuses"},
)


def _by_last_update(report: Report) -> Pages:
    return replace(cast(Pages, report.source), after="lastUpdatedAfter", before="lastUpdatedBefore")


def _with_buyers(report: Report) -> Pages:
    source = cast(Pages, report.source)
    query = {**source.query, "includedData": [*_INCLUDED, *_PERSONAL_DATA]}
    return replace(source, with_personal=True, query=query)


_BUYERS = {BUYER_DATA.name: {True: {"source": _with_buyers}}}
_BY_DATE = {QUERY_DATE_TYPE.name: {"last_updated": {"source": _by_last_update, "day_column": "last_update_date"}}}

ORDER_DETAILS = Report(
    key="order_details", title="Order Details", group="Orders", audience=("seller",), source=_ORDERS,
    summary="One row for each order placed or changed in the days you choose.",
    options=(QUERY_DATE_TYPE, SELECT_STATUSES, MARKETPLACES, BUYER_DATA), variants=_BY_DATE | _BUYERS,
    window=Days(365),  # Amazon names no limit; how many a chain of pages covers goes by how busy they are
    lag=timedelta(minutes=3),  # Amazon asks for two; the third is for clocks that disagree
    reach_days=730, settling_days=3, day_column="purchase_date", version_column="last_update_date", regional=True,
)  # fmt: skip
ORDER_ITEMS = replace(
    ORDER_DETAILS, key="order_items", title="Order Items",
    summary="One row for each item of the orders placed or changed in the days you choose.",
    source=replace(_ORDERS, shape=outline.read("order_items", TAKES)),
)  # fmt: skip
LIST_ORDERS_UPSERT = replace(
    ORDER_DETAILS, key="orders_list_orders_upsert", title="Orders - List Orders - Upsert",
    summary="One row for each order, always in its latest version.",
    options=(SELECT_STATUSES, MARKETPLACES, BUYER_DATA), variants=_BUYERS,
    source=_by_last_update(ORDER_DETAILS), day_column="last_update_date", modes=("merge",),
)  # fmt: skip

REPORTS = (ORDER_DETAILS, ORDER_ITEMS, LIST_ORDERS_UPSERT)
