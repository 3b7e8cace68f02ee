"""The marketplaces: all of them, each once, each in its place."""

from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest

from connector.spapi.marketplaces import MARKETPLACES, REGIONS, by_country, by_id


def test_there_are_23_and_none_twice():
    assert len(MARKETPLACES) == 23
    assert len({marketplace.id for marketplace in MARKETPLACES}) == 23
    assert len({marketplace.country for marketplace in MARKETPLACES}) == 23
    assert len({marketplace.domain for marketplace in MARKETPLACES}) == 23


@pytest.mark.parametrize("marketplace", MARKETPLACES, ids=lambda marketplace: marketplace.country)
def test_each_is_complete(marketplace):
    assert marketplace.region in REGIONS
    ZoneInfo(marketplace.zone)
    assert len(marketplace.currency) == 3
    assert by_country(marketplace.country) is by_country(marketplace.country.lower()) is marketplace
    assert by_id(marketplace.id) is marketplace
    for address in (marketplace.seller_central, marketplace.vendor_central):
        parts = urlsplit(address)
        assert parts.scheme == "https" and not parts.path and "central" in parts.netloc


def test_the_united_kingdom_is_known_by_both_its_codes():
    assert by_country("GB") is by_country("UK") and by_country("UK").country == "UK"


def test_countries_belong_to_their_regions():
    regions = {region: {m.country for m in MARKETPLACES if m.region == region} for region in REGIONS}

    assert regions["NA"] == {"CA", "US", "MX", "BR"} and regions["FE"] == {"SG", "AU", "JP"}


def test_an_unknown_country_has_no_marketplace():
    for unknown in ("XX", "", "USA"):
        with pytest.raises(KeyError):
            by_country(unknown)
