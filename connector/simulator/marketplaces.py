"""The marketplaces that the simulated sellers sell in, and the ids of those they do not."""

from typing import NamedTuple


class Marketplace(NamedTuple):
    country: str
    id: str
    name: str
    domain: str
    region: str
    currency: str
    language: str
    zone: str
    per_dollar: float
    digits: int
    prefix: str
    """First group of an order id, as buyers in that country know it."""


MARKETPLACES = (
    Marketplace(
        "US", "ATVPDKIKX0DER", "Amazon.com", "www.amazon.com", "NA", "USD", "en_US", "America/Los_Angeles", 1, 2, "112"
    ),
    Marketplace(
        "CA",
        "A2EUQ1WTGCTBG2",
        "Amazon.ca",
        "www.amazon.ca",
        "NA",
        "CAD",
        "en_CA",
        "America/Los_Angeles",
        1.36,
        2,
        "702",
    ),
    Marketplace(
        "MX",
        "A1AM78C64UM0Y8",
        "Amazon.com.mx",
        "www.amazon.com.mx",
        "NA",
        "MXN",
        "es_MX",
        "America/Los_Angeles",
        17.2,
        2,
        "701",
    ),
    Marketplace(
        "BR",
        "A2Q3Y263D00KWC",
        "Amazon.com.br",
        "www.amazon.com.br",
        "NA",
        "BRL",
        "pt_BR",
        "America/Sao_Paulo",
        5.1,
        2,
        "700",
    ),
    Marketplace(
        "UK",
        "A1F83G8C2ARO7P",
        "Amazon.co.uk",
        "www.amazon.co.uk",
        "EU",
        "GBP",
        "en_GB",
        "Europe/London",
        0.79,
        2,
        "026",
    ),
    Marketplace(
        "DE", "A1PA6795UKMFR9", "Amazon.de", "www.amazon.de", "EU", "EUR", "de_DE", "Europe/Berlin", 0.92, 2, "304"
    ),
    Marketplace(
        "FR", "A13V1IB3VIYZZH", "Amazon.fr", "www.amazon.fr", "EU", "EUR", "fr_FR", "Europe/Paris", 0.92, 2, "404"
    ),
    Marketplace(
        "JP", "A1VC38T7YXB528", "Amazon.co.jp", "www.amazon.co.jp", "FE", "JPY", "ja_JP", "Asia/Tokyo", 150, 0, "250"
    ),
    Marketplace(
        "AU",
        "A39IBJ37TRP1C6",
        "Amazon.com.au",
        "www.amazon.com.au",
        "FE",
        "AUD",
        "en_AU",
        "Australia/Sydney",
        1.5,
        2,
        "249",
    ),
)
BY_ID = {marketplace.id: marketplace for marketplace in MARKETPLACES}
BY_COUNTRY = {marketplace.country: marketplace for marketplace in MARKETPLACES}

# Marketplaces that exist at Amazon without a seller here: a request for one is answered, not refused as nonsense.
ELSEWHERE = {
    "A28R8C7NBKEWEA": "EU",
    "A1RKKUPIHCS9HS": "EU",
    "AMEN7PMS3EDWL": "EU",
    "A1805IZSGTT6HS": "EU",
    "APJ6JRA9NG5V4": "EU",
    "A2NODRKZP88ZB9": "EU",
    "AE08WJ6YKNBMC": "EU",
    "A1C3SOZRARQ6R3": "EU",
    "ARBP9OOSHTCHU": "EU",
    "A33AVAJ2PDY3EV": "EU",
    "A17E79C6D8DWNP": "EU",
    "A2VIGQ35RCS4UG": "EU",
    "A21TJRUUN4KGV": "EU",
    "A19VAU5U5O7RUS": "FE",
}
REGION_OF = {**{marketplace.id: marketplace.region for marketplace in MARKETPLACES}, **ELSEWHERE}

# Countries whose orders Amazon keeps longer than two years.
SINCE_2016 = {"A1VC38T7YXB528", "A39IBJ37TRP1C6", "A19VAU5U5O7RUS"}
