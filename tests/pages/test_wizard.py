"""Connect data: one page makes a dataset, says what is wrong next to its field, and loses nothing that was typed."""

import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from connector.accounts.models import Account, Application
from connector.catalogue.report import Aligned
from datasets.models import Dataset, Day, Run
from tests.days import day_before, last_periods

pytestmark = pytest.mark.django_db
NEW = "/datasets/new"
LIVE = {"HX-Request": "true"}


def make_account(owner, name="Harbour", **wish):
    application, _ = Application.objects.get_or_create(
        owner=owner, client_id="c", defaults={"name": "App", "client_secret": "s"}
    )
    wish = {"kind": "seller", "region": "NA", "marketplaces": ["US", "CA"], "refresh_token": "r"} | wish
    return Account.objects.create(owner=owner, application=application, name=name, authorized_at=timezone.now(), **wish)


@pytest.fixture
def account(alice):
    return make_account(alice)


@pytest.fixture
def page(client, alice, account):
    client.force_login(alice)
    return client


@pytest.fixture
def answers(account):
    """What the page sends when everything is as it suggests."""
    return {
        "account": str(account.pk),
        "report": "order_details",
        "shown": f"order_details {account.pk}",
        "start": "today-30",
        "end": "yesterday",
        "query_date_type": "created",
        "mode": "append",
        "schedule_kind": "daily",
        "schedule_at": "06:00",
        "schedule_zone": "",
        "name": "Orders, US",
        "description": "What Alice wrote\nabout it",
    }


def text(response):
    return unescape(response.content.decode())


def field(response, name):
    """The HTML of one field with its label, help and errors."""
    whole = text(response)
    at = re.search(rf'name="{name}"', whole).start()
    start = max(whole.rfind('<div class="field', 0, at), whole.rfind("<fieldset", 0, at))
    return whole[start : at + 400]


# What is made


def test_without_javascript_the_form_makes_a_dataset_and_begins_its_run(page, answers, account):
    response = page.post(NEW, answers)

    dataset = Dataset.objects.get()
    assert response.status_code == 302 and response["Location"] == reverse("dataset", args=[dataset.slug])
    assert (dataset.name, dataset.account, dataset.start, dataset.mode) == ("Orders, US", account, "today-30", "append")
    assert dataset.schedule_zone == "America/Los_Angeles"
    run = dataset.runs.get()
    assert run.trigger == Run.Trigger.CREATED and run.started_by == dataset.owner


def test_create_alone_begins_no_run(page, answers):
    page.post(NEW, answers | {"go": "create"})

    assert Dataset.objects.get().runs.count() == 0


def test_a_form_sent_twice_makes_one_dataset(page, answers):
    answers["key"] = "6f9619ff-8b86-4011-b42d-00c04fc964ff"

    first, second = page.post(NEW, answers), page.post(NEW, answers)

    assert Dataset.objects.count() == 1
    assert first["Location"] == second["Location"]


def test_the_same_form_with_other_answers_makes_another_dataset(page, answers):
    answers["key"] = "6f9619ff-8b86-4011-b42d-00c04fc964ff"

    page.post(NEW, answers)
    page.post(NEW, answers | {"start": "today-7"})

    assert sorted(Dataset.objects.values_list("slug", flat=True)) == ["orders_us", "orders_us_2"]


def test_a_dataset_named_new_does_not_take_the_pages_address(page, answers):
    page.post(NEW, answers | {"name": "New"})

    assert Dataset.objects.get().slug == "new_2"


# What is refused

