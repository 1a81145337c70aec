"""A real Chromium on a real studio with the tiny engine."""

import shutil
from collections.abc import Iterator

import pytest

from tests.studio.running import Running, running_studio

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need the package playwright")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
]
PATIENCE_SECONDS = 60  # a machine that trains a network at the same time may be this slow


@pytest.fixture(scope="session")
def browser() -> Iterator[sync_api.Browser]:
    if CHROMIUM is None:
        pytest.skip("the browser tests need Chromium; install it with: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_studio(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def context(browser: sync_api.Browser, studio: Running) -> Iterator[sync_api.BrowserContext]:
    """A browser that has opened the studio's address once, and so has its cookie."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.request.get(studio.address)
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    sync_api.expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    yield context
    context.close()


@pytest.fixture
def page(context: sync_api.BrowserContext, studio: Running) -> Iterator[sync_api.Page]:
    """A page that has loaded, without errors in its console then or later, and without requests elsewhere."""
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: message.type == "error" and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: is_foreign(request.url, studio) and faults.append(request.url))
    page.goto(studio.address)
    page.wait_for_selector("#generate")
    page.wait_for_selector(".bar[data-worker]")
    yield page
    for generation in studio.api.queue():
        studio.api.cancel(generation.id)
    assert faults == []


def is_foreign(url: str, studio: Running) -> bool:
    return not url.startswith((studio.url, "data:", "blob:"))
