"""Approve and detail, as a creator does it: drafts, a probe, the whole clip, before and after."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from backend.media.video import write_video
from backend.requests import DetailRequest
from tests.browser.test_create import HERO, finish_one
from tests.studio.running import Running

pytestmark = pytest.mark.browser


def newest_detail(studio: Running) -> DetailRequest:
    request = studio.api.generations(limit=1)[0].request
    assert isinstance(request, DetailRequest)
    return request


def await_detail(page: Page, size: str = "Detail 512 x 512") -> None:
    expect(page.locator(".take").first).to_contain_text(size)
    page.wait_for_function("document.querySelector('.hero video').readyState >= 3")


def test_a_clip_is_detailed_and_compared_with_its_draft(page: Page, studio: Running) -> None:
    finish_one(page, "a ball to detail")
    draft = studio.api.generations(limit=1)[0]
    page.keyboard.press("d")
    page.locator("[name=degradation_step]").fill("100")
    page.get_by_role("button", name="Detail the clip").click()
    await_detail(page)
    made = studio.api.generations(limit=1)[0]
    assert made.parents == (draft.id,) and newest_detail(studio).degradation_step == 100
    expect(page.locator("[data-field=kept]")).to_contain_text("% of the draft")
    expect(page.get_by_role("button", name="Remix")).to_be_hidden()
    page.keyboard.press("c")
    expect(page.locator(".before")).to_be_visible()
    page.keyboard.press(" ")
    page.locator("[data-field=position]").fill("0.5")
    page.wait_for_function("""() => {
      const clip = document.querySelector('.screen > video'), draft = document.querySelector('.before video');
      return clip.currentTime > 0.5 && Math.abs(clip.currentTime - draft.currentTime) < 0.05;
    }""")
    page.locator("[data-field=divider]").fill("20")
    assert page.evaluate("document.querySelector('.hero').style.getPropertyValue('--divider')") == "20%"


def test_settings_outside_the_safe_range_are_warned_of(page: Page) -> None:
    finish_one(page, "a ball to warn of")
    page.keyboard.press("d")
    page.locator("[name=degradation_step]").fill("100")
    expect(page.locator(".detail [data-field=warning]")).to_be_empty()
    page.locator("[name=degradation_step]").fill("900")
    expect(page.locator(".detail [data-field=warning]")).to_have_text("Fidelity works best from 0 to 100.")


def test_a_probe_details_the_box_that_was_drawn(page: Page, studio: Running) -> None:
    finish_one(page, "a ball to probe")
    page.keyboard.press("d")
    area = page.locator(".box").bounding_box()
    assert area is not None
    page.mouse.move(area["x"] + 0.25 * area["width"], area["y"] + 0.25 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.75 * area["width"], area["y"] + 0.5 * area["height"], steps=4)
    page.mouse.up()
    page.get_by_role("button", name="Probe", exact=True).click()
    await_detail(page, "Probe")
    asked = newest_detail(studio)
    assert asked.box == pytest.approx((0.25, 0.25, 0.75, 0.5), abs=0.02)
    assert asked.duration_seconds == pytest.approx(1, abs=0.1)


def test_drafts_fill_a_sheet_and_one_is_approved(page: Page) -> None:
    page.get_by_label("2", exact=True).check(force=True)
    page.fill("#prompt textarea", "a ball in two drafts")
    page.click("#generate")
    cells = page.locator(HERO.format("drafts")).locator(".drafts li")
    expect(cells).to_have_count(2)
    cells.nth(1).hover()
    page.keyboard.press("a")
    expect(page.locator(HERO.format("done"))).to_be_visible()
    expect(page.locator(".detail")).to_be_visible()


def test_a_clip_of_ones_own_is_detailed(page: Page, studio: Running, tmp_path: Path) -> None:
    path = tmp_path / "own.mp4"
    write_video(path, np.full((9, 32, 48, 3), 90, np.uint8), frame_rate=16, metadata={"kinora": {}})
    page.set_input_files("#detail-upload input[type=file]", path)
    await_detail(page, "Detail 768 x 512")
    assert newest_detail(studio).prompt == ""


def test_a_file_that_is_no_clip_is_one_sentence(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "no.mp4"
    path.write_text("no clip")
    page.set_input_files("#detail-upload input[type=file]", path)
    expect(page.locator("#notice [role=alert]")).to_contain_text("no.mp4")


def test_nothing_is_approved_where_no_engine_adds_detail(page: Page) -> None:
    buttons = page.evaluate("""async () => {
      const { showDrafts } = await import("/assets/js/drafts.js");
      const draft = { id: "a", status: "done", seed: "1", clip: "data:," };
      const count = (approve) => {
        const sheet = document.createElement("ol");
        showDrafts(sheet, [draft], approve);
        return sheet.querySelectorAll("button.secondary").length;
      };
      return [count(() => {}), count(null)];
    }""")
    assert buttons == [1, 0]
