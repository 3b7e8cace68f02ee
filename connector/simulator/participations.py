"""Sellers v1: where the seller takes part."""

from .answers import json_answer
from .marketplaces import BY_COUNTRY


def get_marketplace_participations(simulator, request, caller):
    countries = [(country, True) for country in caller.partner.shares]
    countries += [(country, False) for country in caller.partner.idle]
    return json_answer({"payload": [_participation(caller.partner, *each) for each in countries]})


def _participation(partner, country, taking_part):
    marketplace = BY_COUNTRY[country]
    return {
        "marketplace": {
            "id": marketplace.id,
            "name": marketplace.name,
            "countryCode": "GB" if country == "UK" else country,
            "defaultCurrencyCode": marketplace.currency,
            "defaultLanguageCode": marketplace.language,
            "domainName": marketplace.domain,
        },
        "storeName": partner.name,
        "participation": {"isParticipating": taking_part, "hasSuspendedListings": False},
    }