BAD = {
    "reversed dates": ("end", {"start": "yesterday", "end": "today-20"}, "is before the start"),
    "a day to come": ("end", {"end": "2199-01-01"}, "is in the future"),
    "before Amazon's reach": ("start", {"start": "2015-01-01"}, "is the earliest day to load"),
    "no day at all": ("start", {"start": "next week"}, "is not a day"),
    "an unknown report": ("report", {"report": "order_detials"}, "The nearest one is 'order_details'"),
    "eleven statuses": ("select_statuses", {"select_statuses": ["SHIPPED", *map(str, range(10))]}, "at most 10"),
    "an unknown option": ("query_date_type", {"query_date_type": "someday"}, "is not one of its choices"),
    "no name": ("name", {"name": ""}, "Enter a name for the dataset."),
    "an unknown zone": ("schedule_zone", {"schedule_zone": "America/Los_Angelos"}, "Did you mean America/Los_Angeles?"),
    "no time": ("schedule_at", {"schedule_at": "25:99"}, "Enter a valid time."),
    "an unknown mode": ("mode", {"mode": "sideways"}, "sideways is not one of the available choices"),
    "no account": ("account", {"account": ""}, "Choose the account to load from."),
}


@pytest.mark.parametrize(("name", "changes", "sentence"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_said_next_to_its_field(page, alice, answers, name, changes, sentence):
    make_account(alice, "Second")

    response = page.post(NEW, answers | changes)

    assert response.status_code == 422
    assert sentence in field(response, name)
    assert sentence in text(response).partition("<form method")[2] and 'id="errors"' in text(response)
    assert Dataset.objects.count() == 0


@pytest.mark.parametrize(("name", "changes", "sentence"), BAD.values(), ids=BAD)
def test_nothing_that_was_typed_is_lost(page, alice, answers, name, changes, sentence):
    make_account(alice, "Second")
    given = answers | {"select_statuses": ["SHIPPED", "PENDING"], "name": "Typed by Alice", "end": "today"} | changes

    shown = text(page.post(NEW, given))

    assert "What Alice wrote\nabout it" in shown
    for each in ("start", "end", "schedule_at", "schedule_zone", "name"):
        if each in ("start", "end") and name == "report":
            continue  # a report that does not exist asks for no dates
        if given[each]:
            assert f'value="{given[each]}"' in shown, each
    if name not in ("report", "select_statuses"):
        assert re.search(r'value="SHIPPED"[^>]* checked', shown) and re.search(r'value="PENDING"[^>]* checked', shown)
    assert ('<option value="order_details" selected' in shown) == (name != "report")


def test_the_summary_of_errors_links_to_the_fields(page, answers):
    shown = text(page.post(NEW, answers | {"start": "never", "name": ""}))

    assert '<a href="#id_start">Start Date</a>' in shown and '<a href="#id_name">Name</a>' in shown
    assert 'id="id_start"' in shown and 'id="id_name"' in shown
    assert shown.index('href="#id_start"') < shown.index('href="#id_name"')


# What the page asks


def test_another_report_asks_other_questions(page):
    orders = text(page.get(NEW, {"report": "order_details"}))
    files = text(page.get(NEW, {"report": "create_and_download_report"}))
    present = text(page.get(NEW, {"report": "marketplace_participations"}))

    assert 'name="select_statuses"' in orders and 'name="csv_report_quote_character"' not in orders
    assert 'name="csv_report_quote_character"' in files and 'name="select_statuses"' not in files
    assert 'name="start"' not in present and "has no history" in present


def test_show_its_questions_keeps_the_answers(page, answers):
    changed = answers | {"report": "order_items", "go": "preview", "select_statuses": ["SHIPPED"], "start": "today-7"}

    response = page.post(NEW, changed, follow=True)

    assert response.redirect_chain[0][0].startswith(NEW + "?")
    assert "csrf" not in response.redirect_chain[0][0]
    shown = text(response)
    assert '<option value="order_items" selected' in shown
    assert 'value="today-7"' in shown and 'value="Orders, US"' in shown and "What Alice wrote" in shown
    assert re.search(r'value="SHIPPED"[^>]* checked', shown)
    assert Dataset.objects.count() == 0


def test_preview_says_what_will_be_loaded(page, answers):
    shown = text(page.post(NEW, answers | {"go": "preview"}, follow=True))

    assert "30 days with" in shown and "Estimated with 50 rows a day" in shown


def test_the_page_says_why_nothing_can_be_loaded_while_the_only_account_is_not_named_yet(page):
    shown = text(page.get(NEW, {"start": "next week"}))

    assert "'next week' is not a day." in shown.partition('id="plan"')[2]


def test_a_description_too_long_for_an_address_is_kept_all_the_same(page, answers):
    shown = text(page.post(NEW, answers | {"go": "preview", "description": "long " * 900}, follow=True))

    assert shown.count("long long") > 100


def test_htmx_gets_only_the_parts_that_follow_from_the_answers(page, answers, account):
    asked = answers | {"report": "create_and_download_report"}

    other = page.get(NEW, asked, headers=LIVE)
    same = page.get(NEW, asked | {"shown": f"create_and_download_report {account.pk}"}, headers=LIVE)

    assert "<html" not in text(other) and 'id="questions"' in text(other) and 'id="plan"' in text(other)
    assert 'id="questions"' not in text(same) and 'id="plan"' in text(same)
    assert "report=create_and_download_report" in other["HX-Push-Url"] and "HX-Replace-Url" in same
    assert parse_qs(urlsplit(same["HX-Replace-Url"]).query)["account"] == [str(account.pk)]
    assert "HX-Request" in other["Vary"]


class TestAReportTypeWithItsOwnQuestions:
    """Create and Download Report asks what the chosen report type wants to know, and plans by its rule."""

    SALES = {"report": "create_and_download_report", "report_type": "GET_SALES_AND_TRAFFIC_REPORT"}
    TERMS = {"report": "create_and_download_report", "report_type": "GET_BRAND_ANALYTICS_SEARCH_TERMS_REPORT"}

    def test_choosing_it_brings_its_questions_and_takes_the_others_away(self, page, answers, account):
        was = {"shown": f"create_and_download_report {account.pk}"}

        sales = text(page.get(NEW, answers | self.SALES | was, headers=LIVE))
        terms = text(page.get(NEW, answers | self.TERMS | was, headers=LIVE))

        assert 'id="questions"' in sales and 'name="asin_granularity"' in sales and 'name="rows"' in sales
        assert 'name="csv_report_quote_character"' not in sales and 'name="report_period"' not in sales
        assert 'name="report_period"' in terms and 'name="asin_granularity"' not in terms

    def test_while_it_stays_its_questions_are_left_as_they_are(self, page, answers):
        first = page.get(NEW, answers | self.SALES, headers=LIVE)
        marker = re.search(r'name="shown" value="([^"]+)"', text(first))[1]

        second = page.get(NEW, answers | self.SALES | {"shown": marker, "rows": "by_asin"}, headers=LIVE)

        assert 'id="questions"' not in text(second) and 'id="plan"' in text(second)
        assert "rows=by_asin" in second["HX-Replace-Url"]

    def test_the_plan_is_by_whole_periods_that_are_over(self, page, answers):
        quarters = last_periods(Aligned("quarter"), 3)
        first, last = quarters[0][0], quarters[2][1]
        dates = {"start": str(first + timedelta(days=40)), "end": str(last - timedelta(days=70))}

        shown = text(page.get(NEW, answers | self.TERMS | dates | {"report_period": "QUARTER"}))

        assert f'<time datetime="{first}">' in shown and f'<time datetime="{last}">' in shown
        assert f"{(last - first).days + 1} days with 3 requests" in shown
        assert "only for whole, completed calendar quarters" in shown

    def test_dates_that_hold_no_whole_period_yet_load_nothing_and_the_page_says_so(self, page, answers):
        dates = {"start": "yesterday", "end": "yesterday"}

        shown = text(page.get(NEW, answers | self.TERMS | dates | {"report_period": "QUARTER"}))

        assert "0 days with 0 requests" in shown and "These dates do not contain one yet" in shown
        assert "First day" not in shown and "nothing yet" in shown

    @pytest.mark.parametrize("asked", [SALES, TERMS])
    def test_where_none_is_chosen_the_one_marketplace_that_is_asked_is_named_everywhere(self, page, answers, asked):
        """Summary, list and head named all marketplaces of the account."""
        summary = text(page.get(NEW, answers | asked)).partition('class="summary-line">')[2].partition("</p>")[0]
        page.post(NEW, answers | asked | {"go": "create"})
        made = Dataset.objects.get()

        assert " · US · " in summary and "CA" not in summary
        assert " · Harbour · US</small>" in text(page.get("/"))
        assert re.search(r"</a> ·\s+US ·", text(page.get(f"/datasets/{made.slug}")))

    def test_its_answers_are_saved(self, page, answers):
        asked = {"rows": "by_asin", "date_granularity": "WEEK", "asin_granularity": "SKU", "go": "create"}

        page.post(NEW, answers | self.SALES | asked)

        made = Dataset.objects.get()
        assert made.options == {
            "report_type": "GET_SALES_AND_TRAFFIC_REPORT",
            "rows": "by_asin",
            "date_granularity": "WEEK",
            "asin_granularity": "SKU",
        }

    def test_a_missing_report_type_is_said_in_short_and_explained_at_its_place(self, page, answers):
        """The summary said "Report Type: Report Type: an answer is needed. Choose from" and all types, as the field does."""
        shown = text(page.post(NEW, answers | {"report": "create_and_download_report"}))

        assert '<a href="#id_report_type">Report Type</a>: Choose one.' in shown
        assert shown.count("Report Type: an answer is required. Choose from All orders by order date") == 1


def test_the_way_back_through_history_gets_a_whole_page(page):
    response = page.get(NEW, headers=LIVE | {"HX-History-Restore-Request": "true"})

    assert "<html" in text(response)


def test_a_suggested_name_follows_the_report_and_a_typed_one_stays(page, answers):
    suggested = {"name": "Order Details, Harbour", "suggested": "Order Details, Harbour", "report": "order_items"}

    followed = page.get(NEW, answers | suggested, headers=LIVE)
    stayed = page.get(NEW, answers | suggested | {"name": "Mine"}, headers=LIVE)

    assert 'value="Order Items, Harbour"' in field(followed, "name")
    assert 'value="Mine"' in field(stayed, "name")


def test_a_mode_that_the_report_cannot_keep_is_not_offered(page):
    shown = text(page.get(NEW, {"report": "marketplace_participations", "mode": "append"}))

    assert re.search(r'value="append"[^>]* disabled', shown) and re.search(r'value="replace"[^>]* checked', shown)
    assert "Marketplace Participations always uses replace." in shown


def test_a_mode_left_over_from_another_report_is_no_error(page, answers):
    page.post(NEW, answers | {"report": "marketplace_participations"})

    assert Dataset.objects.get().mode == "replace"


def test_the_next_runs_are_told_by_the_schedules_own_clock(page, answers):
    shown = text(page.get(NEW, answers | {"schedule_at": "07:30", "schedule_zone": "Asia/Tokyo"}))

    runs = re.findall(r"<time datetime=[^>]*>\w{3} \d+ \w{3} 07:30 JST</time>", shown)
    assert len(runs) == 5


@pytest.mark.parametrize(
    "query", ["report=nonsense", "account=nonsense", "start=%00", "schedule_at=x&schedule_zone=../x"]
)
def test_a_mangled_address_shows_the_page(page, query):
    assert page.get(f"{NEW}?{query}").status_code == 200


# Accounts


def test_an_account_that_was_just_connected_is_chosen(page, alice):
    second = make_account(alice, "Second")

    shown = text(page.get(NEW, {"account": second.pk}))

    assert re.search(rf'value="{second.pk}"[^>]* checked', shown)


def test_connecting_an_account_on_the_way_keeps_the_answers(page, answers):
    response = page.post(NEW, answers | {"go": "connect", "start": "today-7"})

    there = urlsplit(response["Location"])
    assert there.path == reverse("account-connect")
    back = parse_qs(there.query)["return_to"][0]
    shown = text(page.get(back))
    assert 'value="today-7"' in shown and 'value="Orders, US"' in shown and "What Alice wrote" in shown


def test_an_account_that_needs_consent_can_be_renewed_from_here(page, answers, account):
    account.mark_needs_consent("Amazon no longer takes it.")

    shown = text(page.get(NEW))
    response = page.post(NEW, answers | {"go": f"reauthorize:{account.pk}"})

    assert "Amazon no longer takes it." in shown and "Re-authorise" in shown
    assert urlsplit(response["Location"]).path == reverse("account-reauthorize", args=[account.pk])


def test_a_strangers_accounts_are_not_offered_and_not_taken(client, bob, account, answers):
    client.force_login(bob)

    assert "Harbour" not in text(client.get(NEW, {"account": account.pk}))
    assert client.post(NEW, answers).status_code == 422
    assert Dataset.objects.count() == 0


def test_nobody_gets_in_without_signing_in(client):
    assert client.get(NEW).status_code == 302


# Changing a dataset


@pytest.fixture
def dataset(page, answers):
    page.post(NEW, answers | {"go": "create", "select_statuses": ["SHIPPED"]})
    return Dataset.objects.get()


@pytest.fixture
def edit(dataset):
    return reverse("dataset-edit", args=[dataset.slug])


def test_a_dataset_is_changed_on_the_same_page(page, dataset, edit, answers):
    shown = text(page.get(edit))
    response = page.post(edit, answers | {"name": "Renamed", "end": "today", "go": "save"})

    assert 'value="today-30"' in shown and re.search(r'value="SHIPPED"[^>]* checked', shown)
    assert response.status_code == 302
    dataset.refresh_from_db()
    assert (dataset.name, dataset.end, dataset.slug, dataset.runs.count()) == ("Renamed", "today", "orders_us", 0)


def test_changing_a_loaded_dataset_says_what_a_run_would_still_load(page, dataset, edit, answers):
    """It gave the days and requests of the whole range, of which a run asks for none again."""
    span = list(reversed([day_before(back) for back in range(1, 31)]))
    Dataset.objects.filter(pk=dataset.pk).update(start=str(span[0]), end=str(span[-1]))
    rest = {"dataset": dataset, "generation": dataset.generation, "state": "landed", "landed_at": timezone.now()}
    Day.objects.bulk_create([Day(day=day, **rest) for day in span])

    loaded = text(page.get(edit))
    Day.objects.filter(day__in=span[:2]).delete()
    with_a_gap = text(page.get(edit))
    other_answers = text(page.post(edit, answers | {"go": "preview", "select_statuses": ["PENDING"]}, follow=True))

    assert "0 days with 0 requests" in loaded and "nothing to load: all of these days are loaded" in loaded
    assert "Saving alone loads nothing. All of these days are loaded" in loaded
    assert "2 days with" in with_a_gap and "Save and run starts it at once" in with_a_gap
    assert "30 days with" in other_answers


def test_the_note_on_days_that_are_loaded_again_is_what_runs_do(page, answers):
    """It promised the last three days to each run; a second run of a day loads only the day that is not over yet."""
    assert "so the first run of each day loads the last 3 days again. A day that is not over yet" in text(
        page.get(NEW, answers)
    )


def test_a_box_whose_tick_is_taken_away_stays_without(page, edit, answers):
    shown = text(page.post(edit, answers | {"go": "preview"}, follow=True))

    assert not re.search(r'value="SHIPPED"[^>]* checked', shown)


def test_save_and_run_begins_a_run_unless_one_is_under_way(page, dataset, edit, answers):
    for _ in range(2):
        assert page.post(edit, answers | {"go": "save_and_run"}).status_code == 302

    assert dataset.runs.count() == 1


def test_a_dataset_with_rows_keeps_its_report_and_account(page, dataset, edit, answers, alice):
    Dataset.objects.filter(pk=dataset.pk).update(version=1)

    shown = text(page.get(edit))
    response = page.post(edit, answers | {"report": "order_items"})

    assert '<select name="report"' not in shown and 'type="radio" name="account"' not in shown
    assert response.status_code == 422 and "cannot be changed once a dataset has rows" in text(response)


def test_a_strangers_dataset_does_not_exist(client, bob, dataset, edit, answers):
    client.force_login(bob)

    assert client.get(edit).status_code == 404
    assert client.post(edit, answers).status_code == 404
