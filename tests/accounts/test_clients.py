"""Clients in an account's name: one token for all workers, and marks where Amazon turns them away."""

import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.db.models import F

from connector.accounts import checkup, clients, direct, looks, quota
from connector.accounts.models import Account, Application, FirstLook
from connector.spapi.client import Call
from connector.spapi.errors import (
    AccessDenied,
    ConsentLost,
    Doubted,
    SecretRejected,
    SignInRefused,
    Throttled,
    Unreachable,
)
from connector.spapi.operations import OPERATIONS, Further
from tests.accounts.conftest import CLIENT_SECRET, SELLER_TOKEN, calls, minutes_later, paste

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def stale(account):
    """The account's access token is past 80 % of its life."""
    Account.objects.filter(pk=account.pk).update(access_fresh_until="2020-01-01T00:00Z")
    return Account.objects.get(pk=account.pk)


def pass_time(seconds):
    """As if so much time had gone by since the token was given."""
    Account.objects.update(access_fresh_until=F("access_fresh_until") - timedelta(seconds=seconds))


def together(count, work):
    """Runs it in so many threads at once, each with a database connection of its own; returns what each gave or raised."""
    barrier, outcomes = threading.Barrier(count, timeout=60), []

    def run():
        barrier.wait()
        try:
            outcomes.append(work())
        except Exception as problem:
            outcomes.append(problem)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def ask(account):
    return clients.client_for(account).call("getMarketplaceParticipations").json


def test_a_client_asks_amazon_in_the_accounts_name(account, amazon):
    (first, *_) = ask(account)["payload"]

    assert first["storeName"] == "Harbour & Pine Goods"


def test_a_fresh_token_is_used_by_all_without_asking_again(account, amazon):
    together(5, lambda: ask(account))

    assert calls(amazon) == 1  # when the account was connected


def test_ten_workers_make_one_call_for_a_stale_token(account, amazon):
    stale(account)
    before = calls(amazon)

    tokens = together(10, lambda: clients.TokenSource(account.pk)())

    assert calls(amazon) == before + 1
    assert set(tokens) == {Account.objects.get().access_token}


def test_ten_workers_whose_token_amazon_refuses_make_one_call(account, amazon):
    sources = [clients.TokenSource(account.pk) for _ in range(10)]
    refused = {source() for source in sources}
    before = calls(amazon)

    tokens = together(10, lambda: sources.pop()(force_refresh=True))

    assert calls(amazon) == before + 1
    assert len(set(tokens)) == 1
    assert not refused & set(tokens)


def test_a_token_that_ran_out_early_is_renewed_in_the_middle_of_a_call(account, amazon):
    amazon.control("/simulator/clock", {"advance": 3700})
    before = calls(amazon)

    assert ask(account)["payload"]
    assert calls(amazon) == before + 1


def test_a_token_is_renewed_at_four_fifths_of_its_life(account, amazon):
    amazon.control("/simulator/settings", {"token_seconds": 5000})
    stale(account)
    first = clients.TokenSource(account.pk)()
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM access_fresh_until - now()) FROM accounts_account")
        left = float(cursor.fetchone()[0])
    assert 3500 < left <= 4000

    pass_time(left - 300)
    assert clients.TokenSource(account.pk)() == first
    pass_time(300)
    assert clients.TokenSource(account.pk)() != first


def test_a_worker_that_keeps_a_token_in_mind_knows_when_it_is_to_be_renewed(account, amazon):
    amazon.control("/simulator/settings", {"token_seconds": 5000})
    stale(account)
    first = clients.TokenSource(account.pk)()
    pass_time(4000 - 0.3)
    source = clients.TokenSource(account.pk)
    source()

    time.sleep(0.4)

    assert source() != first


def test_a_slow_amazon_does_not_hold_the_account_from_datasets_and_pages(account, amazon):
    """Others may still refer to the account and read it while one worker waits for a token."""
    stale(account)
    amazon.control("/simulator/faults", {"operation": "token", "kind": "delay", "seconds": 2, "count": 1})
    worker = threading.Thread(target=lambda: (clients.TokenSource(account.pk)(), connections.close_all()))
    worker.start()
    time.sleep(0.7)

    begun = time.monotonic()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM accounts_account WHERE id = %s FOR KEY SHARE", [account.pk])
        assert Account.objects.get().name == account.name
    took = time.monotonic() - begun
    worker.join()

    assert took < 0.5


