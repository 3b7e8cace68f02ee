"""The Accounts pages: what they show, to whom, and what they never show."""

import logging
import uuid

import pytest
from django.core import serializers
from django.db import connection
from django.urls import reverse

from connector.accounts import connect
from connector.accounts.models import Account, Application
from datasets.models import Dataset
from tests.accounts.conftest import (
    CLIENT_ID,
    CLIENT_SECRET,
    SELLER_TOKEN,
    browser_of,
    calls,
    paste,
)


def page(browser, name, *arguments):
    response = browser.http.get(reverse(name, args=arguments))
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def dataset(alice, account):
    return Dataset.objects.create(
        owner=alice, account=account, slug="orders", name="Orders of the shop", report="order_details", mode="append"
    )


@pytest.fixture
def own_application(alice, amazon):
    return connect.add_application(alice, "My own app", CLIENT_ID, CLIENT_SECRET, "amzn1.sp.solution.mine")


# The list and one account


def test_an_empty_list_says_what_an_account_is(browser):
    assert "No account yet" in page(browser, "accounts")


def test_the_list_shows_each_account_with_its_state_and_use(browser, account, dataset):
    shown = page(browser, "accounts")

    for words in ("Harbour", "Seller", "NA", "US", "Connected", "1 dataset"):
        assert words in shown


def test_an_account_that_needs_consent_says_so_and_why(browser, account):
    account.mark_needs_consent("Amazon no longer lets this application act.")

    for shown in (page(browser, "accounts"), page(browser, "account", account.pk)):
        assert "Needs re-authorisation" in shown
        assert "Amazon no longer lets this application act." in shown


def test_a_rejected_secret_is_said_at_each_account(browser, account):
    account.application.mark_needs_secret()

    assert "secret rejected" in page(browser, "account", account.pk)
    assert "Set LWA_CLIENT_SECRET" in page(browser, "accounts")


def test_an_account_is_renamed(browser, account):
    browser.http.post(reverse("account-rename", args=[account.pk]), {"name": " New name "})

    assert Account.objects.get().name == "New name"


def test_an_account_may_keep_its_name_in_other_letters_but_not_take_anothers(browser, alice, account):
    paste(alice, name="Other")
    address = reverse("account-rename", args=[account.pk])

    assert browser.http.post(address, {"name": "HARBOUR"}).status_code == 302
    response = browser.http.post(address, {"name": "other"})

    assert "already have an account named" in response.content.decode()
    assert Account.objects.get(pk=account.pk).name == "HARBOUR"


def test_an_account_that_datasets_use_is_not_removed(browser, account, dataset):
    response = browser.http.post(reverse("account-delete", args=[account.pk]), follow=True)

    assert Account.objects.exists()
    assert "was not removed" in response.content.decode()
    assert "Orders of the shop" in response.content.decode()


def test_an_unused_account_is_removed_with_its_tokens(browser, account):
    browser.http.post(reverse("account-delete", args=[account.pk]))

    assert not Account.objects.exists()


# Trying it out


@pytest.mark.django_db(transaction=True)
def test_the_test_says_what_it_found_and_adds_new_marketplaces(browser, account):
    shown = browser.http.post(reverse("account-test", args=[account.pk])).content.decode()

    assert "Amazon issued an access token" in shown
    assert "takes part in US, CA, MX" in shown
    assert Account.objects.get().marketplaces == ["US", "CA", "MX"]


@pytest.mark.django_db(transaction=True)
def test_the_test_finds_a_withdrawn_consent_and_its_return(browser, account, amazon):
    address = reverse("account-test", args=[account.pk])
    amazon.control("/simulator/revoke", {"selling_partner_id": "A2DEMOSELLER01"})
    assert "consent may have been withdrawn" in browser.http.post(address).content.decode()
    assert Account.objects.get().needs_consent

    amazon.control("/simulator/restore", {"selling_partner_id": "A2DEMOSELLER01"})

    assert "Amazon issued an access token" in browser.http.post(address).content.decode()
    assert Account.objects.get().works


@pytest.mark.django_db(transaction=True)
def test_the_test_tells_an_unreachable_amazon_from_a_lost_consent(browser, account, settings):
    settings.LWA_TOKEN_URL = "http://127.0.0.1:9/auth/o2/token"

    shown = browser.http.post(reverse("account-test", args=[account.pk])).content.decode()

    assert "could not be reached" in shown
    assert Account.objects.get().works


