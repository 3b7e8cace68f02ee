"""Who can be spoken for: the simulated sellers and vendors.

Refresh tokens that always work, with any application the simulator knows:

=============================  ==================  ======  =====================================================
refresh token                  selling partner id  region  what it sells
=============================  ==================  ======  =====================================================
Atzr|simulator-seller          A2DEMOSELLER01      NA      US, CA, MX; 0 to about 60 orders a day, 300 on sale days
Atzr|simulator-seller-2        A2DEMOSELLER02      NA      US only, fewer orders: the other seller on the consent page
Atzr|simulator-seller-eu       A2DEMOSELLEREU      EU      UK, DE, FR
Atzr|simulator-seller-fe       A2DEMOSELLERFE      FE      JP, AU (orders since 2016)
Atzr|simulator-seller-large    A2DEMOSELLERXL      NA      US, a hundred times the demo seller
Atzr|simulator-seller-empty    A2DEMOSELLERNO      NA      US, has never sold anything
Atzr|simulator-vendor          DEMOV               NA      a vendor: every seller operation refuses it with 403
=============================  ==================  ======  =====================================================
"""

from dataclasses import dataclass, field

from .marketplaces import BY_COUNTRY


@dataclass(frozen=True)
class Partner:
    """A seller or vendor; `shares` says how its orders spread over countries."""

    number: int
    id: str
    name: str
    refresh_token: str
    region: str = "NA"
    kind: str = "seller"
    shares: dict = field(default_factory=dict)
    volume: float = 1.0
    idle: tuple = ()
    """Countries where it is registered without taking part."""

    @property
    def marketplaces(self):
        return tuple(BY_COUNTRY[country] for country in self.shares)


PARTNERS = (
    Partner(
        0,
        "A2DEMOSELLER01",
        "Harbour & Pine Goods",
        "Atzr|simulator-seller",
        shares={"US": 0.7, "CA": 0.2, "MX": 0.1},
        idle=("BR",),
    ),
    Partner(1, "A2DEMOSELLER02", "Quayside Outlet", "Atzr|simulator-seller-2", shares={"US": 1.0}, volume=0.4),
    Partner(
        2,
        "A2DEMOSELLEREU",
        "Hafen & Kiefer GmbH",
        "Atzr|simulator-seller-eu",
        region="EU",
        shares={"UK": 0.4, "DE": 0.4, "FR": 0.2},
    ),
    Partner(
        3,
        "A2DEMOSELLERFE",
        "港と松",
        "Atzr|simulator-seller-fe",
        region="FE",
        shares={"JP": 0.7, "AU": 0.3},
        volume=0.6,
    ),
    Partner(4, "A2DEMOSELLERXL", "Everything Depot", "Atzr|simulator-seller-large", shares={"US": 1.0}, volume=100.0),
    Partner(5, "A2DEMOSELLERNO", "Not Open Yet", "Atzr|simulator-seller-empty", shares={"US": 1.0}, volume=0.0),
    Partner(9, "DEMOV", "Demo Vendor Inc.", "Atzr|simulator-vendor", kind="vendor", shares={"US": 1.0}, volume=0.0),
)
BY_ID = {partner.id: partner for partner in PARTNERS}
BY_NUMBER = {partner.number: partner for partner in PARTNERS}
BY_REFRESH_TOKEN = {partner.refresh_token: partner for partner in PARTNERS}
DEMO_SELLER = PARTNERS[0]
