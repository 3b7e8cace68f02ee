"""Each report type that is offered can be tried out, and is told of in the users' page."""

from pathlib import Path

import pytest

from connector.catalogue.create_and_download import TYPES
from connector.simulator.report_types import REPORT_TYPES

USERS = " ".join((Path(__file__).parents[2] / "docs" / "users.md").read_text().split())


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_it_has_a_maker_and_a_line(kind):
    assert kind.name in REPORT_TYPES
    assert kind.title in USERS
