"""The page fits its windows, teaches when empty, and can be used with keys and assistive technology."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.studio.running import Running

pytestmark = pytest.mark.browser

SIZES = [(1280, 720), (1024, 768), (390, 844)]
COLUMNS = ("#inputs", "#middle", "#right")


def resized(page: Page, size: tuple[int, int]) -> Page:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    return page


def test_empty_studio_offers_three_prompts_one_click_each(page: Page) -> None:
    examples = page.locator(".examples button")
    expect(examples).to_have_count(3)
    prompt = examples.first.inner_text()
    examples.first.click()
    expect(page.locator(".hero [data-field=prompt]")).to_have_text(prompt)


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_wider_than_the_window(page: Page, size: tuple[int, int]) -> None:
    page = resized(page, size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.parametrize("size", SIZES)
def test_generate_is_in_sight_without_scrolling(page: Page, size: tuple[int, int]) -> None:
    box = resized(page, size).locator("#generate").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= size[1]


def test_phone_stacks_inputs_hero_and_takes(page: Page) -> None:
    page = resized(page, (390, 844))
    tops = [page.locator(part).evaluate("e => e.getBoundingClientRect().top") for part in COLUMNS]
    assert tops == sorted(set(tops))


def test_every_button_field_and_picture_has_a_name(page: Page) -> None:
    nameless = page.evaluate("""
        [...document.querySelectorAll('button, input, textarea, canvas, video, a[href]')].filter(
          (e) => e.checkVisibility() && !e.labels?.length && !e.ariaLabel && !e.textContent.trim() && !e.title
        ).map((e) => e.outerHTML)""")
    assert nameless == []


def test_focus_can_be_seen_on_the_way_to_generate(page: Page) -> None:
    page.focus("#prompt textarea")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "generate":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.evaluate("document.activeElement.id") == "generate"


def test_colours_follow_the_system_and_can_be_switched(context: BrowserContext, studio: Running) -> None:
    page = context.new_page()
    page.emulate_media(color_scheme="light")
    page.goto(studio.url)
    page.wait_for_selector(".bar[data-worker]")
    assert background(page) == "rgb(250, 250, 247)"
    page.click("[data-action=theme]")
    assert background(page) == "rgb(20, 21, 26)"
    page.reload()
    page.wait_for_selector(".bar[data-worker]")
    assert background(page) == "rgb(20, 21, 26)"


def test_nothing_of_gradio_shows(page: Page) -> None:
    assert "gradio" not in page.locator("body").inner_text().lower()
    assert page.title() == "Kinora"


def background(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")
