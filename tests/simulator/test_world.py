"""The sellers' world is the same whoever asks, whenever, and holds everything that trips a careless reader."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from connector.simulator.marketplaces import BY_COUNTRY
from connector.simulator.partners import BY_ID, DEMO_SELLER, PARTNERS
from connector.simulator.world import LAST_CHANGE_DAYS, World, local_bounds, orders_on

US = BY_COUNTRY["US"]
NOW = datetime(2026, 8, 15, 12, tzinfo=UTC).timestamp()
DAY = 86400
PINNED = (9, "112-1816220-5910901", "MUG-STONE-WHT")


@pytest.fixture(scope="module")
def world():
    return World(seed=1)


@pytest.fixture(scope="module")
def two_years(world):
    return list(world.created(DEMO_SELLER, DEMO_SELLER.marketplaces, 0, NOW, NOW))


def told(order):
    return (
        order.id,
        order.created,
        order.timeline,
        tuple((item.id, item.product.sku, item.total) for item in order.items),
    )


def test_the_same_seed_makes_the_same_orders_in_whatever_order_days_are_asked_for(world):
    days = [date(2026, 3, 1) + timedelta(days=number) for number in range(20)]
    other = World(seed=1)
    backwards = {day: other.day(DEMO_SELLER, US, day) for day in reversed(days)}
    for day in days:
        assert [told(order) for order in world.day(DEMO_SELLER, US, day)] == [told(order) for order in backwards[day]]


def test_a_day_does_not_depend_on_when_it_is_asked_for(world):
    start, end = datetime(2026, 3, 1, tzinfo=UTC).timestamp(), datetime(2026, 3, 5, tzinfo=UTC).timestamp()
    early, late = (
        [told(order) for order in World(seed=1).created(DEMO_SELLER, DEMO_SELLER.marketplaces, start, end, now)]
        for now in (end, NOW)
    )
    assert early == late


def test_another_seed_makes_other_orders(world):
    day = date(2026, 3, 3)
    assert {order.id for order in World(seed=2).day(DEMO_SELLER, US, day)}.isdisjoint(
        order.id for order in world.day(DEMO_SELLER, US, day)
    )


def test_the_first_orders_of_a_day_are_these_for_ever(world):
    """A pin: whoever changes how the world is made changes what every recorded test expects."""
    orders = world.day(DEMO_SELLER, US, date(2026, 3, 3))
    assert (len(orders), orders[0].id, orders[0].items[0].product.sku) == PINNED


def test_two_years_have_quiet_normal_and_busy_days():
    days = [date(2024, 8, 16) + timedelta(days=number) for number in range(730)]
    counts = {
        day: sum(orders_on(1, DEMO_SELLER, marketplace, day) for marketplace in DEMO_SELLER.marketplaces)
        for day in days
    }
    assert 20 < sum(not count for count in counts.values()) < 80
    assert counts[date(2025, 11, 28)] > 200, "Black Friday"
    assert counts[date(2025, 12, 1)] > 200, "Cyber Monday"
    assert counts[date(2026, 7, 14)] > 200, "Prime Day"
    normal = [count for count in counts.values() if 0 < count < 100]
    assert len(normal) > 600
    assert max(normal) > 50 and min(normal) < 8


def test_order_and_item_ids_are_unique_and_lead_back_to_the_order(world, two_years):
    assert len({order.id for order in two_years}) == len(two_years) > 15000
    items = [item.id for order in two_years for item in order.items]
    assert len(set(items)) == len(items)
    for order in two_years[::97]:
        assert told(world.find(DEMO_SELLER, order.id, NOW)) == told(order)


@pytest.mark.parametrize(
    "order_id", ["112-0000000-0000000", "112-1", "", "abc", "１１２-0000000-0000000", "999-0749885-0746120"]
)
def test_an_id_that_was_never_given_leads_nowhere(world, order_id):
    assert world.find(DEMO_SELLER, order_id, NOW) is None


def test_one_seller_cannot_find_anothers_order(world, two_years):
    other = BY_ID["A2DEMOSELLER02"]
    assert all(world.find(other, order.id, NOW) is None for order in two_years[:50])


def test_there_is_nothing_in_the_future_and_nothing_older_than_two_years(two_years):
    assert max(order.created for order in two_years) <= NOW
    assert min(order.created for order in two_years) >= datetime(2024, 8, 15, 12, tzinfo=UTC).timestamp()


def test_japan_reaches_back_to_2016(world):
    seller = BY_ID["A2DEMOSELLERFE"]
    early = datetime(2016, 1, 10, tzinfo=UTC).timestamp()
    assert list(world.created(seller, seller.marketplaces, 0, early, NOW))


def test_orders_change_for_days_and_then_never_again(two_years):
    for order in two_years:
        moments = [moment for moment, _ in order.timeline]
        assert moments[0] == order.created
        assert moments == sorted(moments)
        assert moments[-1] - order.created < LAST_CHANGE_DAYS * DAY
    later = [order for order in two_years if order.timeline[-1][0] - order.created > 3 * DAY]
    assert len(later) > len(two_years) / 20


def test_statuses_are_a_pure_function_of_order_and_time(two_years):
    order = next(order for order in two_years if len(order.timeline) >= 3)
    for moment, status in order.timeline:
        assert order.at(moment) == (status, moment)
        assert order.at(moment - 1)[1] < moment or moment == order.created


def test_every_status_occurs(two_years):
    seen = Counter(status for order in two_years for _, status in order.timeline)
    assert set(seen) == {
        "PENDING_AVAILABILITY",
        "PENDING",
        "UNSHIPPED",
        "PARTIALLY_SHIPPED",
        "SHIPPED",
        "CANCELLED",
        "UNFULFILLABLE",
    }


def test_orders_fall_exactly_on_the_first_and_last_second_of_a_local_day(two_years):
    bounds = {
        edge for number in range(731) for edge in local_bounds(date(2024, 8, 15) + timedelta(days=number), US.zone)
    }
    created = {order.created for order in two_years if order.marketplace is US}
    assert created & bounds
    assert {moment + 1 for moment in created} & bounds
    assert any(moment % DAY == 0 for moment in created), "midnight UTC"


def test_the_hour_that_comes_twice_has_orders_in_both(world):
    day = date(2025, 11, 2)
    start, end = local_bounds(day, US.zone)
    assert end - start == 25 * 3600
    hours = {int((order.created - start) // 3600) for order in world.day(DEMO_SELLER, US, day)}
    assert {1, 2} <= hours


def test_the_day_that_is_an_hour_short_has_orders_around_the_gap(world):
    day = date(2026, 3, 8)
    start, end = local_bounds(day, US.zone)
    assert end - start == 23 * 3600
    moments = [order.created - start for order in world.day(DEMO_SELLER, US, day)]
    assert 2 * 3600 in moments and all(0 <= moment < 23 * 3600 for moment in moments)


def test_titles_and_skus_carry_what_breaks_readers(two_years):
    products = {item.product for order in two_years for item in order.items}
    titles = [product.title for product in products if product.title]
    for piece in ('"', "\n", "\r\n", "\t", "=HYPERLINK", "'", "<script>", "🎉", "急須", "سجادة", "\\N", "NULL"):
        assert any(piece in title for title in titles), piece
    assert any(product.title is None for product in products)
    assert any(product.title == "" for product in products)
    assert {"000123", "1E10", "TRUE", "A,B"} <= {product.sku for product in products}


def test_some_orders_have_the_same_line_twice(two_years):
    assert any(
        len(order.items) > len({(item.product.sku, item.total, item.quantity) for item in order.items})
        for order in two_years
    )


def test_orders_have_one_to_four_items_and_several_currencies(two_years):
    assert {len(order.items) for order in two_years} == {1, 2, 3, 4}
    assert {order.marketplace.currency for order in two_years} == {"USD", "CAD", "MXN"}


def test_refresh_tokens_and_ids_of_partners_are_all_different():
    assert (
        len({partner.id for partner in PARTNERS})
        == len({partner.refresh_token for partner in PARTNERS})
        == len(PARTNERS)
    )
    assert len({partner.number for partner in PARTNERS}) == len(PARTNERS)