def test_whoever_waits_too_long_for_another_comes_back_later(account, monkeypatch):
    monkeypatch.setattr(clients, "LOCK_TIMEOUT", 1)
    stale(account)
    with transaction.atomic():
        Account.objects.select_for_update().get()

        (outcome,) = together(1, clients.TokenSource(account.pk))

    assert isinstance(outcome, Unreachable)
    assert outcome.wait > 0


def test_a_new_token_stays_though_the_caller_takes_everything_back(account, amazon):
    stale(account)

    with pytest.raises(RuntimeError), transaction.atomic():
        clients.TokenSource(account.pk)()
        raise RuntimeError

    before = calls(amazon)
    clients.TokenSource(account.pk)()
    assert calls(amazon) == before


def test_a_removed_account_is_said_to_be_gone(account):
    source = clients.TokenSource(account.pk)
    account.delete()

    with pytest.raises(ConsentLost, match="removed"):
        source()


# What Amazon refuses, looked at twice


@pytest.fixture
def a_minute(settings):
    """The second look is due a whole minute after the first, as at Amazon."""
    settings.SPAPI_RATE_FACTOR = 1


def test_a_withdrawn_consent_marks_the_account_at_the_second_look(account, amazon, a_minute):
    stale(account)
    amazon.control("/simulator/revoke", {"selling_partner_id": "A2DEMOSELLER01"})
    before = calls(amazon)

    outcomes = together(10, lambda: ask(account)) + together(2, lambda: ask(account))

    assert {type(outcome) for outcome in outcomes} == {Doubted}  # ten workers within the minute are one look
    assert all(50 < outcome.wait <= 60 for outcome in outcomes)
    assert calls(amazon) == before + 1
    assert Account.objects.get().works

    minutes_later()
    outcomes = together(10, lambda: ask(account))

    assert {type(outcome) for outcome in outcomes} == {ConsentLost}
    assert calls(amazon) == before + 2
    again = Account.objects.get()
    assert again.needs_consent
    assert "Re-authorise" in again.message
    assert again.refresh_token == SELLER_TOKEN


def test_an_answer_between_two_refusals_clears_the_first(account, amazon, a_minute):
    stale(account)
    for _ in range(3):
        amazon.control("/simulator/faults", {"operation": "token", "kind": "invalid_grant", "count": 1})
        with pytest.raises(Doubted):
            ask(account)
        minutes_later()

        assert ask(account)["payload"]
        stale(account)

    assert Account.objects.get().works
    assert not FirstLook.objects.exists()


def test_a_first_look_of_long_ago_is_no_first_look(account, amazon, a_minute):
    stale(account)
    amazon.control("/simulator/faults", {"operation": "token", "kind": "invalid_grant"})
    with pytest.raises(Doubted):
        ask(account)
    minutes_later(24 * 60)

    with pytest.raises(Doubted) as doubt:
        ask(account)

    assert doubt.value.wait > 50
    assert Account.objects.get().works


def test_a_second_look_begins_when_the_minute_is_over(account, amazon, a_minute):
    """A call that was on its way when another was refused is no second look, however late its answer comes."""
    subject = looks.of_consent(account)
    with pytest.raises(Doubted):
        looks.judge(subject, ConsentLost(fact="no"), took=0)
    FirstLook.objects.update(first_at=F("first_at") - timedelta(seconds=65))

    with pytest.raises(Doubted):
        looks.judge(subject, ConsentLost(fact="no"), took=30)

    assert looks.judge(subject, ConsentLost(fact="no"), took=1) is None


def test_a_person_who_checks_is_told_at_once(account, amazon, a_minute):
    amazon.control("/simulator/revoke", {"selling_partner_id": "A2DEMOSELLER01"})

    [finding] = checkup.examine(account)

    assert not finding.good and "consent may have been withdrawn" in finding.sentence
    assert Account.objects.get().needs_consent

    amazon.control("/simulator/restore", {"selling_partner_id": "A2DEMOSELLER01"})
    assert all(finding.good for finding in checkup.examine(Account.objects.get())[:2])
    assert Account.objects.get().works
    assert not FirstLook.objects.exists()


