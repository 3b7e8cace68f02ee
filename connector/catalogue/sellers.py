"""Reports about the selling partner's own standing."""

from connector.catalogue.fields import Flattener, columns_of, objects, plain
from connector.catalogue.report import Pages, Report

_FIELDS = (
    plain("marketplace_id", "marketplace.id"),
    plain("name", "marketplace.name"),
    plain("country_code", "marketplace.countryCode"),
    plain("default_currency_code", "marketplace.defaultCurrencyCode"),
    plain("default_language_code", "marketplace.defaultLanguageCode"),
    plain("domain_name", "marketplace.domainName"),
    plain("store_name", "storeName"),
    plain("is_participating", "participation.isParticipating", "boolean"),
    plain("has_suspended_listings", "participation.hasSuspendedListings", "boolean"),
)
_row = Flattener(_FIELDS)


def participation_rows(page):
    """One row a marketplace. Amazon's own example is a bare list, its schema wraps it in payload."""
    for entry in objects(page.get("payload") if isinstance(page, dict) else page):
        yield tuple(_row(entry))


MARKETPLACE_PARTICIPATIONS = Report(
    key="marketplace_participations",
    title="Marketplace Participations",
    group="Account",
    audience=("seller",),
    summary="The marketplaces that the account can sell in, and how it stands in each.",
    source=Pages("getMarketplaceParticipations", participation_rows, burst=15),
    columns=columns_of(*_FIELDS),
    key_columns=("marketplace_id",),
    modes=("replace",),
    forced_mode="replace",
    regional=True,
)

REPORTS = (MARKETPLACE_PARTICIPATIONS,)
