"""The definition of a dataset: what is refused, where it says so, and what is kept."""

from datetime import UTC, datetime

import pytest

from connector.accounts.models import Account, Application
from datasets.definition.form import DatasetForm, payload_of
from datasets.models import Dataset, Day

NOW = datetime(2026, 11, 22, 20, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(alice):
    application = Application.objects.create(owner=alice, name="App", client_id="c", client_secret="s")
    return Account.objects.create(
        owner=alice, application=application, name="US seller", kind="seller", region="NA",
        marketplaces=["US", "CA"], refresh_token="r", authorized_at=NOW,
    )  # fmt: skip


@pytest.fixture
def payload(account):
    return {
        "name": "Orders, US",
        "account": "us seller",
        "report": "order_details",
        "options": {"query_date_type": "created"},
        "start": "today-30",
        "end": "yesterday",
        "mode": "append",
        "schedule": {"kind": "daily", "at": "06:00"},
    }


def form_of(user, payload, **changes):
    return DatasetForm.from_payload(user, payload | changes, now=NOW)


def test_a_definition_is_kept_as_it_was_given(alice, account, payload):
    form = form_of(alice, payload)

    assert form.is_valid(), form.errors
    dataset = form.save()
    assert (dataset.slug, dataset.account, dataset.mode) == ("orders_us", account, "append")
    assert dataset.schedule_zone == "America/Los_Angeles"
    assert dataset.next_run_at == datetime(2026, 11, 23, 14, tzinfo=UTC)
    assert payload_of(dataset)["options"]["query_date_type"] == "created"


def test_two_datasets_of_one_name_have_two_slugs(alice, payload):
    first, second = (form_of(alice, payload) for _ in range(2))
    assert first.is_valid() and second.is_valid()

    assert [first.save().slug, second.save().slug] == ["orders_us", "orders_us_2"]


@pytest.mark.parametrize(
    ("field", "changes", "words"),
    [
        ("end", {"start": "2026-11-10", "end": "2026-11-01"}, "before the start"),
        ("end", {"end": "2026-12-24"}, "in the future"),
        ("start", {"start": "2020-01-01"}, "is the earliest day to load"),
        ("start", {"start": "next week"}, "is not a day"),
        ("start", {"start": ""}, "from which day"),
        ("report", {"report": "order_detials"}, "order_details"),
        ("select_statuses", {"options": {"select_statuses": [f"S{n}" for n in range(11)]}}, "at most 10"),
        ("select_statuses", {"options": {"select_statuses": ["LOST"]}}, "SHIPPED"),
        ("marketplaces", {"options": {"marketplaces": ["DE"]}}, "US, CA"),
        ("query_date_type", {"options": {"query_date_type": "someday"}}, "created"),
        ("mode", {"mode": "sideways"}, "sideways"),
        ("schedule_zone", {"schedule": {"kind": "daily", "zone": "America/Los_Angelos"}}, "America/Los_Angeles"),
        ("schedule_at", {"schedule": {"kind": "daily", "at": "25:99"}}, "valid time"),
        ("schedule_kind", {"schedule": {"kind": "fortnightly"}}, "fortnightly"),
        ("account", {"account": "nobody's"}, "no such account"),
        ("name", {"name": ""}, "name"),
        ("name", {"name": ["a", "list"]}, "text"),
    ],
)
def test_what_is_wrong_is_said_next_to_its_field(alice, payload, field, changes, words):
    form = form_of(alice, payload, **changes)

    assert not form.is_valid()
    assert words in " ".join(form.errors[field])


@pytest.mark.parametrize("changes", [{"options": {"colour": "red"}}, {"options": ["list"]}, {"schedule": "daily"}])
def test_what_nobody_asked_for_is_refused(alice, payload, changes):
    form = form_of(alice, payload, **changes)

    assert not form.is_valid()
    assert form.non_field_errors()


def test_a_strangers_account_does_not_exist(bob, payload, account):
    form = form_of(bob, payload, account=str(account.pk))

    assert "no such account" in " ".join(form.errors["account"])


def test_a_report_for_sellers_is_refused_for_a_vendor(alice, account, payload):
    Account.objects.filter(pk=account.pk).update(kind="vendor")

    assert "vendor" in " ".join(form_of(alice, payload).errors["report"])


def test_a_report_that_forces_its_mode_takes_no_other(alice, payload):
    form = form_of(alice, payload, report="marketplace_participations", options={}, mode="append")

    assert not form.is_valid()
    assert "replace" in " ".join(form.errors["mode"])


def test_a_dataset_with_rows_keeps_its_report_and_its_account(alice, payload):
    form = form_of(alice, payload)
    assert form.is_valid()
    dataset = form.save()
    Dataset.objects.filter(pk=dataset.pk).update(version=1)
    dataset.refresh_from_db()

    changed = DatasetForm.from_payload(alice, {"report": "order_items"}, instance=dataset, now=NOW)

    assert "cannot be changed" in " ".join(changed.errors["report"])


def test_what_a_change_leaves_out_stays_as_it_is(alice, payload):
    form = form_of(alice, payload)
    assert form.is_valid()
    dataset = form.save()

    changed = DatasetForm.from_payload(alice, {"description": "mine"}, instance=dataset, now=NOW)
    assert changed.is_valid(), changed.errors
    changed.save()

    dataset.refresh_from_db()
    assert (dataset.description, dataset.start, dataset.slug) == ("mine", "today-30", "orders_us")


def test_the_forecast_says_days_and_requests_before_saving(alice, payload):
    told = form_of(alice, payload, report="create_and_download_report", start="today-90", end="yesterday", options={
        "report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"
    }).forecast()  # fmt: skip

    assert (told.days, told.requests) == (90, 4)
    assert str(told.first) == "2026-08-24"


@pytest.fixture
def filled(alice, payload):
    """A dataset with a day that is in."""
    form = form_of(alice, payload)
    assert form.is_valid()
    dataset = form.save()
    Dataset.objects.filter(pk=dataset.pk).update(version=1)
    Day.objects.create(dataset=dataset, generation=1, day=NOW.date(), state="landed", rows=3)
    dataset.refresh_from_db()
    return dataset


def changed(alice, dataset, **changes):
    form = DatasetForm.from_payload(alice, changes, instance=dataset, now=NOW)
    return form if not form.is_valid() else form.save()


def test_other_answers_have_every_day_read_again(alice, filled):
    changed(alice, filled, options={"query_date_type": "created", "select_statuses": ["SHIPPED"]})

    assert filled.days.get().again


def test_another_name_leaves_the_days_alone(alice, filled):
    changed(alice, filled, name="Orders of mine")

    assert not filled.days.get().again


def test_rows_that_were_not_kept_by_key_are_not_turned_into_a_merge(alice, filled):
    assert "Clear its rows first" in " ".join(changed(alice, filled, mode="merge").errors["mode"])


class TestRowsStayOfAKind:
    """Rows that are in are not mixed with those of another document or of longer periods."""

    SALES = {"report_type": "GET_SALES_AND_TRAFFIC_REPORT"}

    @pytest.fixture
    def change(self, alice, payload):
        def change(mode="append", **answers):
            form = form_of(alice, payload, report="create_and_download_report", options=self.SALES, mode=mode)
            assert form.is_valid(), form.errors
            dataset = form.save()
            Dataset.objects.filter(pk=dataset.pk).update(version=1)
            dataset.refresh_from_db()
            return DatasetForm.from_payload(alice, {"options": self.SALES | answers}, instance=dataset, now=NOW)

        return change

    @pytest.mark.parametrize(
        ("answers", "name"),
        [
            ({"date_granularity": "WEEK"}, "date_granularity"),
            ({"rows": "by_asin"}, "rows"),
            ({"report_type": "GET_XML_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"}, "report_type"),
        ],
    )
    def test_another_kind_of_rows_is_refused_next_to_its_question(self, change, answers, name):
        form = change(**answers)

        assert not form.is_valid() and "cannot be changed once a dataset has rows" in str(form.errors[name])

    def test_another_answer_about_the_same_rows_is_taken(self, change):
        assert change(asin_granularity="SKU").is_valid()

    def test_a_replace_begins_anew_and_may_change(self, change):
        assert change("replace", date_granularity="WEEK").is_valid()
