"""A dataset's pages: how far it is, day by day, its rows and its history; and what its buttons do."""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape

import pytest
from django.utils import timezone

from datasets.models import AccessToken, Change, Dataset, Day, Run
from tests.days import day_before
from tests.pages import scenes

pytestmark = pytest.mark.django_db
LIVE = {"HX-Request": "true"}
PAGES = ("", "/data", "/history", "/api", "/settings", "/days", "/edit")
BUTTONS = ("run", "reload", "pause", "resume", "clear", "delete", "token")


def text(response):
    return " ".join(unescape(response.content.decode()).split())


def said(response):
    """The messages that the page after a button shows."""
    return [str(message) for message in response.context["messages"]]


def words(response):
    """What the page says, without its tags."""
    return " ".join(re.sub("<[^>]+>", " ", text(response)).split())


def day_back(number):
    return day_before(number)


# Who may come in


@pytest.mark.parametrize("where", [*PAGES, "/days/2026-11-01"])
def test_a_strangers_dataset_does_not_exist(client, bob, dataset, where):
    client.force_login(bob)

    assert client.get(f"/datasets/{dataset.slug}{where}").status_code == 404


@pytest.mark.parametrize("button", BUTTONS)
def test_a_stranger_presses_no_button(client, bob, dataset, button):
    client.force_login(bob)
    before = Dataset.objects.values().get(pk=dataset.pk)

    response = client.post(f"/datasets/{dataset.slug}/{button}", {"first": day_back(3), "last": day_back(1)})

    assert response.status_code == 404
    assert Dataset.objects.values().get(pk=dataset.pk) == before
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize("where", [*PAGES, "/days/2026-11-01"])
def test_nobody_gets_in_without_signing_in(client, dataset, where):
    assert client.get(f"/datasets/{dataset.slug}{where}").url.startswith("/login?next=")


@pytest.mark.parametrize("button", BUTTONS)
def test_looking_at_a_buttons_address_changes_nothing(page, dataset, button):
    assert page.get(f"/datasets/{dataset.slug}/{button}").status_code == 405
    assert Dataset.objects.filter(pk=dataset.pk, paused=False).exists()


# How far it is


def test_the_overview_says_how_far_it_is_and_how_long_it_takes(page, dataset):
    seen = text(page.get(f"/datasets/{dataset.slug}"))

    assert "136 of 730 days loaded, newest first. 3 failed. About " in seen
    assert " left." in seen
    assert '<progress max="730" value="136"' in seen
    assert scenes.AMAZON_IS_BUSY in seen
    assert f"<dt>Rows</dt><dd>{dataset.rows:,}</dd>" in seen


def test_the_calendar_begins_with_the_newest_month_and_links_each_day(page, dataset):
    response = page.get(f"/datasets/{dataset.slug}")
    months = response.context["months"]

    assert len(months) == 12
    assert months[0].first == day_back(0).replace(day=1)
    assert months[0].cells[-1].day == day_back(0)
    counts = {state: count for state, _, _, count in response.context["legend"]}
    assert counts == {"landed": 134, "empty": 1, "open": 1, "asked": 60, "failed": 3, "wanted": 531}
    cells = response.content.decode()
    assert f'data-state="failed" href="/datasets/{dataset.slug}/days/{day_back(16)}"' in cells
    assert "failed after 3 tries" in cells


def test_older_months_are_a_link_away(page, dataset):
    assert len(page.get(f"/datasets/{dataset.slug}?months=all").context["months"]) in (24, 25)


def test_bars_have_a_twin_in_numbers(page, dataset):
    response = page.get(f"/datasets/{dataset.slug}")
    bars = response.context["bars"]

    assert len(bars.bars) == 90
    assert "3 of these days are not loaded." in bars.words
    busiest = max(bars.bars, key=lambda bar: bar.cell.rows)
    assert busiest.height == bars.height
    assert f'<td class="number">{busiest.cell.rows:,}</td>' in response.content.decode()


