"""The update mode belongs to the report it was chosen for: another report does not inherit what the first one forced."""

import pytest

from connector.catalogue import index
from datasets.models import Dataset
from tests.serving import shop

pytestmark = pytest.mark.django_db
NEW = "/datasets/new"


@pytest.fixture
def account(alice):
    return shop.make_account(alice, "Harbour", ("US", "CA"))


@pytest.fixture
def page(client, alice, account):
    client.force_login(alice)
    return client


def after(account, report, *, then, mode):
    """What the page sends when another report is picked while the questions of the first one are shown."""
    return {
        "account": str(account.pk),
        "report": then,
        "shown": f"{report} {account.pk}",
        "start": "today-30",
        "end": "yesterday",
        "mode": mode,
        "schedule_kind": "manual",
        "name": "Orders",
    }


def test_a_forced_mode_does_not_follow_to_the_next_report(page, account):
    sent = after(account, "marketplace_participations", then="order_items", mode="replace")

    for headers in ({}, {"HX-Request": "true"}):
        assert page.get(NEW, sent, headers=headers).context["draft"].mode == "append"


def test_without_javascript_it_does_not_follow_into_the_dataset_either(page, account):
    page.post(NEW, after(account, "marketplace_participations", then="order_items", mode="replace") | {"go": "create"})

    assert Dataset.objects.get().mode == "append"


def test_a_mode_that_somebody_chose_follows_where_the_next_report_can_be_kept_so(page, account):
    assert index.get("order_details").modes[0] == "append"
    sent = after(account, "order_details", then="order_items", mode="replace")

    assert page.get(NEW, sent, headers={"HX-Request": "true"}).context["draft"].mode == "replace"


def test_a_mode_chosen_for_this_report_stays_while_its_other_answers_change(page, account):
    sent = after(account, "order_items", then="order_items", mode="replace") | {"start": "today-9"}

    assert page.get(NEW, sent, headers={"HX-Request": "true"}).context["draft"].mode == "replace"


def test_an_address_with_a_mode_and_no_questions_shown_before_is_taken_at_its_word(page, account):
    assert page.get(NEW, {"report": "order_items", "mode": "merge"}).context["draft"].mode == "merge"
