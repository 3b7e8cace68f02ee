"""Tokens: shown once, kept as a hash, good for what they say and no longer."""

import base64
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from datasets.access import tokens
from datasets.models import AccessToken
from datasets.problems import BadParameters
from tests.serving import shop

pytestmark = pytest.mark.django_db
WHERE = "/api/v1/datasets/orders_us/export.csv"


@pytest.fixture(scope="module")
def orders(make):
    return make.dataset("orders_us", rows=shop.orders(3))


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def status(client, headers):
    return client.head(WHERE, headers=headers).status_code


def test_the_text_has_the_promised_shape_and_only_its_hash_is_kept(alice):
    token, text = tokens.issue(alice, "mine")

    assert tokens.SHAPE.fullmatch(text)[1] == token.token_id
    kept = AccessToken.objects.filter(pk=token.pk).values().get()
    secret = text.split("_", 2)[2]
    assert not any(
        secret in str(value) or secret.encode() in bytes(value if isinstance(value, memoryview) else b"")
        for value in kept.values()
    )
    assert kept["expires_at"] - kept["created_at"] > timedelta(days=364)


def test_it_is_taken_as_bearer_and_in_either_slot_of_basic(client, orders, alice):
    _, text = tokens.issue(alice)

    assert status(client, {"Authorization": f"Bearer {text}"}) == 200
    assert status(client, {"Authorization": f"bearer  {text}"}) == 200
    assert status(client, basic("", text)) == 200
    assert status(client, basic("anybody@example.com", text)) == 200
    assert status(client, basic(text, "")) == 200
    assert status(client, basic(text, "x")) == 200


@pytest.mark.parametrize(
    "header",
    [
        "Bearer ",
        "Bearer nonsense",
        "Bearer bh_00000000_" + "A" * 43,
        "Basic not-base64!",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Basic " + base64.b64encode(b"alice:alice's long password").decode(),
        "Digest username=x",
        "ünïcode",
        "Bearer " + "x" * 5000,
    ],
)
def test_anything_else_is_401_with_a_way_in(client, orders, header):
    answer = client.get(WHERE, headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Basic realm="Backhaul", charset="UTF-8", Bearer realm="Backhaul"'
    assert answer.json()["code"] == "unauthenticated"


def test_one_changed_letter_opens_nothing(client, orders, alice):
    _, text = tokens.issue(alice)

    assert status(client, {"Authorization": f"Bearer {text[:-1]}{'A' if text[-1] != 'A' else 'B'}"}) == 401


def test_a_revoked_token_opens_nothing_from_then_on(client, orders, alice):
    token, text = tokens.issue(alice)
    assert status(client, {"Authorization": f"Bearer {text}"}) == 200

    tokens.revoke(token)

    answer = client.get(WHERE, headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 401
    assert "revoked" in answer.json()["detail"]


def test_an_expired_token_says_when_it_expired(client, orders, alice):
    _, text = tokens.issue(alice, life=timedelta(days=1), now=timezone.now() - timedelta(days=2))

    answer = client.get(WHERE, headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 401
    assert "expired on 20" in answer.json()["detail"]


def test_the_token_of_somebody_who_has_left_opens_nothing(client, orders, alice):
    _, text = tokens.issue(alice)
    alice.is_active = False
    alice.save()

    assert status(client, {"Authorization": f"Bearer {text}"}) == 401
    alice.is_active = True


def test_a_missing_scope_is_403_and_named(client, orders, alice):
    _, text = tokens.issue(alice, scopes=["runs:write"])

    answer = client.get(WHERE, headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 403
    assert answer.json()["code"] == "forbidden_scope"
    assert "data:read" in answer.json()["detail"]


def test_an_unknown_scope_names_the_nearest(alice):
    with pytest.raises(BadParameters, match="Did you mean 'data:read'"):
        tokens.issue(alice, scopes=["data:reed"])


def test_a_limited_token_opens_its_datasets_only_and_nothing_when_they_are_gone(client, orders, alice, make):
    other = make.dataset("other_one", rows=shop.orders(1))
    _, text = tokens.issue(alice, datasets=[other])
    headers = {"Authorization": f"Bearer {text}"}

    assert status(client, headers) == 404
    assert client.head("/api/v1/datasets/other_one/export.csv", headers=headers).status_code == 200
    AccessToken.objects.get(token_id=text[3:11]).datasets.clear()  # as after the dataset's deletion
    assert status(client, headers) == 404


def test_the_browser_session_reads_but_a_wrong_token_does_not_fall_back_to_it(client, orders, alice):
    client.force_login(alice)

    assert status(client, {}) == 200
    assert status(client, {"Authorization": "Bearer bh_00000000_" + "A" * 43}) == 401


def test_a_change_by_session_needs_the_csrf_token(orders, alice, rf):
    from datasets.problems import Forbidden

    request = rf.post("/api/v1/datasets")
    request.user, request._dont_enforce_csrf_checks = alice, False

    with pytest.raises(Forbidden) as refused:
        tokens.caller(request, "datasets:write")
    assert refused.value.code == "csrf_failed"


def test_the_last_use_is_noted_once_a_minute(client, orders, alice, time_machine):
    token, text = tokens.issue(alice)
    headers = {"Authorization": f"Bearer {text}", "User-Agent": "pandas/3\x07"}
    time_machine.move_to("2026-11-22T10:00:00Z", tick=False)
    status(client, headers)
    time_machine.move_to("2026-11-22T10:00:50Z", tick=False)
    status(client, headers)
    token.refresh_from_db()
    first = token.last_used_at
    time_machine.move_to("2026-11-22T10:01:10Z", tick=False)
    status(client, headers)
    token.refresh_from_db()

    assert first.isoformat() == "2026-11-22T10:00:00+00:00"
    assert token.last_used_at.isoformat() == "2026-11-22T10:01:10+00:00"
    assert token.last_used_by == "pandas/3\ufffd"


def test_the_command_prints_the_token_and_nothing_else(client, orders, alice):
    out = StringIO()
    call_command("access_token", "--user", "ALICE@example.com", "--name", "CI", "--scope", "data:read", stdout=out)

    text = out.getvalue()
    assert text.endswith("\n")
    assert tokens.SHAPE.fullmatch(text.strip())
    assert status(client, {"Authorization": f"Bearer {text.strip()}"}) == 200
    assert AccessToken.objects.get(token_id=text[3:11]).name == "CI"


def test_the_command_refuses_whom_it_does_not_know_and_makes_nothing(alice):
    before = AccessToken.objects.count()

    with pytest.raises(CommandError, match="no person with the e-mail address nobody@example.com"):
        call_command("access_token", "--user", "nobody@example.com")
    with pytest.raises(CommandError, match="There is no scope 'everything'"):
        call_command("access_token", "--user", "alice@example.com", "--scope", "everything")
    assert AccessToken.objects.count() == before
