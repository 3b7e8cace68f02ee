"""The definition of a dataset: what is refused, and where it says so."""

import pytest

from connector.accounts.models import Account
from datasets.definition.checks import review
from datasets.definition.preview import preview
from datasets.models import Dataset
from tests.definition.conftest import NOW, proposal_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("field", "changes", "words"),
    [
        ("end", {"start": "2026-11-10", "end": "2026-11-01"}, "before the start"),
        ("end", {"end": "2026-12-24"}, "in the future"),
        ("start", {"start": "2020-01-01"}, "is the earliest day to load"),
        ("start", {"start": "next week"}, "is not a day"),
        ("start", {"start": ""}, "the first day to load"),
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
def test_what_is_wrong_is_said_next_to_its_field(errors_of, field, changes, words):
    assert words in " ".join(errors_of(**changes)[field])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"options": {"colour": "red"}}, "colour"),
        ({"options": ["list"]}, "options"),
        ({"schedule": "daily"}, "schedule"),
        ({"schedule": {"when": "now"}}, "schedule"),
    ],
)
def test_what_nobody_asked_for_is_refused(errors_of, changes, field):
    assert list(errors_of(**changes)) == [field]


def test_everything_that_is_wrong_is_said_at_once(errors_of):
    errors = errors_of(
        name="", account="nobody's", end="2199-01-01", schedule={"at": "25:99"}, options={"colour": "red"}
    )

    assert list(errors) == ["account", "schedule_at", "name", "colour"]
    assert all(len(sentences) == 1 for sentences in errors.values())


def test_a_strangers_account_does_not_exist(errors_of, bob, account):
    assert "no such account" in " ".join(errors_of(user=bob, account=str(account.pk))["account"])


def test_a_report_for_sellers_is_refused_for_a_vendor(errors_of, account):
    Account.objects.filter(pk=account.pk).update(kind="vendor")

    assert "vendor" in " ".join(errors_of()["report"])


def test_a_report_that_forces_its_mode_takes_no_other(errors_of):
    errors = errors_of(report="marketplace_participations", options={}, mode="append")

    assert "replace" in " ".join(errors["mode"])


def test_a_dataset_with_rows_keeps_its_report_and_its_account(make, errors_of):
    errors = errors_of(make(filled=True), report="order_items")

    assert "cannot be changed" in " ".join(errors["report"])


def test_the_forecast_says_days_and_requests_before_saving(alice, payload, account):
    report_type = "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"
    changes = {"report": "create_and_download_report", "options": {"report_type": report_type}, "start": "today-90"}
    proposal = proposal_of(alice, payload, None, changes)

    told = preview(proposal, account, review(proposal, now=NOW).span, now=NOW)

    assert (told.days, told.requests) == (90, 4)
    assert str(told.first) == "2026-08-24"


def test_rows_that_were_not_kept_by_key_are_not_turned_into_a_merge(make, errors_of):
    assert "Clear its rows first" in " ".join(errors_of(make(filled=True), mode="merge")["mode"])


class TestRowsStayOfAKind:
    """Rows that are in are not mixed with those of another document or of longer periods."""

    SALES = {"report_type": "GET_SALES_AND_TRAFFIC_REPORT"}

    @pytest.fixture
    def errors(self, make, errors_of):
        def errors(mode="append", **answers):
            dataset = make(report="create_and_download_report", options=self.SALES, mode=mode)
            Dataset.objects.filter(pk=dataset.pk).update(version=1)
            dataset.refresh_from_db()
            return errors_of(dataset, options=self.SALES | answers)

        return errors

    @pytest.mark.parametrize(
        ("answers", "name"),
        [
            ({"date_granularity": "WEEK"}, "date_granularity"),
            ({"rows": "by_asin"}, "rows"),
            ({"report_type": "GET_XML_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL"}, "report_type"),
        ],
    )
    def test_another_kind_of_rows_is_refused_next_to_its_question(self, errors, answers, name):
        assert "cannot be changed once a dataset has rows" in " ".join(errors(**answers)[name])

    def test_another_answer_about_the_same_rows_is_taken(self, errors):
        assert errors(asin_granularity="SKU") == {}

    def test_a_replace_begins_anew_and_may_change(self, errors):
        assert errors("replace", date_granularity="WEEK") == {}
