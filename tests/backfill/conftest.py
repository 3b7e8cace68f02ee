"""A connected account and datasets to fill from the simulator."""

import time
from datetime import UTC, datetime

import pytest

from connector.accounts import connect
from connector.catalogue import index
from connector.database.clock import database_now
from datasets.backfill import engine, runs
from datasets.models import Dataset, Run
from tests.checker import Checker
from tests.days import day_of


@pytest.fixture
def fast_amazon(settings, simulator):
    """Amazon's rates and our patience, both a thousand times as quick; orders stay as they are while a test looks."""
    settings.SPAPI_RATE_FACTOR = 1000.0
    simulator.control("/simulator/settings", {"rate_factor": 1000.0, "processing_seconds": 0.3})
    simulator.control("/simulator/clock", {"freeze": True})
    return simulator


@pytest.fixture
def account(alice, fast_amazon, settings):
    settings.LWA_CLIENT_ID = "amzn1.application-oa2-client.simulator"
    settings.LWA_CLIENT_SECRET = "simulator-secret"
    settings.SPAPI_APPLICATION_ID = "amzn1.sellerapps.app.simulator"
    return connect.paste(
        alice, "US seller", "seller", ["US"], "A2DEMOSELLER01", "Atzr|simulator-seller", now=datetime.now(UTC)
    )


@pytest.fixture
def make_dataset(alice, account):
    """A dataset of the account, as the form would save it."""

    def make(report="order_details", *, start="today-4", end="yesterday", mode="append", options=None, **fields):
        answers = index.check_answers(report, options or {})
        if start:
            start, end = day_of(start), day_of(end)
        return Dataset.objects.create(
            slug=fields.pop("slug", f"made_{Dataset.objects.count()}"), name="Made", owner=alice, account=account,
            report=report, options=answers, start=start, end=end, mode=mode, **fields,
        )  # fmt: skip

    return make


@pytest.fixture
def fill(fast_amazon):
    """Runs a dataset until its run is over, in this process, as a worker would turn by turn."""

    def fill(dataset, trigger=Run.Trigger.MANUAL, seconds=60):
        run = finish(runs.start(dataset, trigger, now=database_now()), seconds)
        dataset.refresh_from_db()
        return run

    return fill


@pytest.fixture
def check(simulator):
    """Makes checkers, and closes them."""
    made = []

    def check(dataset):
        made.append(Checker(dataset.pk, simulator))
        return made[-1]

    yield check
    for checker in made:
        checker.close()


def finish(run, seconds=60):
    end = time.monotonic() + seconds
    while run.is_open:
        assert time.monotonic() < end, f"still {run.state}: {run.message}"
        wait = engine.advance(run.pk)
        time.sleep(min(wait or 0.01, 1.0))
        run.refresh_from_db()
    return run
