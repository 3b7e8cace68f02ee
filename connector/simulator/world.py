"""The sellers' world: which orders exist, and what each looked like at any moment.

Everything is a pure function of the seed: order k of a marketplace's local day never depends on when or in
which order somebody asks. Orders change with time only through their timeline, which is fixed when they are made.
"""

import threading
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from random import Random
from zoneinfo import ZoneInfo

from .clock import DAY, years_before
from .marketplaces import SINCE_2016
from .orderids import decode, encode, item_id
from .products import PRODUCTS

FIRST_DAY = date(2016, 1, 1)
LAST_CHANGE_DAYS = 45
"""No order changes later than this after it was placed."""

HOUR = 3600
PENDING_STATES = ("PENDING_AVAILABILITY", "PENDING")


class Item:
    """One line of an order; all money in the currency's smallest unit."""

    __slots__ = (
        "id",
        "product",
        "quantity",
        "unit",
        "price",
        "shipping",
        "wrap",
        "price_tax",
        "shipping_tax",
        "wrap_tax",
        "discount",
        "shipping_discount",
        "promotions",
        "programs",
        "gift",
        "condition",
        "customized",
        "serials",
    )

    @property
    def tax(self):
        return self.price_tax + self.shipping_tax + self.wrap_tax

    @property
    def total(self):
        return self.price + self.shipping + self.wrap + self.tax - self.discount - self.shipping_discount


class Order:
    """What was ordered, and the timeline [(second, status), …] of what became of it."""

    __slots__ = (
        "id",
        "partner",
        "marketplace",
        "created",
        "timeline",
        "items",
        "fulfilled_by",
        "service_level",
        "programs",
        "alias",
        "replaces",
        "buyer",
        "payment",
        "cancelled_by",
        "cancel_reason",
        "non_amazon",
    )

    def at(self, now):
        """(status, last updated) as of `now`."""
        status, updated = self.timeline[0][1], self.timeline[0][0]
        for moment, state in self.timeline:
            if moment > now:
                break
            status, updated = state, moment
        return status, updated

    def since(self, states, now):
        """When the order first reached one of `states`, if it has by `now`."""
        return next((moment for moment, state in self.timeline if state in states and moment <= now), None)

    def priced(self, now):
        """Amounts appear when an order leaves pending and go with its cancellation."""
        return self.at(now)[0] not in (*PENDING_STATES, "CANCELLED")


