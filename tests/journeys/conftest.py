"""A browser in front of a whole installation: web server, worker and beat are processes, and so is Amazon's stand-in."""

import shutil
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from tests.backfill.conftest import fast_amazon  # noqa: F401
from tests.living import Installation

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LISTEN = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


@pytest.fixture(scope="module", autouse=True)
def rows_beside_a_browser():
    """The browser's driver keeps an event loop in this thread, which Django would take for asynchronous code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


@pytest.fixture(scope="module")
def chromium():
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(PROGRAMS)} is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def static(tmp_path_factory):
    """Where the first installation collects its static files and the next ones find them."""
    return tmp_path_factory.mktemp("journeys") / "static"


@pytest.fixture
def installation(tmp_path, static, fast_amazon, settings, transactional_db):  # noqa: F811
    """Its web server is up and its way back is registered at Amazon; worker and beat are started by the test."""
    living = Installation(tmp_path, static)
    application = {
        "client_id": settings.LWA_CLIENT_ID,
        "client_secret": settings.LWA_CLIENT_SECRET,
        "application_id": settings.SPAPI_APPLICATION_ID,
        "name": "Backhaul",
        "redirect_uris": [f"{living.url}/accounts/callback"],
    }
    fast_amazon.control("/simulator/applications", application)
    living.start_web()
    yield living
    living.stop()


@dataclass
class Tab:
    """A browser's page, and what went on behind it."""

    page: object
    amazon: str
    hosts: set = field(default_factory=set)
    complaints: list = field(default_factory=list)

    def listen(self):
        page = self.page
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("response", self._see)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("console", self._hear)
        return self

    def _see(self, response):
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")

    def _hear(self, said):
        """What the browser says of our pages; that Amazon's has no icon is no matter of ours."""
        if said.type in ("error", "warning") and not said.location.get("url", "").startswith(self.amazon):
            self.complaints.append(f"{said.type}: {said.text}")


@pytest.fixture
def open_tab(chromium, installation, simulator):
    """Opens a tab at the installation; pass what the browser's context is to be like."""
    contexts = []

    def open_tab(**like):
        context = chromium.new_context(base_url=installation.url, accept_downloads=True, **like)
        context.set_default_timeout(15_000)
        contexts.append(context)
        if like.get("java_script_enabled", True):
            context.add_init_script(LISTEN)
        return Tab(context.new_page(), simulator.url).listen()

    yield open_tab
    for context in contexts:
        context.close()
