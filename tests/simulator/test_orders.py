"""searchOrders and getOrder keep the rules that Amazon's model states in prose."""

from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import quote, urlencode

import pytest

from tests.simulator.caller import CA, MX, ORDERS, US

AFTER = "2026-08-10T00:00:00Z"
BEFORE = "2026-08-12T00:00:00Z"
DATA_SETS = (
    "BUYER,RECIPIENT,PROCEEDS,EXPENSE,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES,TAX,PAYMENT,FULFILLMENT_ORDERS"
)


def assert_invalid(reply, *words):
    assert reply.status == 400, reply.body
    assert reply.error["code"] == "InvalidInput"
    for word in words:
        assert word in reply.error["details"]
    assert reply.headers["x-amzn-errortype"] and reply.headers["x-amzn-ratelimit-limit"]


def test_neither_date_is_refused(amazon):
    assert_invalid(amazon.search(), "createdAfter", "lastUpdatedAfter")


def test_both_dates_are_refused(amazon):
    assert_invalid(amazon.search(createdAfter=AFTER, lastUpdatedAfter=AFTER), "Exactly one")


@pytest.mark.parametrize(
    "query",
    [
        {"createdAfter": AFTER, "lastUpdatedBefore": BEFORE},
        {"lastUpdatedAfter": AFTER, "createdBefore": BEFORE},
        {"createdBefore": BEFORE},
        {"lastUpdatedBefore": BEFORE},
    ],
)
def test_pairs_cannot_be_mixed_nor_halved(amazon, query):
    assert_invalid(amazon.search(**query))


@pytest.mark.parametrize("pair", ["created", "lastUpdated"])
def test_the_end_must_not_be_before_the_start(amazon, pair):
    assert_invalid(amazon.search(**{f"{pair}After": BEFORE, f"{pair}Before": AFTER}), f"{pair}Before")
    assert amazon.search(**{f"{pair}After": AFTER, f"{pair}Before": AFTER}).status == 200


@pytest.mark.parametrize("pair", ["created", "lastUpdated"])
def test_the_end_must_be_two_minutes_old(amazon, pair):
    query = {f"{pair}After": AFTER}
    assert amazon.search(**query, **{f"{pair}Before": "2026-08-15T11:58:00Z"}).status == 200
    assert_invalid(amazon.search(**query, **{f"{pair}Before": "2026-08-15T11:58:01Z"}), "two minutes")


def test_without_an_end_it_is_two_minutes_ago_and_the_answer_says_so(amazon):
    reply = amazon.search(createdAfter=AFTER)
    assert reply.json["createdBefore"] == "2026-08-15T11:58:00Z"
    assert "lastUpdatedBefore" not in reply.json
    assert amazon.search(lastUpdatedAfter=AFTER).json["lastUpdatedBefore"] == "2026-08-15T11:58:00Z"
    assert amazon.search(createdAfter=AFTER, createdBefore=BEFORE).json["createdBefore"] == BEFORE


def test_a_start_in_the_future_is_refused(amazon):
    assert_invalid(amazon.search(createdAfter="2026-08-16T00:00:00Z"))


@pytest.mark.parametrize(
    "text",
    [
        "2026-08-10",
        "yesterday",
        "",
        "2026-08-10T00:00:00",
        "2026-08-10 00:00:00Z",
        "2026-13-01T00:00:00Z",
        "1754784000",
    ],
)
def test_a_date_that_is_not_iso_8601_with_an_offset_is_refused(amazon, text):
    assert_invalid(amazon.search(createdAfter=text), "createdAfter")


def test_offsets_and_fractions_are_understood(amazon):
    plain = amazon.search(createdAfter=AFTER, createdBefore=BEFORE).json["orders"]
    moved = amazon.search(createdAfter="2026-08-09T17:00:00.000-07:00", createdBefore="2026-08-12T02:00:00+02:00")
    assert [order["orderId"] for order in moved.json["orders"]] == [order["orderId"] for order in plain]


def test_a_plus_that_is_not_encoded_is_a_space_and_refused(amazon):
    assert_invalid(amazon.get(ORDERS + "?createdAfter=2026-08-10T00:00:00+02:00"))
    assert amazon.get(ORDERS + "?createdAfter=" + quote("2026-08-10T00:00:00+02:00")).status == 200


