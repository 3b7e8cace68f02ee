"""The Data Center: all of one's own datasets, what needs attention, search and filters, and the way in for a newcomer."""

from html import unescape

import pytest

from connector.accounts.models import Account
from tests.pages import scenes

pytestmark = pytest.mark.django_db
LIVE = {"HX-Request": "true"}


def text(response):
    return " ".join(unescape(response.content.decode()).split())


@pytest.fixture
def shelf(alice, account):
    """One dataset in each of several states."""
    return {
        "loading": scenes.loading(alice, account)[0],
        "up_to_date": scenes.up_to_date(alice, account, days=10)[0],
        "partial": scenes.partial(alice, account)[0],
        "failed": scenes.failed(alice, account)[0],
        "new": scenes.shelf(alice, account, "Fresh"),
        "paused": scenes.shelf(alice, account, "Resting", paused=True),
    }


def names(response):
    return [row["dataset"].name for row in response.context["page"]]


def test_nobody_sees_it_without_signing_in(client):
    assert client.get("/").url == "/login?next=/"


def test_a_stranger_sees_nothing_of_it(client, bob, shelf):
    client.force_login(bob)

    seen = text(client.get("/"))

    assert "No datasets yet" in seen
    assert not any(dataset.name in seen for dataset in shelf.values())


@pytest.mark.parametrize("accounts", [True, False])
def test_a_newcomer_is_told_the_next_step(page, alice, accounts, request):
    if accounts:
        request.getfixturevalue("account")

    seen = page.get("/").content.decode()

    assert 'href="/datasets/new"' in seen
    assert ('href="/accounts/connect"' in seen) is not accounts


@pytest.mark.slow
def test_three_datasets_and_thirty_cost_the_same_queries(page, alice, account, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for number in range(3):
        scenes.up_to_date(alice, account, f"Few {number}", days=3)
    page.get("/")
    with CaptureQueriesContext(connection) as few:
        page.get("/")
    for number in range(27):
        scenes.up_to_date(alice, account, f"Many {number}", days=3)

    with django_assert_num_queries(len(few)):
        seen = page.get("/")

    assert len(names(seen)) == 30


def test_each_dataset_says_report_account_marketplaces_rows_and_state(page, shelf):
    seen = text(page.get("/"))

    assert "Create and Download Report: All orders by order date · Harbour · US, CA" in seen
    assert f"{shelf['loading'].rows:,}" in seen
    assert "136 of 730 days" in seen
    for words in ("Loading", "Up to date", "Partly done", "Failed", "Never run", "Paused"):
        assert words in seen


def test_what_needs_attention_comes_first_with_its_reason(page, shelf, account):
    account.mark_needs_consent("Amazon no longer accepts the consent.")

    strip = text(page.get("/")).partition("Needs attention")[2].partition("</section>")[0]

    assert "Harbour</a> needs to be authorised again" in strip
    assert f"/accounts/{account.pk}/reauthorize" in strip
    assert "All orders, CA</a> is partly done. 3 of 90 days could not be loaded" in strip
    assert "Orders, MX</a> has failed." in strip
    assert "Order items, US" not in strip


def test_a_quiet_house_has_no_strip(page, alice, account):
    scenes.up_to_date(alice, account, days=5)

    assert "Needs attention" not in text(page.get("/"))


def test_filters_count_and_narrow(page, shelf):
    everything = page.get("/")
    failed = page.get("/?state=failed")

    assert ("failed", 1) in everything.context["filters"]
    assert ("", 6) in everything.context["filters"]
    assert names(failed) == ["Orders, MX"]


@pytest.mark.parametrize("sought, found", [("ITEMS", 1), ("harbour", 6), ("All orders by", 1), ("nothing like it", 0)])
def test_search_looks_at_name_report_and_account(page, shelf, sought, found):
    response = page.get("/", {"q": sought})

    assert len(names(response)) == found
    assert ("Show all" in text(response)) is (found == 0)


def test_an_unknown_filter_shows_everything(page, shelf):
    assert len(names(page.get("/?state=wrong&page=99"))) == 6


def test_it_asks_again_only_while_something_is_loading(page, alice, account):
    scenes.up_to_date(alice, account, days=5)
    assert "hx-trigger" not in page.get("/").content.decode()

    scenes.loading(alice, account)
    whole, part = page.get("/"), page.get("/", headers=LIVE)

    assert 'hx-trigger="every 3s"' in whole.content.decode()
    assert 'hx-trigger="every 3s"' in part.content.decode()
    assert "<html" not in part.content.decode()


def test_fifty_to_a_page(page, alice, account):
    for number in range(51):
        scenes.shelf(alice, account, f"Set {number:02d}")

    first, second = page.get("/"), page.get("/?page=2")

    assert (len(names(first)), len(names(second))) == (50, 1)
    assert "1–50 of 51" in text(first)
    assert "page=2" in first.content.decode()


def test_a_name_cannot_smuggle_markup(page, alice, account):
    scenes.shelf(alice, account, "<script>alert(1)</script>", slug="smuggled")

    assert "<script>alert" not in page.get("/").content.decode()


def test_an_account_whose_application_lost_its_secret_is_named(page, alice, account):
    Account.objects.get().application.mark_needs_secret()

    assert "Harbour</a> cannot be used" in text(page.get("/"))
