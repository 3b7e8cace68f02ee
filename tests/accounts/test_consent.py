"""The way to Amazon's consent page and back."""

import threading
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connector.accounts import applications, connect
from connector.accounts.models import Account, Application, Consent
from tests.accounts.conftest import APPLICATION_ID, Browser, browser_of, calls, minutes_later, requests, state_of


@pytest.fixture
def nothing_saved():
    yield
    assert not Account.objects.exists()


def refused(response, said):
    assert response.status_code == 400
    assert said in response.content.decode()
    assert "Nothing was saved" in response.content.decode()
    return True


# There


def test_continue_leads_to_the_consent_page_of_the_marketplace(browser, settings):
    settings.SELLER_CENTRAL_URL = ""

    response = browser.leave(marketplace="DE")

    assert response.status_code == 302
    address = urlsplit(response["Location"])
    assert (address.scheme, address.netloc) == ("https", "sellercentral-europe.amazon.com")
    assert address.path == "/apps/authorize/consent"
    query = parse_qs(address.query)
    assert query["application_id"] == [APPLICATION_ID]
    assert set(query) == {"application_id", "state"}
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "no-store"


def test_vendors_go_to_vendor_central(browser, settings):
    settings.VENDOR_CENTRAL_URL = ""

    assert urlsplit(browser.leave(kind="vendor", marketplace="UK")["Location"]).netloc == "vendorcentral.amazon.co.uk"


def test_a_draft_application_is_asked_for_as_one(browser):
    assert "version=beta" in browser.leave(draft="on")["Location"]


def test_the_consent_page_can_be_replaced(browser, settings, simulator):
    assert browser.leave()["Location"].startswith(f"{simulator.url}/apps/authorize/consent?")


def test_states_are_long_never_the_same_and_never_stored_as_they_are(alice, application):
    now = timezone.now()

    addresses = [connect.begin(alice, "session", application, "seller", "US", now=now) for _ in range(200)]

    states = {parse_qs(urlsplit(address).query)["state"][0] for address in addresses}
    assert len(states) == 200
    assert min(len(state) for state in states) >= 43  # 256 bits
    kept = b"".join(bytes(row.state_hash) for row in Consent.objects.all())
    assert not [state for state in states if state.encode() in kept]


def test_an_application_without_an_id_cannot_ask_for_consent(browser, settings):
    settings.SPAPI_APPLICATION_ID = ""

    response = browser.leave()

    assert response.status_code == 200
    assert "has no application id" in response.content.decode()
    assert not Consent.objects.exists()


def test_a_name_that_is_taken_is_said_before_amazon_is_asked(browser, account):
    response = browser.leave(name=account.name.upper())

    assert "already have an account named" in response.content.decode()


def test_without_any_application_the_page_says_so(browser, settings):
    settings.LWA_CLIENT_ID = ""
    Application.objects.all().delete()

    page = browser.http.get(reverse("account-connect")).content.decode()

    assert "no Amazon application to connect with" in page


# And back


def test_a_seller_is_connected_with_its_marketplaces_and_named(browser):
    response = browser.come_back(browser.state())

    account = Account.objects.get()
    assert response.status_code == 302
    assert response["Location"] == reverse("account", args=[account.pk])
    assert account.owner.username == "alice"
    assert account.marketplaces == ["US", "CA", "MX"]  # not Brazil, where it does not take part
    assert account.selling_partner_id == "A2DEMOSELLER01"
    assert account.name == "Harbour & Pine Goods NA"
    assert account.refresh_token.startswith("Atzr|")
    assert account.works
    page = browser.http.get(response["Location"]).content.decode()
    assert "Connected seller A2DE… (US, CA, MX)" in page


def test_the_name_that_was_given_is_taken(browser):
    browser.come_back(browser.state(name="My shop"))

    assert Account.objects.get().name == "My shop"


def test_the_same_seller_twice_gets_a_second_name_and_is_told(browser):
    browser.come_back(browser.state())
    response = browser.come_back(browser.state())

    names = sorted(Account.objects.values_list("name", flat=True))
    assert names == ["Harbour & Pine Goods NA", "Harbour & Pine Goods NA 2"]
    assert "is also connected as" in browser.http.get(response["Location"]).content.decode()


def test_a_vendor_keeps_the_marketplace_chosen(browser, amazon):
    response = browser.come_back(browser.state(kind="vendor", marketplace="CA"), **browser.consent("DEMOV"))

    account = Account.objects.get()
    assert response.status_code == 302
    assert (account.kind, account.marketplaces, account.selling_partner_id) == ("vendor", ["CA"], "DEMOV")
    assert calls(amazon, "getMarketplaceParticipations") == 0


def test_the_home_marketplace_stays_first(browser):
    browser.come_back(browser.state(marketplace="MX"))

    assert Account.objects.get().marketplaces == ["MX", "US", "CA"]


