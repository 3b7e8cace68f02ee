"""Flat files that are made from a sample: a document as Amazon sends it, of which the rows are told about other orders.

Samples are written by hand and lie beside the tests, which hold what is read from them against what is declared;
`--samples` names another folder. A sample's first line is the file's, and each further line is a pattern for rows.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from . import flat_file
from .clock import DAY
from .money import text
from .world import marketplaces_of

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "samples"

# What the world knows of an order's item, by the titles that Amazon's files give it.
KNOWN = {
    "amazon-order-id": lambda order, item: order.id,
    "order-id": lambda order, item: order.id,
    "order-item-id": lambda order, item: item.id,
    "merchant-order-id": lambda order, item: order.alias,
    "sku": lambda order, item: item.product.sku,
    "seller-sku": lambda order, item: item.product.sku,
    "asin": lambda order, item: item.product.asin,
    "product-name": lambda order, item: item.product.title,
    "item-name": lambda order, item: item.product.title,
    "quantity": lambda order, item: str(item.quantity),
    "currency": lambda order, item: order.marketplace.currency,
    "item-price": lambda order, item: text(item.price, order.marketplace),
}
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:([T ])(\d\d:\d\d:\d\d)(Z|[+-]\d\d:\d\d)?)?")


@dataclass(frozen=True)
class Sampled:
    """A report type whose rows are told of one order in `one_in`, `later` days after it was placed.

    `by` is the title of the moment that the window goes by; the other dates of a row keep their distance from it. What
    the world knows of the order's items (KNOWN) takes the place of the sample's values; everything else stays.
    """

    report_type: str
    by: str
    later: int = 0
    one_in: int = 4
    longest: int = 366 * DAY

    def is_here(self, simulator):
        return self._file(simulator).exists()

    def reason_to_fail(self, start, end, options):
        if end - start > self.longest:
            return f"The requested date range exceeds the maximum of {self.longest // DAY} days for this report type."
        return ""

    def is_empty(self, simulator, report):
        return next(iter(self.rows(simulator, report)), None) is None

    def columns(self, simulator):
        return read(self._file(simulator))[0]

    def rows(self, simulator, report):
        titles, patterns = read(self._file(simulator))
        shift = self.later * DAY
        now = report.created - simulator.settings.report_lag_seconds
        orders = simulator.world.created(
            report.partner, marketplaces_of(report.partner, ()), report.start - shift, report.end - shift, now
        )
        for order in orders:
            if order.buyer[0] % self.one_in == 0 and order.created + shift <= now:
                for item in order.items:
                    pattern = patterns[int(item.id) % len(patterns)]
                    yield self._row(dict(zip(titles, pattern, strict=True)), order, item, order.created + shift)

    def write(self, report, rows, columns):
        return flat_file.write(rows, columns)

    def charset(self, report):
        """(Python's name, what the storage host calls it)."""
        return flat_file.charset(report.partner)

    def _file(self, simulator):
        return Path(simulator.samples) / f"{self.report_type}.tsv"

    def _row(self, pattern, order, item, moment):
        by = datetime.fromtimestamp(moment, UTC)
        move = by - _moment(pattern[self.by])
        row = {title: _moved(value, move) for title, value in pattern.items()}
        return row | {title: KNOWN[title](order, item) for title in KNOWN.keys() & pattern.keys()}


@lru_cache(maxsize=64)
def read(path):
    """(titles, rows) of a sample."""
    titles, *rows = [tuple(line.split("\t")) for line in path.read_text(encoding="utf-8").splitlines()] or [()]
    if not rows or any(len(row) != len(titles) for row in rows):
        raise ValueError(f"{path.name} needs rows with as many values as there are titles.")
    return titles, rows


def _moment(value):
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _moved(value, move):
    """The value, if it is a date or a moment so much later, written as it was."""
    found = _DATE.fullmatch(value)
    if found is None:
        return value
    day, between, clock, zone = found.groups()
    if clock is None:
        return str(date.fromisoformat(day) + timedelta(days=round(move / timedelta(days=1))))
    moved = datetime.fromisoformat(f"{day}T{clock}") + move
    return f"{moved:%Y-%m-%d}{between}{moved:%H:%M:%S}{zone or ''}"
