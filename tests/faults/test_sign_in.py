"""Consents that end, secrets that change, sign-in that is down, wrong regions and false hosts: E32 to E35 and E38.

Each at the door, before anything was read, and at the first, a middle and the last page of a chain.
"""

import ssl
import threading
from datetime import UTC, datetime

import pytest
from django.db import connection

from connector.accounts import connect
from connector.accounts.clients import TokenSource
from connector.accounts.models import Account, FirstLook
from connector.database.clock import database_now
from datasets.backfill import dispatch
from datasets.models import Day, Run
from tests.faults.driving import Drive, begin
from tests.spapi.test_tls import secured  # noqa: F401

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]


@pytest.fixture
def without_token(account):
    """No access token is at hand: each of these runs begins with the sign-in service."""

    def forget():
        Account.objects.update(access_token="", access_fresh_until=None)

    forget()
    return forget


@pytest.fixture
def other_account(alice, amazon, account):
    return connect.paste(
        alice, "Other", "seller", ["US"], "A2DEMOSELLER02", "Atzr|simulator-seller-2", now=datetime.now(UTC)
    )


def dataset_of(make_dataset, account, **fields):
    dataset = make_dataset(start="today-2", end="yesterday", **fields)
    dataset.account = account
    dataset.save()
    return dataset


def test_a_withdrawn_consent_pauses_the_account_and_asks_amazon_twice(
    make_dataset, amazon, account, other_account, without_token
):
    """E32: the person is told, others go on, and nobody knocks again until there is a new consent."""
    amazon.simulator.control("/simulator/revoke", {"selling_partner_id": account.selling_partner_id})
    ours, theirs = dataset_of(make_dataset, account), dataset_of(make_dataset, other_account)
    amazon.heal()

    first, second = begin(ours).to_end(), begin(ours).to_end()

    account.refresh_from_db()
    assert (first.state, second.state, account.state) == ("failed", "failed", "needs_consent")
    assert "Re-authorise" in first.message and first.message == second.message
    assert (amazon.calls("token"), amazon.calls("searchOrders")) == (
        2,
        0,
    )  # Amazon is believed once it has said so twice
    assert begin(theirs).to_end().state == "succeeded"

    ours.schedule_kind, ours.next_run_at = "daily", database_now()
    ours.save()
    assert dispatch.start_due(database_now()) == 0
    amazon.simulator.control("/simulator/restore", {"selling_partner_id": account.selling_partner_id})
    account.mark_connected("Atzr|simulator-seller", "", 0, now=datetime.now(UTC))
    assert dispatch.start_due(database_now()) == 1
    assert Drive(Run.objects.get(dataset=ours, state="queued")).to_end().state == "succeeded"


def test_a_rejected_secret_pauses_all_accounts_of_the_application_and_a_new_one_resumes_them(
    make_dataset, amazon, account, other_account, without_token, settings
):
    """E33."""
    change = {"client_id": settings.LWA_CLIENT_ID, "client_secrets": ["another secret"], "application_id": "x"}
    amazon.simulator.control("/simulator/applications", change)
    sets = [dataset_of(make_dataset, account), dataset_of(make_dataset, other_account)]
    amazon.heal()

    runs = [begin(each).to_end() for each in sets]

    account.application.refresh_from_db()
    assert [run.state for run in runs] == ["failed", "failed"]
    assert account.application.state == "needs_secret"
    assert amazon.calls("token") == 2
    assert {each.state for each in Account.objects.all()} == {"connected"}
    assert "secret" in runs[1].message

    settings.LWA_CLIENT_SECRET = "another secret"
    assert [begin(each).to_end().state for each in sets] == ["succeeded", "succeeded"]


