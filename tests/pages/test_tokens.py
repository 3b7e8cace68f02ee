"""The Tokens page: a token is shown once, does what was ticked, and opens nothing once it is revoked."""

from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from datasets.access import tokens
from datasets.models import AccessToken
from tests.pages import scenes

pytestmark = pytest.mark.django_db


def text(response):
    return " ".join(unescape(response.content.decode()).split())


def make(page, **wish):
    wish = {"name": "Power BI", "scopes": ["data:read"], "dataset": "", "life": "365"} | wish
    return page.post("/tokens", wish)


def may_list(client, secret):
    client.logout()
    return client.get("/api/v1/datasets", headers={"Authorization": f"Bearer {secret}"}).status_code


def test_nobody_gets_in_without_signing_in(client):
    assert client.get("/tokens").url == "/login?next=/tokens"


def test_a_token_is_shown_once_and_works(page):
    response = make(page)
    secret = response.context["text"]

    assert text(response).count(secret) == 1
    assert "no-store" in response["Cache-Control"]
    assert secret not in text(page.get("/tokens"))
    assert may_list(page, secret) == 200


def test_a_token_does_what_was_ticked_for_as_long_as_was_said(page, dataset):
    make(page, scopes=["data:read", "runs:write"], dataset=dataset.slug, life="30")
    token = AccessToken.objects.get()

    assert token.scopes == ["data:read", "runs:write"]
    assert token.limited and list(token.datasets.all()) == [dataset]
    assert timedelta(days=29) < token.expires_at - timezone.now() <= timedelta(days=30)


@pytest.mark.parametrize(
    "wish, sentence",
    [
        ({"scopes": []}, "Choose at least one permission for the token."),
        ({"scopes": ["all"]}, "all is not one of the available choices."),
        ({"name": ""}, "This field is required."),
        ({"dataset": "nobodys"}, "not one of the available choices"),
        ({"life": "5000"}, "5000 is not one of the available choices."),
    ],
)
def test_a_wrong_wish_makes_no_token_and_says_why(page, wish, sentence):
    response = make(page, **wish)

    assert response.status_code == 422
    assert sentence in text(response)
    assert not AccessToken.objects.exists()


def test_a_strangers_dataset_is_not_offered_and_not_taken(client, bob, dataset):
    client.force_login(bob)

    assert dataset.name not in text(client.get("/tokens"))
    assert make(client, dataset=dataset.slug).status_code == 422


def test_a_revoked_token_opens_nothing_and_says_so(page, alice):
    token, secret = tokens.issue(alice, "Old script")

    response = page.post(f"/tokens/{token.token_id}/revoke", follow=True)

    assert "Old script was revoked" in text(response)
    assert may_list(page, secret) == 401


def test_a_stranger_neither_sees_nor_revokes_it(client, alice, bob):
    token, secret = tokens.issue(alice, "Alice's own")
    client.force_login(bob)

    assert "Alice's own" not in text(client.get("/tokens"))
    assert client.post(f"/tokens/{token.token_id}/revoke").status_code == 404
    assert may_list(client, secret) == 200


def test_looking_at_revoke_revokes_nothing(page, alice):
    token, secret = tokens.issue(alice, "Script")

    assert page.get(f"/tokens/{token.token_id}/revoke").status_code == 405
    assert may_list(page, secret) == 200


def test_the_list_says_how_each_is_used(page, alice, account):
    dataset = scenes.shelf(alice, account, "Orders")
    tokens.issue(alice, "Old one", life=timedelta(days=1), now=timezone.now() - timedelta(days=3))
    tokens.issue_link(alice, dataset, "Sheet", fixed="_limit=10")
    token, _ = tokens.issue(alice, "In use", datasets=[dataset])
    AccessToken.objects.filter(pk=token.pk).update(last_used_at=timezone.now(), last_used_by="Excel 16")

    seen = text(page.get("/tokens"))

    for words in (
        "Old one",
        "Expired",
        "Sheet",
        "be read by anyone who has its address",
        "In use",
        "Excel 16",
        "just now",
    ):
        assert words in seen
    assert "read datasets, their rows, runs and days" in seen  # as the form has it
    assert "data:read</" not in seen and "<span>data:read" not in seen
