"""Answers as Amazon sends them, of any size, always the same."""

import random
from datetime import date, timedelta

ALL_ORDERS = [
    "amazon-order-id", "merchant-order-id", "purchase-date", "last-updated-date", "order-status",
    "fulfillment-channel", "sales-channel", "order-channel", "ship-service-level", "product-name", "sku", "asin",
    "item-status", "quantity", "currency", "item-price", "item-tax", "shipping-price", "shipping-tax",
    "gift-wrap-price", "gift-wrap-tax", "item-promotion-discount", "ship-promotion-discount", "ship-city",
    "ship-state", "ship-postal-code", "ship-country", "promotion-ids", "is-business-order", "purchase-order-number",
    "price-designation",
]  # fmt: skip


def all_orders(path, rows, *, first_day=1, days=28, seed=1, updated=0):
    """A file of the all-orders report with so many rows over October 2026; `updated` changes that share of them."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("\t".join(ALL_ORDERS) + "\n")
        for number in range(rows):
            day, second = first_day + chance.randrange(days), chance.randrange(86400)
            moment = f"2026-10-{day:02d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}+00:00"
            price = f"{chance.randrange(500, 20000) / 100:.2f}"
            if updated and number % updated == 0:
                price = "1.00"
            file.write(
                "\t".join(
                    (
                        f"{chance.randrange(1000):03d}-{number:07d}-{chance.randrange(10**7):07d}", "", moment, moment, "Shipped",
                        "Amazon", "Amazon.com", "", "Expedited", f"Stainless steel water bottle, {chance.randrange(10**6)} ml",
                        f"SKU-{chance.randrange(10**5):05d}", f"B0{chance.randrange(10**8):08d}", "Shipped",
                        str(chance.randrange(1, 4)), "USD", price, "1.25", "5.99", "0.48", "", "", "", "",
                        "San Francisco", "CA", f"{chance.randrange(10**5):05d}", "US", "", "false", "", "",
                    )
                )
                + "\n"
            )  # fmt: skip
    return path


def order_pages(folder, orders, page=100):
    """Pages of searchOrders over October 2026, made of the simulator's orders: each comes again under other ids."""
    import orjson

    from connector.simulator import marketplaces, order_json, partners, world

    place = marketplaces.BY_COUNTRY["US"]
    known = world.World()
    now = date(2026, 11, 20)
    at = world._seconds(now)
    included = (*order_json.ORDER_PARTS, "PACKAGES", "PROMOTION", "CANCELLATION", "EXPENSE")
    made = [
        order_json.render(order, at, included)
        for day in range(1, 29)
        for order in known.day(partners.DEMO_SELLER, place, date(2026, 10, 1) + timedelta(days=day - 1))
    ]
    folder.mkdir()
    for number in range(0, orders, page):
        content = []
        for place in range(number, min(number + page, orders)):
            order = dict(made[place % len(made)], orderId=f"113-{place:07d}-{place * 7919 % 10**7:07d}")
            content.append(order)
        (folder / f"page-{number // page:06d}.json").write_bytes(orjson.dumps({"orders": content}))
    return folder
