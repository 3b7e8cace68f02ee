"""Orders and their items, from Orders 2026-01-01. Columns bear the names of the older API where that had one.

The values are those of 2026-01-01, unchanged: `order_status` is SHIPPED, not Shipped. Buyer data is asked for, and
kept, only where the dataset's answers say so.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation

from connector.catalogue.fields import (
    Flattener,
    amount_and_currency,
    as_text,
    columns_of,
    flag,
    joined,
    money,
    nested,
    objects,
    plain,
    several,
    words,
)
from connector.catalogue.flat_files import MARKETPLACES
from connector.catalogue.options import Option
from connector.catalogue.report import Column, Days, Pages, Report, safe_name

# What single values say

_ORIGINALS = ("REPLACEMENT_ORIGINAL_ID", "EXCHANGE_ORIGINAL_ID")


def _seller_order_id(aliases):
    found = next(
        (alias.get("aliasId") for alias in objects(aliases) if alias.get("aliasType") == "SELLER_ORDER_ID"), None
    )
    return found, as_text(aliases)


def _programs(programs):
    has = words(programs).__contains__
    return (
        "Preorder" if has("PREORDER") else None,
        has("PRIME"),
        has("AMAZON_BUSINESS"),
        has("PREMIUM"),
        has("IN_STORE_PICK_UP"),
        has("INVOICE_BY_AMAZON"),
        as_text(programs),
    )


def _replacement(associated):
    original = next(
        (order.get("orderId") for order in objects(associated) if order.get("associationType") in _ORIGINALS), None
    )
    return original is not None, original, as_text(associated)


def _is_pickup_point(address_type):
    return None if address_type is None else address_type == "PICKUP_POINT"


def _payments(executions):
    methods = [execution.get("paymentMethod") for execution in objects(executions) if execution.get("paymentMethod")]
    return methods[0] if methods else None, joined(methods), as_text(executions)


def _packages(packages):
    statuses = [package.get("packageStatus") for package in objects(packages)]
    detailed = [status.get("detailedStatus") for status in objects(statuses)]
    return next(filter(None, detailed), None), as_text(packages)


def _shipped(items):
    """How many units are on their way and how many are not, added up over the items; unknown where no item tells."""
    told = objects([item.get("fulfillment") for item in objects(items)])
    if not told:
        return None, None
    counts = [[f.get(name) for f in told] for name in ("quantityFulfilled", "quantityUnfulfilled")]
    return tuple(sum(count for count in column if isinstance(count, int)) for column in counts)


def _registrations(registrations):
    def of(entity):
        return [entry for entry in objects(registrations) if entry.get("entityType") == entity]

    buyer, marketplace, merchant = of("BUYER"), of("MARKETPLACE"), of("MERCHANT")
    first = buyer[0] if buyer else {}
    attributes = objects(first.get("taxRegistrationAttributes"))
    offices = [pair.get("value") for pair in attributes if pair.get("key") == "TAX_OFFICE"]
    return (
        first.get("legalName"),
        as_text(first.get("taxRegistrationAddress")),
        first.get("taxRegistrationNumber"),
        offices[0] if offices else None,
        joined([entry.get("taxRegistrationType") or "" for entry in marketplace]),
        joined([entry.get("taxRegistrationNumber") or "" for entry in marketplace]),
        merchant[0].get("legalName") if merchant else None,
        as_text(registrations),
    )


_PROCEEDS = (  # column, breakdown, its detail: what the item brought in, by kind
    ("item_price", "ITEM", None),
    ("shipping_price", "SHIPPING", None),
    ("item_tax", "TAX", "ITEM"),
    ("shipping_tax", "TAX", "SHIPPING"),
    ("shipping_discount", "DISCOUNT", "SHIPPING"),
    ("promotion_discount", "DISCOUNT", None),
    ("promotion_discount_tax", "TAX", "DISCOUNT"),
    ("cod_fee", "COD_FEE", None),
    ("cod_fee_discount", "DISCOUNT", "COD_FEE"),
    ("gift_wrap_price", "GIFT_WRAP", None),
    ("gift_wrap_tax", "TAX", "GIFT_WRAP"),
)


def _proceeds(breakdowns):
    found = {}
    for entry in objects(breakdowns):
        _add(found, (_word(entry.get("type")), None), entry.get("subtotal"))
        for detail in objects(entry.get("detailedBreakdowns")):
            _add(found, (_word(entry.get("type")), _word(detail.get("subtype"))), detail.get("value"))
    values = []
    for _, kind, detail in _PROCEEDS:
        values.extend(found.get((kind, detail)) or (None, None))
    return (*values, as_text(breakdowns))


def _word(value):
    return value if isinstance(value, str) else None


def _add(found, key, value):
    """Two breakdowns of one kind become their sum; two currencies do not, the breakdowns' own column tells both."""
    amount, currency = amount_and_currency(value)
    if amount is None:
        return
    if key not in found:
        found[key] = amount, currency
    elif found[key][1] == currency:
        with suppress(InvalidOperation, TypeError, ValueError):
            found[key] = str(Decimal(found[key][0]) + Decimal(amount)), currency