REFUSALS = {  # once each, of what would stop all of an account's or an application's data: (operation, kind)
    "consent": ("token", "invalid_grant"),
    "another application": ("token", "unauthorized_client"),
    "secret": ("token", "invalid_client"),
    "sign-in": ("token", "400"),
    "role": ("searchOrders", "forbidden"),
    "token": ("searchOrders", "revoked_token"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_one_bad_answer_is_not_the_last_word(make_dataset, amazon, account, without_token, settings, what):
    """E32, E33: the run waits a minute for the second look, with a sentence that is true, and loses nothing."""
    settings.SPAPI_RATE_FACTOR = 1.0
    dataset = dataset_of(make_dataset, account)
    amazon.heal()
    operation, kind = REFUSALS[what]
    amazon.fault(operation, kind, count=2 if kind == "revoked_token" else 1)
    run = begin(dataset)

    run.turn()
    account.refresh_from_db()

    assert (run.state, account.works) == ("waiting", True), run.message
    assert 30 < run.waits[0][1] <= 60
    assert "again in a minute" in run.message and "nothing is lost" in run.message
    calls = amazon.calls(operation)
    run.turn()  # somebody comes by within the minute
    assert (run.state, amazon.calls(operation)) == ("waiting", calls)

    assert run.to_end().state == "succeeded", run.message
    assert account.works and not FirstLook.objects.exists()


def test_a_role_that_is_missing_stops_the_run_at_the_second_look(make_dataset, amazon, account):
    """E35: and what is missing is named, with what to do."""
    amazon.fault("searchOrders", "forbidden")

    run = begin(dataset_of(make_dataset, account)).to_end()

    assert (run.state, amazon.calls("searchOrders")) == ("failed", 2)
    for cause in ("403, Unauthorized", "role", "region", "vendor", "client secret"):
        assert cause in run.message


def test_a_sign_in_service_that_is_down_is_waited_for_and_revokes_nobody(make_dataset, amazon, account, without_token):
    """E34."""
    dataset = dataset_of(make_dataset, account)
    amazon.heal()
    kinds = ("500", "503", "429", "no_answer", "html", "empty_body", "cut")
    for kind in kinds:
        amazon.fault("token", kind, count=1)

    run = begin(dataset).to_end()

    account.refresh_from_db()
    assert (run.state, account.state) == ("succeeded", "connected"), run.message
    assert len(run.waits) == len(kinds) and all(seconds > 0 for _, seconds in run.waits)
    assert amazon.calls("token") == len(kinds) + 1
    assert not any("consent" in message for message, _ in run.waits)


def test_a_sign_in_service_that_says_no_for_another_reason_stops_the_run(make_dataset, amazon, account, without_token):
    """E5, at the door: nobody tries each day of the history."""
    dataset = make_dataset(start="today-60", end="yesterday")
    amazon.heal()
    amazon.fault("token", "400")

    run = begin(dataset).to_end()

    account.refresh_from_db()
    assert (run.state, account.state) == ("failed", "connected")
    assert "sign-in service refused" in run.message
    assert amazon.calls("token") == 2


def test_ten_workers_renew_an_access_token_once(account, amazon, without_token):
    """E4."""
    amazon.heal()
    found, barrier = [], threading.Barrier(10, timeout=60)

    def work():
        barrier.wait()
        found.append(TokenSource(account.pk)())
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert (len(found), len(set(found)), amazon.calls("token")) == (10, 1, 1)


def test_the_wrong_regions_door_says_so(make_dataset, amazon, account, settings):
    """E35."""
    settings.SPAPI_ENDPOINTS = dict.fromkeys(("NA", "EU", "FE"), f"{amazon.simulator.url}/eu")

    run = begin(dataset_of(make_dataset, account)).to_end()

    assert run.state == "failed"
    assert "another region" in run.message
    assert amazon.calls("searchOrders") == 2


def test_a_marketplace_that_is_not_the_sellers_says_so(make_dataset, amazon, account):
    """E35."""
    account.marketplaces = ["DE"]
    account.save()

    run = begin(dataset_of(make_dataset, account)).to_end()

    assert run.state == "failed"
    assert "arketplace" in run.message or "another region" in run.message
    assert amazon.calls("searchOrders") <= 2


def test_a_name_that_is_not_found_is_told_and_waited_for(make_dataset, account, settings):
    """E38."""
    settings.SPAPI_ENDPOINTS = dict.fromkeys(("NA", "EU", "FE"), "https://sellingpartner.invalid")
    run = begin(dataset_of(make_dataset, account))

    run.turn()

    assert run.state == "waiting"
    assert "the name sellingpartner.invalid could not be found" in run.message
    assert not Day.objects.filter(state__in=Day.IN).exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({}, "certificate that cannot be trusted"),
        ({"minimum_version": ssl.TLSVersion.TLSv1, "maximum_version": ssl.TLSVersion.TLSv1_1}, "no safe connection"),
    ],
)
def test_who_cannot_prove_to_be_amazon_gets_no_token(make_dataset, account, settings, secured, limits, said):  # noqa: F811
    """E38."""
    server, _ = secured(**limits)
    settings.SPAPI_ENDPOINTS = dict.fromkeys(("NA", "EU", "FE"), f"https://localhost:{server.port}")
    run = begin(dataset_of(make_dataset, account))

    run.turn()

    assert run.state == "waiting"
    assert said in run.message
    assert server.requests == []


# In the midst of a chain


def expire_at(chain, number):
    """Amazon takes the access token up to that page, and from there on none that was given out before."""
    chain.again()
    chain.amazon.fault("searchOrders", "expired_token", nth=number, for_good=True)


def assert_goes_on(chain, place, run, *, calls):
    """The run ended well, no page was asked for again that had been read, and the rows are the truth."""
    assert (run.state, chain.amazon.calls("searchOrders")) == ("succeeded", calls), f"{place}: {run.message}"
    assert chain.assert_whole() == chain.dataset.rows > 0, place


def assert_stopped(chain, place, run, number, said):
    """The run ended at that page with the reason; nothing of a chain without an end has landed."""
    assert run.state == "failed" and said in run.message, f"{place}: {run.message}"
    assert chain.amazon.calls("searchOrders") == number, place
    assert not Day.objects.filter(dataset=chain.dataset, state__in=Day.IN).exists(), place
    assert chain.dataset.rows == 0


