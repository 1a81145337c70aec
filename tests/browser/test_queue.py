"""The queue's controls, as a creator uses them."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_create import SLOW, generate
from tests.studio.running import Running

pytestmark = pytest.mark.browser


def queued(page: Page, count: int) -> None:
    """Put `count` slow clips into the queue, whose prompts end in their numbers."""
    for number in range(count):
        generate(page, f"{SLOW} {number}")
        expect(page.locator(".job")).to_have_count(number + 1)


def test_waiting_clip_is_made_next(page: Page) -> None:
    queued(page, 3)
    page.get_by_role("button", name=f"Make it next: {SLOW} 2").click()
    expect(page.locator(".job .prompt")).to_have_text([f"{SLOW} {number}" for number in (0, 2, 1)])


def test_each_waiting_clip_can_be_canceled(page: Page) -> None:
    queued(page, 3)
    page.get_by_role("button", name=f"Cancel: {SLOW} 1").click()
    expect(page.locator(".job .prompt")).to_have_text([f"{SLOW} {number}" for number in (0, 2)])


def test_waiting_clip_is_edited(page: Page, studio: Running) -> None:
    queued(page, 1)
    studio.api.controls.pause(at_once=True)  # however slow the page is, both stay in the queue
    generate(page, f"{SLOW} 1")
    page.get_by_role("button", name=f"Edit: {SLOW} 1").click()
    expect(page.get_by_role("button", name="Save changes")).to_be_visible()
    page.get_by_label("Prompt", exact=True).fill("a blue cube")
    page.get_by_role("button", name="Save changes").click()
    expect(page.locator(".job .prompt")).to_have_text([f"{SLOW} 0", "a blue cube"])
    expect(page.get_by_role("button", name="Save changes")).to_be_hidden()
    assert [each.request.prompt for each in studio.api.queue()] == [f"{SLOW} 0", "a blue cube"]
    studio.api.controls.resume()


def test_second_window_does_not_overwrite_an_edit(page: Page, studio: Running) -> None:
    queued(page, 2)
    waiting = studio.api.queue()[1]
    page.get_by_role("button", name=f"Edit: {SLOW} 1").click()
    expect(page.get_by_role("button", name="Save changes")).to_be_visible()
    first = waiting.request.model_copy(update={"prompt": "by the first window"})
    studio.api.edit(waiting.id, first, edits=waiting.edits)
    page.get_by_role("button", name="Save changes").click()
    expect(page.locator("#notice")).to_contain_text("was changed elsewhere meanwhile")
    assert studio.api.generation(waiting.id).request.prompt == "by the first window"
    page.get_by_role("button", name="Stop editing").click()
    expect(page.get_by_role("button", name="Save changes")).to_be_hidden()


def test_queue_pauses_now_and_resumes(page: Page, studio: Running) -> None:
    queued(page, 2)
    page.get_by_role("button", name="Pause now").click()
    expect(page.locator("[data-field=queue-note]")).to_have_text("Paused: nothing begins until you resume.")
    expect(page.locator(".job small").first).to_have_text("Waiting for its turn")
    page.reload()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("[data-field=queue-note]")).to_be_hidden()
    expect(page.locator("[data-field=phase]")).not_to_have_text("Waiting for its turn")
    assert not studio.api.status().is_paused


def test_pause_waits_for_the_running_clip(page: Page) -> None:
    queued(page, 1)
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator("[data-field=queue-note]")).to_have_text("Pauses after this clip.")
    page.get_by_role("button", name=f"Cancel: {SLOW} 0").click()
    expect(page.locator("[data-field=queue-note]")).to_have_text("Paused: nothing begins until you resume.")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".queue")).to_be_hidden()


def test_failed_clip_is_retried(page: Page) -> None:
    generate(page, "a ball explode")
    page.get_by_role("button", name="Retry: a ball explode").first.click()
    expect(page.locator(".hero[data-view=stopped]")).to_be_visible()
    page.wait_for_function("async () => (await (await fetch('/studio/takes')).json()).takes[0].attempt === 2")