def _promotion_ids(breakdowns):
    return joined([entry.get("promotionId") or "" for entry in objects(breakdowns)])


def _item_programs(programs):
    has = words(programs)
    chosen = [program for program in ("SUBSCRIBE_AND_SAVE", "FBM_SHIP_PLUS") if program in has]
    return "TRANSPARENCY" in has, joined(chosen), as_text(programs)


def _requester(request):
    request = request if isinstance(request, dict) else {}
    return request.get("requester") == "BUYER", request.get("cancelReason"), request.get("requester")


def _collections(collections):
    first = next(iter(objects(collections)), {})
    return first.get("model"), first.get("responsibleParty"), as_text(collections)


def _schemes(breakdowns):
    schemes = [entry.get("reportingScheme") for entry in objects(breakdowns)]
    return next((scheme for scheme in schemes if scheme in ("IOSS", "UOSS")), None), as_text(breakdowns)


def _is_given(value):
    return value is not None


# Fields

_ADDRESS = "recipient.deliveryAddress"
_HEAD = (
    nested("amazon_order_id", "orderId", take=_word),  # a key is text, or the row has none
    plain("purchase_date", "createdTime", "timestamptz"),
    plain("last_update_date", "lastUpdatedTime", "timestamptz"),
    plain("order_status", "fulfillment.fulfillmentStatus"),
    plain("fulfillment_channel", "fulfillment.fulfilledBy"),
    plain("sales_channel", "salesChannel.marketplaceName"),
    plain("marketplace_id", "salesChannel.marketplaceId"),
)
_ORDER = (
    *_HEAD,
    money("order_total", "proceeds.grandTotal"),
    several((("seller_order_id", "text"), ("order_aliases", "text")), "orderAliases", _seller_order_id),
    several(
        (
            ("order_type", "text"),
            ("is_prime", "boolean"),
            ("is_business_order", "boolean"),
            ("is_premium_order", "boolean"),
            ("is_ispu", "boolean"),
            ("is_iba", "boolean"),
            ("programs", "text"),
        ),
        "programs",
        _programs,
    ),
    several(
        (("is_replacement_order", "boolean"), ("replaced_order_id", "text"), ("associated_orders", "text")),
        "associatedOrders",
        _replacement,
    ),
    plain("shipment_service_level_category", "fulfillment.fulfillmentServiceLevel"),
    plain("earliest_ship_date", "fulfillment.shipByWindow.earliestDateTime", "timestamptz"),
    plain("latest_ship_date", "fulfillment.shipByWindow.latestDateTime", "timestamptz"),
    plain("earliest_delivery_date", "fulfillment.deliverByWindow.earliestDateTime", "timestamptz"),
    plain("latest_delivery_date", "fulfillment.deliverByWindow.latestDateTime", "timestamptz"),
    plain(
        "label_printing_window_earliest_date_time", "fulfillment.labelPrintingWindow.earliestDateTime", "timestamptz"
    ),
    plain("label_printing_window_latest_date_time", "fulfillment.labelPrintingWindow.latestDateTime", "timestamptz"),
    several(
        (("number_of_items_shipped", "bigint"), ("number_of_items_unshipped", "bigint")),
        "orderItems",
        _shipped,
    ),
    plain("channel_name", "salesChannel.channelName"),
    nested("proceeds_breakdowns", "proceeds.breakdowns"),
    several(
        (("payment_method", "text"), ("payment_method_details", "text"), ("payment_execution_detail", "text")),
        "payment.paymentExecutions",
        _payments,
    ),
    several((("easy_ship_shipment_status", "text"), ("packages", "text")), "packages", _packages),
    nested("fulfillment_orders", "fulfillmentOrders"),
    plain("electronic_invoice_status", "tax.taxInvoicing.invoiceStatus"),
    plain("buyer_invoice_preference", "tax.taxInvoicing.buyerInvoicePreference"),
    plain("buyer_email", "buyer.buyerEmail", personal=True),
    plain("buyer_name", "buyer.buyerName", personal=True),
    plain("buyer_company_name", "buyer.buyerCompanyName", personal=True),
    plain("purchase_order_number", "buyer.buyerPurchaseOrderNumber", personal=True),
    plain("shipping_address_name", f"{_ADDRESS}.name", personal=True),
    plain("shipping_address_company_name", f"{_ADDRESS}.companyName", personal=True),
    plain("shipping_address_address_line1", f"{_ADDRESS}.addressLine1", personal=True),
    plain("shipping_address_address_line2", f"{_ADDRESS}.addressLine2", personal=True),
    plain("shipping_address_address_line3", f"{_ADDRESS}.addressLine3", personal=True),
    plain("shipping_address_city", f"{_ADDRESS}.city", personal=True),
    plain("shipping_address_district_or_county", f"{_ADDRESS}.districtOrCounty", personal=True),
    plain("shipping_address_state_or_region", f"{_ADDRESS}.stateOrRegion", personal=True),
    plain("shipping_address_municipality", f"{_ADDRESS}.municipality", personal=True),
    plain("shipping_address_postal_code", f"{_ADDRESS}.postalCode", personal=True),
    plain("shipping_address_country_code", f"{_ADDRESS}.countryCode", personal=True),
    plain("shipping_address_phone", f"{_ADDRESS}.phone", personal=True),
    nested("shipping_address_extended_fields", f"{_ADDRESS}.extendedFields", personal=True),
    plain("shipping_address_address_type", f"{_ADDRESS}.addressType", personal=True),
    flag("is_access_point_order", f"{_ADDRESS}.addressType", _is_pickup_point, personal=True),
    nested("delivery_preferences", "recipient.deliveryPreference", personal=True),
    several(
        (
            ("buyer_legal_company_name", "text"),
            ("buyer_business_address", "text"),
            ("buyer_tax_registration_id", "text"),
            ("buyer_tax_office", "text"),
            ("marketplace_tax_classification_names", "text"),
            ("marketplace_tax_classification_values", "text"),
            ("seller_display_name", "text"),
            ("tax_registrations", "text"),
        ),
        "tax.taxRegistrations",
        _registrations,
        personal=True,
    ),
)
_ITEM = (
    nested("order_item_id", "orderItemId", take=_word),
    plain("asin", "product.asin"),
    plain("seller_sku", "product.sellerSku"),
    plain("title", "product.title"),
    plain("quantity_ordered", "quantityOrdered", "bigint"),
    plain("quantity_shipped", "fulfillment.quantityFulfilled", "bigint"),
    plain("quantity_unfulfilled", "fulfillment.quantityUnfulfilled", "bigint"),
    several(
        (
            *(
                (f"{name}_{part}", type)
                for name, _, _ in _PROCEEDS
                for part, type in (("amount", "numeric"), ("currency", "text"))
            ),
            ("proceeds_breakdowns", "text"),
        ),
        "proceeds.breakdowns",
        _proceeds,
    ),
    money("proceeds_total", "proceeds.proceedsTotal"),
    money("unit_price", "product.price.unitPrice"),
    plain("price_designation", "product.price.priceDesignation"),
    plain("points_granted_points_number", "expense.pointsCost.pointsGranted.pointsNumber", "bigint"),
    money("points_granted_points_monetary_value", "expense.pointsCost.pointsGranted.pointsMonetaryValue"),
    nested("promotion_ids", "promotion.breakdowns", take=_promotion_ids),
    plain("condition_id", "product.condition.conditionType"),
    plain("condition_subtype_id", "product.condition.conditionSubtype"),
    plain("condition_note", "product.condition.conditionNote"),
    nested("serial_numbers", "product.serialNumbers", take=joined),
    plain("buyer_customized_info_customized_url", "product.customization.customizedUrl", personal=True),
    several(
        (("is_transparency", "boolean"), ("amazon_programs", "text"), ("programs", "text")), "programs", _item_programs
    ),
    plain("measurement_unit", "measurement.unit"),
    plain("measurement_value", "measurement.value", "numeric"),
    nested("associated_items", "associatedOrderItems"),
    several(
        (
            ("is_buyer_requested_cancel", "boolean"),
            ("buyer_cancel_reason", "text"),
            ("buyer_requested_cancel_requester", "text"),
        ),
        "cancellation.cancellationRequest",
        _requester,
    ),
    plain("cancellation_execution_cancelled_by", "cancellation.cancellationExecution.cancelledBy"),
    plain("cancellation_execution_cancel_reason", "cancellation.cancellationExecution.cancelReason"),
    nested("substitution_preferences", "fulfillment.picking.substitutionPreference"),
    flag("is_gift", "fulfillment.packing.giftOption", _is_given),
    plain("gift_wrap_level", "fulfillment.packing.giftOption.giftWrapLevel"),
    plain("gift_message_text", "fulfillment.packing.giftOption.giftMessage", personal=True),
    plain("serial_number_requirement_type", "fulfillment.packing.serialNumberRequirement.requirementType"),
    flag(
        "serial_number_required",
        "fulfillment.packing.serialNumberRequirement.requirementType",
        lambda kind: kind == "REQUIRED",
    ),
    plain(
        "scheduled_delivery_start_date", "fulfillment.shipping.scheduledDeliveryWindow.earliestDateTime", "timestamptz"
    ),
    plain("scheduled_delivery_end_date", "fulfillment.shipping.scheduledDeliveryWindow.latestDateTime", "timestamptz"),
    *(
        plain(f"shipping_constraints_{safe_name(name)}", f"fulfillment.shipping.shippingConstraints.{name}")
        for name in (
            "palletDelivery",
            "cashOnDelivery",
            "signatureConfirmation",
            "recipientIdentityVerification",
            "recipientAgeVerification",
        )
    ),
    plain("ioss_number", "fulfillment.shipping.internationalShipping.iossNumber"),
    several(
        (
            ("tax_collection_model", "text"),
            ("tax_collection_responsible_party", "text"),
            ("tax_collections", "text"),
        ),
        "tax.taxCollections",
        _collections,
    ),
    several(
        (("deemed_reseller_category", "text"), ("tax_calculation_breakdowns", "text")),
        "tax.taxCalculationBreakdowns",
        _schemes,
    ),
)
_OTHER = Column("other_fields", title="Other fields", source="what Amazon sends and no other column holds, as JSON")