def test_it_asks_again_only_while_a_run_is_open(page, dataset, run):
    address = f"/datasets/{dataset.slug}"
    part = page.get(address, headers=LIVE).content.decode()
    assert 'hx-trigger="every 3s"' in part
    assert "<html" not in part
    assert "hx-swap-oob" in part  # the head comes along

    Run.objects.filter(pk=run.pk).update(state="succeeded", ended_at=timezone.now())

    assert "hx-trigger" not in page.get(address).content.decode()
    assert "hx-trigger" not in page.get(address, headers=LIVE).content.decode()


def test_a_complete_dataset_says_so_in_one_sentence(page, alice, account):
    dataset, _ = scenes.up_to_date(alice, account, days=40)

    seen = text(page.get(f"/datasets/{dataset.slug}"))

    assert "All 40 days are loaded." in seen
    assert "<progress" not in seen


def test_a_partly_done_dataset_says_what_is_missing_and_what_comes_next(page, alice, account):
    dataset, run = scenes.partial(alice, account)

    seen = text(page.get(f"/datasets/{dataset.slug}"))

    assert "87 of 90 days loaded. 3 failed. The next run continues with the missing days." in seen
    assert f'/runs/{run.pk}">What can be done' in seen


def test_a_new_dataset_shows_its_days_before_any_is_asked_for(page, alice, account):
    dataset = scenes.shelf(alice, account, "Fresh", start="today-29")

    response = page.get(f"/datasets/{dataset.slug}")

    assert "Nothing has been loaded yet. 30 days will be loaded, newest first." in text(response)
    assert [(state, count) for state, _, _, count in response.context["legend"]] == [("wanted", 30)]


def test_an_account_that_lost_its_consent_is_said_and_renewed_from_here(page, dataset, account):
    account.mark_needs_consent("Amazon no longer accepts the consent of Harbour.")

    seen = text(page.get(f"/datasets/{dataset.slug}"))

    assert "Amazon no longer accepts the consent of Harbour." in seen
    assert f"/accounts/{account.pk}/reauthorize?return_to=/datasets/{dataset.slug}" in seen.replace("%2F", "/")


def test_a_report_without_dates_has_no_calendar(page, alice, account):
    dataset = scenes.shelf(
        alice, account, "Places", report="marketplace_participations", mode="replace", start="", end=""
    )

    response = page.get(f"/datasets/{dataset.slug}")

    assert response.status_code == 200
    assert "Nothing has been loaded yet." in text(response)
    assert not response.context.get("months")


def test_a_report_that_the_catalogue_dropped_still_shows_what_is_there(page, dataset):
    Dataset.objects.filter(pk=dataset.pk).update(report="dropped_report")

    for where in ("", "/history", "/api", "/settings", "/days", f"/days/{day_back(3)}"):
        assert page.get(f"/datasets/{dataset.slug}{where}").status_code == 200, where


# Days


def test_days_of_a_file_are_told_apart_and_nothing_between_is_said_to_be_loaded_one_day(page, alice, account):
    """ "634 not loaded yet" stood beside "All 730 days are loaded", and the oldest day was the first of the dataset's dates."""
    dataset, run = scenes.up_to_date(alice, account, days=20)
    newest = day_before(0)
    for back in (400, 402):
        day = newest - timedelta(days=back)
        Day.objects.create(
            dataset=dataset,
            generation=1,
            day=day,
            state="landed",
            rows=5,
            run=run,
            from_file=True,
            landed_at=timezone.now(),
        )

    response = page.get(f"/datasets/{dataset.slug}")
    shown = words(response)

    assert "All 20 days are loaded. 2 more days outside of its dates came from uploaded files." in shown
    assert "not loaded yet" not in shown
    oldest = newest - timedelta(days=402)
    assert f"Oldest day {oldest.day} {oldest:%b %Y}" in shown
    assert f"/days/{oldest}" in text(response) and f"/days/{newest - timedelta(days=100)}" not in text(response)
    answer = page.get(f"/api/v1/datasets/{dataset.slug}").json()
    assert (answer["days_total"], answer["days_from_files"], answer["oldest"]) == (20, 2, str(oldest))


def test_the_list_of_days_narrows_to_the_failed_ones(page, dataset):
    response = page.get(f"/datasets/{dataset.slug}/days?state=failed")

    assert [row.day.day for row in response.context["rows"]] == [day_back(16), day_back(17), day_back(83)]
    assert "Amazon says: internal error." in text(response)


