"""Create, as a creator uses it: a prompt becomes a clip, with keys and without."""

import base64
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from backend.media.video import read_frames
from backend.requests import ClipRequest
from tests.studio.running import Running
from tests.waiting import ended, until

pytestmark = pytest.mark.browser

SLOW = "a red ball bounces slowly"  # 0.1 s and more for each step
HERO = ".hero[data-view={}]"


def generate(page: Page, prompt: str) -> None:
    page.fill("#prompt textarea", prompt)
    page.click("#generate")


def finish_one(page: Page, prompt: str = "a red ball") -> None:
    generate(page, prompt)
    expect(page.locator(HERO.format("done")).locator("[data-field=prompt]")).to_have_text(prompt)
    page.wait_for_function("document.querySelector('.hero video').readyState >= 3")


def drop(page: Page, path: Path) -> None:
    """Drop the file at `path` on the page, as from a file manager."""
    content = base64.b64encode(path.read_bytes()).decode()
    files = page.evaluate_handle(
        """([content, name]) => {
          const files = new DataTransfer();
          const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
          const type = name.endsWith(".png") ? "image/png" : "";
          files.items.add(new File([bytes], name, { type }));
          return files;
        }""",
        [content, path.name],
    )
    page.dispatch_event("body", "drop", {"dataTransfer": files})


def canvas_pixels(page: Page) -> str:
    return page.evaluate("document.querySelector('.hero canvas').toDataURL()")


def test_preview_moves_while_the_clip_is_made(page: Page) -> None:
    generate(page, SLOW)
    page.wait_for_function("document.querySelector('.hero canvas').width > 1")
    first = canvas_pixels(page)
    page.wait_for_function(
        "before => document.querySelector('.hero canvas').toDataURL() !== before", arg=first
    )
    expect(page.locator(HERO.format("making"))).to_be_visible()


def test_phase_steps_and_times_are_told(page: Page) -> None:
    generate(page, SLOW)
    expect(page.locator("[data-field=phase]")).to_have_text(re.compile(r"Making \d+/24"))
    expect(page.locator("[data-field=times]")).to_contain_text(" left")


def test_result_plays(page: Page) -> None:
    finish_one(page)
    before = page.evaluate("document.querySelector('.hero video').currentTime")
    page.wait_for_function("t => document.querySelector('.hero video').currentTime !== t", arg=before)
    expect(page.locator("[data-action=play]")).to_have_attribute("aria-label", "Pause")


def test_result_can_be_sought(page: Page) -> None:
    finish_one(page)

    def is_reached() -> bool:  # the video of the clip before may still be there at first
        page.locator("[data-field=position]").fill("0.5")
        reached = page.evaluate("(v => v.currentTime / v.duration)(document.querySelector('.hero video'))")
        return bool(reached == pytest.approx(0.5, abs=0.01))

    until(is_reached)


def test_reload_shows_the_same(page: Page) -> None:
    finish_one(page, "a green ball on the meadow")
    takes = page.locator(".take").all_inner_texts()
    page.reload()
    expect(page.locator(".hero [data-field=prompt]")).to_have_text("a green ball on the meadow")
    expect(page.locator(".take")).to_have_count(len(takes))


def test_second_browser_sees_the_clip_being_made(
    page: Page, context: BrowserContext, studio: Running
) -> None:
    asked = ClipRequest(
        engine="tiny", prompt=SLOW, num_inference_steps=100
    )  # longer than a page takes to load
    (making,) = studio.api.submit(asked)
    expect(page.locator(".job")).to_have_count(1)
    other = context.new_page()
    other.goto(studio.url)
    expect(other.locator(".hero [data-field=prompt]")).to_have_text(SLOW)
    expect(other.locator(HERO.format("making"))).to_be_visible()
    assert ended(studio.api, making).status == "done"


def test_generate_reads_add_to_queue_while_busy(page: Page) -> None:
    generate(page, SLOW)
    expect(page.locator("#generate")).to_have_text("Add to queue")
    page.click("#generate")
    expect(page.locator(".job")).to_have_count(2)


def test_variations_queue_one_clip_each(page: Page) -> None:
    page.get_by_label("4", exact=True).check(force=True)
    generate(page, SLOW)
    expect(page.locator(".job")).to_have_count(4)


def test_arrows_choose_the_shape_of_the_clip(page: Page) -> None:
    page.locator("#aspect input:checked").press("ArrowRight")
    page.locator("#aspect input:checked").press("ArrowRight")
    page.wait_for_function("document.querySelector('#aspect input:checked').value === '3:4'")
    finish_one(page, "a ball in a tall frame")
    assert page.evaluate("(v => v.videoHeight > v.videoWidth)(document.querySelector('.hero video'))")