def order_rows(with_personal):
    """A reader of pages: a row for each order."""
    order_row = Flattener(_ORDER, with_personal=with_personal)

    def rows(page):
        for order in objects(page.get("orders")):
            yield (*order_row(order), order_row.others(order))

    return rows


def item_rows(with_personal):
    """A reader of pages: a row for each item of each order."""
    head, item_row = Flattener(_HEAD), Flattener(_ITEM, with_personal=with_personal)

    def rows(page):
        for order in objects(page.get("orders")):
            start = head(order)
            items = order.get("orderItems")
            for item in items if isinstance(items, list) else [items] if items is not None else ():
                if isinstance(item, dict):
                    yield (*start, *item_row(item), item_row.others(item))
                else:  # not what the model says, but kept
                    yield (*start, *item_row({}), as_text({"orderItems": item}))

    return rows


# Reports

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
    help="Orders in any status when none is chosen.",
    also={"Canceled": "CANCELLED"},
)
BUYER_DATA = Option(
    "include_buyer_and_address_data",
    "Include buyer and address data",
    kind="flag",
    default=False,
    help="Names, addresses and tax numbers of buyers. Amazon gives them only to applications that hold the roles for "
    "them, and wants them deleted again 30 days after delivery.",
)

_PERSONAL_DATA = ("BUYER", "RECIPIENT", "TAX")
# Orders and items ask for the same, so that datasets of both share one answer.
_INCLUDED = (
    "PROCEEDS", "EXPENSE", "PROMOTION", "CANCELLATION", "FULFILLMENT", "PACKAGES", "PAYMENT", "FULFILLMENT_ORDERS",
)  # fmt: skip