@pytest.mark.parametrize(
    "back, sentence",
    [
        (3, "rows loaded for this day."),
        (0, "This day was not over yet when Amazon was asked"),
        (16, "This day could not be loaded. The next run tries it again."),
        (51, "Amazon has no rows for this day."),
        (140, "Amazon has been asked for this day."),
        (300, "This day has not been requested yet."),
    ],
)
def test_a_days_page_says_where_it_stands(page, dataset, back, sentence):
    assert sentence in text(page.get(f"/datasets/{dataset.slug}/days/{day_back(back)}"))


def test_amazon_was_not_asked_for_a_day_of_a_file(page, dataset):
    day = day_back(3)
    address = f"/datasets/{dataset.slug}/days/{day}"
    dataset.days.filter(day=day).update(read_until=datetime(2026, 9, 10, tzinfo=UTC))
    assert "Requested up to" in text(page.get(address))

    dataset.days.filter(day=day).update(from_file=True)

    assert "Requested up to" not in text(page.get(address))


def test_days_that_wait_for_their_next_try_say_when_it_is(page, alice, account):
    dataset, _ = scenes.partial(alice, account)
    at = datetime(2036, 9, 10, 12, tzinfo=UTC)
    dataset.days.filter(state="failed").update(attempts=3, not_before=at)

    assert "3 failed. The first run after 10 Sep 2036 12:00 UTC tries them again." in text(
        page.get(f"/datasets/{dataset.slug}")
    )
    day = dataset.days.filter(state="failed").first().day
    seen = text(page.get(f"/datasets/{dataset.slug}/days/{day}"))
    assert "It has failed 3 times, so it waits: the first run after 10 Sep 2036 12:00 UTC" in seen
    listed = text(page.get(f"/datasets/{dataset.slug}/days?state=failed"))
    assert listed.count("Next attempt: the first run after 10 Sep 2036 12:00 UTC.") == 3


def test_a_failed_day_outside_of_the_datasets_dates_promises_no_next_try(page, alice, account):
    dataset, _ = scenes.partial(alice, account)
    dataset.days.filter(state="failed").update(attempts=3, not_before=datetime(2036, 9, 10, 12, tzinfo=UTC))
    Dataset.objects.filter(pk=dataset.pk).update(start=day_back(10).isoformat())

    seen = text(page.get(f"/datasets/{dataset.slug}/days/{day_back(16)}"))
    assert "It is outside the dataset's dates, so no run requests it any more." in seen
    assert "2036" not in seen and "Try this day now" not in seen
    assert "2036" not in text(page.get(f"/datasets/{dataset.slug}/days?state=failed"))
    assert "2036" not in text(page.get(f"/datasets/{dataset.slug}"))


def test_a_day_whose_second_reading_failed_is_among_the_failed_ones(page, alice, account):
    """It was counted, and the list that the count leads to was empty."""
    dataset, run = scenes.up_to_date(alice, account, days=10)
    Run.objects.filter(pk=run.pk).update(state="partial")
    dataset.days.filter(day=day_back(3)).update(again=True, attempts=1, message="Amazon could not build this report.")

    assert "1 failed" in text(page.get(f"/datasets/{dataset.slug}"))
    response = page.get(f"/datasets/{dataset.slug}/days?state=failed")
    assert [(row.day.day, row.state) for row in response.context["rows"]] == [(day_back(3), "failed")]
    assert dict(response.context["filters"])["landed"] == 9


def test_a_day_of_a_file_is_not_said_to_be_fetched_again(page, alice, account):
    dataset, _ = scenes.up_to_date(alice, account, days=10)
    dataset.days.filter(day__lte=day_back(5)).update(from_file=True)
    old = day_back(7)

    seen = text(page.get(f"/datasets/{dataset.slug}/days/{old}"))
    assert "Reload this day" not in seen and "Requested up to" not in seen
    response = page.post(f"/datasets/{dataset.slug}/reload", {"first": old, "last": old}, follow=True)
    assert said(response)[0].startswith("Nothing was reloaded: the rows of these days came from an uploaded file")
    assert dataset.runs.count() == 1

    response = page.post(f"/datasets/{dataset.slug}/reload", {"first": day_back(6), "last": day_back(3)}, follow=True)
    assert said(response)[0].startswith("2 days are being loaded again.")
    assert "2 from an uploaded file do not change." in said(response)[0]


