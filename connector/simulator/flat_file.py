"""The all-orders flat file: a line for each order item, tab-separated and unquoted.

Tabs and line breaks inside a value become one space each: the format has no way to carry them.
"""

from datetime import UTC, datetime

from . import people
from .money import text
from .order_json import sales_channel_name
from .world import PENDING_STATES

COLUMNS = (
    "amazon-order-id",
    "merchant-order-id",
    "purchase-date",
    "last-updated-date",
    "order-status",
    "fulfillment-channel",
    "sales-channel",
    "order-channel",
    "ship-service-level",
    "product-name",
    "sku",
    "asin",
    "item-status",
    "quantity",
    "currency",
    "item-price",
    "item-tax",
    "shipping-price",
    "shipping-tax",
    "gift-wrap-price",
    "gift-wrap-tax",
    "item-promotion-discount",
    "ship-promotion-discount",
    "ship-city",
    "ship-state",
    "ship-postal-code",
    "ship-country",
    "promotion-ids",
    "is-business-order",
    "purchase-order-number",
    "price-designation",
)
STATUS_WORDS = {
    "PENDING_AVAILABILITY": "Pending",
    "PENDING": "Pending",
    "UNSHIPPED": "Unshipped",
    "PARTIALLY_SHIPPED": "Shipping",
    "SHIPPED": "Shipped",
    "CANCELLED": "Cancelled",
    "UNFULFILLABLE": "Unfulfillable",
}
SERVICE_WORDS = {
    "STANDARD": "Standard",
    "EXPEDITED": "Expedited",
    "SECOND_DAY": "SecondDay",
    "NEXT_DAY": "NextDay",
    "FREE_ECONOMY": "FreeEconomy",
}
BREAKS = str.maketrans("\t\r\n", "   ")


def lines(order, now):
    """The order's rows as of `now`, values in the order of COLUMNS."""
    status, updated = order.at(now)
    pending = status in PENDING_STATES
    number, business, purchase_order = order.buyer
    city, state, postal, country = ("",) * 4 if pending else people.place(number, order.marketplace.country)
    for item in order.items:
        row = {
            "amazon-order-id": order.id,
            "merchant-order-id": order.alias,
            "purchase-date": _moment(order.created),
            "last-updated-date": _moment(updated),
            "order-status": STATUS_WORDS[status],
            "fulfillment-channel": "Amazon" if order.fulfilled_by == "AMAZON" else "Merchant",
            "sales-channel": sales_channel_name(order),
            "ship-service-level": SERVICE_WORDS[order.service_level],
            "product-name": item.product.title,
            "sku": item.product.sku,
            "asin": item.product.asin,
            "item-status": _item_status(order, item, status),
            "quantity": str(item.quantity),
            "ship-city": city,
            "ship-state": state,
            "ship-postal-code": postal,
            "ship-country": country,
            "promotion-ids": "" if pending else ",".join(item.promotions),
            "is-business-order": "true" if business else "false",
            "purchase-order-number": purchase_order,
            "price-designation": "Business Price" if business else "",
            "order-item-id": item.id,
        }
        if order.priced(now):
            row |= _amounts(order, item)
        yield row


def _item_status(order, item, status):
    if status == "PARTIALLY_SHIPPED":
        return "Shipped" if item is order.items[0] else "Unshipped"
    return STATUS_WORDS[status]


def _amounts(order, item):
    amounts = {
        "item-price": item.price,
        "item-tax": item.price_tax,
        "shipping-price": item.shipping,
        "shipping-tax": item.shipping_tax,
        "gift-wrap-price": item.wrap,
        "gift-wrap-tax": item.wrap_tax,
        "item-promotion-discount": item.discount,
        "ship-promotion-discount": item.shipping_discount,
    }
    written = {
        name: text(amount, order.marketplace) for name, amount in amounts.items() if amount or name == "item-price"
    }
    return {"currency": order.marketplace.currency, **written}


def _moment(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def charset(partner):
    """(Python's name, what the storage host calls it) of the flat files for a partner."""
    return ("cp932", "Shift_JIS") if partner.region == "FE" else ("utf-8", "UTF-8")


def write(rows, columns):
    """The whole file as text, header first; rows are mappings."""
    written = ["\t".join(columns)]
    written += ["\t".join(_cell(row.get(column)) for column in columns) for row in rows]
    return "\r\n".join(written) + "\r\n"


def _cell(value):
    return "" if value is None else str(value).translate(BREAKS)