def _pages(included, rows):
    return Pages(
        "searchOrders",
        rows(False),
        query={"includedData": list(included), "maxResultsPerPage": 100},
        after="createdAfter",
        before="createdBefore",
        marketplaces="marketplaceIds",
        answers={SELECT_STATUSES.name: "fulfillmentStatuses"},
        burst=20,
    )


def _by_last_update(report):
    return replace(report.source, after="lastUpdatedAfter", before="lastUpdatedBefore")


def _with_buyers(included, rows):
    def source(report):
        return replace(
            report.source, rows=rows(True), query={**report.source.query, "includedData": [*included, *_PERSONAL_DATA]}
        )

    return {True: {"source": source}}


_COMMON = {
    "group": "Orders",
    "audience": ("seller",),
    "window": Days(365),  # Amazon names no limit; how many a chain of pages covers goes by how busy they are
    "reach_days": 730,
    "lag": timedelta(minutes=3),  # Amazon asks for two; the third is for clocks that disagree
    "settling_days": 3,
    "regional": True,
    "version_column": "last_update_date",
}
_BY_DATE = {"last_updated": {"source": _by_last_update, "day_column": "last_update_date"}}

ORDER_DETAILS = Report(
    key="order_details",
    title="Order Details",
    summary="One row for each order placed or changed in the days you choose.",
    source=_pages(_INCLUDED, order_rows),
    columns=(*columns_of(*_ORDER), _OTHER),
    options=(QUERY_DATE_TYPE, SELECT_STATUSES, MARKETPLACES, BUYER_DATA),
    day_column="purchase_date",
    key_columns=("amazon_order_id",),
    variants={QUERY_DATE_TYPE.name: _BY_DATE, BUYER_DATA.name: _with_buyers(_INCLUDED, order_rows)},
    **_COMMON,
)
ORDER_ITEMS = Report(
    key="order_items",
    title="Order Items",
    summary="One row for each item of the orders placed or changed in the days you choose.",
    source=_pages(_INCLUDED, item_rows),
    columns=(*columns_of(*_HEAD, *_ITEM), _OTHER),
    options=(QUERY_DATE_TYPE, SELECT_STATUSES, MARKETPLACES, BUYER_DATA),
    day_column="purchase_date",
    key_columns=("amazon_order_id", "order_item_id"),
    variants={QUERY_DATE_TYPE.name: _BY_DATE, BUYER_DATA.name: _with_buyers(_INCLUDED, item_rows)},
    **_COMMON,
)
LIST_ORDERS_UPSERT = replace(
    ORDER_DETAILS,
    key="orders_list_orders_upsert",
    title="Orders - List Orders - Upsert",
    summary="One row for each order, always as it was last changed.",
    source=_by_last_update(ORDER_DETAILS),
    options=(SELECT_STATUSES, MARKETPLACES, BUYER_DATA),
    day_column="last_update_date",
    modes=("merge",),
    forced_mode="merge",
    variants={BUYER_DATA.name: _with_buyers(_INCLUDED, order_rows)},
)

REPORTS = (ORDER_DETAILS, ORDER_ITEMS, LIST_ORDERS_UPSERT)