class World:
    """The orders of every partner, made day by day when first asked for."""

    def __init__(self, seed=1, kept_days=3000):
        self.seed = seed
        self.late_seconds = 0.0
        """One order in forty shows up only so long after it was placed, as at Amazon."""
        self._kept_days = kept_days
        self._days = OrderedDict()
        self._lock = threading.Lock()

    def day(self, partner, marketplace, day):
        """Orders placed on that local day, in the order in which they were placed."""
        key = (partner.number, marketplace.id, day)
        with self._lock:
            if key in self._days:
                self._days.move_to_end(key)
                return self._days[key]
        orders = self._make_day(partner, marketplace, day) if day >= FIRST_DAY else ()
        with self._lock:
            self._days[key] = orders
            if len(self._days) > self._kept_days:
                self._days.popitem(last=False)
        return orders

    def exists(self, order, now):
        """Placed, arrived in Amazon's books, and not yet too old to be shown."""
        late = self.late_seconds if order.buyer[0] % 40 == 0 else 0
        return order.created + late <= now and order.created >= self.reach(order.marketplace, now)

    def reach(self, marketplace, now):
        """The earliest order that Amazon still shows."""
        if marketplace.id in SINCE_2016:
            return datetime(2016, 1, 1, tzinfo=UTC).timestamp()
        return years_before(now, 2)

    def _earliest(self, marketplaces, now):
        return min((self.reach(marketplace, now) for marketplace in marketplaces), default=now)

    def created(self, partner, marketplaces, start, end, now):
        """Orders placed in [start, end], oldest first, that exist at `now`; lazily, a day at a time."""
        start, end = max(start, self._earliest(marketplaces, now)), min(end, now)
        day = _utc_day(start)
        while day <= _utc_day(end):
            found = []
            first, last = _seconds(day), _seconds(day + timedelta(days=1))
            for marketplace in marketplaces:
                for local in _local_days(first, last, marketplace.zone):
                    found += [
                        (order.created, order.id, order)
                        for order in self.day(partner, marketplace, local)
                        if first <= order.created < last and start <= order.created <= end and self.exists(order, now)
                    ]
            for _, _, order in sorted(found, key=_by_time):
                yield order
            day += timedelta(days=1)

    def updated(self, partner, marketplaces, start, end, now):
        """Orders whose latest change lies in [start, end], earliest change first; lazily, a day at a time."""
        start, end = max(start, self._earliest(marketplaces, now)), min(end, now)
        day = _utc_day(start)
        while day <= _utc_day(end):
            found = []
            first, last = _seconds(day), _seconds(day + timedelta(days=1))
            for marketplace in marketplaces:
                for local in _local_days(first - LAST_CHANGE_DAYS * DAY, last, marketplace.zone):
                    for order in self.day(partner, marketplace, local):
                        changed = order.at(now)[1]
                        if first <= changed < last and start <= changed <= end and self.exists(order, now):
                            found.append((changed, order.id, order))
            for _, _, order in sorted(found, key=_by_time):
                yield order
            day += timedelta(days=1)

    def find(self, partner, order_id, now):
        """The order of that id as this partner may see it, or None."""
        place = decode(self.seed, order_id)
        if place is None:
            return None
        number, marketplace, day_number, index = place
        if number != partner.number or marketplace not in partner.marketplaces:
            return None
        orders = self.day(partner, marketplace, FIRST_DAY + timedelta(days=day_number))
        order = next((order for order in orders if order.id == order_id), None)
        return order if order and self.exists(order, now) else None

    def _make_day(self, partner, marketplace, day):
        count = orders_on(self.seed, partner, marketplace, day)
        if not count:
            return ()
        rng = Random(f"{self.seed}/{partner.number}/{marketplace.id}/{day}")
        moments = _moments(rng, count, day, marketplace)
        day_number = (day - FIRST_DAY).days
        orders = [
            _make_order(rng, partner, marketplace, moment, (self.seed, partner.number, marketplace, day_number, index))
            for index, moment in enumerate(moments)
        ]
        return tuple(orders)


def orders_on(seed, partner, marketplace, day):
    """How many orders that marketplace's local day brings."""
    share = partner.shares.get(marketplace.country, 0) * partner.volume
    if not share:
        return 0
    rng = Random(f"{seed}/{partner.number}/{day}")
    draw, base = rng.random(), rng.triangular(5, 60, 18)
    if day in _sale_days(day.year):
        base = rng.uniform(260, 340)
    elif draw < 0.06:
        return 0  # a quiet day everywhere
    elif day.weekday() >= 5:
        base *= 1.2
    own = Random(f"{seed}/{partner.number}/{day}/{marketplace.id}")
    return max(0, round(base * share * own.uniform(0.8, 1.2)))


@lru_cache(maxsize=64)
def _sale_days(year):
    """Black Friday, Cyber Monday and two Prime Days."""
    november, july = date(year, 11, 1), date(year, 7, 1)
    black_friday = november + timedelta(days=(3 - november.weekday()) % 7 + 22)
    prime = july + timedelta(days=(1 - july.weekday()) % 7 + 7)
    return {black_friday, black_friday + timedelta(days=3), prime, prime + timedelta(days=1)}


