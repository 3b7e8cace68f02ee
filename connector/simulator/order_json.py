"""An order as Orders 2026-01-01 tells it, cut to the data sets that were asked for.

Decisions where Amazon's texts are silent: a discount is a positive amount that the total is lowered by (as in
Orders v0); amounts, payment and recipient are absent while an order is pending, amounts and payment also once it
is cancelled (as in v0); quantities stay as ordered.
"""

from . import people
from .clock import DAY, iso
from .money import money
from .world import HOUR, PENDING_STATES

DATA_SETS = (
    "BUYER",
    "RECIPIENT",
    "PROCEEDS",
    "EXPENSE",
    "PROMOTION",
    "CANCELLATION",
    "FULFILLMENT",
    "PACKAGES",
    "TAX",
    "PAYMENT",
    "FULFILLMENT_ORDERS",
)
SHIP_WITHIN = {"STANDARD": 2, "FREE_ECONOMY": 3}


def render(order, now, included):
    status, updated = order.at(now)
    content = {
        "orderId": order.id,
        "createdTime": iso(order.created),
        "lastUpdatedTime": iso(updated),
        "salesChannel": _sales_channel(order),
    }
    if order.alias:
        content["orderAliases"] = [{"aliasId": order.alias, "aliasType": "SELLER_ORDER_ID"}]
    if order.programs:
        content["programs"] = order.programs
    if order.replaces:
        content["associatedOrders"] = [{"orderId": order.replaces, "associationType": "REPLACEMENT_ORIGINAL_ID"}]
    for data_set, part in ORDER_PARTS.items():
        if data_set in included and (value := part(order, status, now)) is not None:
            content[data_set.lower()] = value
    content["orderItems"] = [_item(order, item, status, now, included) for item in order.items]
    return content


def _sales_channel(order):
    """Orders from the seller's own shop (multi-channel fulfilment) name the marketplace that serves them."""
    return {
        "channelName": "NON_AMAZON" if order.non_amazon else "AMAZON",
        "marketplaceId": order.marketplace.id,
        "marketplaceName": sales_channel_name(order),
    }


def sales_channel_name(order):
    return f"Non-Amazon {order.marketplace.country}" if order.non_amazon else order.marketplace.name


def _buyer(order, status, now):
    number, business, purchase_order = order.buyer
    content = {"buyerName": people.name(number)}
    if order.fulfilled_by == "MERCHANT":
        content["buyerEmail"] = people.email(number)
    if business:
        content["buyerCompanyName"] = _company(order)
        content["buyerPurchaseOrderNumber"] = purchase_order
    return content


def _company(order):
    number, business, _ = order.buyer
    return f'{people.LAST[number % len(people.LAST)]} & Sons "Trading" Ltd.' if business else None


def _recipient(order, status, now):
    if status in PENDING_STATES:
        return None
    content = {"deliveryAddress": people.address(order.buyer[0], order.marketplace.country, _company(order))}
    if order.buyer[0] % 20 == 0:
        content["deliveryPreference"] = {"dropOffLocation": "Front desk, ring twice"}
    return content


def _proceeds(order, status, now):
    if not order.priced(now):
        return None
    sums = {
        "ITEM": sum(item.price for item in order.items),
        "SHIPPING": sum(item.shipping for item in order.items),
        "GIFT_WRAP": sum(item.wrap for item in order.items),
        "TAX": sum(item.tax for item in order.items),
        "DISCOUNT": sum(item.discount + item.shipping_discount for item in order.items),
    }
    return {
        "grandTotal": money(sum(item.total for item in order.items), order.marketplace),
        "breakdowns": [
            {"type": kind, "subtotal": money(amount, order.marketplace)}
            for kind, amount in sums.items()
            if amount or kind == "ITEM"
        ],
    }


def _fulfillment(order, status, now):
    days = SHIP_WITHIN.get(order.service_level, 1)
    start = order.created - order.created % DAY + DAY
    content = {
        "fulfillmentStatus": status,
        "fulfilledBy": order.fulfilled_by,
        "fulfillmentServiceLevel": order.service_level,
    }
    if status not in PENDING_STATES:
        content["shipByWindow"] = {"earliestDateTime": iso(start), "latestDateTime": iso(start + days * DAY - 1)}
        if order.fulfilled_by == "MERCHANT":
            content["deliverByWindow"] = {
                "earliestDateTime": iso(start + (days + 1) * DAY),
                "latestDateTime": iso(start + (days + 4) * DAY - 1),
            }
    return content


def _packages(order, status, now):
    """Of merchant-fulfilled orders only."""
    shipped = order.since(("PARTIALLY_SHIPPED", "SHIPPED"), now)
    if order.fulfilled_by != "MERCHANT" or shipped is None:
        return None
    items = order.items if status == "SHIPPED" else order.items[:1]
    delivered = now - shipped > 4 * DAY
    return [
        {
            "packageReferenceId": "1",
            "createdTime": iso(shipped - HOUR),
            "packageStatus": {
                "status": "DELIVERED" if delivered else "IN_TRANSIT",
                "detailedStatus": "DELIVERED" if delivered else "PICKED_UP",
            },
            "carrier": "UPS",
            "shipTime": iso(shipped),
            "shippingService": "UPS Ground",
            "trackingNumber": f"1Z{order.id.replace('-', '')}",
            "shipFromAddress": {
                "name": order.partner.name,
                "addressLine1": "1 Warehouse Way",
                "city": "Tacoma",
                "stateOrRegion": "WA",
                "postalCode": "98402",
                "countryCode": "US",
            },
            "packageItems": [{"orderItemId": item.id, "quantity": item.quantity} for item in items],
        }
    ]


