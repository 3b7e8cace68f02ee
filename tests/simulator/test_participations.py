"""getMarketplaceParticipations."""

import pytest

PATH = "/sellers/v1/marketplaceParticipations"


def test_the_seller_takes_part_in_three_countries_and_is_idle_in_one(amazon):
    payload = amazon.get(PATH).json["payload"]
    assert {each["marketplace"]["countryCode"]: each["participation"]["isParticipating"] for each in payload} == {
        "US": True,
        "CA": True,
        "MX": True,
        "BR": False,
    }
    assert payload[0] == {
        "marketplace": {
            "id": "ATVPDKIKX0DER",
            "name": "Amazon.com",
            "countryCode": "US",
            "defaultCurrencyCode": "USD",
            "defaultLanguageCode": "en_US",
            "domainName": "www.amazon.com",
        },
        "storeName": "Harbour & Pine Goods",
        "participation": {"isParticipating": True, "hasSuspendedListings": False},
    }


def test_the_united_kingdom_is_gb(amazon):
    payload = amazon.get(PATH, seller="Atzr|simulator-seller-eu").json["payload"]
    assert [each["marketplace"]["countryCode"] for each in payload] == ["GB", "DE", "FR"]


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_another_method_is_denied(amazon, method):
    assert amazon.call(method, PATH, body={}).status == 403


def test_vendors_are_denied(amazon):
    assert amazon.get(PATH, seller="Atzr|simulator-vendor").status == 403
