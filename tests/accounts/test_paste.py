"""Accounts by a pasted refresh token, in the browser and as the API calls it."""

import threading

import pytest
from django.db import connections
from django.urls import reverse

from connector.accounts import applications, connect
from connector.accounts.models import Account, Application
from tests.accounts.conftest import (
    CLIENT_ID,
    CLIENT_SECRET,
    EUROPEAN_TOKEN,
    SELLER_TOKEN,
    VENDOR_TOKEN,
    calls,
    minutes_later,
    paste,
    requests,
)


def errors_of(user, **wish):
    with pytest.raises(connect.ConnectRefused) as refusal:
        paste(user, **wish)
    assert not Account.objects.exists()
    return refusal.value.errors


def test_a_good_token_makes_an_account(alice, application):
    account = paste(alice)

    again = Account.objects.get()
    assert again == account
    assert (again.region, again.marketplaces, again.kind) == ("NA", ["US"], "seller")
    assert again.refresh_token == SELLER_TOKEN
    assert again.application == application
    assert again.works
    assert again.message == ""


def test_a_vendor_needs_no_list_of_marketplaces(alice, amazon):
    account = paste(alice, kind="vendor", selling_partner_id="DEMOV", refresh_token=VENDOR_TOKEN)

    assert account.message == ""
    assert calls(amazon, "getMarketplaceParticipations") == 0


def test_gb_and_small_letters_are_understood_and_each_country_counts_once(alice, amazon):
    account = paste(alice, marketplaces=["gb", "UK", "de"], selling_partner_id="", refresh_token=EUROPEAN_TOKEN)

    assert account.marketplaces == ["UK", "DE"]
    assert account.region == "EU"
    assert (account.home.country, account.zone) == ("UK", "Europe/London")


def test_blanks_and_line_ends_around_a_token_do_not_matter(alice, amazon):
    assert paste(alice, refresh_token=f"  {SELLER_TOKEN}\r\n").refresh_token == SELLER_TOKEN


def test_marketplaces_that_amazon_does_not_list_are_kept_and_said(alice, amazon):
    account = paste(alice, marketplaces=["US", "BR"])

    assert account.marketplaces == ["US", "BR"]
    assert "does not list BR" in account.message


@pytest.mark.parametrize("kind", ["429", "500"])
def test_marketplaces_given_are_kept_when_amazon_cannot_list_them(alice, amazon, kind):
    amazon.control("/simulator/faults", {"operation": "getMarketplaceParticipations", "kind": kind})

    account = paste(alice, marketplaces=["CA", "US"])

    assert account.marketplaces == ["CA", "US"]
    assert "could not be confirmed" in account.message
    assert account.works


def test_a_token_that_amazon_refuses_is_not_saved(alice, amazon):
    errors = errors_of(alice, refresh_token="Atzr|withdrawn")

    assert "Amazon does not accept this refresh token" in errors["refresh_token"]


def test_a_token_is_kept_unchecked_while_amazon_cannot_be_reached(alice, amazon, settings):
    settings.LWA_TOKEN_URL = "http://127.0.0.1:9/auth/o2/token"

    account = paste(alice)

    assert account.message.startswith("Not checked yet")
    assert account.works


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", None),
        ("name", "a" * 201),
        ("name", "bad\x00name"),
        ("name", {"a": 1}),
        ("kind", "buyer"),
        ("kind", None),
        ("kind", ["seller"]),
        ("marketplaces", []),
        ("marketplaces", None),
        ("marketplaces", "US"),
        ("marketplaces", ["XX"]),
        ("marketplaces", [7]),
        ("marketplaces", ["US", "DE"]),
        ("marketplaces", ["US\x00"]),
        ("selling_partner_id", "A 1"),
        ("selling_partner_id", 5),
        ("selling_partner_id", "A" * 65),
        ("refresh_token", ""),
        ("refresh_token", None),
        ("refresh_token", "two words"),
        ("refresh_token", "a\x00b"),
        ("refresh_token", "ü"),
        ("refresh_token", "a" * 5000),
        ("refresh_token", ["a"]),
        ("client_id", 9),
        ("client_id", "a b"),
        ("client_secret", "only a secret without an id"),
    ],
)
def test_what_is_wrong_is_said_under_its_field(alice, amazon, field, value):
    errors = errors_of(alice, **{field: value})

    assert set(errors) == {"client_id" if field == "client_secret" else field}
    assert errors.popitem()[1].endswith(".")
    assert calls(amazon) == 0


