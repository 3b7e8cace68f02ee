"""Alice's account and datasets, Bob beside her, and a real browser in front of both."""

from datetime import UTC, datetime

import pytest

from tests import days
from tests.journeys.conftest import LISTEN, chromium, rows_beside_a_browser  # noqa: F401
from tests.pages import scenes
from tests.serving import shop


@pytest.fixture(autouse=True)
def one_day(time_machine):
    """Pages show a today of which something is in. In its first half hour there is none, so that these tests begin after it."""
    days.begin()
    if days.day_before(0) != days.meant_by("today"):
        time_machine.move_to(datetime.now(UTC) + days.ASKED_LATE)
        days.begin()


@pytest.fixture
def account(alice):
    return shop.make_account(alice, "Harbour", ("US", "CA"))


@pytest.fixture
def page(client, alice):
    """Alice's browser without JavaScript."""
    client.force_login(alice)
    return client


@pytest.fixture
def loading(alice, account):
    """Alice's dataset with 136 of 730 days in and a run under way; and that run."""
    return scenes.loading(alice, account)


@pytest.fixture
def dataset(loading):
    return loading[0]


@pytest.fixture
def run(loading):
    return loading[1]