@pytest.mark.django_db(transaction=True)
def test_a_vendor_is_tested_by_its_token_alone(browser, alice, amazon):
    vendor = paste(alice, kind="vendor", selling_partner_id="DEMOV", refresh_token="Atzr|simulator-vendor")

    shown = browser.http.post(reverse("account-test", args=[vendor.pk])).content.decode()

    assert "no such list for vendors" in shown


# Applications


def test_an_application_is_added_once_amazon_takes_it(browser, alice):
    wish = {"name": "Mine", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "application_id": "amzn1.sp.x"}

    response = browser.http.post(reverse("application-new"), wish | {"return_to": "/accounts/connect"})

    assert response["Location"] == "/accounts/connect"
    assert Application.objects.get(owner=alice).client_secret == CLIENT_SECRET
    again = browser.http.post(reverse("application-new"), wish)
    assert "already added this application" in again.content.decode()


def test_an_application_that_amazon_does_not_take_is_not_added(browser, alice):
    wish = {"name": "Mine", "client_id": CLIENT_ID, "client_secret": "wrong-secret-value"}

    shown = browser.http.post(reverse("application-new"), wish).content.decode()

    assert "does not accept this client id with this secret" in shown
    assert "wrong-secret-value" not in shown
    assert not Application.objects.filter(owner=alice).exists()


def test_a_new_secret_is_tried_before_it_replaces_the_old(browser, own_application, amazon):
    own_application.mark_needs_secret()
    address = reverse("application", args=[own_application.pk])

    shown = browser.http.post(address, {"client_secret": "not this one"}).content.decode()
    assert "spaces or line breaks" in shown
    shown = browser.http.post(address, {"client_secret": "not-this-one"}).content.decode()
    assert "does not accept this client id" in shown
    assert Application.objects.get(pk=own_application.pk).client_secret == CLIENT_SECRET

    amazon.control(
        "/simulator/applications",
        {"client_id": CLIENT_ID, "client_secrets": [CLIENT_SECRET, "rotated"], "application_id": "x"},
    )
    assert browser.http.post(address, {"client_secret": "rotated"}).status_code == 302
    again = Application.objects.get(pk=own_application.pk)
    assert again.client_secret == "rotated"
    assert again.is_ready


def test_a_secret_is_not_replaced_unchecked(browser, own_application, settings):
    settings.LWA_TOKEN_URL = "http://127.0.0.1:9/auth/o2/token"

    shown = browser.http.post(
        reverse("application", args=[own_application.pk]), {"client_secret": "newer"}
    ).content.decode()

    assert "could not be reached to check it" in shown
    assert Application.objects.get(pk=own_application.pk).client_secret == CLIENT_SECRET


def test_an_application_in_use_is_not_removed(browser, alice, own_application):
    paste(alice, application=own_application)

    browser.http.post(reverse("application-delete", args=[own_application.pk]))
    assert Application.objects.filter(pk=own_application.pk).exists()

    Account.objects.all().delete()
    browser.http.post(reverse("application-delete", args=[own_application.pk]))
    assert not Application.objects.filter(pk=own_application.pk).exists()


def test_the_installations_application_has_no_page(browser, application):
    assert browser.http.get(reverse("application", args=[application.pk])).status_code == 404


# To whom


def pages_of(account, application):
    return [
        ("get", "account", account.pk),
        ("get", "account-reauthorize", account.pk),
        ("post", "account-reauthorize", account.pk),
        ("post", "account-rename", account.pk),
        ("post", "account-test", account.pk),
        ("post", "account-delete", account.pk),
        ("get", "application", application.pk),
        ("post", "application", application.pk),
        ("post", "application-delete", application.pk),
    ]


def test_what_is_alices_does_not_exist_for_bob(bob, account, own_application, amazon):
    browser = browser_of(bob, amazon)
    before = calls(amazon)

    for method, name, key in pages_of(account, own_application):
        there = getattr(browser.http, method)(reverse(name, args=[key]))
        nowhere = getattr(browser.http, method)(reverse(name, args=[uuid.uuid4()]))
        assert there.status_code == nowhere.status_code == 404, name
        assert there.content == nowhere.content, name

    assert account.name not in page(browser, "accounts")
    assert calls(amazon) == before
    assert Account.objects.get().name == "Harbour"


