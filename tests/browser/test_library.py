"""The Library, as a creator uses it, in one window and in two."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from backend.requests import ClipRequest
from tests.studio.running import Running
from tests.waiting import ended

pytestmark = pytest.mark.browser

SIZES = [(1280, 720), (1024, 768), (390, 844)]


@pytest.fixture(scope="module", autouse=True)
def clips(studio: Running) -> list[str]:
    """A draft, its detail, and another draft."""
    fields = {"engine": "tiny", "num_inference_steps": 4}
    ids = studio.api.submit(ClipRequest(prompt="a red ball", seed=7, **fields))
    ids += studio.api.submit(ClipRequest(prompt="a green cube on the meadow", seed=9, **fields))
    ended(studio.api, ids[0])
    ids += studio.api.submit(studio.api.detail_request(ids[0]), parents=ids[:1])
    for generation_id in ids:
        ended(studio.api, generation_id)
    return ids


@pytest.fixture
def library(page: Page) -> Page:
    return opened(page)


def opened(page: Page) -> Page:
    page.get_by_role("tab", name="Library").click()
    expect(page.locator(".posters li").first).to_be_visible()
    return page


def pick(page: Page, prompt: str) -> None:
    page.locator(".posters li", has_text=prompt).last.locator("button").click()
    expect(page.locator(".chosen [data-field=prompt]")).to_contain_text(prompt)


def test_search_narrows_the_wall_as_it_is_typed(library: Page) -> None:
    library.keyboard.press("/")
    library.keyboard.type("cub")
    expect(library.locator(".posters li")).to_have_count(1)
    library.keyboard.type("x")
    expect(library.locator("[data-field=nothing]")).to_contain_text("take a word or a filter away")


def test_poster_plays_under_the_pointer(library: Page) -> None:
    library.locator(".posters .thumbnail").first.hover()
    library.wait_for_function("document.querySelector('.posters video')?.readyState >= 2")


def test_family_and_difference_of_the_chosen_clip_are_shown(library: Page) -> None:
    pick(library, "a red ball")
    expect(library.locator(".family li")).to_have_count(2)
    library.get_by_role("button", name="Compare with…").click()
    library.locator(".posters li", has_text="a green cube").locator("button").click()
    row = library.locator(".difference tbody tr", has_text="seed").first
    expect(row.locator("td")).to_have_text(["7", "9"])


def test_reuse_and_remix_fill_in_create(page: Page) -> None:
    page.get_by_role("button", name="Advanced").click()
    library = opened(page)
    pick(library, "a green cube on the meadow")
    library.locator("[data-part=all]").click()
    expect(library.locator("#prompt textarea")).to_have_value("a green cube on the meadow")
    expect(library.locator("#seed input, #seed textarea")).to_have_value("9")
    library.locator("#prompt textarea").fill("another")
    opened(library).locator("[data-part=prompt]").click()
    expect(library.locator("#prompt textarea")).to_have_value("a green cube on the meadow")
    expect(library.locator("#seed input, #seed textarea")).to_have_value("9")
    opened(library).locator("[data-part=remix]").click()
    expect(library.locator("#seed input, #seed textarea")).to_have_value("")


def test_second_window_is_told_and_shown_what_the_first_did(
    library: Page, context: BrowserContext, studio: Running
) -> None:
    other = context.new_page()
    other.goto(studio.address)
    other.wait_for_selector(".bar[data-worker]")
    for window in (library, opened(other)):
        pick(window, "a green cube")
    library.locator(".chosen [data-action=star]").click()
    expect(library.locator(".chosen [data-action=star]")).to_have_attribute("aria-pressed", "true")
    other.locator(".chosen [data-action=bin]").click()
    expect(other.locator(".library [data-field=notice]")).to_contain_text("changed in another window")
    expect(other.locator(".chosen [data-action=star]")).to_have_attribute("aria-pressed", "true")
    expect(other.locator(".posters li", has_text="a green cube")).to_have_count(1)


def test_clip_goes_into_the_bin_and_comes_back(library: Page) -> None:
    pick(library, "a green cube")
    library.locator(".chosen [data-action=bin]").click()
    expect(library.locator(".posters li", has_text="a green cube")).to_have_count(0)
    library.locator("[data-scope=bin]").click()
    library.locator(".posters li", has_text="a green cube").locator("button").click()
    library.locator(".chosen [data-action=bin]").click()
    expect(library.locator("[data-field=nothing]")).to_contain_text("The bin is empty")


def test_new_clips_go_to_the_project_that_was_made(library: Page, studio: Running) -> None:
    name = "<img src=x onerror=document.title='broken'>"
    library.fill(".new-project input", name)
    library.get_by_role("button", name="Make", exact=True).click()
    expect(library.locator(".library h1")).to_have_text(name)
    library.get_by_role("tab", name="Create").click()
    expect(library.locator(".take")).to_have_count(0)
    library.fill("#prompt textarea", "a ball for the new project")
    library.click("#generate")
    expect(library.locator(".take")).to_have_count(1)
    made = studio.api.generations(limit=1)[0]
    assert studio.api.project(made.project_id).name == name
    assert library.locator("img[src=x]").count() == 0 and "broken" not in library.title()


def test_project_is_renamed_exported_and_imported(library: Page, tmp_path: Path) -> None:
    library.get_by_role("button", name="Untitled", exact=True).click()
    library.locator("[data-action=rename]").click()
    library.fill(".rename input", "A film")
    library.keyboard.press("Enter")
    expect(library.locator(".library h1")).to_have_text("A film")
    with library.expect_download() as download:
        library.get_by_role("link", name="Export").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    library.set_input_files("[data-field=import]", path)
    expect(library.locator(".library h1")).to_have_text("A film (2)")
    expect(library.locator(".posters li")).to_have_count(3)
    assert path.name == "kinora-A-film.zip"


@pytest.mark.parametrize("size", SIZES)
def test_library_is_not_wider_than_the_window(library: Page, size: tuple[int, int]) -> None:
    pick(library, "a red ball")
    library.set_viewport_size({"width": size[0], "height": size[1]})
    assert library.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_every_control_of_the_library_has_a_name(library: Page) -> None:
    pick(library, "a red ball")
    nameless = library.evaluate("""
        [...document.querySelectorAll('button, input, select, video, a[href]')].filter(
          (e) => e.checkVisibility() && e.ariaHidden !== 'true'
            && !e.labels?.length && !e.ariaLabel && !e.textContent.trim() && !e.title
        ).map((e) => e.outerHTML)""")
    assert nameless == []
