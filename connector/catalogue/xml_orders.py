"""The all-orders reports as XML: an order with its items inside, one row for each item, named as in the flat files."""

from connector.catalogue.report import Column, Document, Records

_ITEM, _DELIVERY = "OrderItem", "FulfillmentData"
_AMOUNTS = {  # Amazon's word for a component of the price
    "Principal": "item_price",
    "Tax": "item_tax",
    "Shipping": "shipping_price",
    "ShippingTax": "shipping_tax",
    "GiftWrap": "gift_wrap_price",
    "GiftWrapTax": "gift_wrap_tax",
}


def _amounts():
    for kind, name in _AMOUNTS.items():
        path = f"{_ITEM}.ItemPrice.Component[{kind}].Amount"
        yield Column("currency" if kind == "Principal" else f"{name}_currency", "text", "", f"{path}.currency")
        yield Column(name, "numeric", "", path)


def _discount(name, source):
    path = f"{_ITEM}.Promotion.{source}"
    return Column(name, "numeric", "", path), Column(f"{name}_currency", "text", "", f"{path}.currency")


COLUMNS = (
    Column("amazon_order_id", "text", "", "AmazonOrderID"),
    Column("merchant_order_id", "text", "", "MerchantOrderID"),
    Column("purchase_date", "timestamptz", "", "PurchaseDate"),
    Column("last_updated_date", "timestamptz", "", "LastUpdatedDate"),
    Column("order_status", "text", "", "OrderStatus"),
    Column("sales_channel", "text", "", "SalesChannel"),
    Column("order_channel", "text", "", "OrderChannel"),
    Column("fulfillment_channel", "text", "", f"{_DELIVERY}.FulfillmentChannel"),
    Column("ship_service_level", "text", "", f"{_DELIVERY}.ShipServiceLevel"),
    Column("ship_city", "text", "", f"{_DELIVERY}.Address.City"),
    Column("ship_state", "text", "", f"{_DELIVERY}.Address.State"),
    Column("ship_postal_code", "text", "", f"{_DELIVERY}.Address.PostalCode"),
    Column("ship_country", "text", "", f"{_DELIVERY}.Address.Country"),
    Column("is_business_order", "boolean", "", "IsBusinessOrder"),
    Column("purchase_order_number", "text", "", "PurchaseOrderNumber"),
    Column("price_designation", "text", "", f"{_ITEM}.PriceDesignation"),
    Column("asin", "text", "", f"{_ITEM}.ASIN"),
    Column("sku", "text", "", f"{_ITEM}.SKU"),
    Column("item_status", "text", "", f"{_ITEM}.ItemStatus"),
    Column("product_name", "text", "", f"{_ITEM}.ProductName"),
    Column("quantity", "bigint", "", f"{_ITEM}.Quantity"),
    *_amounts(),
    Column("promotion_ids", "text", "", f"{_ITEM}.Promotion.PromotionIDs"),
    *_discount("item_promotion_discount", "ItemPromotionDiscount"),
    *_discount("ship_promotion_discount", "ShipPromotionDiscount"),
)

_RECORDS = Records(
    "AmazonEnvelope.Message.Order",
    each=_ITEM,
    told_apart={f"{_ITEM}.ItemPrice.Component": "Type"},
    joined=(f"{_ITEM}.Promotion.PromotionIDs",),
)


def _type(title, report_type, day_column):
    return report_type, {
        "title": title,
        "source": Document(report_type, "xml", records=_RECORDS),
        "columns": COLUMNS,
        "day_column": day_column,
    }


TYPES = dict(
    (
        _type("All orders by order date, from XML", "GET_XML_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL", "purchase_date"),
        _type(
            "All orders by last update, from XML", "GET_XML_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL", "last_updated_date"
        ),
    )
)
