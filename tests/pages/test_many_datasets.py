"""The Data Center stays quick and light however many datasets there are."""

import pytest
from django.utils import timezone

from connector.accounts.models import Account, Application
from datasets.backfill.dataset_status import states_of, statuses_of
from datasets.models import Dataset, Day, Run
from tests.pages import scenes

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(alice):
    application = Application.objects.create(owner=alice, client_id="c", name="App", client_secret="s")
    return Account.objects.create(
        owner=alice,
        application=application,
        name="Harbour",
        kind="seller",
        region="NA",
        marketplaces=["US"],
        refresh_token="r",
        authorized_at=timezone.now(),
    )


def make(owner, account, state, name, *, days=5, states=None, **fields):
    dataset = scenes.shelf(owner, account, name, start=f"today-{days - 1}", **fields)
    scenes.days_of(dataset, scenes.run_of(dataset, state), days, states=states)
    return dataset


def listed(client, where="/"):
    response = client.get(where)
    assert response.status_code == 200
    return response.context["page"]


def test_two_hundred_datasets_cost_as_few_queries_as_two_and_a_light_page(
    client, alice, account, django_assert_max_num_queries
):
    for number in range(200):
        state = ("succeeded", "partial", "failed", "waiting")[number % 4]
        make(alice, account, state, f"Dataset {number:03d}", states={2: "failed"} if state == "partial" else None)
    client.force_login(alice)

    with django_assert_max_num_queries(10):
        response = client.get("/")

    assert len(response.context["page"]) == 50
    assert len(response.content) < 100_000


@pytest.mark.parametrize("run", ["succeeded", "partial", "cancelled", "failed", "waiting"])
@pytest.mark.parametrize("hole", [None, "wanted", "asked", "failed", "empty", "not in the ledger"])
def test_the_state_on_the_list_is_the_one_on_the_datasets_own_page(alice, account, run, hole):
    states = {2: hole} if hole in Day.State.values else None
    dataset = make(alice, account, run, "Orders", states=states)
    if hole == "not in the ledger":
        dataset.days.order_by("day").first().delete()

    assert states_of([dataset]) == {dataset.pk: statuses_of([dataset])[dataset.pk].state}


def test_a_day_that_is_missing_makes_a_partly_done_dataset_and_one_before_its_range_does_not(client, alice, account):
    behind = make(alice, account, "partial", "Behind", states={2: "failed"})
    healed = make(alice, account, "partial", "Healed", states={4: "failed"})
    Dataset.objects.filter(pk=healed.pk).update(start="today-3")  # the day that failed is no longer asked for
    client.force_login(alice)

    assert [row["dataset"] for row in listed(client, "/?state=partial")] == [behind]
    assert [row["dataset"] for row in listed(client, "/?state=up_to_date")] == [healed]


def test_a_report_without_dates_is_up_to_date_with_its_newest_day_though_an_older_one_failed(alice, account):
    dataset = make(alice, account, "partial", "Marketplaces", report="marketplace_participations", states={3: "failed"})

    assert states_of([dataset]) == {dataset.pk: "up_to_date"} == {dataset.pk: statuses_of([dataset])[dataset.pk].state}


def test_rows_say_how_far_they_are_on_every_page_of_the_list(client, alice, account):
    for number in range(51):
        make(alice, account, "succeeded", f"Dataset {number:03d}")
    last = make(alice, account, "waiting", "Zoo", states={3: "asked", 4: "wanted"})
    assert Run.objects.get(dataset=last).is_open
    client.force_login(alice)

    (row,) = [row for row in listed(client, "/?page=2") if row["dataset"] == last]

    assert (row["facts"].days_done, row["facts"].days_total) == (3, 5)
    assert "3 of 5 days" in client.get("/?page=2").content.decode()
