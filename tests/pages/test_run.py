"""The run page: what goes on, how far it is, and when something failed, the four things a person wants to know."""

from html import unescape

import pytest
from django.utils import timezone

from datasets.models import Dataset, Run
from tests.pages import scenes

pytestmark = pytest.mark.django_db
LIVE = {"HX-Request": "true"}
QUESTIONS = ("What happened", "What it means for your data", "What we do next", "What you can do")


def text(response):
    return " ".join(unescape(response.content.decode()).split())


def test_a_strangers_run_does_not_exist(client, bob, run):
    client.force_login(bob)

    assert client.get(f"/runs/{run.pk}").status_code == 404
    assert client.post(f"/runs/{run.pk}/cancel").status_code == 404
    assert not Run.objects.get(pk=run.pk).cancel_requested


def test_nobody_gets_in_without_signing_in(client, run):
    assert client.get(f"/runs/{run.pk}").url == f"/login?next=/runs/{run.pk}"


def test_an_open_run_says_how_far_it_is_and_where_its_requests_are(page, run):
    response = page.get(f"/runs/{run.pk}")
    seen = text(response)

    assert "136 of 730 days done, newest first. 3 failed." in seen
    assert scenes.AMAZON_IS_BUSY in seen
    assert '<progress max="730" value="136"' in seen
    phases = [(words, count) for _, words, count in response.context["phases"]]
    assert phases == [
        ("To be asked for", 0),
        ("Amazon builds it", 2),
        ("Downloading", 0),
        ("Saving", 0),
        ("Saved", 5),
    ]


def test_days_that_failed_come_first(page, run):
    states = [state for _, state in page.get(f"/runs/{run.pk}").context["days"]]

    assert states[:4] == ["failed", "failed", "failed", "open"]


def test_requests_that_are_not_listed_are_counted(page, run, monkeypatch):
    assert page.get(f"/runs/{run.pk}").context["requests_hidden"] == 0
    monkeypatch.setattr("datasets.views.run.MOST_REQUESTS", 5)

    seen = text(page.get(f"/runs/{run.pk}"))

    assert "<p>and 2 more</p>" in seen


def test_it_asks_again_only_while_it_is_open(page, run):
    assert 'hx-trigger="every 3s"' in page.get(f"/runs/{run.pk}").content.decode()
    part = page.get(f"/runs/{run.pk}", headers=LIVE).content.decode()
    assert 'hx-trigger="every 3s"' in part
    assert "<html" not in part

    Run.objects.filter(pk=run.pk).update(state="succeeded", ended_at=timezone.now(), message="730 days loaded.")

    part = page.get(f"/runs/{run.pk}", headers=LIVE).content.decode()
    assert "hx-trigger" not in part
    assert "730 days loaded." in part


def test_cancel_asks_the_run_to_stop_and_says_what_stays(page, run):
    response = page.post(f"/runs/{run.pk}/cancel", follow=True)

    assert Run.objects.get(pk=run.pk).cancel_requested
    assert "What is in stays." in text(response)
    assert "Stopping…" in text(response)


def test_cancel_after_the_end_changes_nothing(page, alice, account):
    _, run = scenes.partial(alice, account)

    response = page.post(f"/runs/{run.pk}/cancel", follow=True)

    assert "already over" in text(response)
    assert not Run.objects.get(pk=run.pk).cancel_requested


def test_looking_at_cancel_cancels_nothing(page, run):
    assert page.get(f"/runs/{run.pk}/cancel").status_code == 405
    assert not Run.objects.get(pk=run.pk).cancel_requested


def test_a_partly_done_run_answers_four_questions(page, alice, account):
    dataset, run = scenes.partial(alice, account)
    missing = [
        f"{day.day} {day:%b %Y}"
        for day in dataset.days.filter(state="failed").order_by("-day").values_list("day", flat=True)
    ]

    seen = text(page.get(f"/runs/{run.pk}"))

    for question in QUESTIONS:
        assert f"<dt>{question}</dt>" in seen
    assert run.message in seen
    assert f"Everything that was loaded before stays and can be read. Missing: {', '.join(missing)}." in seen
    assert "The next scheduled run asks for the missing days again. It is planned for" in seen
    assert f'action="/datasets/{dataset.slug}/run"' in seen


def test_a_run_that_failed_for_want_of_consent_offers_to_renew_it_and_not_to_run(page, alice, account):
    dataset, run = scenes.failed(alice, account)
    account.mark_needs_consent("Amazon no longer accepts the consent.")

    seen = text(page.get(f"/runs/{run.pk}"))

    assert f'href="/accounts/{account.pk}/reauthorize"' in seen
    assert "Nothing until the account works again" in seen
    assert f'action="/datasets/{dataset.slug}/run"' not in seen


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"paused": True}, "Nothing: the dataset is paused."),
        ({"next_run_at": None, "schedule_kind": "manual"}, "Nothing by itself: this dataset runs by hand."),
        ({"mode": "replace"}, "Readers see the rows of the last complete run"),
    ],
)
def test_what_comes_next_is_true_of_this_dataset(page, alice, account, changes, sentence):
    dataset, run = scenes.failed(alice, account)
    Dataset.objects.filter(pk=dataset.pk).update(**changes)
    if "mode" in changes:  # a replace builds aside
        Run.objects.filter(pk=run.pk).update(generation=dataset.generation + 1)

    assert sentence in text(page.get(f"/runs/{run.pk}"))


def test_a_run_that_went_well_has_no_such_panel(page, alice, account):
    _, run = scenes.up_to_date(alice, account, days=5)

    seen = text(page.get(f"/runs/{run.pk}"))

    assert "30 days loaded, 1,204 rows." in seen
    assert not any(question in seen for question in QUESTIONS)


def test_a_run_that_waits_for_a_worker_says_so(page, alice, account):
    run = scenes.run_of(scenes.shelf(alice, account, "Fresh"), "queued")

    assert "Waiting for a free worker." in text(page.get(f"/runs/{run.pk}"))