def test_names_are_case_sensitive(amazon):
    assert_invalid(amazon.search(CreatedAfter=AFTER), "createdAfter")
    assert_invalid(amazon.search(createdafter=AFTER))
    everywhere = amazon.search(createdAfter=AFTER, MarketplaceIds=US).json["orders"]
    assert {order["salesChannel"]["marketplaceId"] for order in everywhere} == {US, CA, MX}


def test_an_unknown_parameter_is_as_if_it_were_not_there(amazon):
    plain, more = amazon.search(createdAfter=AFTER), amazon.search(createdAfter=AFTER, orderStatuses="Shipped")
    assert plain.json["orders"] == more.json["orders"]


def test_a_repeated_parameter_is_refused(amazon):
    assert_invalid(
        amazon.get(f"{ORDERS}?createdAfter={AFTER}&marketplaceIds={US}&marketplaceIds={CA}"), "marketplaceIds"
    )


@pytest.mark.parametrize(
    "query",
    [
        {"fulfillmentStatuses": "Shipped"},
        {"fulfillmentStatuses": "SHIPPED,"},
        {"fulfillmentStatuses": "CANCELED"},
        {"fulfilledBy": "SELLER"},
        {"includedData": "BUYER,NOPE"},
        {"includedData": "buyer"},
        {"marketplaceIds": "US"},
        {"marketplaceIds": "A1PA6795UKMFR9"},
        {"marketplaceIds": ",".join([US] * 51)},
        {"maxResultsPerPage": "0"},
        {"maxResultsPerPage": "101"},
        {"maxResultsPerPage": "ten"},
        {"maxResultsPerPage": "-1"},
    ],
)
def test_a_value_out_of_bounds_is_refused(amazon, query):
    assert_invalid(amazon.search(createdAfter=AFTER, **query), next(iter(query))[:11])


def test_fifty_marketplaces_are_allowed(amazon):
    assert amazon.search(createdAfter=AFTER, marketplaceIds=",".join([US] * 50)).status == 200


def test_statuses_and_fulfilment_filter(amazon):
    query = {"createdAfter": "2026-08-01T00:00:00Z", "includedData": "FULFILLMENT"}
    everything, _ = amazon.search_all(**query)
    for name, words, key in (
        ("fulfillmentStatuses", "PENDING,UNSHIPPED", "fulfillmentStatus"),
        ("fulfilledBy", "MERCHANT", "fulfilledBy"),
    ):
        some, _ = amazon.search_all(**query, **{name: words})
        expected = [order for order in everything if order["fulfillment"][key] in words.split(",")]
        assert some == expected
        assert 0 < len(some) < len(everything)


def test_marketplaces_filter_and_where_nothing_is_sold_there_is_nothing(amazon):
    orders, _ = amazon.search_all(createdAfter=AFTER, marketplaceIds=f"{CA},{MX}")
    assert {order["salesChannel"]["marketplaceId"] for order in orders} == {CA, MX}
    assert amazon.search(createdAfter=AFTER, marketplaceIds="A2Q3Y263D00KWC").json["orders"] == []