def test_bob_cannot_connect_by_alices_application(bob, own_application, amazon):
    browser = browser_of(bob, amazon)

    response = browser.leave(application=own_application.pk)

    assert response.status_code == 200
    assert "Select a valid choice" in response.content.decode()


def test_strangers_are_asked_to_sign_in(client, account, own_application):
    pages = pages_of(account, own_application)
    pages += [("get", "accounts", None), ("get", "account-connect", None), ("get", "account-paste", None)]
    for method, name, key in [*pages, ("get", "application-new", None)]:
        address = reverse(name, args=[key] if key else [])
        response = getattr(client, method)(address)
        assert response.status_code == 302, name
        assert response["Location"].startswith(reverse("login")), name


def test_looking_changes_nothing(browser, account, own_application, amazon):
    before = serializers.serialize("json", [*Account.objects.all(), *Application.objects.all()])
    asked = calls(amazon)

    for name in ("account-test", "account-rename", "account-delete"):
        assert browser.http.get(reverse(name, args=[account.pk])).status_code == 405
    for name in ("accounts", "account-connect", "account-paste", "application-new"):
        page(browser, name)
    for name in ("account", "account-reauthorize"):
        page(browser, name, account.pk)
    page(browser, "application", own_application.pk)

    assert serializers.serialize("json", [*Account.objects.all(), *Application.objects.all()]) == before
    assert calls(amazon) == asked


# What is never shown

SECRETS = (SELLER_TOKEN, CLIENT_SECRET)


@pytest.mark.django_db(transaction=True)
def test_no_secret_is_in_any_page_or_log(browser, account, own_application, amazon, caplog):
    caplog.set_level(logging.DEBUG)
    connection.force_debug_cursor = True
    seen = []
    try:
        state, answer = browser.state(), browser.consent()
        for response in (
            browser.come_back(state, **answer),
            browser.come_back(state, **answer),
            browser.http.post(reverse("account-test", args=[account.pk])),
            browser.http.post(
                reverse("account-reauthorize", args=[account.pk]), {"refresh_token": "Atzr|canary-refused"}
            ),
            browser.http.post(
                reverse("account-paste"),
                {
                    "name": "x",
                    "kind": "seller",
                    "marketplaces": ["US"],
                    "refresh_token": "Atzr|canary-refused",
                    "application": "new",
                    "client_id": CLIENT_ID,
                    "client_secret": "canary-secret",
                },
            ),
            browser.http.post(reverse("application", args=[own_application.pk]), {"client_secret": "canary-secret"}),
        ):
            seen.append(response.content.decode() + str(response.headers))
        for name in ("accounts", "account-connect", "account-paste", "application-new"):
            seen.append(page(browser, name))
        for each in Account.objects.all():
            seen.append(page(browser, "account", each.pk))
            seen.append(page(browser, "account-reauthorize", each.pk))
        seen.append(page(browser, "application", own_application.pk))
        seen.append(str(connection.queries))
    finally:
        connection.force_debug_cursor = False
    stored = [value for each in Account.objects.all() for value in (each.refresh_token, each.access_token) if value]
    secrets = {*SECRETS, *stored, answer["spapi_oauth_code"], "canary-refused", "canary-secret"}

    assert len(stored) >= 4
    for text in (*seen, *(record.getMessage() for record in caplog.records), caplog.text):
        assert not [secret for secret in secrets if secret in text]


def test_a_page_shows_at_most_the_end_of_a_secret(browser, own_application, account):
    assert f"••••{SELLER_TOKEN[-4:]}" in page(browser, "account", account.pk)
    assert f"••••{CLIENT_SECRET[-4:]}" in page(browser, "application", own_application.pk)


def test_a_secret_whose_key_is_gone_is_said_on_the_page(browser, account, settings):
    settings.FIELD_KEYS = ["A" * 43 + "="]

    assert "FIELD_KEYS does not hold" in page(browser, "account", account.pk)
    assert "Harbour" in page(browser, "accounts")