def test_a_marketplace_that_amazon_does_not_list_is_said(browser):
    response = browser.come_back(browser.state(marketplace="BR"))

    assert Account.objects.get().marketplaces == ["US", "CA", "MX"]
    assert "Amazon does not list BR" in browser.http.get(response["Location"]).content.decode()


def test_the_marketplace_chosen_is_kept_when_amazon_cannot_list_them(browser, amazon):
    amazon.control("/simulator/faults", {"operation": "getMarketplaceParticipations", "kind": "500"})

    response = browser.come_back(browser.state(marketplace="CA"))

    assert Account.objects.get().marketplaces == ["CA"]
    assert "could not be confirmed" in browser.http.get(response["Location"]).content.decode()


def test_the_code_is_exchanged_with_the_redirect_address_of_this_installation(browser, amazon):
    browser.come_back(browser.state())

    (call,) = requests(amazon)
    assert call["body"]["redirect_uri"] == "http://127.0.0.1:8000/accounts/callback"


def test_the_wizard_gets_its_person_back_with_the_account(browser):
    response = browser.come_back(browser.state(return_to="/datasets/new?report=order_details&account=old"))

    account = Account.objects.get()
    assert response["Location"] == f"/datasets/new?report=order_details&account={account.pk}"


@pytest.mark.parametrize(
    "hostile",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "http:evil.example",
        "evil",
        "/" + "a" * 5000,
        "///evil.example",
        "/%00\x00",
    ],
)
def test_nobody_is_led_away_from_this_site(browser, hostile):
    response = browser.come_back(browser.state(return_to=hostile))

    assert response["Location"] == reverse("account", args=[Account.objects.get().pk])


def test_the_way_back_is_kept_private(browser):
    for response in (browser.come_back(browser.state()), browser.come_back("wrong")):
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["Cache-Control"] == "no-store"


# What is refused


def test_a_wrong_state_is_refused(browser, amazon, nothing_saved):
    browser.state()

    assert refused(browser.come_back("A" * 43), "does not belong to any connection")
    assert calls(amazon) == 0


def test_a_used_state_is_refused(browser, amazon):
    state = browser.state()
    browser.come_back(state)

    assert refused(browser.come_back(state), "has already been used")
    assert Account.objects.count() == 1
    assert calls(amazon) == 1


def test_an_old_state_is_refused(alice, application, amazon, nothing_saved):
    begun = timezone.now()
    state = parse_qs(urlsplit(connect.begin(alice, "s", application, "seller", "US", now=begun)).query)["state"][0]

    with pytest.raises(connect.ConsentRefused, match="More than 10 minutes"):
        connect.complete(alice, "s", state, "code", "A1", now=begun + timedelta(minutes=11))
    assert calls(amazon) == 0


def test_a_state_of_another_browser_is_refused(browser, alice, amazon, nothing_saved):
    state = browser.state()

    assert refused(browser_of(alice, amazon).come_back(state), "another browser")
    assert calls(amazon) == 0


def test_a_state_of_another_user_is_refused(browser, bob, amazon):
    state = browser.state()

    assert refused(browser_of(bob, amazon).come_back(state), "started by someone else")
    assert calls(amazon) == 0
    assert browser.come_back(state).status_code == 302  # and it is still good for the one who began


def test_a_state_after_signing_out_and_in_again_is_refused(browser, alice, nothing_saved):
    state = browser.state()
    browser.http.logout()
    browser.http.force_login(alice)

    assert refused(browser.come_back(state), "before you signed in again")


def test_coming_back_signed_out_saves_nothing(browser, amazon, nothing_saved):
    state = browser.state()

    assert refused(Browser(Client(), amazon).come_back(state), "You are no longer signed in")
    assert calls(amazon) == 0


@pytest.mark.parametrize("missing", ["state", "spapi_oauth_code", "selling_partner_id"])
def test_an_incomplete_answer_is_refused(browser, missing, amazon, nothing_saved):
    answer = {"state": browser.state()} | browser.consent()
    del answer[missing]

    assert refused(browser.http.get(reverse("account-callback"), answer), "answer is incomplete")
    assert calls(amazon) == 0


@pytest.mark.parametrize("partner", ["A1 B2", "<script>", "A" * 65, "A1\x00"])
def test_a_strange_seller_id_is_refused(browser, partner, amazon, nothing_saved):
    answer = browser.consent() | {"selling_partner_id": partner}

    assert refused(browser.come_back(browser.state(), **answer), "an unexpected form")


@pytest.mark.parametrize("code", ["unknown", "\x00", "ü" * 50, "a" * 5000])
def test_an_unknown_code_is_refused(browser, code, nothing_saved):
    answer = browser.consent() | {"spapi_oauth_code": code}

    assert browser.come_back(browser.state(), **answer).status_code == 400