def test_all_that_is_wrong_is_said_at_once(alice, amazon):
    errors = errors_of(
        alice, name="", kind="", marketplaces=[], selling_partner_id="?", refresh_token="", client_id="?"
    )

    assert set(errors) == {"name", "kind", "marketplaces", "selling_partner_id", "refresh_token", "client_secret"}


def test_marketplaces_of_two_regions_need_two_accounts(alice, amazon):
    assert "different regions (EU, NA)" in errors_of(alice, marketplaces=["US", "DE"])["marketplaces"]


def test_a_name_is_taken_once_per_person_in_any_case(alice, bob, amazon):
    paste(alice, name="Shop")

    with pytest.raises(connect.ConnectRefused, match="already have an account named SHOP"):
        paste(alice, name="SHOP")
    assert paste(bob, name="shop").owner == bob


@pytest.mark.django_db(transaction=True)
def test_of_two_accounts_of_one_name_at_once_one_is_refused(alice, application):
    barrier, outcomes = threading.Barrier(4, timeout=60), []

    def make():
        barrier.wait()
        try:
            outcomes.append(paste(alice).pk)
        except connect.ConnectRefused as refusal:
            outcomes.append(set(refusal.errors))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes.count({"name"}) == 3
    assert Account.objects.count() == 1


# Applications


def test_without_any_application_the_client_id_is_asked_for(alice, amazon, settings):
    settings.LWA_CLIENT_ID = settings.LWA_CLIENT_SECRET = ""

    assert "no Amazon application of its own" in errors_of(alice)["client_id"]


def test_an_application_of_ones_own_is_stored_with_the_account(alice, bob, amazon, settings):
    settings.LWA_CLIENT_ID = settings.LWA_CLIENT_SECRET = ""

    account = paste(alice, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)

    application = Application.objects.get()
    assert account.application == application
    assert application.owner == alice
    assert application.client_secret == CLIENT_SECRET
    assert paste(alice, name="Second", client_id=CLIENT_ID).application == application  # now the id is enough
    assert errors_for_bob(bob) == {"client_secret"}  # but not for a stranger


def errors_for_bob(bob):
    with pytest.raises(connect.ConnectRefused) as refusal:
        paste(bob, client_id=CLIENT_ID)
    return set(refusal.value.errors)


def test_a_wrong_secret_of_a_new_application_saves_neither(alice, amazon, settings):
    settings.LWA_CLIENT_ID = settings.LWA_CLIENT_SECRET = ""

    errors = errors_of(alice, client_id=CLIENT_ID, client_secret="wrong")

    assert set(errors) == {"client_secret"}
    assert not Application.objects.exists()


def test_a_wrong_secret_does_not_replace_a_good_one(alice, amazon, settings):
    settings.LWA_CLIENT_ID = settings.LWA_CLIENT_SECRET = ""
    paste(alice, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)

    with pytest.raises(connect.ConnectRefused):
        paste(alice, name="Second", client_id=CLIENT_ID, client_secret="wrong")

    application = Application.objects.get()
    assert application.client_secret == CLIENT_SECRET
    assert application.is_ready


