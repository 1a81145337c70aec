"""Coming into the studio with a browser: once by the printed address, then by the cookie."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import PATIENCE_SECONDS
from tests.studio.running import TOKEN, Running, running_studio

pytestmark = pytest.mark.browser

PASSWORD = "open sesame"
READY = ".bar[data-worker]"


@pytest.fixture
def newcomer(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that has never been here."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    yield context
    context.close()


def entered(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector(READY)
    return page


def test_the_printed_address_opens_the_studio_and_leaves_no_token_behind(
    newcomer: BrowserContext, studio: Running
) -> None:
    page = entered(newcomer, studio.address)
    assert page.url == f"{studio.url}/"
    assert page.evaluate("document.cookie") == ""
    assert TOKEN not in page.content()


def test_reload_second_tab_and_restarted_browser_stay_inside(
    newcomer: BrowserContext, browser: Browser, studio: Running, tmp_path: Path
) -> None:
    entered(newcomer, studio.address).reload()
    entered(newcomer, studio.url)
    kept = tmp_path / "cookies.json"
    newcomer.storage_state(path=kept)
    [cookie] = newcomer.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["expires"] > 0) == (True, "Strict", True)
    restarted = browser.new_context(storage_state=kept)
    restarted.set_default_timeout(PATIENCE_SECONDS * 1000)
    entered(restarted, studio.url)
    restarted.close()


def test_the_bare_address_tells_a_newcomer_what_to_do(newcomer: BrowserContext, studio: Running) -> None:
    page = newcomer.new_page()
    page.goto(studio.url)
    expect(page.get_by_role("heading")).to_have_text("This studio is locked")
    expect(page.locator("body")).to_contain_text("Open the address that the launcher printed")


def test_a_link_on_another_site_opens_the_studio_of_who_knows_it(
    newcomer: BrowserContext, studio: Running
) -> None:
    page = entered(newcomer, studio.address)
    page.goto(f"data:text/html,<a href='{studio.url}/'>Kinora</a>")
    page.click("a")
    page.wait_for_selector(READY)


def test_a_page_left_open_says_that_the_studio_was_started_again(
    newcomer: BrowserContext, studio: Running
) -> None:
    page = entered(newcomer, studio.address)
    newcomer.clear_cookies()
    expect(page.locator("[data-field=status]")).to_contain_text("started again", timeout=30_000)


def test_the_password_opens_the_studio(newcomer: BrowserContext, tmp_path: Path) -> None:
    with running_studio(tmp_path / "data", password=PASSWORD) as studio:
        page = newcomer.new_page()
        page.goto(studio.url)
        page.get_by_label("enter its password").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("not the password")
        page.get_by_label("enter its password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector(READY)
        assert page.url == f"{studio.url}/"
