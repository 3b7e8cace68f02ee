"""An Amazon application that the simulator knows, and ways to Amazon's consent page and back."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connector.accounts import applications, connect, quota

SELLER_TOKEN = "Atzr|simulator-seller"
EUROPEAN_TOKEN = "Atzr|simulator-seller-eu"
VENDOR_TOKEN = "Atzr|simulator-vendor"
CLIENT_ID = "amzn1.application-oa2-client.simulator"
CLIENT_SECRET = "simulator-secret"
APPLICATION_ID = "amzn1.sellerapps.app.simulator"


@pytest.fixture
def amazon(simulator, settings, db):
    """The simulator, with its application set up as this installation's own and all request quotas untouched."""
    settings.LWA_CLIENT_ID = CLIENT_ID
    settings.LWA_CLIENT_SECRET = CLIENT_SECRET
    settings.SPAPI_APPLICATION_ID = APPLICATION_ID
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    quota.connection().execute("DELETE FROM quota")
    simulator.control("/simulator/settings", {"rate_factor": 1000})
    settings.SPAPI_RATE_FACTOR = 1000
    return simulator


@pytest.fixture
def application(amazon):
    return applications.default()


@pytest.fixture
def account(alice, application):
    """Alice's account of the demo seller."""
    return paste(alice)


def paste(user, **wish):
    wish = {
        "name": "Harbour",
        "kind": "seller",
        "marketplaces": ["US"],
        "selling_partner_id": "A2DEMOSELLER01",
        "refresh_token": SELLER_TOKEN,
        "now": timezone.now(),
    } | wish
    return connect.paste(user, **wish)


def calls(amazon, operation="token"):
    """How often Amazon was asked for this since the last reset."""
    return len(requests(amazon, operation))


def requests(amazon, operation="token"):
    return amazon.control(f"/simulator/requests?operation={operation}")["requests"]


@dataclass
class Browser:
    """A signed-in browser that goes to Amazon's consent page and back."""

    http: Client
    amazon: object

    def leave(self, **wish):
        """Presses Continue to Amazon; returns the consent page's address."""
        wish = {"kind": "seller", "marketplace": "US", "application": applications.default().pk} | wish
        return self.http.post(reverse("account-connect"), wish)

    def state(self, **wish):
        return state_of(self.leave(**wish))

    def consent(self, partner="A2DEMOSELLER01"):
        """What Amazon sends back once the seller has agreed."""
        body = {"application_id": APPLICATION_ID, "selling_partner_id": partner, "redirect_uri": connect.callback_url()}
        return self.amazon.control("/simulator/codes", body)

    def come_back(self, state, **answer):
        query = {"state": state} | (answer or self.consent())
        return self.http.get(reverse("account-callback"), {name: value for name, value in query.items() if value})


def state_of(response):
    return dict(parse_qsl(urlsplit(response["Location"]).query))["state"]


@pytest.fixture
def browser(client, alice, amazon):
    client.force_login(alice)
    return Browser(client, amazon)


def browser_of(user, amazon):
    http = Client()
    http.force_login(user)
    return Browser(http, amazon)