def test_an_unchecked_secret_does_not_replace_a_good_one(alice, amazon, settings):
    settings.LWA_CLIENT_ID = settings.LWA_CLIENT_SECRET = ""
    paste(alice, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    settings.LWA_TOKEN_URL = "http://127.0.0.1:9/auth/o2/token"

    with pytest.raises(connect.ConnectRefused, match="could not be reached to check the new one"):
        paste(alice, name="Second", client_id=CLIENT_ID, client_secret="newer")

    assert Application.objects.get().client_secret == CLIENT_SECRET


def test_the_installations_application_with_a_wrong_secret_is_marked(alice, amazon, settings):
    settings.LWA_CLIENT_SECRET = "wrong"

    errors = errors_of(alice)

    assert "Set LWA_CLIENT_SECRET" in errors["client_id"]
    assert Application.objects.get().is_ready  # one bad answer pauses nobody

    minutes_later()
    assert "Set LWA_CLIENT_SECRET" in errors_of(alice)["client_id"]
    assert not Application.objects.get().is_ready


def test_the_environment_is_followed_when_it_changes(alice, amazon, settings):
    settings.LWA_CLIENT_SECRET = "wrong"
    errors_of(alice)
    settings.LWA_CLIENT_SECRET = CLIENT_SECRET
    settings.SPAPI_APPLICATION_ID = "amzn1.sp.solution.new"

    account = paste(alice)

    application = Application.objects.get()
    assert account.application == application
    assert application.is_ready
    assert application.application_id == "amzn1.sp.solution.new"


def test_another_application_in_the_environment_leaves_the_accounts_of_the_old_one(alice, account, settings):
    settings.LWA_CLIENT_ID, settings.LWA_CLIENT_SECRET = "new", "new secret"

    assert applications.default().client_id == "new"
    assert Account.objects.get().application.client_id == CLIENT_ID
    assert [found.client_id for found in applications.choices(alice)] == ["new", CLIENT_ID]


# The pages


def form_of(**wish):
    return {
        "name": "Harbour",
        "kind": "seller",
        "marketplaces": ["US", "CA"],
        "refresh_token": SELLER_TOKEN,
        "application": applications.default().pk,
    } | wish


def test_the_page_connects_and_returns_to_the_wizard(browser):
    response = browser.http.post(reverse("account-paste"), form_of(home="CA", return_to="/datasets/new?report=x"))

    account = Account.objects.get()
    assert account.marketplaces == ["CA", "US"]
    assert response["Location"] == f"/datasets/new?report=x&account={account.pk}"


def test_the_page_says_under_the_field_what_amazon_said_and_keeps_the_rest(browser):
    response = browser.http.post(reverse("account-paste"), form_of(refresh_token="Atzr|wrong", name="Kept name"))

    page = response.content.decode()
    assert response.context["form"].errors.keys() == {"refresh_token"}
    assert 'value="Kept name"' in page
    assert "Atzr|wrong" not in page


def test_the_page_takes_an_application_that_is_not_in_the_list(browser, amazon):
    wish = form_of(application="new", client_id=CLIENT_ID, client_secret=CLIENT_SECRET)

    assert browser.http.post(reverse("account-paste"), wish).status_code == 302
    assert browser.http.post(reverse("account-paste"), form_of(name="b", application="new")).context[
        "form"
    ].errors.keys() == {"client_id"}


def test_a_new_token_renews_an_account(browser, account, amazon):
    account.mark_needs_consent("gone")
    fresh = requests(amazon)  # the first token came with the account
    assert len(fresh) == 1

    response = browser.http.post(reverse("account-reauthorize", args=[account.pk]), {"refresh_token": SELLER_TOKEN})

    assert response.status_code == 302
    assert Account.objects.get().works


def test_a_new_token_that_amazon_refuses_changes_nothing(browser, account):
    account.mark_needs_consent("gone")

    response = browser.http.post(reverse("account-reauthorize", args=[account.pk]), {"refresh_token": "Atzr|wrong"})

    again = Account.objects.get()
    assert "Amazon does not accept this refresh token" in response.content.decode()
    assert again.refresh_token == SELLER_TOKEN
    assert again.needs_consent
