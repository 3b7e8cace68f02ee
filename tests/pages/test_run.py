"""The run page: what goes on, how far it is, and when something failed, the four things a person wants to know."""

from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from datasets.calendar import written
from datasets.models import Dataset, Day, Request, Run
from tests.days import day_before
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
        ("Not yet requested", 0),
        ("Amazon is building it", 2),
        ("Downloading", 0),
        ("Saving", 0),
        ("Saved", 5),
    ]


def test_days_that_failed_come_first(page, run):
    states = [row.state for row in page.get(f"/runs/{run.pk}").context["days"]]

    assert states[:4] == ["failed", "failed", "failed", "open"]


def test_requests_that_are_not_listed_are_counted(page, run, monkeypatch):
    assert page.get(f"/runs/{run.pk}").context["requests_hidden"] == 0
    monkeypatch.setattr("datasets.views.run.MAX_REQUESTS", 5)

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
    assert "Days already loaded are kept." in text(response)
    assert "Stopping…" in text(response)


def test_cancel_after_the_end_changes_nothing(page, alice, account):
    _, run = scenes.partial(alice, account)

    response = page.post(f"/runs/{run.pk}/cancel", follow=True)

    assert "had already ended" in text(response)
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
    assert f"Everything loaded before is kept and can be used. Missing: {', '.join(missing)}." in seen
    assert "The next scheduled run requests the missing days again. It is planned for" in seen
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
        ({"next_run_at": None, "schedule_kind": "manual"}, "Nothing automatically: this dataset has no schedule."),
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


def test_a_replace_that_would_take_a_marketplace_from_its_readers_says_what_they_see(page, alice, account):
    """Its own generation lacks Mexico, so readers keep the one before."""
    dataset, run = scenes.partial(alice, account)
    Dataset.objects.filter(pk=dataset.pk).update(mode="replace")
    dataset.days.filter(state="failed").update(state="landed", rows=5)
    dataset.days.update(lacking=["MX"], generation=dataset.generation + 1)
    Run.objects.filter(pk=run.pk).update(generation=dataset.generation + 1)
    Day.objects.create(dataset=dataset, generation=dataset.generation, day=day_before(3), state="landed", rows=7)

    seen = text(page.get(f"/runs/{run.pk}"))

    assert "Readers see the rows of the last complete run: a replace never shows an incomplete range." in seen
    assert "This run is without MX." in seen
    assert "remove the marketplace from the dataset's marketplaces" in seen
    assert "The scheduled runs ask for MX again, at most once a day. The next one is planned for" in seen
    assert "requests the missing days" not in seen
    assert "Readers see the rows of the last complete run." in text(page.get(f"/datasets/{dataset.slug}"))
    seen = text(page.get(f"/datasets/{dataset.slug}/days/{day_before(3)}"))
    assert "It belongs to a replace that is not complete" in seen and "See the rows of this day" not in seen


def test_what_comes_next_names_the_run_that_asks_for_days_that_wait(page, alice, account):
    """It said of the next run, planned for today, that it would ask for days that wait until next week."""
    dataset, run = scenes.partial(alice, account)
    due = dataset.next_run_at + timedelta(days=5)
    dataset.days.filter(state="failed").update(not_before=due)

    seen = text(page.get(f"/runs/{run.pk}"))
    assert f"the first scheduled run after {written(due)} requests them again" in seen
    assert f"the next ones by the run planned for {written(dataset.next_run_at)}." in seen
    assert "It is planned for" not in seen

    dataset.days.filter(state="failed").update(not_before=dataset.next_run_at - timedelta(hours=1))
    assert (
        f"The next scheduled run requests the missing days again. It is planned for {written(dataset.next_run_at)}."
        in text(page.get(f"/runs/{run.pk}"))
    )


def test_an_old_run_does_not_say_that_days_keep_rows_which_later_runs_have_loaded(page, alice, account):
    dataset, run = scenes.partial(alice, account)
    Run.objects.filter(pk=run.pk).update(done_at_end=87, failed_at_end=3)
    later = scenes.run_of(dataset, "succeeded", ago=timedelta(hours=1))
    dataset.days.update(state="landed", rows=5, run=later)

    seen = text(page.get(f"/runs/{run.pk}"))
    assert "Later runs have taken over the days that failed in this one." in seen
    assert "second reading" not in seen
    told = page.get(f"/datasets/{dataset.slug}/history").context["runs"]
    assert [(one.done, one.failed) for one in told] == [(90, 0), (87, 3)]

    dataset.days.filter(day=day_before(3)).update(again=True, attempts=1, run=run)
    assert "Days that could not be loaded a second time keep their earlier rows." in text(page.get(f"/runs/{run.pk}"))


def file_run(dataset, state, **fields):
    return scenes.run_of(dataset, state, trigger="file", **fields)


def test_a_run_of_a_file_speaks_of_the_file(page, alice, account):
    dataset, _ = scenes.up_to_date(alice, account, days=5)
    run = file_run(dataset, "running", days_total=1)
    request = Request.plan(dataset, 1, day_before(40), day_before(40), kind="file", asked={}, state="ready")
    Day.objects.create(dataset=dataset, generation=1, day=day_before(40), state="asked", request=request, run=run)

    response = page.get(f"/runs/{run.pk}")
    assert [(words, count) for _, words, count in response.context["phases"]] == [
        ("To be read", 1),
        ("Saving", 0),
        ("Saved", 0),
    ]
    seen = text(response)
    assert "The uploaded file" in seen and "Requests to Amazon" not in seen
    assert ">To be read</span>" in seen
    assert "Its rows are being loaded from an uploaded file." in text(
        page.get(f"/datasets/{dataset.slug}/days/{day_before(40)}")
    )


def test_a_run_of_a_file_that_failed_sends_people_to_the_file(page, alice, account):
    dataset, _ = scenes.up_to_date(alice, account, days=5)
    account.mark_needs_consent("Amazon no longer accepts the consent.")  # which has nothing to do with it
    run = file_run(dataset, "failed", days_total=1, message="1 of 1 days could not be loaded.")
    Request.plan(dataset, 1, day_before(40), day_before(40), kind="file", asked={}, state="failed")
    Request.objects.update(created_at=run.queued_at)
    day = Day.objects.create(
        dataset=dataset, generation=1, day=day_before(40), state="failed", run=run, attempts=1, message="No."
    )

    response = page.get(f"/runs/{run.pk}")
    assert [(words, count) for _, words, count in response.context["phases"]][-1] == ("Given up", 1)
    seen = text(response)
    assert "Amazon's number" not in seen
    assert "Nothing automatically: the rows of these days come from a file, which must be loaded by hand." in seen
    assert 'href="/files"' in seen and f'action="/datasets/{dataset.slug}/run"' not in seen
    assert "It is planned for" not in seen
    seen = text(page.get(f"/datasets/{dataset.slug}/days/{day.day}"))
    assert "which no run loads automatically. Correct the file, then upload and load it again" in seen
    assert "Try this day now" not in seen and "tries it again" not in seen
