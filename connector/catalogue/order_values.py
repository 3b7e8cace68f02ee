"""What the lists in an order and its items become: the functions that their outlines name.

Each takes whatever Amazon sends, None where it sends nothing, and gives the value of a column or a tuple for several.
"""

from contextlib import suppress
from decimal import Decimal, InvalidOperation

from connector.catalogue.values import amount_and_currency, as_text, joined, objects, text_only, words

_ORIGINALS = ("REPLACEMENT_ORIGINAL_ID", "EXCHANGE_ORIGINAL_ID")


def seller_order_id(aliases: object) -> tuple:
    """(the seller's own number of the order, all aliases as JSON)"""
    found = next(
        (alias.get("aliasId") for alias in objects(aliases) if alias.get("aliasType") == "SELLER_ORDER_ID"), None
    )
    return found, as_text(aliases)


def order_programs(programs: object) -> tuple:
    """(Preorder or None, is Prime, is a business order, is premium, is picked up in a store, is invoiced by
    Amazon, all as JSON)"""
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


def replacement(associated: object) -> tuple:
    """(whether the order takes the place of another one, that one's id, all associated orders as JSON)"""
    original = next(
        (order.get("orderId") for order in objects(associated) if order.get("associationType") in _ORIGINALS), None
    )
    return original is not None, original, as_text(associated)


def is_pickup_point(address_type: object) -> bool | None:
    """None where Amazon names no type of address."""
    return None if address_type is None else address_type == "PICKUP_POINT"


def payments(executions: object) -> tuple:
    """(the first method of payment, all methods in one text, all executions as JSON)"""
    methods = [execution.get("paymentMethod") for execution in objects(executions) if execution.get("paymentMethod")]
    return methods[0] if methods else None, joined(methods), as_text(executions)


def package_status(packages: object) -> tuple:
    """(the first detailed status of a package, all packages as JSON)"""
    statuses = [package.get("packageStatus") for package in objects(packages)]
    detailed = [status.get("detailedStatus") for status in objects(statuses)]
    return next(filter(None, detailed), None), as_text(packages)


def units_shipped(items: object) -> tuple[int | None, ...]:
    """How many units are on their way and how many are not, added up over the items; unknown where no item tells."""
    told = objects([item.get("fulfillment") for item in objects(items)])
    if not told:
        return None, None
    counts = [[f.get(name) for f in told] for name in ("quantityFulfilled", "quantityUnfulfilled")]
    return tuple(sum(count for count in column if isinstance(count, int)) for column in counts)


def tax_registrations(registrations: object) -> tuple:
    """(the buyer's company, address, number and tax office; types and numbers of the marketplace's registrations;
    the merchant's company; all as JSON)"""

    def of(entity: str) -> list[dict]:
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


_PROCEEDS = (  # column, breakdown, its detail: what the item brought in, by kind; in the order of the outline
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


def proceeds(breakdowns: object) -> tuple:
    """(amount, currency) of each kind in `_PROCEEDS`, one after another, then all breakdowns as JSON. Amounts are
    Amazon's text."""
    found: dict[tuple, tuple] = {}
    for entry in objects(breakdowns):
        _add(found, (text_only(entry.get("type")), None), entry.get("subtotal"))
        for detail in objects(entry.get("detailedBreakdowns")):
            _add(found, (text_only(entry.get("type")), text_only(detail.get("subtype"))), detail.get("value"))
    values: list = []
    for _, kind, subtype in _PROCEEDS:
        values.extend(found.get((kind, subtype)) or (None, None))
    return (*values, as_text(breakdowns))


def _add(found: dict[tuple, tuple], key: tuple[str | None, str | None], value: object) -> None:
    """Two breakdowns of one kind become their sum; two currencies do not, the breakdowns' own column tells both."""
    amount, currency = amount_and_currency(value)
    if amount is None:
        return
    if key not in found:
        found[key] = amount, currency
    elif found[key][1] == currency:
        with suppress(InvalidOperation, TypeError, ValueError):
            found[key] = str(Decimal(found[key][0]) + Decimal(amount)), currency


def promotion_ids(breakdowns: object) -> str | None:
    """All ids in one text."""
    return joined([entry.get("promotionId") or "" for entry in objects(breakdowns)])


def item_programs(programs: object) -> tuple:
    """(whether the item is in Transparency, the other programs that are told in one text, all as JSON)"""
    has = words(programs)
    chosen = [program for program in ("SUBSCRIBE_AND_SAVE", "FBM_SHIP_PLUS") if program in has]
    return "TRANSPARENCY" in has, joined(chosen), as_text(programs)


def cancel_request(request: object) -> tuple:
    """(whether the buyer asked for it, the reason, who asked)"""
    request = request if isinstance(request, dict) else {}
    return request.get("requester") == "BUYER", request.get("cancelReason"), request.get("requester")


def tax_collections(collections: object) -> tuple:
    """(the model, who is responsible, all as JSON); of several the first."""
    first = next(iter(objects(collections)), {})
    return first.get("model"), first.get("responsibleParty"), as_text(collections)


def reporting_scheme(breakdowns: object) -> tuple:
    """(IOSS, UOSS or None, all breakdowns as JSON)"""
    schemes = [entry.get("reportingScheme") for entry in objects(breakdowns)]
    return next((scheme for scheme in schemes if scheme in ("IOSS", "UOSS")), None), as_text(breakdowns)


def is_given(value: object) -> bool:
    return value is not None


def is_required(kind: object) -> bool:
    return kind == "REQUIRED"


TAKES = {
    take.__name__: take
    for take in (
        seller_order_id, order_programs, replacement, units_shipped, payments, package_status, is_pickup_point, tax_registrations,
        proceeds, promotion_ids, item_programs, cancel_request, is_given, is_required, tax_collections, reporting_scheme,
    )
}  # fmt: skip
