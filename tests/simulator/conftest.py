import pytest

from tests.simulator.caller import running_amazon

NOON = "2026-08-15T12:00:00Z"


@pytest.fixture(scope="session")
def one_amazon():
    with running_amazon() as amazon:
        yield amazon


@pytest.fixture
def amazon(one_amazon):
    """Amazon on a summer's noon that lasts, with nothing having happened yet."""
    one_amazon.control("reset", {})
    one_amazon.forget_tokens()
    one_amazon.freeze(NOON)
    return one_amazon
