"""Order ids that look like Amazon's and still say where in the world the order is.

The fourteen digits after the prefix are the place (partner, marketplace, day, index), shuffled in a way that can be
undone, so an id is found again without an index of all orders.
"""

from .marketplaces import MARKETPLACES

HALF = 10**7
ROUNDS = 4
INDEX = {marketplace.id: number for number, marketplace in enumerate(MARKETPLACES)}
BY_PREFIX = {marketplace.prefix: marketplace for marketplace in MARKETPLACES}


def _place(partner_number, marketplace, day_number, index):
    return ((partner_number * 10 + INDEX[marketplace.id]) * 10**5 + day_number) * 10**5 + index


def encode(seed, partner_number, marketplace, day_number, index):
    digits = _shuffled(seed, _place(partner_number, marketplace, day_number, index))
    return f"{marketplace.prefix}-{digits[:7]}-{digits[7:]}"


def item_id(seed, partner_number, marketplace, day_number, index, item):
    return _shuffled(seed + 7, _place(partner_number, marketplace, day_number, index) * 4 + item)


def decode(seed, order_id):
    """(partner number, marketplace, day number, index), or None for an id that was never given."""
    groups = order_id.split("-")
    if [len(group) for group in groups] != [3, 7, 7] or not "".join(groups).isascii():
        return None
    marketplace = BY_PREFIX.get(groups[0])
    if marketplace is None or not "".join(groups).isdigit():
        return None
    place, index = divmod(_in_order(seed, int(groups[1]), int(groups[2])), 10**5)
    place, day_number = divmod(place, 10**5)
    partner_number, number = divmod(place, 10)
    if partner_number > 9 or number != INDEX[marketplace.id]:
        return None
    return partner_number, marketplace, day_number, index


def _mix(seed, turn, half):
    """Any function of a half will do; this one spreads neighbours far apart."""
    mixed = (half * 2654435761 + (seed + turn) * 40503 + 97) & 0xFFFFFFFF
    return (mixed ^ (mixed >> 15)) * 2246822519 & 0xFFFFFFFF


def _shuffled(seed, place):
    left, right = divmod(place, HALF)
    for turn in range(ROUNDS):
        left, right = right, (left + _mix(seed, turn, right)) % HALF
    return f"{left:07d}{right:07d}"


def _in_order(seed, left, right):
    for turn in reversed(range(ROUNDS)):
        left, right = (right - _mix(seed, turn, left)) % HALF, left
    return left * HALF + right
