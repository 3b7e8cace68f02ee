"""Amazon's 23 marketplaces, their regions, and where their sellers and vendors give consent."""

from dataclasses import dataclass

REGIONS = {
    "NA": "https://sellingpartnerapi-na.amazon.com",
    "EU": "https://sellingpartnerapi-eu.amazon.com",
    "FE": "https://sellingpartnerapi-fe.amazon.com",
}


@dataclass(frozen=True)
class Marketplace:
    """`country` is Amazon's own code: the United Kingdom is UK here, though Amazon's answers say GB.

    `zone` is our decision, as Amazon publishes none: the zone of the country's main city, but Pacific time for the
    United States, Canada and Mexico, as their Seller Central pages count days. `domain` is the shop's, and, written as
    Amazon.com, what Amazon's files call its sales channel.
    """

    country: str
    name: str
    id: str
    region: str
    zone: str
    currency: str
    domain: str
    seller_central: str
    vendor_central: str


# fmt: off
MARKETPLACES = (
    Marketplace("CA", "Canada", "A2EUQ1WTGCTBG2", "NA", "America/Los_Angeles", "CAD", "amazon.ca", "https://sellercentral.amazon.ca", "https://vendorcentral.amazon.ca"),
    Marketplace("US", "United States", "ATVPDKIKX0DER", "NA", "America/Los_Angeles", "USD", "amazon.com", "https://sellercentral.amazon.com", "https://vendorcentral.amazon.com"),
    Marketplace("MX", "Mexico", "A1AM78C64UM0Y8", "NA", "America/Los_Angeles", "MXN", "amazon.com.mx", "https://sellercentral.amazon.com.mx", "https://vendorcentral.amazon.com.mx"),
    Marketplace("BR", "Brazil", "A2Q3Y263D00KWC", "NA", "America/Sao_Paulo", "BRL", "amazon.com.br", "https://sellercentral.amazon.com.br", "https://vendorcentral.amazon.com.br"),
    Marketplace("IE", "Ireland", "A28R8C7NBKEWEA", "EU", "Europe/Dublin", "EUR", "amazon.ie", "https://sellercentral.amazon.ie", "https://vendorcentral.amazon.ie"),
    Marketplace("ES", "Spain", "A1RKKUPIHCS9HS", "EU", "Europe/Madrid", "EUR", "amazon.es", "https://sellercentral-europe.amazon.com", "https://vendorcentral.amazon.es"),
    Marketplace("UK", "United Kingdom", "A1F83G8C2ARO7P", "EU", "Europe/London", "GBP", "amazon.co.uk", "https://sellercentral-europe.amazon.com", "https://vendorcentral.amazon.co.uk"),
    Marketplace("FR", "France", "A13V1IB3VIYZZH", "EU", "Europe/Paris", "EUR", "amazon.fr", "https://sellercentral-europe.amazon.com", "https://vendorcentral.amazon.fr"),
    Marketplace("BE", "Belgium", "AMEN7PMS3EDWL", "EU", "Europe/Brussels", "EUR", "amazon.com.be", "https://sellercentral.amazon.com.be", "https://vendorcentral.amazon.com.be"),
    Marketplace("NL", "Netherlands", "A1805IZSGTT6HS", "EU", "Europe/Amsterdam", "EUR", "amazon.nl", "https://sellercentral.amazon.nl", "https://vendorcentral.amazon.nl"),
    Marketplace("DE", "Germany", "A1PA6795UKMFR9", "EU", "Europe/Berlin", "EUR", "amazon.de", "https://sellercentral-europe.amazon.com", "https://vendorcentral.amazon.de"),
    Marketplace("IT", "Italy", "APJ6JRA9NG5V4", "EU", "Europe/Rome", "EUR", "amazon.it", "https://sellercentral-europe.amazon.com", "https://vendorcentral.amazon.it"),
    Marketplace("SE", "Sweden", "A2NODRKZP88ZB9", "EU", "Europe/Stockholm", "SEK", "amazon.se", "https://sellercentral.amazon.se", "https://vendorcentral.amazon.se"),
    Marketplace("ZA", "South Africa", "AE08WJ6YKNBMC", "EU", "Africa/Johannesburg", "ZAR", "amazon.co.za", "https://sellercentral.amazon.co.za", "https://vendorcentral.amazon.co.za"),
    Marketplace("PL", "Poland", "A1C3SOZRARQ6R3", "EU", "Europe/Warsaw", "PLN", "amazon.pl", "https://sellercentral.amazon.pl", "https://vendorcentral.amazon.pl"),
    Marketplace("EG", "Egypt", "ARBP9OOSHTCHU", "EU", "Africa/Cairo", "EGP", "amazon.eg", "https://sellercentral.amazon.eg", "https://vendorcentral.amazon.me"),
    Marketplace("TR", "Turkey", "A33AVAJ2PDY3EV", "EU", "Europe/Istanbul", "TRY", "amazon.com.tr", "https://sellercentral.amazon.com.tr", "https://vendorcentral.amazon.com.tr"),
    Marketplace("SA", "Saudi Arabia", "A17E79C6D8DWNP", "EU", "Asia/Riyadh", "SAR", "amazon.sa", "https://sellercentral.amazon.sa", "https://vendorcentral.amazon.me"),
    Marketplace("AE", "United Arab Emirates", "A2VIGQ35RCS4UG", "EU", "Asia/Dubai", "AED", "amazon.ae", "https://sellercentral.amazon.ae", "https://vendorcentral.amazon.me"),
    Marketplace("IN", "India", "A21TJRUUN4KGV", "EU", "Asia/Kolkata", "INR", "amazon.in", "https://sellercentral.amazon.in", "https://www.vendorcentral.in"),
    Marketplace("SG", "Singapore", "A19VAU5U5O7RUS", "FE", "Asia/Singapore", "SGD", "amazon.sg", "https://sellercentral.amazon.sg", "https://vendorcentral.amazon.com.sg"),
    Marketplace("AU", "Australia", "A39IBJ37TRP1C6", "FE", "Australia/Sydney", "AUD", "amazon.com.au", "https://sellercentral.amazon.com.au", "https://vendorcentral.amazon.com.au"),
    Marketplace("JP", "Japan", "A1VC38T7YXB528", "FE", "Asia/Tokyo", "JPY", "amazon.co.jp", "https://sellercentral.amazon.co.jp", "https://vendorcentral.amazon.co.jp"),
)
# fmt: on
_BY_COUNTRY = {marketplace.country: marketplace for marketplace in MARKETPLACES}
_BY_COUNTRY["GB"] = _BY_COUNTRY["UK"]
_BY_ID = {marketplace.id: marketplace for marketplace in MARKETPLACES}


def by_country(code: str) -> Marketplace:
    """The marketplace of a country code, in either case; KeyError when Amazon has none there."""
    return _BY_COUNTRY[code.upper()]


def by_id(marketplace_id: str) -> Marketplace:
    """The marketplace of Amazon's id; KeyError where it is none of these."""
    return _BY_ID[marketplace_id]
