"""An independent checker: its own connection, its own SQL, no code of the product. It compares rows with Amazon's truth."""

from collections import Counter
from decimal import Decimal

import psycopg

from tests.living import database_url


class Checker:
    """Looks at one dataset's table from outside."""

    def __init__(self, dataset_id, simulator, url=None):
        self.dataset_id, self.simulator = dataset_id, simulator
        self.link = psycopg.connect(url or database_url(), autocommit=True)

    def close(self):
        self.link.close()

    def table(self):
        generation = self.link.execute(
            "SELECT generation FROM datasets_dataset WHERE id = %s", [self.dataset_id]
        ).fetchone()[0]
        return f"data.ds_{self.dataset_id}" + ("" if generation == 1 else f"_g{generation}")

    def truth(self, first, last, *, by="created", zone="America/Los_Angeles", file=False, marketplaces="US"):
        kind = "flat_file" if file else "orders"
        return self.simulator.control(
            f"/simulator/truth/{kind}?from={first}&to={last}&zone={zone}&by={by}&marketplaces={marketplaces}"
        )["days"]

    def orders_by_day(self, column="amazon_order_id"):
        found = {}
        for day, order_id in self.link.execute(f"SELECT _day::text, {column} FROM {self.table()}"):
            found.setdefault(day, Counter())[order_id] += 1
        return found

    def sums_by_day(self, amount="order_total_amount", currency="order_total_currency"):
        found = {}
        statement = (
            f"SELECT _day::text, {currency}, sum({amount}) FROM {self.table()} WHERE {amount} IS NOT NULL GROUP BY 1, 2"
        )
        for day, code, total in self.link.execute(statement):
            found.setdefault(day, {})[code] = total
        return found

    def assert_orders_equal_truth(self, first, last, **how):
        """Each day: the same orders, each once, and the same sums of money."""
        truth, rows, sums = self.truth(first, last, **how), self.orders_by_day(), self.sums_by_day()
        assert set(rows) <= set(truth), f"days nobody asked for: {set(rows) - set(truth)}"
        for day, so in truth.items():
            got = rows.get(day, Counter())
            assert got == Counter(so["ids"]), (
                f"{day}: {len(got)} of {len(so['ids'])} orders; "
                f"missing {list(Counter(so['ids']) - got)[:5]}, too many {list(got - Counter(so['ids']))[:5]}"
            )
            expected = {code: Decimal(total) for code, total in so["totals"].items()}
            assert sums.get(day, {}) == expected, f"{day}: {sums.get(day)} instead of {expected}"
        return sum(len(so["ids"]) for so in truth.values())

    def landings_newest_first(self):
        """Days in the order in which they landed."""
        return [
            day
            for (day,) in self.link.execute(
                "SELECT day FROM datasets_day WHERE dataset_id = %s AND landed_at IS NOT NULL ORDER BY landed_at, id",
                [self.dataset_id],
            )
        ]
