"""Generated queries against a plain Python oracle over the same rows."""

import csv
import json
import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving import shop

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
EXAMPLES = int(os.environ.get("GENERATED_QUERIES", "150"))
ROWS = shop.orders(150, seed=11)
ZONES = ("America/Los_Angeles", "UTC", "Asia/Tokyo")
KINDS = {column["name"]: column["type"] for column in shop.COLUMNS} | {"_day": "date"}


@pytest.fixture(scope="module")
def orders(make):
    return make.dataset("orders_us", rows=ROWS)


def values_of(kind):
    """A value, as it is written in a URL."""
    existing = {
        "text": [text for text in shop.NASTY if text is not None] + ["zzz", "p", "A"],
        "bigint": ["0", "1", "2", "-4", "1099511627776", "99999999999999999999", "1.5", "+1", "1e0"],
        "numeric": ["19.90", "19.9", "0", "0.00", "-1", "1e3", "5000.005"],
        "boolean": ["true", "false", "1", "0", "T", "no"],
        "date": ["2026-09-10", "2026-09-30", "2020-01-01", "2026-10-02"],
        "timestamptz": [
            "2026-09-10",
            "2026-09-10T07:00:00Z",
            "2026-09-20T12:30:00+02:00",
            "2026-09-15T00:00:00",
            "2026-09-03 05:00:00Z",
        ],
    }
    return st.sampled_from(existing[kind])


@st.composite
def filters(draw):
    column = draw(st.sampled_from(sorted(KINDS)))
    kind = KINDS[column]
    ops = ["", "ne", "gt", "gte", "lt", "lte", "in", "isnull"] + (["contains", "startswith"] if kind == "text" else [])
    op = draw(st.sampled_from(ops))
    if op == "isnull":
        value = draw(st.sampled_from(["1", "0", "true"]))
    elif op == "in":
        listed = draw(st.lists(values_of(kind), min_size=1, max_size=4))
        value = ",".join('"' + item.replace('"', '""') + '"' for item in listed)
    else:
        value = draw(values_of(kind))
    return column, op, value


@st.composite
def queries(draw):
    return {
        "filters": draw(st.lists(filters(), max_size=3)),
        "sort": draw(st.lists(st.sampled_from(sorted(KINDS)), unique=True, max_size=3)),
        "down": draw(st.integers(0, 7)),
        "limit": draw(st.sampled_from([1, 3, 10, 100, 1000])),
        "zone": draw(st.sampled_from(ZONES)),
    }


# The oracle


def meaning(kind, text, zone):
    """The value, or a (start, end) for a whole day of an instant."""
    if kind == "text":
        return text
    if kind in ("bigint", "numeric"):
        return Decimal(text)
    if kind == "boolean":
        return text.lower() in ("true", "1", "t")
    if kind == "date":
        return date.fromisoformat(text)
    if len(text) == 10:
        day = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
        return day.astimezone(UTC), (day + timedelta(days=1)).astimezone(UTC)
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def holds(row, column, op, text, zone):
    kind, value = KINDS[column], row[column]
    if op == "isnull":
        return (value is None) == (text in ("1", "true"))
    if op == "in":
        return any(holds(row, column, "", item, zone) for item in next(csv.reader([text], strict=True)))
    wanted = meaning(kind, text, zone)
    if isinstance(wanted, tuple):
        start, end = wanted
        inside = value is not None and start <= value < end
        if op in ("", "ne"):
            return inside if op == "" else not inside
        if value is None:
            return False
        return {"gte": value >= start, "gt": value >= end, "lt": value < start, "lte": value < end}[op]
    if op == "ne":
        return value is None or value != wanted
    if value is None:
        return False
    if op == "contains":
        return wanted in value
    if op == "startswith":
        return value.startswith(wanted)
    if kind == "text":  # by code point
        value, wanted = value.encode(), wanted.encode()
    return {
        "": value == wanted,
        "gt": value > wanted,
        "gte": value >= wanted,
        "lt": value < wanted,
        "lte": value <= wanted,
    }[op]


def ordered(rows, sort, down):
    rows = list(rows)
    for place in reversed(range(len(sort))):
        name, descending = sort[place], bool(down >> place & 1)

        def key(row, name=name):
            value = row[name]
            return value.encode() if isinstance(value, str) else value

        # sorted(reverse=True) keeps ties in their order, as `_id` does
        there = [row for row in rows if row[name] is not None]
        rows = sorted(there, key=key, reverse=descending) + [row for row in rows if row[name] is None]
    return rows


def written(asked):
    pairs = [(column + ("__" + op if op else ""), value) for column, op, value in asked["filters"]]
    signs = ["-" if asked["down"] >> place & 1 else "" for place in range(len(asked["sort"]))]
    pairs.append(("_sort", ",".join(sign + name for sign, name in zip(signs, asked["sort"], strict=True))))
    return [*pairs, ("_limit", asked["limit"]), ("_tz", asked["zone"]), ("_select", "amazon_order_id")]


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(asked=queries())
def test_every_query_gives_what_the_oracle_gives(client, orders, bearer, asked):
    wanted = [row for row in ROWS if all(holds(row, *one, asked["zone"]) for one in asked["filters"])]
    wanted = [row["amazon_order_id"] for row in ordered(wanted, asked["sort"], asked["down"])]

    page = client.get(
        "/api/v1/datasets/orders_us/rows.json?" + urlencode([*written(asked), ("_count", "exact")]), headers=bearer
    )
    export = client.get("/api/v1/datasets/orders_us/export.json?" + urlencode(written(asked)), headers=bearer)

    exported = json.loads(b"".join(export.streaming_content)) if export.streaming else export.json()
    assert page.status_code == 200, page.content
    assert [row["amazon_order_id"] for row in page.json()["rows"]] == wanted[: asked["limit"]]
    assert page.json()["count"] == {"value": len(wanted), "exact": True}
    assert (page.json()["next"] is None) == (len(wanted) <= asked["limit"])
    assert [row["amazon_order_id"] for row in exported] == wanted[: asked["limit"]]
