"""Every page in a real browser, light and dark, wide and narrow: nothing that axe finds, nothing that the policy forbids."""

import os

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone

from datasets.access import tokens
from datasets.models import Change, Day, Run
from tests.journeys.conftest import LISTEN
from tests.pages import scenes

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.slow,
]
# Each theme and each width once; the other two pairings with LOOKS=all: after a change of the styles.
LOOKS = [("light", 1280), ("dark", 375)]
if os.environ.get("LOOKS") == "all":
    LOOKS += [("dark", 1280), ("light", 375)]


@pytest.fixture
def open_tab(chromium, live_server, client, alice):
    """Opens a tab in which Alice is signed in; what the browser complains of gathers in tab.complaints."""
    contexts = []

    def open_tab(scheme="light", width=1280, *, signed_in=True):
        context = chromium.new_context(
            base_url=live_server.url, color_scheme=scheme, viewport={"width": width, "height": 900}
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        if signed_in:
            client.force_login(alice)
            cookies = [
                {"name": name, "value": one.value, "url": live_server.url} for name, one in client.cookies.items()
            ]
            context.add_cookies(cookies)
        context.add_init_script(LISTEN)
        tab = context.new_page()
        tab.complaints = []
        tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.on("console", lambda said: said.type in ("error", "warning") and tab.complaints.append(said.text))
        return tab

    yield open_tab
    for context in contexts:
        context.close()


@pytest.fixture
def places(alice, account):
    """The address of every page, with something on it."""
    loading, run = scenes.loading(alice, account)
    _, partly = scenes.partial(alice, account)
    scenes.up_to_date(alice, account, days=10)
    tokens.issue(alice, "Power BI", datasets=[loading])
    day = Day.objects.filter(dataset=loading, state="failed").first().day
    sums = {"totals_before": {"item_price": "1200.50"}, "totals_after": {"item_price": "1450.75"}}
    Change.objects.create(dataset=loading, day=day, rows_before=12, rows_after=14, **sums)
    page = f"/datasets/{loading.slug}"
    tabs = [
        page,
        f"{page}/data",
        f"{page}/query",
        f"{page}/history",
        f"{page}/api",
        f"{page}/settings",
        f"{page}/days",
        f"{page}/days/{day}",
    ]
    return ["/", *tabs, f"/runs/{run.pk}", f"/runs/{partly.pk}", "/tokens", "/accounts", f"/accounts/{account.pk}"]


def faults(tab):
    found = [
        (one["id"], [node["html"][:120] for node in one["nodes"]]) for one in Axe().run(tab).response["violations"]
    ]
    room = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found + ([f"{room} px too wide"] if room else [])


@pytest.mark.parametrize("scheme, width", LOOKS)
def test_no_page_has_a_fault(open_tab, places, scheme, width):
    tab = open_tab(scheme, width)
    found = {}

    for place in places:
        assert tab.goto(place).status == 200, place
        if wrong := [*faults(tab), *tab.complaints]:
            found[place] = wrong
        tab.complaints.clear()

    assert found == {}


@pytest.mark.parametrize("scheme, width", LOOKS)
def test_the_way_in_has_no_fault(open_tab, scheme, width):
    tab = open_tab(scheme, width, signed_in=False)

    tab.goto("/login")

    assert [*faults(tab), *tab.complaints] == []


def test_days_turn_by_themselves_until_the_run_is_over(open_tab, alice, account):
    dataset, run = scenes.loading(alice, account)
    tab = open_tab()
    tab.goto(f"/datasets/{dataset.slug}")
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    assert "136 of 730 days loaded" in tab.locator("#live").inner_text()
    tab.get_by_label("From", exact=True).fill("2026-10-01")

    Day.objects.filter(dataset=dataset, state="asked").update(state="landed", rows=7)
    tab.get_by_text("196 of 730 days loaded").wait_for()
    Run.objects.filter(pk=run.pk).update(state="cancelled", ended_at=timezone.now(), message="Cancelled.")
    tab.get_by_role("button", name="Run now").wait_for()

    assert tab.get_by_label("From", exact=True).input_value() == "2026-10-01"  # what is being typed stays
    assert tab.locator("h1").count() == 1
    asked.clear()
    tab.wait_for_timeout(4000)
    assert asked == []
    assert tab.complaints == []


def test_the_run_page_turns_by_itself_and_stops(open_tab, alice, account):
    _, run = scenes.loading(alice, account)
    tab = open_tab()
    tab.goto(f"/runs/{run.pk}")

    Run.objects.filter(pk=run.pk).update(state="succeeded", ended_at=timezone.now(), message="730 days loaded.")
    tab.get_by_text("730 days loaded.").wait_for()

    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.wait_for_timeout(4000)
    assert (asked, tab.complaints) == ([], [])


def test_the_keyboards_place_in_the_calendar_is_kept_while_days_turn(open_tab, alice, account):
    dataset, _ = scenes.loading(alice, account)
    tab = open_tab()
    tab.goto(f"/datasets/{dataset.slug}")
    tab.locator("a.cell[data-state=empty]").focus()

    Day.objects.filter(dataset=dataset, state="asked").update(state="landed", rows=7)
    tab.get_by_text("196 of 730 days loaded").wait_for()

    assert tab.evaluate("document.activeElement.dataset.state") == "empty"


def test_the_list_turns_by_itself_and_keeps_the_keyboards_place(open_tab, alice, account):
    dataset, run = scenes.loading(alice, account)
    tab = open_tab()
    tab.goto("/")
    tab.get_by_role("link", name=dataset.name).focus()

    Day.objects.filter(dataset=dataset, state="asked").update(state="landed", rows=7)
    tab.get_by_text("196 of 730 days").wait_for()
    assert tab.evaluate("document.activeElement.textContent") == dataset.name
    Run.objects.filter(pk=run.pk).update(state="succeeded", ended_at=timezone.now())
    tab.locator("#datasets .badge", has_text="Up to date").wait_for()

    assert tab.locator("#poll").count() == 0
    assert tab.complaints == []


def test_tabs_stand_in_one_line_on_a_phone(open_tab, alice, account):
    """They wrapped, and the head took over half of the screen."""
    dataset, _ = scenes.up_to_date(alice, account, days=10)
    tab = open_tab(width=375)

    tab.goto(f"/datasets/{dataset.slug}")

    tops = tab.eval_on_selector_all(".tabs a", "links => links.map(link => link.offsetTop)")
    assert len(tops) == 7 and len(set(tops)) == 1
    assert tab.evaluate("document.documentElement.scrollWidth") == 375
    tab.get_by_role("navigation", name="Dataset").get_by_role(
        "link", name="Settings"
    ).click()  # comes into view by itself
    tab.wait_for_url("**/settings")


def test_a_copy_button_copies_its_lines(open_tab, alice, account):
    dataset = scenes.shelf(alice, account, "Orders")
    tab = open_tab()
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.goto(f"/datasets/{dataset.slug}/api")

    tab.get_by_role("button", name="Copy the lines for DuckDB").click()

    tab.locator("#copy-status", has_text="Copied").wait_for(state="attached")
    copied = tab.evaluate("navigator.clipboard.readText()")
    assert copied == tab.locator("#duckdb-lines").inner_text().strip()
    assert tab.complaints == []