def test_ctrl_enter_generates_and_esc_cancels(page: Page) -> None:
    page.fill("#prompt textarea", SLOW)
    page.keyboard.press("Control+Enter")
    expect(page.locator(HERO.format("making"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".job")).to_have_count(0)
    expect(page.locator(".take").first).to_contain_text("Canceled")


def test_question_mark_shows_the_shortcuts(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_unknown_words_are_marked_and_known_ones_offered(page: Page) -> None:
    page.fill("#prompt textarea", "a red cat")
    expect(page.locator("#unknown-words mark")).to_have_text(["cat"])
    page.get_by_text("Words Tiny knows").click()
    page.get_by_role("button", name="bounces", exact=True).click()
    expect(page.locator("#prompt textarea")).to_have_value("a red cat bounces")


def test_reuse_fills_in_every_setting_and_remix_all_but_the_seed(page: Page) -> None:
    page.get_by_role("button", name="Advanced").click()
    page.fill("#seed input, #seed textarea", "9007199254740993")
    finish_one(page, "a cube")
    page.fill("#prompt textarea", "")
    page.get_by_role("button", name="Remix").click()
    expect(page.locator("#prompt textarea")).to_have_value("a cube")
    expect(page.locator("#seed input, #seed textarea")).to_have_value("")
    page.keyboard.press("e")
    expect(page.locator("#seed input, #seed textarea")).to_have_value("9007199254740993")


def test_clip_dropped_on_the_page_loads_its_settings(page: Page, studio: Running) -> None:
    finish_one(page, "a green cube on the meadow")
    clip = studio.api.output_path(studio.api.generations(limit=1)[0].id, "clip")
    page.fill("#prompt textarea", "")
    drop(page, clip)
    expect(page.locator("#prompt textarea")).to_have_value("a green cube on the meadow")


def test_file_that_is_no_clip_is_one_sentence_on_the_page(page: Page, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("no clip")
    drop(page, notes)
    expect(page.locator("#notice [role=alert]")).to_contain_text("notes.txt")


@pytest.mark.parametrize(
    ("seed", "sentence"), [("abc", "Seed must be a whole number"), ("-1", "Seed must be a whole number")]
)
def test_bad_input_is_one_sentence_on_the_page(page: Page, seed: str, sentence: str) -> None:
    page.get_by_role("button", name="Advanced").click()
    page.fill("#seed input, #seed textarea", seed)
    generate(page, "a ball")
    expect(page.get_by_role("alert").filter(has_text=sentence)).to_be_visible()
    expect(page.locator(".job")).to_have_count(0)


def test_failure_is_told_in_the_middle(page: Page) -> None:
    generate(page, "a ball explode")
    expect(page.locator(HERO.format("stopped"))).to_be_visible()
    expect(page.locator("[data-field=veil]")).not_to_be_empty()


def test_html_in_a_prompt_stays_text(page: Page) -> None:
    prompt = "<img src=x onerror=document.title='broken'> a ball"
    finish_one(page, prompt)
    expect(page.locator(".hero [data-field=prompt]")).to_have_text(prompt)
    expect(page.locator(".take .prompt").first).to_have_text(prompt)
    assert page.locator("img[src=x]").count() == 0
    assert "broken" not in page.title()


def finished_request(page: Page, studio: Running, prompt: str) -> ClipRequest:
    finish_one(page, prompt)
    return studio.api.generations(limit=1)[0].request


def test_start_image_begins_the_clip_and_comes_back_with_reuse(
    page: Page, studio: Running, tmp_path: Path
) -> None:
    path = tmp_path / "blue.png"
    Image.new("RGB", (48, 48), (20, 20, 220)).save(path)
    page.get_by_role("button", name="Start and end image").click()
    page.set_input_files("#image input[type=file]", path)
    expect(page.locator("#image img")).to_be_visible()
    asked = finished_request(page, studio, "a ball from a picture")
    assert asked.image is not None and asked.last_image is None
    first = read_frames(studio.api.output_path(studio.api.generations(limit=1)[0].id, "clip"))[0]
    assert abs(first.astype(int) - (20, 20, 220)).mean() < 8  # H.264 at its usual quality
    page.locator("#image").get_by_label("Remove").or_(page.locator("#image [aria-label=Clear]")).first.click()
    expect(page.locator("#image img")).to_have_count(0)
    assert finished_request(page, studio, "a ball from nothing").image is None
    page.locator(".take", has_text="from a picture").first.click()
    page.keyboard.press("e")
    expect(page.locator("#image img")).to_be_visible()


def test_motion_is_asked_for_only_when_it_is_set(page: Page, studio: Running) -> None:
    assert finished_request(page, studio, "a ball as it likes").motion_score is None
    page.get_by_label("Set the amount of motion").check()
    page.locator("#motion input[type=number]").fill("6")
    page.locator("#motion input[type=number]").blur()
    assert finished_request(page, studio, "a ball as I like").motion_score == 6
    expect(page.locator("[data-field=moved]")).to_have_text(re.compile(r"motion asked 6\.0, got \d+\.\d"))


def test_quality_says_beforehand_how_long_it_takes(page: Page, studio: Running) -> None:
    expect(page.locator("#prediction")).to_contain_text("on this machine")
    page.get_by_role("radio", name="Best").check(force=True)
    assert finished_request(page, studio, "a ball at its best").preset == "quality"


def test_motion_layer_stands_beside_the_clip_and_keeps_step(page: Page) -> None:
    finish_one(page)
    page.keyboard.press("m")
    layer = page.locator(".motion-layer video")
    expect(layer).to_be_visible()
    page.keyboard.press(" ")
    page.locator("[data-field=position]").fill("0.5")
    page.wait_for_function("""() => {
      const [clip, motion] = document.querySelectorAll('.screen > video');
      return clip.currentTime > 0.5 && Math.abs(clip.currentTime - motion.currentTime) < 0.05;
    }""")
    page.keyboard.press("m")
    expect(layer).to_be_hidden()


def test_motion_layer_lies_over_the_clip_being_made(page: Page) -> None:
    generate(page, SLOW)
    page.get_by_role("button", name="Motion layer").click()
    page.wait_for_function("document.querySelector('.motion-layer canvas').width > 1")
    boxes = [page.locator(f".screen >> nth={n}").bounding_box() for n in (0, 1)]
    assert boxes[0] == boxes[1]


def test_picture_dropped_on_the_page_is_the_start_image(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "green.png"
    Image.new("RGB", (48, 48), (20, 220, 20)).save(path)
    page.get_by_role("button", name="Start and end image").click()
    drop(page, path)
    expect(page.locator("#image img")).to_be_visible()
