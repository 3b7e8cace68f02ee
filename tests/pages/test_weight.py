"""The long pages travel packed, those that are fetched again every few seconds too."""

import gzip

import pytest

from tests.pages import scenes
from tests.serving import shop

pytestmark = pytest.mark.django_db
LIGHT = 100_000
PACKED = {"Accept-Encoding": "gzip, br"}


@pytest.fixture
def addresses(client, alice):
    dataset, run = scenes.loading(alice, shop.make_account(alice, "Harbour", ("US", "CA")))
    client.force_login(alice)
    page = f"/datasets/{dataset.slug}"
    return {"list": "/", "two years": f"{page}?months=all", "days": f"{page}/days", "run": f"/runs/{run.pk}"}


@pytest.mark.parametrize("name", ["list", "two years", "days", "run"])
def test_a_page_weighs_less_than_its_words(client, addresses, name):
    plain = client.get(addresses[name])
    packed = client.get(addresses[name], headers=PACKED)

    assert packed["Content-Encoding"] == "gzip" and "Accept-Encoding" in packed["Vary"]
    assert len(packed.content) < min(LIGHT, len(plain.content) / 2)
    assert plain.context["user"].get_username() in gzip.decompress(packed.content).decode()


def test_what_is_fetched_again_every_few_seconds_is_packed_too(client, addresses):
    polled = client.get(addresses["two years"], headers=PACKED | {"HX-Request": "true"})

    assert polled["Content-Encoding"] == "gzip"
    assert len(polled.content) < LIGHT / 2