@pytest.mark.parametrize(
    ("first", "second", "time"),
    [("createdAfter", "createdBefore", "createdTime"), ("lastUpdatedAfter", "lastUpdatedBefore", "lastUpdatedTime")],
)
def test_both_bounds_are_inclusive(amazon, first, second, time):
    orders, _ = amazon.search_all(**{first: AFTER, second: BEFORE})
    one = orders[len(orders) // 2]
    alone, _ = amazon.search_all(**{first: one[time], second: one[time]})
    assert one["orderId"] in [order["orderId"] for order in alone]
    second_later = (datetime.fromisoformat(one[time]) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    after, _ = amazon.search_all(**{first: second_later, second: BEFORE})
    assert one["orderId"] not in [order["orderId"] for order in after]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_pages_together_are_everything_once(amazon, size):
    whole, pages = amazon.search_all(createdAfter=AFTER, createdBefore=BEFORE)
    orders, count = amazon.search_all(createdAfter=AFTER, createdBefore=BEFORE, maxResultsPerPage=size)
    assert orders == whole
    assert count == -(-len(whole) // size)
    assert len({order["orderId"] for order in orders}) == len(orders)


def test_a_page_has_a_hundred_orders_unless_asked_otherwise(amazon):
    first = amazon.search(createdAfter="2026-07-01T00:00:00Z").json
    assert len(first["orders"]) == 100
    assert first["pagination"]["nextToken"]


def test_the_last_page_has_no_token_even_when_it_is_full(amazon):
    whole, _ = amazon.search_all(createdAfter=AFTER, createdBefore=BEFORE)
    bounds = {"createdAfter": AFTER, "createdBefore": whole[9]["createdTime"]}
    count = len([order for order in whole if order["createdTime"] <= whole[9]["createdTime"]])
    full = amazon.search(**bounds, maxResultsPerPage=count).json
    assert len(full["orders"]) == count
    assert "nextToken" not in full.get("pagination", {})


@pytest.fixture
def token(amazon):
    reply = amazon.search(createdAfter=AFTER, createdBefore=BEFORE, maxResultsPerPage=5, marketplaceIds=US)
    return reply.json["pagination"]["nextToken"]


@pytest.mark.parametrize(
    "change",
    [
        {"createdAfter": "2026-08-10T00:00:01Z"},
        {"createdBefore": "2026-08-11T00:00:00Z"},
        {"maxResultsPerPage": 6},
        {"marketplaceIds": f"{US},{CA}"},
        {"includedData": "BUYER"},
        {"fulfilledBy": "AMAZON"},
    ],
)
def test_a_page_token_is_bound_to_its_request(amazon, token, change):
    query = {"createdAfter": AFTER, "createdBefore": BEFORE, "maxResultsPerPage": 5, "marketplaceIds": US}
    assert amazon.search(**query, paginationToken=token).status == 200
    assert_invalid(amazon.search(**query | change, paginationToken=token), "paginationToken")


def test_a_page_token_is_bound_to_its_seller(amazon, token):
    query = {"createdAfter": AFTER, "createdBefore": BEFORE, "maxResultsPerPage": 5, "marketplaceIds": US}
    reply = amazon.search(**query, paginationToken=token, seller="Atzr|simulator-seller-2")
    assert_invalid(reply, "paginationToken")


def test_a_page_token_alone_is_not_enough(amazon, token):
    assert_invalid(amazon.search(paginationToken=token), "createdAfter")


def test_a_page_token_dies_after_a_day(amazon, token):
    query = {"createdAfter": AFTER, "createdBefore": BEFORE, "maxResultsPerPage": 5, "marketplaceIds": US}
    amazon.advance(hours=23, minutes=59)
    amazon.forget_tokens()
    assert amazon.search(**query, paginationToken=token).status == 200
    amazon.advance(minutes=2)
    assert_invalid(amazon.search(**query, paginationToken=token), "expired")


def test_a_page_token_must_be_percent_encoded_once(amazon):
    query = {"createdAfter": AFTER, "maxResultsPerPage": 1}
    for number in range(1, 40):  # until one holds a character that matters
        token = amazon.search(**query | {"maxResultsPerPage": number}).json["pagination"]["nextToken"]
        if "+" in token:
            break
    else:
        pytest.fail("no token with a plus came")
    path = f"{ORDERS}?{urlencode(query | {'maxResultsPerPage': number})}&paginationToken="
    assert amazon.get(path + quote(token, safe="")).status == 200
    assert amazon.get(path + token).status == 400
    assert amazon.get(path + quote(quote(token, safe=""), safe="")).status == 400


@pytest.mark.parametrize("token", ["", "nonsense", "ZW5kbGVzcw=="])
def test_a_made_up_page_token_is_refused(amazon, token):
    assert_invalid(amazon.search(createdAfter=AFTER, paginationToken=token), "paginationToken")


def test_an_order_that_changes_while_one_pages_moves_out_of_the_window(amazon):
    """By last update the window slides: the first reading misses the change, the next window has it."""
    query = {
        "lastUpdatedAfter": "2026-08-14T00:00:00Z",
        "lastUpdatedBefore": "2026-08-15T11:00:00Z",
        "maxResultsPerPage": 5,
    }
    before, _ = amazon.search_all(**query)
    first = amazon.search(**query).json
    amazon.advance(hours=12)
    amazon.forget_tokens()
    rest, token = [], first["pagination"]["nextToken"]
    while token:
        page = amazon.search(**query, paginationToken=token).json
        rest += page["orders"]
        token = page.get("pagination", {}).get("nextToken")
    seen = {order["orderId"] for order in first["orders"] + rest}
    moved = {order["orderId"] for order in before} - seen
    assert moved
    later, _ = amazon.search_all(lastUpdatedAfter="2026-08-15T11:00:00Z")
    assert moved <= {order["orderId"] for order in later}


def test_without_data_sets_only_the_frame_is_there(amazon):
    orders, _ = amazon.search_all(createdAfter="2026-07-01T00:00:00Z")
    assert {name for order in orders for name in order} == {
        "orderId",
        "orderAliases",
        "createdTime",
        "lastUpdatedTime",
        "programs",
        "associatedOrders",
        "salesChannel",
        "orderItems",
    }
    assert {name for order in orders for item in order["orderItems"] for name in item} == {
        "orderItemId",
        "quantityOrdered",
        "programs",
        "product",
    }


@pytest.mark.parametrize(
    ("data_set", "in_order", "in_item"),
    [
        ("BUYER", {"buyer"}, set()),
        ("RECIPIENT", {"recipient"}, set()),
        ("PROCEEDS", {"proceeds"}, {"proceeds"}),
        ("PROMOTION", set(), {"promotion"}),
        ("CANCELLATION", set(), {"cancellation"}),
        ("FULFILLMENT", {"fulfillment"}, {"fulfillment"}),
        ("PACKAGES", {"packages"}, set()),
        ("TAX", {"tax"}, {"tax"}),
        ("PAYMENT", {"payment"}, set()),
        ("FULFILLMENT_ORDERS", set(), set()),
    ],
)
def test_a_data_set_brings_its_own_parts_and_no_others(amazon, data_set, in_order, in_item):
    plain, _ = amazon.search_all(createdAfter="2026-07-01T00:00:00Z")
    orders, _ = amazon.search_all(createdAfter="2026-07-01T00:00:00Z", includedData=data_set)
    frame = {name for order in plain for name in order}
    item_frame = {name for order in plain for item in order["orderItems"] for name in item}
    assert {name for order in orders for name in order} == frame | in_order
    assert {name for order in orders for item in order["orderItems"] for name in item} == item_frame | in_item


def test_japan_has_points(amazon):
    orders, _ = amazon.search_all(createdAfter=AFTER, includedData="EXPENSE", seller="Atzr|simulator-seller-fe")
    points = [item["expense"] for order in orders for item in order["orderItems"] if "expense" in item]
    assert points and points[0]["pointsCost"]["pointsGranted"]["pointsMonetaryValue"]["currencyCode"] == "JPY"


def test_pending_orders_have_no_amounts_and_no_address(amazon):
    orders, _ = amazon.search_all(
        createdAfter=AFTER, includedData=DATA_SETS, fulfillmentStatuses="PENDING,PENDING_AVAILABILITY"
    )
    assert orders
    for order in orders:
        assert not {"proceeds", "payment", "recipient"} & set(order)
        assert all("proceeds" not in item and "price" not in item["product"] for item in order["orderItems"])


def test_amounts_are_decimal_strings_that_add_up(amazon):
    orders, _ = amazon.search_all(createdAfter="2026-07-01T00:00:00Z", includedData="PROCEEDS")
    priced = [order for order in orders if "proceeds" in order]
    assert len(priced) > 500
    for order in priced:
        total = order["proceeds"]["grandTotal"]
        items = [item["proceeds"]["proceedsTotal"] for item in order["orderItems"]]
        assert sum(Decimal(item["amount"]) for item in items) == Decimal(total["amount"])
        parts = {part["type"]: Decimal(part["subtotal"]["amount"]) for part in order["proceeds"]["breakdowns"]}
        assert sum(parts.values()) - 2 * parts.get("DISCOUNT", 0) == Decimal(total["amount"])
        assert all(isinstance(item["amount"], str) for item in items)


def test_yen_have_no_decimals(amazon):
    orders, _ = amazon.search_all(
        createdAfter=AFTER,
        includedData="PROCEEDS",
        marketplaceIds="A1VC38T7YXB528",
        seller="Atzr|simulator-seller-fe",
    )
    amounts = [order["proceeds"]["grandTotal"] for order in orders if "proceeds" in order]
    assert amounts and all(amount["currencyCode"] == "JPY" and "." not in amount["amount"] for amount in amounts)


def test_an_order_grows_from_pending_to_shipped_as_time_goes_by(amazon):
    pending, _ = amazon.search_all(createdAfter=AFTER, fulfillmentStatuses="PENDING")
    watched = {order["orderId"]: order["lastUpdatedTime"] for order in pending}
    assert len(watched) >= 3
    amazon.advance(days=20)
    amazon.forget_tokens()
    for order_id, then in watched.items():
        order = amazon.get(f"{ORDERS}/{order_id}", {"includedData": "FULFILLMENT"}).json["order"]
        assert order["fulfillment"]["fulfillmentStatus"] in ("SHIPPED", "CANCELLED", "UNFULFILLABLE")
        assert order["lastUpdatedTime"] > then


def test_get_order_equals_what_the_search_says(amazon):
    for order in amazon.search(createdAfter=AFTER, includedData=DATA_SETS, maxResultsPerPage=20).json["orders"]:
        assert amazon.get(f"{ORDERS}/{order['orderId']}", {"includedData": DATA_SETS}).json == {"order": order}


@pytest.mark.parametrize("order_id", ["111-1111111-1111111", "nonsense", "112-%20"])
def test_an_unknown_order_is_not_found(amazon, order_id):
    reply = amazon.get(f"{ORDERS}/{order_id}")
    assert (reply.status, reply.error["code"]) == (404, "NotFound")
    assert reply.headers["x-amzn-ratelimit-limit"]


def test_anothers_order_is_not_found(amazon):
    order_id = amazon.search(createdAfter=AFTER).json["orders"][0]["orderId"]
    assert amazon.get(f"{ORDERS}/{order_id}", seller="Atzr|simulator-seller-2").status == 404


def test_orders_older_than_two_years_are_gone(amazon):
    first = amazon.search(createdAfter="2020-01-01T00:00:00Z", maxResultsPerPage=1).json["orders"][0]
    assert first["createdTime"] >= "2024-08-15T12:00:00Z"
    amazon.advance(days=30)
    amazon.forget_tokens()
    assert amazon.get(f"{ORDERS}/{first['orderId']}").status == 404


@pytest.mark.parametrize(
    ("path", "seller"),
    [
        (ORDERS, "Atzr|simulator-vendor"),
        ("/eu" + ORDERS, "Atzr|simulator-seller"),
        ("/na" + ORDERS, "Atzr|simulator-seller-eu"),
        ("/orders/v0/orders", "Atzr|simulator-seller"),
        ("/Orders/2026-01-01/orders", "Atzr|simulator-seller"),
        ("/orders/2026-01-01/orders/", "Atzr|simulator-seller"),
    ],
)
def test_vendors_other_regions_and_unknown_paths_are_denied(amazon, path, seller):
    reply = amazon.get(path, {"createdAfter": AFTER}, seller=seller)
    assert (reply.status, reply.error["code"]) == (403, "Unauthorized")


def test_a_region_in_the_base_address_serves_that_regions_sellers(amazon):
    assert amazon.get("/eu" + ORDERS, {"createdAfter": AFTER}, seller="Atzr|simulator-seller-eu").json["orders"]


def test_a_get_with_a_body_is_refused_in_html(amazon):
    reply = amazon.get(ORDERS, {"createdAfter": AFTER}, headers={"Content-Length": "0"})
    assert reply.status == 400
    assert reply.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("agent", ["", "x" * 501])
def test_a_user_agent_is_required(amazon, agent):
    assert_invalid(amazon.get(ORDERS, {"createdAfter": AFTER}, headers={"User-Agent": agent}), "User-Agent")
