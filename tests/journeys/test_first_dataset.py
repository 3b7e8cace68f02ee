"""From signing in to rows on the disk, as a person does it: each step in a real browser, nothing behind its back."""

import csv
from collections import Counter
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from connector.accounts.models import Account
from datasets.models import Dataset, Run
from tests.checker import Checker
from tests.days import meant_by
from tests.living import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration, pytest.mark.timeout(300)]
DAYS = 5


def sign_in(page):
    page.goto("/")
    page.get_by_label("E-mail or user name").fill("alice")
    page.get_by_label("Password").fill("alice's long password")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")


def connect_on_the_way(page, simulator):
    """From the wizard to Amazon's consent page and back."""
    page.get_by_role("button", name="Connect an account").click()
    page.get_by_label("Seller (Seller Central)").check()
    page.get_by_label("Marketplace", exact=True).select_option("US")
    page.get_by_role("button", name="Continue to Amazon").click()
    page.wait_for_url(f"{simulator.url}/**")
    page.get_by_role("radio").first.check()
    page.get_by_role("button", name="Authorise").click()
    page.wait_for_url("**/datasets/new?**")


def fill_the_panes(page):
    assert page.get_by_role("radio", name=Account.objects.get().name).is_checked()
    page.get_by_label("Start Date").fill(f"today-{DAYS}")
    page.get_by_label("End Date").fill("yesterday")
    page.get_by_label("Manual").check()
    page.get_by_label("Append").check()
    page.get_by_label("Name", exact=True).fill("First orders")
    page.get_by_label("Description").fill("Made in a browser")


def axe(page):
    return [
        (found["id"], [node["target"] for node in found["nodes"]]) for found in Axe().run(page).response["violations"]
    ]


def assert_csv_equals_truth(path, checker, marketplaces):
    """The file holds each order of these days once, under its day, with its money."""
    truth = checker.truth(meant_by(f"today-{DAYS}"), meant_by("yesterday"), marketplaces=marketplaces)
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert Counter((row["_day"], row["amazon_order_id"]) for row in rows) == Counter(
        (day, order_id) for day, so in truth.items() for order_id in so["ids"]
    )
    sums = Counter()
    for row in rows:
        if row["order_total_amount"]:
            sums[row["_day"], row["order_total_currency"]] += Decimal(row["order_total_amount"])
    assert sums == Counter(
        {(day, code): Decimal(total) for day, so in truth.items() for code, total in so["totals"].items()}
    )


def test_a_person_connects_makes_a_dataset_watches_it_fill_and_downloads_it(
    alice, installation, open_tab, simulator, tmp_path
):
    tab = open_tab(viewport={"width": 1280, "height": 900})
    page = tab.page
    sign_in(page)
    page.get_by_role("link", name="Connect data").first.click()

    connect_on_the_way(page, simulator)
    account = Account.objects.get()
    assert f"account={account.pk}" in page.url

    page.get_by_label("Report", exact=True).select_option("create_and_download_report")
    page.get_by_label("CSV Report Quote Character").wait_for()
    page.wait_for_url("**report=create_and_download_report**")
    page.get_by_label("Report", exact=True).select_option("order_details")
    page.get_by_label("Query Date Type").wait_for()
    fill_the_panes(page)
    plan = page.locator("#plan")
    plan.get_by_text(f"{DAYS} days with").wait_for(state="attached")
    assert f"last {DAYS} days · Append · manual" in page.locator("#summary").inner_text()
    assert axe(page) == []
    page.reload()
    assert page.get_by_label("Start Date").input_value() == f"today-{DAYS}"
    page.get_by_label("Description").fill("Made in a browser")

    page.get_by_role("button", name="Create and run").click()
    page.wait_for_url("**/datasets/first_orders")
    assert page.locator(".months .cell[data-state=landed]").count() == 0
    installation.start("beat")
    installation.start("worker")
    page.locator(".months .cell[data-state=landed]").first.wait_for(timeout=60_000)  # the page turns by itself
    page.locator("#head .badge[data-state=up_to_date]").wait_for(timeout=60_000)
    turned = page.locator(".months .cell:is([data-state=landed], [data-state=empty])")
    assert turned.count() == DAYS

    with page.expect_download() as started:
        page.get_by_role("link", name="Download CSV").click()
    path = tmp_path / "orders.csv"
    started.value.save_as(path)
    dataset = Dataset.objects.get()
    checker = Checker(dataset.pk, simulator)
    assert_csv_equals_truth(path, checker, ",".join(account.marketplaces))
    assert checker.landings_newest_first() == sorted(checker.landings_newest_first(), reverse=True)
    checker.close()
    assert tab.complaints == []
    assert tab.hosts == {urlsplit(installation.url).netloc, urlsplit(simulator.url).netloc}


def test_the_same_without_javascript(alice, installation, open_tab, simulator):
    tab = open_tab(java_script_enabled=False)
    page = tab.page
    sign_in(page)
    page.get_by_role("link", name="Connect data").first.click()
    connect_on_the_way(page, simulator)

    page.get_by_label("Report", exact=True).select_option("order_items")
    page.get_by_role("button", name="Show its options").click()
    assert page.get_by_label("Report", exact=True).input_value() == "order_items"
    page.get_by_label("Report", exact=True).select_option("order_details")
    fill_the_panes(page)
    page.get_by_role("button", name="Preview").click()
    assert f"{DAYS} days with" in page.locator("#plan").inner_text()
    assert page.get_by_label("Description").input_value() == "Made in a browser"

    page.get_by_label("Start Date").fill("next week")
    page.get_by_role("button", name="Create and run").click()
    assert "'next week' is not a day" in page.locator("#id_start_error").inner_text()
    assert page.get_by_label("Description").input_value() == "Made in a browser"

    page.get_by_label("Start Date").fill(f"today-{DAYS}")
    page.get_by_role("button", name="Create and run").click()
    page.wait_for_url("**/datasets/first_orders")
    dataset = Dataset.objects.get()
    assert (dataset.report, dataset.start, dataset.mode) == ("order_details", f"today-{DAYS}", "append")
    assert dataset.runs.get().trigger == Run.Trigger.CREATED

    installation.start("worker")
    wait_until(lambda: Run.objects.get().state == Run.State.SUCCEEDED, seconds=60)
    page.reload()
    assert page.locator(".months .cell:is([data-state=landed], [data-state=empty])").count() == DAYS
    assert tab.hosts == {urlsplit(installation.url).netloc, urlsplit(simulator.url).netloc}


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 375)])
def test_the_page_is_open_to_everybody_at_every_size(alice, installation, open_tab, theme, width):
    tab = open_tab(color_scheme=theme, viewport={"width": width, "height": 900})
    page = tab.page
    sign_in(page)
    for report in ("order_details", "order_items", "create_and_download_report", "marketplace_participations"):
        page.goto(f"/datasets/new?report={report}")
        assert axe(page) == [], report
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), report
    assert tab.complaints == []
    page.get_by_label("Name", exact=True).fill("")
    page.get_by_role("button", name="Create and run").click()
    page.locator("#errors").wait_for()
    assert page.evaluate("document.activeElement.id") == "errors"
    assert axe(page) == []
