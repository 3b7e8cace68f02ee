"""The all-orders report as XML: the rows of the flat file, an order's items inside of it.

As at Amazon the document names ISO-8859-1 in its first line; letters beyond that stand as references.
"""

from itertools import groupby
from xml.sax.saxutils import escape

_ORDER = (
    ("AmazonOrderID", "amazon-order-id"),
    ("MerchantOrderID", "merchant-order-id"),
    ("PurchaseDate", "purchase-date"),
    ("LastUpdatedDate", "last-updated-date"),
    ("OrderStatus", "order-status"),
    ("SalesChannel", "sales-channel"),
)
_DELIVERY = (("FulfillmentChannel", "fulfillment-channel"), ("ShipServiceLevel", "ship-service-level"))
_ADDRESS = (
    ("City", "ship-city"),
    ("State", "ship-state"),
    ("PostalCode", "ship-postal-code"),
    ("Country", "ship-country"),
)
_BUSINESS = (("IsBusinessOrder", "is-business-order"), ("PurchaseOrderNumber", "purchase-order-number"))
_ITEM = (
    ("ASIN", "asin"),
    ("SKU", "sku"),
    ("ItemStatus", "item-status"),
    ("ProductName", "product-name"),
    ("Quantity", "quantity"),
    ("PriceDesignation", "price-designation"),
)
_COMPONENTS = (
    ("Principal", "item-price"),
    ("Tax", "item-tax"),
    ("Shipping", "shipping-price"),
    ("ShippingTax", "shipping-tax"),
    ("GiftWrap", "gift-wrap-price"),
    ("GiftWrapTax", "gift-wrap-tax"),
)
_DISCOUNTS = (
    ("ItemPromotionDiscount", "item-promotion-discount"),
    ("ShipPromotionDiscount", "ship-promotion-discount"),
)
_KNOWN = {
    name for pairs in (_ORDER, _DELIVERY, _ADDRESS, _BUSINESS, _ITEM, _COMPONENTS, _DISCOUNTS) for _, name in pairs
}


def write(rows, columns):
    """The whole document as text; rows are mappings as of the flat file, an order's items one after the other."""
    further = [
        name for name in columns if name not in _KNOWN and name not in ("currency", "promotion-ids", "order-channel")
    ]
    messages = [_message(list(rows), further) for _, rows in groupby(rows, lambda row: row.get("amazon-order-id"))]
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\r\n'
        '<AmazonEnvelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:noNamespaceSchemaLocation="amzn-envelope.xsd">\r\n'
        "<Header><DocumentVersion>1.00</DocumentVersion></Header>\r\n<MessageType>AllOrdersReport</MessageType>\r\n"
        + "".join(messages)
        + "</AmazonEnvelope>\r\n"
    )


def _message(rows, further):
    first = rows[0]
    address = _parts(first, _ADDRESS)
    delivery = _parts(first, _DELIVERY) + (f"<Address>{address}</Address>" if address else "")
    order = _parts(first, _ORDER) + f"<FulfillmentData>{delivery}</FulfillmentData>" + _parts(first, _BUSINESS)
    items = "".join(f"<OrderItem>{_item(row, further)}</OrderItem>\r\n" for row in rows)
    return f"<Message><Order>{order}\r\n{items}</Order></Message>\r\n"


def _item(row, further):
    content = _parts(row, _ITEM)
    money = f' currency="{row["currency"]}"' if row.get("currency") else ""
    components = "".join(
        f"<Component><Type>{kind}</Type><Amount{money}>{_text(row[name])}</Amount></Component>"
        for kind, name in _COMPONENTS
        if row.get(name)
    )
    if components:
        content += f"<ItemPrice>{components}</ItemPrice>"
    promotions = "".join(
        f"<PromotionIDs>{_text(word)}</PromotionIDs>" for word in row.get("promotion-ids", "").split(",") if word
    )
    discounts = "".join(f"<{tag}{money}>{_text(row[name])}</{tag}>" for tag, name in _DISCOUNTS if row.get(name))
    if promotions or discounts:
        content += f"<Promotion>{promotions}{discounts}</Promotion>"
    return content + _parts(row, [(name.title().replace("-", "").replace(" ", ""), name) for name in further])


def _parts(row, pairs):
    return "".join(f"<{tag}>{_text(row[name])}</{tag}>" for tag, name in pairs if row.get(name) not in (None, ""))


def _text(value):
    return escape(str(value)).encode("iso8859-1", "xmlcharrefreplace").decode("iso8859-1")
