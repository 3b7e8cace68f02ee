"""Where Amazon is asked for an account: the region's own address, or the one that this installation is set up with."""

from urllib.parse import urlsplit

from django.conf import settings

from connector.spapi.marketplaces import REGIONS


def of_region(region: str) -> str:
    """The base address of NA, EU or FE."""
    return settings.SPAPI_ENDPOINTS.get(region) or REGIONS[region]


def host_of(region: str) -> str:
    """Host and port of that address."""
    return urlsplit(of_region(region)).netloc


def regions_of(host: str) -> list[str]:
    """The regions that are asked at this host."""
    return [region for region in REGIONS if host_of(region) == host]