def test_a_code_is_not_tried_again_when_amazon_is_out_of_order(browser, amazon, nothing_saved):
    amazon.control("/simulator/faults", {"operation": "token", "kind": "500", "count": 1})
    state, answer = browser.state(), browser.consent()

    assert refused(browser.come_back(state, **answer), "could not be reached or is not working")
    assert refused(browser.come_back(state, **answer), "has already been used")
    assert calls(amazon) == 1


def test_a_secret_rejected_twice_marks_the_application(browser, amazon, settings, nothing_saved):
    """One bad answer to one person pauses nobody's accounts; the person is told at once."""
    settings.LWA_CLIENT_SECRET = "not the secret"

    response = browser.come_back(browser.state())

    assert refused(response, "LWA_CLIENT_SECRET")
    assert applications.default().is_ready

    minutes_later()
    assert refused(browser.come_back(browser.state()), "LWA_CLIENT_SECRET")
    assert not applications.default().is_ready


def test_the_callback_has_no_say_in_application_or_region(browser, alice, amazon):
    """Mix-up: another application's code under this state goes to this state's application, which refuses it."""
    amazon.control(
        "/simulator/applications",
        {
            "client_id": "other",
            "client_secret": "other",
            "application_id": "amzn1.sp.solution.other",
            "redirect_uris": ["http://127.0.0.1:8000/accounts/callback"],
        },
    )
    code = amazon.control(
        "/simulator/codes", {"application_id": "amzn1.sp.solution.other", "selling_partner_id": "A2DEMOSELLER01"}
    )

    response = browser.come_back(
        browser.state(), **code, region="EU", application_id="amzn1.sp.solution.other", client_id="other"
    )

    assert refused(response, "did not accept the code")
    assert [call["client_id"] for call in requests(amazon)] == [applications.default().client_id]
    assert not Account.objects.exists()


@pytest.mark.parametrize("method", ["post", "head", "put", "delete", "options"])
def test_only_a_plain_visit_completes_a_consent(browser, method, nothing_saved):
    answer = {"state": browser.state()} | browser.consent()

    response = getattr(browser.http, method)(
        f"{reverse('account-callback')}?" + "&".join(f"{k}={v}" for k, v in answer.items())
    )

    assert response.status_code == 405


@pytest.mark.django_db(transaction=True)
def test_of_thirty_simultaneous_returns_one_is_taken(browser, amazon):
    state, answer = browser.state(), browser.consent()
    cookies = browser.http.cookies
    barrier, codes = threading.Barrier(30, timeout=60), []  # a server takes a hundred from all tests

    def come_back():
        http = Client()
        http.cookies = cookies
        barrier.wait()
        try:
            codes.append(Browser(http, amazon).come_back(state, **answer).status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=come_back) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(codes) == [302] + [400] * 29
    assert calls(amazon) == 1
    assert Account.objects.count() == 1


# Again


def test_reauthorising_keeps_the_account_and_renews_its_token(browser, account):
    before = account.refresh_token
    account.mark_needs_consent("gone")

    state = state_of(browser.http.post(reverse("account-reauthorize", args=[account.pk])))
    response = browser.come_back(state)

    again = Account.objects.get()
    assert response["Location"] == reverse("account", args=[account.pk])
    assert (again.pk, again.name, again.marketplaces[0]) == (account.pk, account.name, "US")
    assert again.refresh_token != before
    assert again.works
    assert again.message == ""


def test_nothing_that_happens_to_an_account_sets_the_clock_of_its_days(browser, account):
    """Days that are in were counted by it: another one would count the hours between twice, or not at all."""
    Account.objects.update(marketplaces=["MX"])

    browser.come_back(state_of(browser.http.post(reverse("account-reauthorize", args=[account.pk]))))

    again = Account.objects.get()
    assert again.marketplaces == ["MX", "US", "CA"]
    again.add_marketplaces(["BR"])
    assert Account.objects.get().home.country == "MX"  # whose clock the days follow


def test_another_seller_cannot_take_an_accounts_place(browser, account, amazon):
    before = account.refresh_token
    asked = calls(amazon)

    state = state_of(browser.http.post(reverse("account-reauthorize", args=[account.pk])))
    response = browser.come_back(state, **browser.consent("A2DEMOSELLER02"))

    assert response.status_code == 400
    assert "belongs to A2DEMOSELLER01" in response.content.decode()
    again = Account.objects.get()
    assert (again.selling_partner_id, again.refresh_token) == ("A2DEMOSELLER01", before)
    assert calls(amazon) == asked


def test_an_account_pasted_without_a_seller_id_learns_it(browser, account):
    Account.objects.update(selling_partner_id="")

    browser.come_back(state_of(browser.http.post(reverse("account-reauthorize", args=[account.pk]))))

    assert Account.objects.get().selling_partner_id == "A2DEMOSELLER01"


def test_a_stranger_cannot_reauthorise(browser, bob, account, amazon):
    address = reverse("account-reauthorize", args=[account.pk])

    assert browser_of(bob, amazon).http.post(address).status_code == 404
    assert not Consent.objects.exists()