def test_a_consent_withdrawn_within_a_tokens_life_is_noticed(account, amazon, a_minute):
    ask(account)
    amazon.control("/simulator/revoke", {"selling_partner_id": "A2DEMOSELLER01"})

    with pytest.raises(Doubted):
        ask(account)
    minutes_later()
    with pytest.raises(ConsentLost):
        ask(account)
    assert Account.objects.get().needs_consent


def test_a_secret_rejected_twice_marks_the_application_and_pauses_all_its_accounts(
    alice, account, amazon, settings, a_minute
):
    other = paste(alice, name="Other", selling_partner_id="A2DEMOSELLER02", refresh_token="Atzr|simulator-seller-2")
    stale(account), stale(other)
    settings.LWA_CLIENT_SECRET = "rotated elsewhere"
    before = calls(amazon)

    for each in (account, other, account):
        with pytest.raises(Doubted):
            ask(Account.objects.get(pk=each.pk))

    assert calls(amazon) == before + 1  # what one account's worker saw holds for all of the application
    assert Application.objects.get().is_ready

    minutes_later()
    for each in (account, other):
        with pytest.raises(SecretRejected, match="Set LWA_CLIENT_SECRET"):
            ask(Account.objects.get(pk=each.pk))

    assert calls(amazon) == before + 2
    assert not Application.objects.get().is_ready
    assert Account.objects.get(pk=account.pk).state == Account.State.CONNECTED


def test_the_right_secret_lets_all_accounts_go_on(account, amazon, settings, a_minute):
    stale(account)
    settings.LWA_CLIENT_SECRET = "wrong"
    with pytest.raises(Doubted):
        ask(Account.objects.get())
    minutes_later()
    with pytest.raises(SecretRejected):
        ask(Account.objects.get())

    settings.LWA_CLIENT_SECRET = CLIENT_SECRET

    assert ask(Account.objects.get())["payload"]
    assert Account.objects.get().works


def test_a_new_secret_is_judged_by_its_own_looks(account, amazon, settings, a_minute):
    stale(account)
    for secret in ("wrong", "wrong too"):
        settings.LWA_CLIENT_SECRET = secret
        with pytest.raises(Doubted):
            ask(Account.objects.get())
        minutes_later()

    assert Application.objects.get().is_ready


def test_a_missing_role_is_looked_at_twice_before_it_is_final(account, amazon, a_minute):
    amazon.control("/simulator/faults", {"operation": "getMarketplaceParticipations", "kind": "forbidden", "count": 2})
    for _ in range(3):
        with pytest.raises(Doubted) as doubt:
            ask(account)
    assert calls(amazon, "getMarketplaceParticipations") == 2  # when it was connected, and the first look
    assert "Amazon refuses getMarketplaceParticipations" in doubt.value.fact

    minutes_later()
    with pytest.raises(AccessDenied):
        ask(account)
    assert ask(account)["payload"]
    assert not FirstLook.objects.exists()


def test_other_kinds_of_requests_are_not_doubted_with_one(account, amazon, a_minute):
    amazon.control("/simulator/faults", {"operation": "getReports", "kind": "forbidden"})
    with pytest.raises(Doubted):
        clients.client_for(account).call("getReports", query={"reportTypes": ["X"]})

    assert ask(account)["payload"]


def test_a_sign_in_service_that_refuses_without_a_reason_is_looked_at_twice(account, amazon, a_minute):
    stale(account)
    amazon.control("/simulator/faults", {"operation": "token", "kind": "400"})
    for _ in range(2):
        with pytest.raises(Doubted):
            ask(account)
    minutes_later()

    with pytest.raises(SignInRefused):
        ask(account)

    assert Account.objects.get().works


def test_a_passing_fault_of_the_sign_in_service_marks_nobody(account, amazon):
    stale(account)
    amazon.control("/simulator/faults", {"operation": "token", "kind": "500"})

    with pytest.raises(Unreachable):
        ask(account)

    assert Account.objects.get().works