class TestWhatAmazonRestated:
    """The day's page tells each change with rows and sums before and after."""

    def restate(self, dataset, day, rows, before, after):
        return Change.objects.create(
            dataset=dataset,
            run=None,
            day=day,
            rows_before=rows[0],
            rows_after=rows[1],
            totals_before=before,
            totals_after=after,
        )

    def test_rows_and_sums_before_and_after_stand_on_the_days_page(self, page, dataset):
        day = day_back(3)
        self.restate(
            dataset,
            day,
            (12, 14),
            {"item_price": "1200.50", "quantity": "20"},
            {"item_price": "1450.75", "quantity": "20"},
        )
        self.restate(dataset, day, (14, 1), {"item_price": "1450.75"}, {"item_tax": "3.10"})

        told = words(page.get(f"/datasets/{dataset.slug}/days/{day}"))

        assert "Changes since the first load" in told
        assert "12 rows became 14: 2 more." in told and "14 rows became 1: 13 fewer." in told
        assert told.index("13 fewer") < told.index("2 more")  # newest first
        assert "item-price 1,200.50 1,450.75 +250.25" in told
        assert "item-price 1,450.75 – −1,450.75" in told and "item-tax – 3.10 +3.10" in told
        assert "quantity 20" not in told  # what stayed as it was is no news

    @pytest.mark.parametrize(
        ("sums", "sentence"),
        [
            ({"item_price": "2"}, "Still 1 row, with different sums."),
            ({"item_price": "1"}, "only text values changed."),
        ],
    )
    def test_a_change_without_more_or_fewer_rows_says_what_changed(self, page, dataset, sums, sentence):
        self.restate(dataset, day_back(3), (1, 1), {"item_price": "1"}, sums)

        assert sentence in words(page.get(f"/datasets/{dataset.slug}/days/{day_back(3)}"))

    def test_a_day_that_stayed_as_it_was_says_nothing_of_it(self, page, dataset):
        self.restate(dataset, day_back(4), (1, 2), {}, {})

        assert "changed since" not in words(page.get(f"/datasets/{dataset.slug}/days/{day_back(3)}"))


def test_an_empty_day_of_a_week_says_where_its_rows_stand(page, alice, account):
    answers = {"report_type": "GET_BRAND_ANALYTICS_SEARCH_TERMS_REPORT", "report_period": "WEEK"}
    dataset = scenes.shelf(alice, account, "Terms", report="create_and_download_report", options=answers)
    wednesday = date(2026, 11, 11)
    Day.objects.create(dataset=dataset, generation=1, day=wednesday, state="empty", landed_at=timezone.now())

    told = words(page.get(f"/datasets/{dataset.slug}/days/{wednesday}"))

    assert "whose rows are stored on Sunday, 8 November 2026" in told


def test_punctuation_follows_a_moment_without_a_gap(page, dataset):
    said = text(page.get(f"/datasets/{dataset.slug}/days/{day_back(3)}"))

    assert re.search(r"\([^()]*</time>\)", said)


@pytest.mark.parametrize("day", ["2001-01-01", "yesterday", "2026-13-40", "x"])
def test_a_day_that_is_none_of_the_datasets_is_not_there(page, dataset, day):
    assert page.get(f"/datasets/{dataset.slug}/days/{day}").status_code == 404


@pytest.mark.parametrize("where", ["", "/columns"])
def test_each_page_names_types_in_the_same_words(page, dataset, where):
    """The pages with rows and columns showed what PostgreSQL calls them."""
    shown = text(page.get(f"/datasets/{dataset.slug}{where}"))

    assert "date and time (UTC)" in shown
    assert "timestamptz" not in shown and "bigint</" not in shown


# Buttons