def _moments(rng, count, day, marketplace):
    """Seconds of the day's orders: daytime mostly, and now and then exactly on a boundary."""
    start, end = local_bounds(day, marketplace.zone)
    length = int(end - start)
    moments = [start + int(rng.triangular(0, length - 1, length * 0.62)) for _ in range(count)]
    edges = [start, end - 1]
    midnight = _seconds(_utc_day(start) + timedelta(days=1))
    edges += [midnight, midnight - 1]
    if length != DAY:  # the hour that comes twice, or is left out
        edges = [start + HOUR, start + HOUR * 3 // 2, start + 2 * HOUR, start + HOUR * 5 // 2, *edges]
    chance = 1 if length != DAY or day.day == 1 else 0.05
    for place, moment in enumerate(edges[:count]):
        if rng.random() < chance and start <= moment < end:
            moments[place] = moment
    return sorted(int(moment) for moment in moments)


def _make_order(rng, partner, marketplace, created, place):
    order = Order()
    order.id = encode(*place)
    order.partner, order.marketplace, order.created = partner, marketplace, created
    order.fulfilled_by = "AMAZON" if rng.random() < 0.72 else "MERCHANT"
    order.service_level = rng.choices(
        ("STANDARD", "EXPEDITED", "SECOND_DAY", "NEXT_DAY", "FREE_ECONOMY"), (60, 20, 8, 7, 5)
    )[0]
    business = rng.random() < 0.08
    programs = []
    if order.fulfilled_by == "AMAZON" and rng.random() < 0.6:
        programs.append("PRIME")
    if business:
        programs.append("AMAZON_BUSINESS")
    if rng.random() < 0.01:
        programs.append("PREMIUM")
    preorder = rng.random() < 0.005
    if preorder:
        programs.append("PREORDER")
    order.programs = programs
    order.alias = f"S-{rng.randrange(10**6):06d}" if rng.random() < 0.3 else None
    order.replaces = None
    if rng.random() < 0.01:
        order.replaces = f"{marketplace.prefix}-{rng.randrange(10**7):07d}-{rng.randrange(10**7):07d}"
    order.non_amazon = order.fulfilled_by == "AMAZON" and rng.random() < 0.01
    order.buyer = (rng.randrange(10**9), business, f"PO-{rng.randrange(10**5):05d}" if business else None)
    order.payment = rng.choices(("CreditCard", "Other", "Invoice"), (80, 12, 8))[0]
    order.cancelled_by = rng.choice(("BUYER", "AMAZON", "MERCHANT"))
    order.cancel_reason = rng.choice(
        ("NO_LONGER_NEEDED", 'Found it cheaper, "elsewhere"', "Delivery takes too long", "Doppelt bestellt – Größe")
    )
    order.items = _make_items(rng, marketplace, order.programs, place)
    order.timeline = _timeline(rng, created, order, preorder)
    return order


def _make_items(rng, marketplace, programs, place):
    count = rng.choices((1, 2, 3, 4), (78, 14, 5, 3))[0]
    items = []
    for index in range(count):
        # Amazon splits a line in two now and then.
        item = _same_again(items[0]) if index and rng.random() < 0.08 else _make_item(rng, marketplace)
        item.id = item_id(*place, index)
        items.append(item)
    return tuple(items)


def _make_item(rng, marketplace):
    item = Item()
    item.product = product = PRODUCTS[min(int(rng.expovariate(1 / 9)), len(PRODUCTS) - 1)]
    if rng.random() < 0.25:
        item.product = product = rng.choice(PRODUCTS)
    item.quantity = rng.choices((1, 2, 3, 5, 12), (85, 9, 3, 2, 1))[0]
    item.unit = _local(product.cents, marketplace)
    item.price = item.unit * item.quantity
    item.shipping = _local(rng.choice((499, 599, 799)), marketplace) if rng.random() < 0.15 else 0
    item.gift = rng.random() < 0.03
    item.wrap = _local(399, marketplace) if item.gift and rng.random() < 0.5 else 0
    rate = {"USD": 0.0825, "CAD": 0.13, "MXN": 0.16, "JPY": 0.10, "AUD": 0.10}.get(marketplace.currency, 0.20)
    if rng.random() < 0.15:
        rate = 0
    item.price_tax, item.shipping_tax, item.wrap_tax = (
        round(amount * rate) for amount in (item.price, item.shipping, item.wrap)
    )
    item.discount = item.shipping_discount = 0
    item.promotions = ()
    if rng.random() < 0.1:
        item.promotions = (f"PAWS-V2-{rng.randrange(10**9):09d}-{rng.randrange(10**6)}",)
        item.discount = round(item.price * rng.choice((0.05, 0.1, 0.2)))
        if item.shipping and rng.random() < 0.5:
            item.shipping_discount = item.shipping
            item.promotions += (f"US Core Free Shipping {rng.randrange(9)}, Promotion",)
    item.programs = []
    if rng.random() < 0.04:
        item.programs.append("SUBSCRIBE_AND_SAVE")
    if rng.random() < 0.02:
        item.programs.append("TRANSPARENCY")
    item.condition = ("USED", "VERY_GOOD") if rng.random() < 0.02 else ("NEW", "NEW")
    item.customized = rng.random() < 0.005
    item.serials = (f"SN{rng.randrange(10**8):08d}",) if rng.random() < 0.01 else ()
    return item


def _same_again(first):
    item = Item()
    for name in Item.__slots__:
        setattr(item, name, getattr(first, name))
    return item


def _timeline(rng, created, order, preorder):
    """Every change that this order will ever see; the first is its creation."""
    steps, moment = [], created
    if preorder:
        steps.append((moment, "PENDING_AVAILABILITY"))
        moment += rng.randrange(2 * DAY, 20 * DAY)
    cancelled = rng.random() < 0.04
    if rng.random() < 0.85:
        steps.append((moment, "PENDING"))
        long = rng.random() < 0.05
        moment += rng.randrange(DAY, 4 * DAY) if long else rng.randrange(20 * 60, 5 * HOUR)
        if cancelled and rng.random() < 0.5:
            return (*steps, (moment, "CANCELLED"))
    steps.append((moment, "UNSHIPPED"))
    if cancelled:
        return (*steps, (moment + rng.randrange(HOUR, 2 * DAY), "CANCELLED"))
    if order.fulfilled_by == "AMAZON" and rng.random() < 0.004:
        return (*steps, (moment + rng.randrange(HOUR, 2 * DAY), "UNFULFILLABLE"))
    moment += rng.randrange(3 * HOUR, 60 * HOUR)
    if len(order.items) > 1 and rng.random() < 0.3:
        steps.append((moment, "PARTIALLY_SHIPPED"))
        moment += rng.randrange(3 * HOUR, 2 * DAY)
    steps.append((moment, "SHIPPED"))
    if rng.random() < 0.12:  # delivered, returned, invoiced: the status stays, the order has changed
        steps.append((moment + rng.randrange(DAY, 12 * DAY), "SHIPPED"))
    return tuple(steps)


def _local(cents, marketplace):
    amount = cents * marketplace.per_dollar
    return round(amount) if marketplace.digits == 2 else round(amount / 100)


def marketplaces_of(partner, ids):
    """Those of `ids` that the partner sells in; all of them when none are named."""
    return tuple(each for each in partner.marketplaces if not ids or each.id in ids)


@lru_cache(maxsize=64)
def zone_of(name):
    return ZoneInfo(name)


@lru_cache(maxsize=20000)
def local_bounds(day, zone):
    """First second of a local day and of the next one."""
    following = day + timedelta(days=1)
    tz = zone_of(zone)
    return tuple(datetime(each.year, each.month, each.day, tzinfo=tz).timestamp() for each in (day, following))


def local_day(seconds, zone):
    return datetime.fromtimestamp(seconds, zone_of(zone)).date()


def _local_days(first, last, zone):
    day, until = local_day(first, zone), local_day(last - 1, zone)
    while day <= until:
        yield day
        day += timedelta(days=1)


def _utc_day(seconds):
    return datetime.fromtimestamp(seconds, UTC).date()


def _seconds(day):
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _by_time(found):
    return found[:2]