def test_an_account_that_was_checked_late_loses_its_note(alice, amazon, settings):
    url = settings.LWA_TOKEN_URL
    settings.LWA_TOKEN_URL = "http://127.0.0.1:9/auth/o2/token"
    account = paste(alice)
    settings.LWA_TOKEN_URL = url

    ask(account)

    assert Account.objects.get().message == ""


# Request quota


@pytest.fixture
def real_rates(account, settings, amazon):
    """Amazon's published rates: 15 calls for the marketplaces, then one a minute."""
    amazon.control("/simulator/settings", {"rate_factor": 1})
    settings.SPAPI_RATE_FACTOR = 1
    direct.line().execute("DELETE FROM quota")


def use_up(account):
    """Takes all the requests that may be made within a second."""
    client, wait = clients.client_for(account), 0.0
    while wait <= 1:
        time.sleep(wait)
        wait = client._quota_take(Call(OPERATIONS["getMarketplaceParticipations"]))


def test_a_used_up_quota_is_shared_by_all_who_speak_for_the_seller(bob, account, amazon, real_rates):
    twin = paste(bob, name="Twin")
    use_up(account)
    before = calls(amazon, "getMarketplaceParticipations")

    with pytest.raises(Throttled) as refusal:
        ask(twin)

    assert refusal.value.wait > 1
    assert calls(amazon, "getMarketplaceParticipations") == before
    wait, left = quota.left(account, "getMarketplaceParticipations")
    assert left == 0
    assert wait > 1


def test_another_sellers_quota_is_its_own(alice, account, real_rates):
    other = paste(alice, name="Other", selling_partner_id="A2DEMOSELLER02", refresh_token="Atzr|simulator-seller-2")
    use_up(other)

    assert ask(account)["payload"]


def test_a_429_empties_the_bucket(account, amazon, real_rates):
    amazon.control("/simulator/faults", {"operation": "getMarketplaceParticipations", "kind": "429", "count": 1})
    with pytest.raises(Throttled):
        ask(account)
    before = calls(amazon, "getMarketplaceParticipations")

    with pytest.raises(Throttled):
        ask(account)

    assert calls(amazon, "getMarketplaceParticipations") == before


def test_a_request_taken_stays_taken_when_the_caller_takes_everything_back(account, real_rates):
    _, before = quota.left(account, "getOrder")
    client = clients.client_for(account)

    with pytest.raises(RuntimeError), transaction.atomic():
        client._quota_take(Call(OPERATIONS["getOrder"]))
        raise RuntimeError

    assert quota.left(account, "getOrder")[1] < before


FURTHER = (Further(0.001, 2, of="application"), Further(0.001, 1, kind="A_REPORT"))


def test_an_applications_own_limit_is_shared_by_its_sellers(alice, account, real_rates, monkeypatch):
    monkeypatch.setitem(OPERATIONS, "getOrder", replace(OPERATIONS["getOrder"], further=FURTHER))
    other = paste(alice, name="Other", selling_partner_id="A2DEMOSELLER02", refresh_token="Atzr|simulator-seller-2")

    clients.client_for(account)._quota_take(Call(OPERATIONS["getOrder"]))

    assert quota.left(other, "getOrder") == (pytest.approx(0.25, abs=0.25), pytest.approx(0.5, abs=0.5))
    assert quota.seconds_for(other, "getOrder", 3) == pytest.approx(2000, abs=5)


def test_a_report_types_own_limit_holds_for_its_calls_alone(account, real_rates, monkeypatch):
    report = replace(OPERATIONS["createReport"], further=FURTHER[1:])
    monkeypatch.setitem(OPERATIONS, "createReport", report)
    client = clients.client_for(account)

    waits = [client._quota_take(Call(report, kind)) for kind in ("A_REPORT", "A_REPORT", "ANOTHER")]

    assert [wait > 900 for wait in waits] == [False, True, False]
    assert quota.left(account, "createReport", "A_REPORT")[1] == 0
    assert quota.left(account, "createReport")[1] >= 12


def test_the_quota_survives_the_loss_of_its_connection(account):
    quota.left(account, "getOrder")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [direct.line().info.backend_pid])

    assert quota.left(account, "getOrder") == (0.0, 30)


def test_quota_takes_do_not_wait_for_the_disk(account):
    assert direct.line().execute("SHOW synchronous_commit").fetchone() == ("off",)
