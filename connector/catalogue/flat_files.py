"""Reports that Amazon builds as tab-separated documents."""

from connector.catalogue.options import Option
from connector.catalogue.report import Column, Document, safe_name

QUOTE = Option(
    "csv_report_quote_character",
    "CSV Report Quote Character",
    choices=(("double", "Double quote"), ("single", "Single quote"), ("null", "Null character (no quoting)")),
    default="double",
    help="How a value that holds tabs or line breaks is fenced in. A quote inside a value never shifts the columns, "
    "whatever is chosen here; choose the null character to keep every quote exactly as Amazon sent it.",
)
MARKETPLACES = Option(
    "marketplaces",
    "Marketplaces",
    kind="marketplaces",
    help="All marketplaces of the account when none is chosen.",
    also={"GB": "UK"},
)

# Types of the columns we know, by Amazon's own header; any other column arrives as text.
_TYPES = {
    "purchase-date": "timestamptz",
    "last-updated-date": "timestamptz",
    "quantity": "bigint",
    "item-price": "numeric",
    "item-tax": "numeric",
    "shipping-price": "numeric",
    "shipping-tax": "numeric",
    "gift-wrap-price": "numeric",
    "gift-wrap-tax": "numeric",
    "item-promotion-discount": "numeric",
    "ship-promotion-discount": "numeric",
    "is-business-order": "boolean",
}

_ALL_ORDERS = """
    amazon-order-id merchant-order-id purchase-date last-updated-date order-status fulfillment-channel sales-channel
    order-channel ship-service-level product-name sku asin item-status quantity currency item-price item-tax
    shipping-price shipping-tax gift-wrap-price gift-wrap-tax item-promotion-discount ship-promotion-discount ship-city
    ship-state ship-postal-code ship-country promotion-ids is-business-order purchase-order-number price-designation
"""


def columns(headers):
    return tuple(Column(safe_name(name), _TYPES.get(name, "text"), name, name) for name in headers.split())


ALL_ORDERS = columns(_ALL_ORDERS)

# One row of Amazon's file is an order's item, but the file need not hold the item's id: no key is sure, so no merge.
TYPES = {
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL": {
        "title": "All orders by order date",
        "day_column": "purchase_date",
    },
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL": {
        "title": "All orders by last update",
        "day_column": "last_updated_date",
    },
}
for report_type, entry in TYPES.items():
    entry["source"] = Document(report_type, quote=QUOTE.name)
