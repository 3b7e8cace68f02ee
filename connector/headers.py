"""Security headers: browsers load content only from this site. The policy stands in settings in the shape of Django
6's SECURE_CSP."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from connector.spapi.marketplaces import MARKETPLACES

HEADER = "Content-Security-Policy"
ALWAYS = {
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@lru_cache(maxsize=8)
def _form_targets(seller_central: str, vendor_central: str) -> list[str]:
    """Where a form of ours may lead: the button Connect ends, by a redirect, on one of Amazon's consent pages."""
    sellers = {seller_central} if seller_central else {place.seller_central for place in MARKETPLACES}
    vendors = {vendor_central} if vendor_central else {place.vendor_central for place in MARKETPLACES}
    return ["'self'", *sorted(sellers | vendors)]


def build_policy(policy: Mapping[str, Iterable[str]]) -> str:
    """The header's text for a policy."""
    return "; ".join(" ".join([name, *sources]) for name, sources in policy.items())


class SecurityHeaders:
    """Every answer carries the policy, errors and static files too; a view that set its own keeps it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        targets = _form_targets(settings.SELLER_CENTRAL_URL, settings.VENDOR_CENTRAL_URL)
        response.headers.setdefault(HEADER, build_policy(settings.SECURE_CSP | {"form-action": targets}))
        for name, value in ALWAYS.items():
            response.headers.setdefault(name, value)
        return response