def test_a_consent_withdrawn_in_the_midst_of_a_chain_stops_there_and_goes_on_there(chain, account):
    """E32."""
    for place, number in chain.places():
        expire_at(chain, number)
        chain.amazon.fault("token", "invalid_grant")

        run = chain.drive()

        assert_stopped(chain, place, run, number, "Re-authorise")
        account.refresh_from_db()
        assert (account.state, chain.amazon.calls("token")) == ("needs_consent", 2), place
        assert chain.drive().state == "failed" and chain.amazon.calls("token") == 2, "nobody knocks again"
        chain.amazon.heal()
        account.mark_connected("Atzr|simulator-seller", "", 0, now=datetime.now(UTC))
        assert_goes_on(chain, place, chain.drive(), calls=chain.pages - number + 1)


def test_a_secret_changed_in_the_midst_of_a_chain_stops_there_and_goes_on_there(chain, account, settings):
    """E33: the access token serves until it runs out, and the old secret gets no other."""
    for place, number in chain.places():
        expire_at(chain, number)
        change = {"client_id": settings.LWA_CLIENT_ID, "client_secrets": [f"secret of {place}"], "application_id": "x"}
        chain.amazon.simulator.control("/simulator/applications", change)

        run = chain.drive()

        assert_stopped(chain, place, run, number, "secret")
        account.application.refresh_from_db()
        assert (account.application.state, chain.amazon.calls("token")) == ("needs_secret", 2), place
        account.refresh_from_db()
        assert account.state == "connected"
        chain.amazon.heal()
        settings.LWA_CLIENT_SECRET = f"secret of {place}"
        assert_goes_on(chain, place, chain.drive(), calls=chain.pages - number + 1)


def test_a_sign_in_service_that_is_down_in_the_midst_of_a_chain_is_waited_for_there(chain, account):
    """E34."""
    kinds = ("503", "no_answer", "html")
    for place, number in chain.places():
        expire_at(chain, number)
        for kind in kinds:
            chain.amazon.fault("token", kind, count=1)

        run = chain.drive()

        account.refresh_from_db()
        assert (account.state, len(run.waits)) == ("connected", len(kinds)), place
        assert all(
            "sign-in" in message or "api.amazon" in message or "127.0.0.1" in message for message, _ in run.waits
        )
        assert chain.amazon.calls("token") == len(kinds) + 1, place
        assert_goes_on(chain, place, run, calls=chain.pages + 1)  # the refused token is not tried again


def until_page(chain, number):
    """A run that has read the pages before this one and waits, for Amazon was out of order there."""
    chain.again()
    chain.amazon.fault("searchOrders", "503", nth=number)
    run = chain.drive_until_it_waits()
    chain.amazon.heal()
    run.hurry()
    return run


def test_a_door_of_another_region_in_the_midst_of_a_chain_stops_there_and_goes_on_there(chain, settings):
    """E35: the installation is set up wrongly between two pages."""
    right = settings.SPAPI_ENDPOINTS
    for place, number in chain.places():
        run = until_page(chain, number)
        settings.SPAPI_ENDPOINTS = dict.fromkeys(right, f"{chain.amazon.simulator.url}/eu")

        run.to_end()

        assert_stopped(chain, place, run, 2, "another region")
        chain.amazon.heal()
        settings.SPAPI_ENDPOINTS = right
        assert_goes_on(chain, place, chain.drive(), calls=chain.pages)


def test_a_marketplace_that_is_not_the_sellers_in_the_midst_of_a_chain_says_so(chain, account):
    """E35: the account's marketplaces change between two pages."""
    for place, number in chain.places():
        run = until_page(chain, number)
        account.marketplaces = ["DE"]
        account.save()

        run.to_end()

        # Days begin at other instants there, so all is asked anew, and refused at once.
        assert_stopped(chain, place, run, 1, "marketplaceId A1PA6795UKMFR9 is not in the NA region")
        account.marketplaces = ["US"]
        account.save()
        chain.amazon.heal()
        assert_goes_on(chain, place, chain.drive(), calls=chain.pages)


def test_a_host_that_is_not_amazon_in_the_midst_of_a_chain_gets_no_token_and_holds_nothing_up_for_good(
    chain,
    settings,
    secured,  # noqa: F811
):
    """E38: the name is not found, then somebody else answers to it, then Amazon again."""
    right = settings.SPAPI_ENDPOINTS
    server, _ = secured()
    for place, number in chain.places():
        run = until_page(chain, number)
        for address, said in (
            ("https://sellingpartner.invalid", "could not be found"),
            (f"https://localhost:{server.port}", "certificate that cannot be trusted"),
        ):
            settings.SPAPI_ENDPOINTS = dict.fromkeys(right, address)
            run.turn()
            assert (run.state, said in run.message) == ("waiting", True), f"{place}: {run.message}"
            run.hurry()
        settings.SPAPI_ENDPOINTS = right

        run.to_end()

        chain.dataset.refresh_from_db()
        assert_goes_on(chain, place, run, calls=chain.pages - number + 1)
    assert server.requests == []