def _tax(order, status, now):
    if not order.buyer[1]:
        return None
    return {
        "taxRegistrations": [
            {
                "entityType": "BUYER",
                "legalName": _company(order),
                "taxRegistrationType": "BUSINESS",
                "taxRegistrationNumber": f"{order.buyer[0]:09d}",
            }
        ]
    }


def _payment(order, status, now):
    if not order.priced(now):
        return None
    total = money(sum(item.total for item in order.items), order.marketplace)
    return {"paymentExecutions": [{"paymentMethod": order.payment, "paymentAmount": total}]}


ORDER_PARTS = {
    "BUYER": _buyer,
    "RECIPIENT": _recipient,
    "PROCEEDS": _proceeds,
    "FULFILLMENT": _fulfillment,
    "PACKAGES": _packages,
    "TAX": _tax,
    "PAYMENT": _payment,
}


def _item(order, item, status, now, included):
    content = {"orderItemId": item.id, "quantityOrdered": item.quantity, "product": _product(order, item, now)}
    if item.programs:
        content["programs"] = item.programs
    for data_set, part in ITEM_PARTS.items():
        if data_set in included and (value := part(order, item, status, now)) is not None:
            content[data_set.lower()] = value
    return content


def _product(order, item, now):
    content = {
        "asin": item.product.asin,
        "sellerSku": item.product.sku,
        "condition": {"conditionType": item.condition[0], "conditionSubtype": item.condition[1]},
    }
    if item.product.title is not None:
        content["title"] = item.product.title
    if item.condition[0] == "USED":
        content["condition"]["conditionNote"] = "Opened box; light wear\non one corner"
    if order.priced(now):
        content["price"] = {"unitPrice": money(item.unit, order.marketplace)}
        if order.buyer[1]:
            content["price"]["priceDesignation"] = "BUSINESS_PRICE"
    if item.serials:
        content["serialNumbers"] = list(item.serials)
    if item.customized:
        content["customization"] = {"customizedUrl": f"https://customized.example/{item.id}.zip"}
    return content


def _item_proceeds(order, item, status, now):
    if not order.priced(now):
        return None
    place = order.marketplace
    rows = [{"type": "ITEM", "subtotal": money(item.price, place)}]
    if item.shipping:
        rows.append({"type": "SHIPPING", "subtotal": money(item.shipping, place)})
    if item.wrap:
        rows.append({"type": "GIFT_WRAP", "subtotal": money(item.wrap, place)})
    for kind, parts in (
        ("TAX", (("ITEM", item.price_tax), ("SHIPPING", item.shipping_tax), ("GIFT_WRAP", item.wrap_tax))),
        ("DISCOUNT", (("ITEM", item.discount), ("SHIPPING", item.shipping_discount))),
    ):
        amount = sum(part for _, part in parts)
        if amount:
            details = [{"subtype": name, "value": money(part, place)} for name, part in parts if part]
            rows.append({"type": kind, "subtotal": money(amount, place), "detailedBreakdowns": details})
    return {"proceedsTotal": money(item.total, place), "breakdowns": rows}


def _item_expense(order, item, status, now):
    """Points are Japan's."""
    if order.marketplace.country != "JP" or not order.priced(now):
        return None
    points = item.price // 100
    value = money(points, order.marketplace)
    return {"pointsCost": {"pointsGranted": {"pointsNumber": points, "pointsMonetaryValue": value}}}


def _item_promotion(order, item, status, now):
    if not item.promotions or status in PENDING_STATES:
        return None
    return {"breakdowns": [{"promotionId": promotion} for promotion in item.promotions]}


def _item_cancellation(order, item, status, now):
    if status != "CANCELLED":
        return None
    content = {"cancellationExecution": {"cancelledBy": order.cancelled_by, "cancelReason": order.cancel_reason}}
    if order.cancelled_by == "BUYER":
        content["cancellationRequest"] = {"requester": "BUYER", "cancelReason": order.cancel_reason}
    return content


def _item_fulfillment(order, item, status, now):
    done = item.quantity if status == "SHIPPED" or (status == "PARTIALLY_SHIPPED" and item is order.items[0]) else 0
    open_states = ("UNSHIPPED", "PARTIALLY_SHIPPED", *PENDING_STATES)
    content = {
        "quantityFulfilled": done,
        "quantityUnfulfilled": item.quantity - done if status in open_states else 0,
    }
    if item.gift:
        content["packing"] = {
            "giftOption": {"giftMessage": 'With love,\n"Grandma" 💛', "giftWrapLevel": "Classic" if item.wrap else ""}
        }
    return content


def _item_tax(order, item, status, now):
    if order.marketplace.country != "US" or not item.tax or not order.priced(now):
        return None
    collection = {"model": "MARKETPLACE_FACILITATOR", "responsibleParty": "Amazon Services, Inc."}
    return {"taxCollections": [collection]}


ITEM_PARTS = {
    "PROCEEDS": _item_proceeds,
    "EXPENSE": _item_expense,
    "PROMOTION": _item_promotion,
    "CANCELLATION": _item_cancellation,
    "FULFILLMENT": _item_fulfillment,
    "TAX": _item_tax,
}
