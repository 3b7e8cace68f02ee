"""What is so, day by day, straight from the world: for tests to compare with what arrived.

Nothing of the paging, of the report writing or of the JSON takes part in these sums.
"""

from collections import defaultdict
from datetime import timedelta

from . import money
from .world import LAST_CHANGE_DAYS, local_bounds, local_day, marketplaces_of


def orders(world, partner, marketplace_ids, first, last, *, zone, by, now, with_ids=True):
    """Per local day: order ids, numbers of orders and items, units, and the sum of order totals by currency.

    `at_midnight` are the orders of the day's first second: they stand in an answer for the day before, too, since Amazon
    includes the end of what it is asked for. Without a zone each marketplace's own is taken.
    """
    days = {str(day): _blank() for day in _days(first, last)}
    for order, moment, zone_of_day, status in _visible(world, partner, marketplace_ids, first, last, zone, by, now):
        day = local_day(moment, zone_of_day)
        entry = days[str(day)]
        entry["ids"].append(order.id)
        entry["orders"] += 1
        entry["at_midnight"] += moment == local_bounds(day, zone_of_day)[0]
        entry["items"] += len(order.items)
        entry["units"] += sum(item.quantity for item in order.items)
        entry["statuses"][status] += 1
        if order.priced(now):
            _add(entry["totals"], order.marketplace, sum(item.total for item in order.items))
            _add(entry["item_prices"], order.marketplace, sum(item.price for item in order.items))
            _add(entry["item_taxes"], order.marketplace, sum(item.price_tax for item in order.items))
    return _summed(days, with_ids)


def flat_file(*args, **options):
    """The same for the all-orders files, which have a line (`rows`) for each item."""
    found = orders(*args, **options)
    for entry in (found, *found["days"].values()):
        entry["rows"] = entry.pop("items")
    return found


def _visible(world, partner, marketplace_ids, first, last, zone, by, now):
    look_back = LAST_CHANGE_DAYS + 2 if by == "last_updated" else 2
    for marketplace in marketplaces_of(partner, marketplace_ids):
        for made_on in _days(first - timedelta(days=look_back), last + timedelta(days=2)):
            for order in world.day(partner, marketplace, made_on):
                if not world.exists(order, now):
                    continue
                status, updated = order.at(now)
                moment = updated if by == "last_updated" else order.created
                if first <= local_day(moment, zone or marketplace.zone) <= last:
                    yield order, moment, zone or marketplace.zone, status


def _blank():
    return {
        "ids": [],
        "orders": 0,
        "at_midnight": 0,
        "items": 0,
        "units": 0,
        "statuses": defaultdict(int),
        "totals": {},
        "item_prices": {},
        "item_taxes": {},
    }


def _add(sums, marketplace, amount):
    before = sums.get(marketplace.currency, (0, marketplace))[0]
    sums[marketplace.currency] = (before + amount, marketplace)


def _summed(days, with_ids):
    whole = _blank()
    for entry in days.values():
        for name in ("orders", "at_midnight", "items", "units"):
            whole[name] += entry[name]
        for status, number in entry["statuses"].items():
            whole["statuses"][status] += number
        for name in ("totals", "item_prices", "item_taxes"):
            for amount, marketplace in entry[name].values():
                _add(whole[name], marketplace, amount)
        entry["ids"].sort()
    written = {day: _written(entry, with_ids) for day, entry in days.items()}
    return {**_written(whole, False), "days": written}


def _written(entry, with_ids):
    content = {name: value for name, value in entry.items() if name != "ids" or with_ids}
    for name in ("totals", "item_prices", "item_taxes"):
        content[name] = {
            currency: money.text(amount, marketplace) for currency, (amount, marketplace) in entry[name].items()
        }
    return content


def _days(first, last):
    day = first
    while day <= last:
        yield day
        day += timedelta(days=1)
