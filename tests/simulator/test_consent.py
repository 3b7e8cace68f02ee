"""The consent page in Seller Central's place."""

import re
from html import unescape
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from tests.simulator.caller import APPLICATION_ID

CONSENT = "/apps/authorize/consent"
RETURN = "http://localhost:8000/accounts/callback"


def ask(amazon, path=CONSENT, **query):
    query = {"application_id": APPLICATION_ID, "state": "a+b/c=", "redirect_uri": RETURN} | query
    return amazon.send("GET", f"{path}?{urlencode({k: v for k, v in query.items() if v is not None})}")


def authorise(amazon, page, partner=None):
    """Press the button as a browser without JavaScript does."""
    html = page.body.decode()
    form = {
        unescape(name): unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', html)
    }
    form["partner"] = partner or re.search(r'value="([^"]*)" checked', html)[1]
    action = re.search(r'action="([^"]*)"', html)[1]
    return amazon.send("POST", action, urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})


def came_back(reply):
    assert reply.status == 302
    parts = urlsplit(reply.headers["location"])
    return parts._replace(query="").geturl(), dict(parse_qsl(parts.query))


def test_the_page_names_the_seller_and_offers_a_button(amazon):
    page = ask(amazon)
    html = page.body.decode()
    assert page.status == 200
    assert "You are about to authorise" in html
    assert "Harbour &amp; Pine Goods" in html
    assert re.search(r'<button type="submit">Authorise</button>', html)
    assert page.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r'(src|href)="', html), "nothing is loaded from anywhere"


def test_authorising_returns_with_state_seller_and_code(amazon):
    address, query = came_back(authorise(amazon, ask(amazon)))
    assert address == RETURN
    assert set(query) == {"state", "selling_partner_id", "spapi_oauth_code"}
    assert query["state"] == "a+b/c="
    assert query["selling_partner_id"] == "A2DEMOSELLER01"
    reply = amazon.token_request(grant_type="authorization_code", code=query["spapi_oauth_code"], redirect_uri=RETURN)
    assert reply.status == 200


def test_another_seller_can_be_chosen(amazon):
    _, query = came_back(authorise(amazon, ask(amazon), "A2DEMOSELLER02"))
    assert query["selling_partner_id"] == "A2DEMOSELLER02"


def test_sellers_and_vendors_have_their_own_page(amazon):
    sellers, vendors = (ask(amazon, path=kind + CONSENT).body.decode() for kind in ("/seller", "/vendor"))
    assert "A2DEMOSELLER01" in sellers and "DEMOV" not in sellers
    assert "DEMOV" in vendors and "A2DEMOSELLER01" not in vendors


def test_the_registered_redirect_uri_is_used_when_none_is_sent(amazon):
    uri = "https://backhaul.example/accounts/callback?x=1"
    amazon.control("applications", {"client_id": "c", "application_id": "amzn1.c", "redirect_uris": [uri]})
    reply = authorise(amazon, ask(amazon, application_id="amzn1.c", redirect_uri=None))
    assert parse_qs(urlsplit(reply.headers["location"]).query)["x"] == ["1"]
    assert reply.headers["location"].startswith(uri + "&")


@pytest.mark.parametrize(
    ("code", "application", "query"),
    [
        ("MD9100", None, {"application_id": "amzn1.sellerapps.app.unknown"}),
        ("MD9100", None, {"application_id": None}),
        ("MD9100", None, {"redirect_uri": None}),
        ("MD5101", None, {"redirect_uri": "https://evil.example/"}),
        ("MD5110", None, {"redirect_uri": RETURN + "#part"}),
        ("MD1000", {"draft": True}, {"application_id": "amzn1.d"}),
        ("SPDC8143", {"error": "SPDC8143"}, {"application_id": "amzn1.d"}),
    ],
)
def test_amazons_error_codes(amazon, code, application, query):
    if application:
        amazon.control("applications", {"client_id": "d", "application_id": "amzn1.d"} | application)
    page = ask(amazon, **query)
    assert page.status == 400
    assert code in page.body.decode()


def test_a_draft_is_authorised_as_beta(amazon):
    amazon.control("applications", {"client_id": "d", "application_id": "amzn1.d", "draft": True})
    page = ask(amazon, application_id="amzn1.d", version="beta")
    assert page.status == 200
    assert came_back(authorise(amazon, page))[1]["spapi_oauth_code"]


def test_what_is_sent_in_is_escaped(amazon):
    assert b"<script>" not in ask(amazon, state='"><script>').body


def test_asking_for_the_page_gives_no_code(amazon):
    page = ask(amazon)
    assert b"spapi_oauth_code" not in page.body and "location" not in page.headers
