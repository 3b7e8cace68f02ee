"""Orders 2026-01-01: searchOrders and getOrder."""

from . import checks
from .answers import Refusal, errors, invalid, json_answer
from .clock import iso
from .order_json import DATA_SETS, render
from .world import marketplaces_of

STATUSES = (
    "PENDING_AVAILABILITY",
    "PENDING",
    "UNSHIPPED",
    "PARTIALLY_SHIPPED",
    "SHIPPED",
    "CANCELLED",
    "UNFULFILLABLE",
)
SEARCH_PARAMETERS = (
    "createdAfter",
    "createdBefore",
    "lastUpdatedAfter",
    "lastUpdatedBefore",
    "fulfillmentStatuses",
    "marketplaceIds",
    "fulfilledBy",
    "maxResultsPerPage",
    "paginationToken",
    "includedData",
)
YOUNGEST = 120
"""Upper bounds must be two minutes old."""


def search_orders(simulator, request, caller):
    asked = checks.parameters(request, SEARCH_PARAMETERS)
    now = simulator.clock.now()
    by, start, end = _period(asked, now)
    statuses = checks.words(asked.get("fulfillmentStatuses", ",".join(STATUSES)), "fulfillmentStatuses", STATUSES)
    fulfilled_by = checks.words(asked.get("fulfilledBy", "MERCHANT,AMAZON"), "fulfilledBy", ("MERCHANT", "AMAZON"))
    included = _included(asked)
    size = checks.whole_number(asked.get("maxResultsPerPage", "100"), "maxResultsPerPage", 1, 100)
    ids = checks.words(asked["marketplaceIds"], "marketplaceIds", most=50) if "marketplaceIds" in asked else []
    checks.marketplaces_exist(ids, caller.partner)

    token = asked.pop("paginationToken", None)
    bound_to = [caller.client_id, caller.partner.id, [[name, asked[name]] for name in sorted(asked)]]
    after = None
    if token is not None:
        end, *after = _resume(simulator, token, bound_to)

    marketplaces = marketplaces_of(caller.partner, ids)
    lowest = after[0] if after else start
    find = simulator.world.created if by == "created" else simulator.world.updated
    page = []
    for order in find(caller.partner, marketplaces, lowest, end, now):
        status, updated = order.at(now)
        place = [order.created if by == "created" else updated, order.id]
        if after and place <= after:
            continue
        if status in statuses and order.fulfilled_by in fulfilled_by:
            page.append((place, order))
        if len(page) > size:
            break
    content = {"orders": [render(order, now, included) for _, order in page[:size]]}
    if len(page) > size:
        next_token = simulator.signer.seal(
            "orders page", {"for": bound_to, "end": end, "at": page[size - 1][0], "given": simulator.clock.ticks()}
        )
        content["pagination"] = {"nextToken": next_token}
    content["createdBefore" if by == "created" else "lastUpdatedBefore"] = iso(end)
    return json_answer(content)


def get_order(simulator, request, caller, order_id):
    asked = checks.parameters(request, ("includedData",))
    included = _included(asked)
    now = simulator.clock.now()
    order = simulator.world.find(caller.partner, order_id, now)
    if order is None:
        raise Refusal(errors(404, "NotFound", "Resource not found", f"Order {order_id} was not found."))
    return json_answer({"order": render(order, now, included)})


def _included(asked):
    return checks.words(asked["includedData"], "includedData", DATA_SETS) if "includedData" in asked else []


def _period(asked, now):
    """('created' or 'updated', first second, last second), both inclusive."""
    created = [name for name in ("createdAfter", "createdBefore") if name in asked]
    updated = [name for name in ("lastUpdatedAfter", "lastUpdatedBefore") if name in asked]
    if ("createdAfter" in asked) == ("lastUpdatedAfter" in asked):
        raise invalid("Exactly one of createdAfter and lastUpdatedAfter must be provided.")
    if created and updated:
        raise invalid(f"{created[0]} and {updated[0]} cannot be provided together.")
    first, last = ("createdAfter", "createdBefore") if created else ("lastUpdatedAfter", "lastUpdatedBefore")
    start = checks.date_time(asked[first], first)
    end = now - YOUNGEST
    if last in asked:
        end = checks.date_time(asked[last], last)
        if end > now - YOUNGEST:
            raise invalid(f"{last} must be at least two minutes before the time of the request.")
    if end < start:
        raise invalid(f"{last} must be equal to or after {first}, and both at least two minutes ago.")
    return ("created" if created else "updated"), start, end


def _resume(simulator, token, bound_to):
    """(end, moment, order id) where the page before stopped."""
    content = simulator.signer.open("orders page", token)
    if content is None:
        raise invalid("The paginationToken is invalid.")
    if content["for"] != bound_to:
        raise invalid("The paginationToken does not belong to this request: send the other parameters unchanged.")
    if content["given"] + simulator.settings.page_token_seconds <= simulator.clock.ticks():
        raise invalid("The paginationToken has expired.")
    return content["end"], *content["at"]
