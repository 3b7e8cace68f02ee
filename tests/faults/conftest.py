"""Amazon at its worst: a connected account, small pages and a clock that need not be waited for."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from connector.catalogue import index
from connector.catalogue.windows import Days
from tests.backfill.conftest import account, check, fast_amazon, fill, make_dataset  # noqa: F401
from tests.days import day_before
from tests.faults.driving import Amazon, Chain, File, Series, busy_days, page_size, three_days


@pytest.fixture
def amazon(fast_amazon):  # noqa: F811
    fast_amazon.control("/simulator/settings", {"processing_seconds": 0.0})
    return Amazon(fast_amazon)


@pytest.fixture
def make_chain(amazon, make_dataset, check, monkeypatch):  # noqa: F811
    """A dataset of orders whose days are read in one chain of four small pages."""

    def make(report="order_details", **fields):
        dataset = make_dataset(report, **fields)
        checker, today = check(dataset), day_before(0)
        ago, orders = busy_days(checker, today)
        first, last = today - timedelta(days=ago + 1), today - timedelta(days=ago)
        dataset.start, dataset.end = first.isoformat(), last.isoformat()
        dataset.save()
        found, size = index.get(report), page_size(orders)
        source = replace(found.source, query={**found.source.query, "maxResultsPerPage": size}, page_rows=size)
        monkeypatch.setitem(index._BY_KEY, report, replace(found, source=source))
        return Chain(dataset, checker, amazon, first, last, math.ceil(orders / size))

    return make


@pytest.fixture
def chain(make_chain):
    return make_chain()


@pytest.fixture
def make_file(amazon, make_dataset, check):  # noqa: F811
    """A dataset of the all-orders file whose days are read in one report."""

    def make(**fields):
        options = {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"}
        dataset = make_dataset("create_and_download_report", options=options, **fields)
        checker, today = check(dataset), day_before(0)
        ago, _ = busy_days(checker, today, file=True, zone=dataset.account.zone, marketplaces=File.marketplaces)
        first, last = today - timedelta(days=ago + 1), today - timedelta(days=ago)
        dataset.start, dataset.end = first.isoformat(), last.isoformat()
        dataset.save()
        return File(dataset, checker, amazon, first, last)

    return make


@pytest.fixture
def file(make_file):
    return make_file()


@pytest.fixture
def series(amazon, make_dataset, check, settings, monkeypatch):  # noqa: F811
    """A dataset of the all-orders file that takes three reports, one for each day."""
    settings.SPAPI_RATE_FACTOR = 1e6  # reports are looked at in the order in which they were asked for
    amazon.set(rate_factor=1e6)
    key = "create_and_download_report"
    monkeypatch.setitem(index._BY_KEY, key, replace(index.get(key), window=Days(1), settling_days=60))
    dataset = make_dataset(key, options={"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"})
    checker, today = check(dataset), day_before(0)
    ago = three_days(checker, today, zone=dataset.account.zone, marketplaces=Series.marketplaces)
    first, last = today - timedelta(days=ago + 2), today - timedelta(days=ago)
    dataset.start, dataset.end = first.isoformat(), last.isoformat()
    dataset.save()
    return Series(dataset, checker, amazon, first, last)