def test_run_now_begins_a_run_by_whoever_pressed_it(page, alice, account):
    dataset = scenes.shelf(alice, account, "Fresh")

    response = page.post(f"/datasets/{dataset.slug}/run", follow=True)

    assert said(response) == ["The run has started. Days are loaded newest first."]
    assert dataset.runs.get().started_by == alice


def test_run_now_while_a_run_is_under_way_begins_no_other(page, dataset):
    response = page.post(f"/datasets/{dataset.slug}/run", follow=True)

    assert said(response)[0].startswith("A run is already in progress")
    assert dataset.runs.count() == 1


def test_reload_reads_the_days_once_more_and_keeps_their_rows_until_then(page, alice, account):
    dataset, _ = scenes.up_to_date(alice, account, days=10)
    before = dataset.rows

    response = page.post(f"/datasets/{dataset.slug}/reload", {"first": day_back(5), "last": day_back(3)}, follow=True)

    assert said(response)[0].startswith("3 days are being loaded again.")
    assert sorted(dataset.days.filter(again=True).values_list("day", flat=True)) == [day_back(n) for n in (5, 4, 3)]
    dataset.refresh_from_db()
    assert dataset.rows == before
    assert dataset.runs.filter(trigger="reload").count() == 1


@pytest.mark.parametrize(
    "first, last, sentence",
    [
        (3, 5, "The first day is after the last one. Swap them."),
        (900, 890, "belongs to this dataset."),
        (None, 3, "Enter a valid date."),
    ],
)
def test_a_reload_of_nothing_changes_nothing_and_says_why(page, alice, account, first, last, sentence):
    dataset, _ = scenes.up_to_date(alice, account, days=10)
    first = "soon" if first is None else day_back(first)

    response = page.post(f"/datasets/{dataset.slug}/reload", {"first": first, "last": day_back(last)}, follow=True)

    assert said(response)[0].startswith("Nothing was reloaded")
    assert sentence in said(response)[0]
    assert dataset.runs.count() == 1
    assert not dataset.days.filter(again=True).exists()


def test_a_reload_of_one_day_speaks_of_one_day(page, alice, account):
    dataset, _ = scenes.up_to_date(alice, account, days=10)

    response = page.post(f"/datasets/{dataset.slug}/reload", {"first": day_back(2), "last": day_back(2)}, follow=True)

    assert said(response) == ["1 day is being loaded again. The current rows remain until the new ones are loaded."]


def test_pause_and_resume(page, dataset):
    paused = page.post(f"/datasets/{dataset.slug}/pause", follow=True)
    assert Dataset.objects.get(pk=dataset.pk).paused
    assert "Resume" in text(paused)

    page.post(f"/datasets/{dataset.slug}/resume")

    resumed = Dataset.objects.get(pk=dataset.pk)
    assert not resumed.paused
    assert resumed.next_run_at > timezone.now()


def test_clear_takes_the_rows_and_leaves_the_definition(page, dataset):
    response = page.post(f"/datasets/{dataset.slug}/clear", follow=True)

    dataset.refresh_from_db()
    assert "The definition is kept" in said(response)[0]
    assert (dataset.rows, Day.objects.filter(dataset=dataset).count()) == (0, 0)


def test_delete_takes_it_all(page, dataset):
    response = page.post(f"/datasets/{dataset.slug}/delete", follow=True)

    assert said(response) == ["Orders, US was deleted, with its rows and its history."]
    assert not Dataset.objects.filter(pk=dataset.pk).exists()
    assert page.get(f"/datasets/{dataset.slug}").status_code == 404


def test_clear_and_delete_ask_first(page, dataset):
    seen = text(page.get(f"/datasets/{dataset.slug}/settings"))

    assert seen.count("This cannot be undone.") == 2
    assert "All orders by order date" in seen


@pytest.mark.parametrize("answer, word", [(True, "yes"), (False, "no")])
def test_the_settings_answer_a_yes_or_no_question_in_words(page, dataset, answer, word):
    dataset.options["regional"] = answer
    dataset.save()

    assert f"<dd>{word}</dd>" in page.get(f"/datasets/{dataset.slug}/settings").content.decode()


# Rows


