"""What the pages say of a marketplace that Amazon refuses, and of a refusal that waits for its second look."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from connector.accounts.models import FirstLook, RefusedMarketplace
from datasets.models import Day, Run

pytestmark = pytest.mark.django_db

WORDS = "403, Unauthorized, Access to <requested> resource is denied."


@pytest.fixture
def refused(account):
    account.marketplaces = ["US", "CA", "MX"]
    account.save()
    now = timezone.now()
    return RefusedMarketplace.objects.create(
        account=account,
        marketplace="MX",
        what="searchOrders",
        words=WORDS,
        since=now - timedelta(days=2),
        looked_at=now,
    )


@pytest.fixture
def partial(dataset, run, refused):
    """The run is over, and its days lack Mexico."""
    Day.objects.filter(dataset=dataset, state__in=Day.IN).update(lacking=["MX"])
    Run.objects.filter(pk=run.pk).update(
        state=Run.State.PARTIAL, message="4 days loaded. 4 days are without MX.", ended_at=timezone.now()
    )
    return dataset


def shown(page, name, *args):
    response = page.get(reverse(name, args=args))
    assert response.status_code == 200
    return response.content.decode()


def test_the_account_names_it_with_amazons_words_and_what_to_do(page, account, refused):
    html = shown(page, "account", account.pk)

    assert "Mexico (MX)" in html and "Access to &lt;requested&gt; resource is denied." in html
    assert "Seller Central" in html and reverse("account-reauthorize", args=[account.pk]) in html
    assert "Mexico (MX)" in shown(page, "accounts")


def test_without_a_refusal_nothing_is_said(page, account):
    assert "refuses" not in shown(page, "account", account.pk) + shown(page, "accounts")


def test_the_dataset_says_what_its_days_lack(page, partial):
    html = shown(page, "dataset", partial.slug)

    assert "without MX" in html  # the notice, and each day in the calendar
    assert "rows, without MX" in html


def test_the_run_says_what_can_be_done(page, partial, run):
    html = shown(page, "run", run.pk)

    assert "that the account sells in MX" in html
    assert "The days are missing these marketplaces: MX." in html
    assert "remove the marketplace from the dataset&#x27;s marketplaces" in html


def test_all_days_in_without_one_is_not_up_to_date(page, account, alice, partial):
    answer = page.get(f"/api/v1/datasets/{partial.slug}").json()

    assert answer["state"] == "partial" and answer["days_lacking"] == answer["days_done"] > 0
    assert answer["complete_through"] is None
    [one] = page.get(f"/api/v1/accounts/{account.pk}").json()["refused_marketplaces"]
    assert (one["marketplace"], one["what"], one["words"]) == ("MX", "searchOrders", WORDS)


@pytest.mark.django_db(transaction=True)
def test_a_refusal_that_waits_for_its_second_look_is_told(page, account):
    FirstLook.objects.create(
        subject=f"consent of account {account.pk}", first_at=timezone.now(), fact="Amazon no longer lets us."
    )

    html = shown(page, "account", account.pk)

    assert "Amazon no longer lets us." in html and "Nothing is paused unless Amazon repeats it" in html
