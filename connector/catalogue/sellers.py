"""Reports about the selling partner's own standing."""

from connector.catalogue import outline
from connector.catalogue.report import Pages, Report

MARKETPLACE_PARTICIPATIONS = Report(
    key="marketplace_participations", title="Marketplace Participations", group="Account", audience=("seller",),
    summary="The marketplaces that the account can sell in, and its status in each.",
    source=Pages("getMarketplaceParticipations", outline.read("marketplace_participations")),
    modes=("replace",), regional=True,
)  # fmt: skip

REPORTS = (MARKETPLACE_PARTICIPATIONS,)
