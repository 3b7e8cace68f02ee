"""Of an order that comes on two pages the later update counts, however Amazon writes the moment."""

import pytest

from connector.catalogue import index
from datasets.backfill.answers.pages import Newest

REPORT = index.get("order_details")
NAMES = [column.name for column in REPORT.columns]


def order(updated, status="SHIPPED"):
    told = {"amazon_order_id": "111-1", "last_update_date": updated, "order_status": status}
    return tuple(told.get(name) for name in NAMES)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2026-11-01T10:00:00Z", "2026-11-01T10:00:01Z"),
        ("2026-11-01T10:00:00Z", "2026-11-01T10:00:00.500Z"),
        ("2026-11-01T10:00:00+02:00", "2026-11-01T09:00:00Z"),
        ("soon", "2026-11-01T10:00:00Z"),
        (None, "2026-11-01T10:00:00Z"),
    ],
)
@pytest.mark.parametrize("newest_first", [False, True])
def test_the_later_update_counts(older, newer, newest_first):
    rows = [order(older, "UNSHIPPED"), order(newer)]
    rows = rows[::-1] if newest_first else rows
    newest = Newest(NAMES, REPORT)

    assert all(newest.look(row) for row in rows)
    assert [row for row in rows if newest.is_newest(row)] == [order(newer)]


def test_one_moment_written_in_two_ways_is_no_later_than_itself():
    rows = [order("2026-11-01T10:00:00Z"), order("2026-11-01T11:00:00+01:00", "UNSHIPPED")]
    newest = Newest(NAMES, REPORT)

    assert all(newest.look(row) for row in rows)
    assert [row for row in rows if newest.is_newest(row)] == rows