@pytest.mark.django_db(transaction=True)
class TestRows:
    def test_newest_first_a_hundred_to_a_page_and_on(self, page, dataset):
        first = page.get(f"/datasets/{dataset.slug}/data")
        second = page.get(f"/datasets/{dataset.slug}/data?{first.context['next']}")

        place = [name for name, *_ in first.context["heads"]].index("_day")
        days = [row[place] for row in [*first.context["rows"], *second.context["rows"]]]
        assert len(days) == 200
        assert days == sorted(days, reverse=True)
        assert days[0] == str(day_back(0))

    def test_a_filter_becomes_a_link_to_share_and_to_download(self, page, dataset):
        address = f"/datasets/{dataset.slug}/data"

        asked = page.get(address, {"column": "_day", "op": "gte", "value": "today-1"})
        seen = page.get(asked.url)

        assert asked.url == f"{address}?_day__gte=today-1"
        assert seen.context["count"]["value"] == 80
        assert f"/api/v1/datasets/{dataset.slug}/export.csv?_day__gte=today-1&_dl=1" in text(seen)

    @pytest.mark.parametrize(
        "query, sentence",
        [
            ("nosuch=1", "There is no column 'nosuch'."),
            ("_day__gte=soon", "_day__gte"),
            ("_cursor=made-up", "this cursor is not valid"),
            ("_limit=0", "_limit"),
        ],
    )
    def test_a_wrong_filter_is_told_on_the_page(self, page, dataset, query, sentence):
        response = page.get(f"/datasets/{dataset.slug}/data?{query}")

        assert response.status_code == 422
        assert sentence in text(response)

    def test_rows_of_a_report_that_the_catalogue_dropped_can_still_be_read(self, page, dataset):
        Dataset.objects.filter(pk=dataset.pk).update(report="dropped_report")

        assert len(page.get(f"/datasets/{dataset.slug}/data").context["rows"]) == 100

    def test_a_dataset_without_rows_says_what_to_do(self, page, alice, account):
        dataset = scenes.shelf(alice, account, "Fresh")

        assert "No rows yet. Press Run now" in text(page.get(f"/datasets/{dataset.slug}/data"))


# History and API


def test_history_tells_each_runs_state_days_rows_and_message(page, alice, account):
    dataset, run = scenes.partial(alice, account)

    seen = text(page.get(f"/datasets/{dataset.slug}/history"))

    assert f'<a href="/runs/{run.pk}">Run {run.pk}</a>' in seen
    for words in ("Partly done", "by hand, alice", "4 min 0 s", "87 of 90", "3 failed", "24,310", run.message):
        assert words in seen


def test_the_lines_to_copy_hold_the_real_address_and_name(page, dataset):
    seen = text(page.get(f"/datasets/{dataset.slug}/api", headers={"Host": "localhost:8077"}))

    assert f'"http://localhost:8077/api/v1/datasets/{dataset.slug}/export.csv"' in seen
    assert 'OData.Feed("http://localhost:8077/odata/v4/"' in seen
    assert f'Source{{[Name = "{dataset.slug}"]}}[Data]' in seen
    for program in ("curl", "pandas", "DuckDB", "Excel and Power BI", "Google Sheets", "R"):
        assert program in seen


def test_a_token_made_here_reads_this_dataset_only_and_is_shown_once(page, client, alice, account, dataset):
    scenes.shelf(alice, account, "Other")
    response = page.post(f"/datasets/{dataset.slug}/token", {"name": "Sheet"})
    secret = response.context["text"]

    assert secret in text(response)
    assert "no-store" in response["Cache-Control"]
    assert secret not in text(page.get(f"/datasets/{dataset.slug}/api"))
    client.logout()
    bearer = {"Authorization": f"Bearer {secret}"}
    assert client.get(f"/api/v1/datasets/{dataset.slug}/days", headers=bearer).status_code == 200
    assert client.get("/api/v1/datasets/other/days", headers=bearer).status_code == 404


def test_a_link_made_here_is_a_whole_address(page, dataset):
    response = page.post(f"/datasets/{dataset.slug}/token", {"kind": "link"})

    assert f"/api/v1/datasets/{dataset.slug}/export.csv?token=bh_link_" in response.context["text"]
    assert AccessToken.objects.get().kind == "link"
