"""Export and report, as a creator does it: choose, read what was written, and copy what to send."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from backend.media.metadata import read_comment
from backend.media.probe import probe
from tests.browser.test_create import HERO, finish_one, generate

pytestmark = pytest.mark.browser


def test_a_clip_is_exported_as_every_control_says(page: Page, tmp_path: Path) -> None:
    finish_one(page, "a ball to export")
    page.get_by_role("button", name="Export", exact=True).first.click()
    panel = page.locator(".export")
    panel.get_by_label("Format").select_option("webm")
    panel.get_by_label("Short side").select_option("360")
    panel.get_by_label("Frames per second").select_option("12")
    panel.get_by_label("Quality").select_option("small")
    panel.get_by_label("Loops").fill("2")
    panel.get_by_label("Name").fill("my/film")
    panel.get_by_label("Say in the file how it was made").uncheck()
    with page.expect_download() as download:
        panel.get_by_role("button", name="Export", exact=True).click()
    assert download.value.suggested_filename == "my film.webm"
    download.value.save_as(tmp_path / "film.webm")
    facts = probe(tmp_path / "film.webm")
    assert (facts.codec, facts.width, facts.height) == (
        "vp9",
        640 if facts.width > facts.height else 360,
        360,
    )
    assert facts.frame_rate == pytest.approx(12, rel=0.02)
    assert read_comment(tmp_path / "film.webm") == ""
    expect(panel.get_by_role("status")).to_contain_text("my film.webm is written")


def test_a_long_export_shows_how_far_it_is_and_is_canceled(page: Page) -> None:
    finish_one(page, "a ball to export slowly")
    page.get_by_role("button", name="Export", exact=True).first.click()
    panel = page.locator(".export")
    panel.get_by_label("Format").select_option("webm")
    panel.get_by_label("Short side").select_option("1080")
    panel.get_by_label("Loops").fill("20")
    panel.get_by_role("button", name="Export", exact=True).click()
    expect(panel.get_by_role("progressbar")).to_be_visible()
    panel.get_by_role("button", name="Cancel export").click()
    expect(panel.get_by_role("status")).to_have_text("The export was canceled; nothing is left of it.")
    expect(panel.get_by_role("progressbar")).to_be_hidden()


def test_what_changes_nothing_is_not_offered_and_what_cannot_be_is_one_sentence(page: Page) -> None:
    finish_one(page, "a ball without sound")
    page.get_by_role("button", name="Export", exact=True).first.click()
    panel = page.locator(".export")
    panel.get_by_label("Format").select_option("wav")
    for label in ("Short side", "Frames per second", "Quality"):
        expect(panel.get_by_label(label)).to_be_disabled()
    expect(panel.get_by_label("Loops")).to_be_enabled()
    panel.get_by_label("Format").select_option("mp4")
    panel.evaluate("form => { form.noValidate = true; form.elements.loops.value = 99; }")
    panel.get_by_role("button", name="Export", exact=True).click()
    expect(panel.get_by_role("status")).to_have_text(
        "Loops must be a whole number from 1 to 20; you gave '99'."
    )


def test_the_report_of_a_failure_is_copied(page: Page, context: BrowserContext) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    generate(page, "a ball will explode here")
    expect(page.locator(HERO.format("stopped"))).to_be_visible()
    page.get_by_role("button", name="Copy report").click()
    expect(page.locator(".report [role=status]")).to_have_text("The report is copied.")
    report = page.evaluate("navigator.clipboard.readText()")
    assert report.startswith("Kinora ") and "RuntimeError" in report
    assert "a ball will explode here" not in report
