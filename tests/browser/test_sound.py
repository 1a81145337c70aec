"""Sound as a creator makes it: takes, a part again, a mix, and the one that becomes a part of the clip."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from backend.api import Generation
from backend.media.audio import SAMPLE_RATE, write_sound
from backend.media.probe import probe
from backend.media.video import write_video
from backend.requests import ClipRequest, SoundRequest
from tests.browser.conftest import Running
from tests.waiting import ended

pytestmark = pytest.mark.browser


def finished_clip(studio: Running, prompt: str) -> Generation:
    request = ClipRequest(prompt=prompt, engine="tiny", seed=7, num_inference_steps=4)
    return ended(studio.api, studio.api.submit(request)[0])


def newest_sound(studio: Running) -> tuple[Generation, SoundRequest]:
    made = ended(studio.api, studio.api.generations(limit=1)[0].id)
    assert isinstance(made.request, SoundRequest), made.request
    return made, made.request


def open_desk(page: Page, studio: Running, prompt: str) -> Generation:
    """Return a new clip, which the page has opened."""
    clip = finished_clip(studio, prompt)
    page.get_by_role("tab", name="Sound").click()
    expect(page.locator(".clips .pick[aria-current=true]")).to_have_attribute("aria-label", prompt)
    expect(page.locator(".sounds li")).to_have_count(0)
    return clip


def make_one(page: Page, words: str = "") -> None:
    before = page.locator(".sounds li").count()
    page.locator(".asked [name=prompt]").fill(words)
    page.get_by_role("button", name="Make sound").click()
    expect(page.locator(".sounds li")).to_have_count(before + 1)
    expect(page.locator(".desk[data-view=heard] .plot .wave")).to_be_visible()
    page.wait_for_function("document.querySelector('.desk video').readyState >= 3")


def test_a_clip_gets_a_sound_that_is_plotted_mixed_and_accepted(page: Page, studio: Running) -> None:
    clip = open_desk(page, studio, "a ball to hear")
    make_one(page, "a bell")
    made, request = newest_sound(studio)
    assert request.prompt == "a bell" and made.parents == (clip.id,)
    assert request.video_guidance_scale is None
    address = page.locator(".desk video").get_attribute("src")
    page.locator(".mix [name=offset_milliseconds]").fill("40")
    page.get_by_role("button", name="Apply the mix").click()
    expect(page.locator(".desk video")).not_to_have_attribute("src", address or "")
    assert studio.api.generation(made.id).facts["mix"]["offset_milliseconds"] == 40
    page.get_by_role("button", name="Use this take").click()
    expect(page.locator("[data-field=accepted]")).to_have_text("This take is a part of the clip.")
    assert probe(studio.api.output_path(clip.id, "clip")).has_audio
    page.get_by_role("button", name="Take it off the clip").click()
    expect(page.get_by_role("button", name="Take it off the clip")).to_be_hidden()
    assert not probe(studio.api.output_path(clip.id, "clip")).has_audio


def test_a_key_opens_the_sound_of_the_clip_that_is_shown(page: Page, studio: Running) -> None:
    finished_clip(studio, "a ball to choose")
    finished_clip(studio, "a ball after it")
    page.get_by_role("button", name="a ball to choose").first.click()
    expect(page.locator(".hero [data-field=prompt]")).to_have_text("a ball to choose")
    page.keyboard.press("s")
    expect(page.locator(".clips .pick[aria-current=true]")).to_have_attribute(
        "aria-label", "a ball to choose"
    )
    expect(page.get_by_role("button", name="Make sound")).to_be_visible()


def test_words_may_outweigh_the_picture(page: Page, studio: Running) -> None:
    open_desk(page, studio, "a ball that is to ring")
    page.locator(".asked [name=video_guidance_scale]").fill("1.5")
    make_one(page, "a bell")
    assert newest_sound(studio)[1].video_guidance_scale == 1.5


def test_a_part_of_the_take_is_made_again(page: Page, studio: Running) -> None:
    open_desk(page, studio, "a ball to hear again")
    make_one(page)
    page.locator(".part [name=start_seconds]").fill("0.5")
    page.locator(".part [name=duration_seconds]").fill("0.4")
    page.get_by_role("button", name="Make this part again").click()
    expect(page.locator(".sounds li")).to_have_count(2)
    _, request = newest_sound(studio)
    assert (request.start_seconds, request.duration_seconds) == (0.5, 0.4) and request.take


def test_a_clip_and_a_track_of_ones_own(page: Page, studio: Running, tmp_path: Path) -> None:
    clip, track = tmp_path / "own.mp4", tmp_path / "track.wav"
    write_video(clip, np.full((9, 32, 48, 3), 90, np.uint8), frame_rate=16, metadata={"kinora": {}})
    write_sound(track, np.full((SAMPLE_RATE, 1), 0.1, np.float32))
    open_desk(page, studio, "a ball before")
    page.set_input_files("#sound-upload input[type=file]", clip)
    expect(page.locator(".clips .pick").first).to_have_attribute("aria-label", "A clip of yours")
    page.set_input_files("#track-upload input[type=file]", track)
    expect(page.locator(".track")).to_have_text("track.wav")
    page.locator(".clips .pick").first.click()
    page.get_by_role("button", name="Apply the mix").click()
    made, _ = newest_sound(studio)
    page.wait_for_function("document.querySelector('.desk video').dataset.url.includes('?v=')")
    assert studio.api.generation(made.id).facts["mix"]["own_track"]


def test_what_is_no_clip_and_no_sound_is_one_sentence(page: Page, studio: Running, tmp_path: Path) -> None:
    open_desk(page, studio, "a ball meanwhile")
    (tmp_path / "no.mp4").write_text("no clip")
    for name in ("#sound-upload", "#track-upload"):
        page.set_input_files(f"{name} input[type=file]", tmp_path / "no.mp4")
        expect(page.locator("#sound-notice [role=alert]")).to_contain_text("no.mp4 cannot be read")


def test_a_clip_is_heard_as_its_own_words_say_where_none_are_given(page: Page, studio: Running) -> None:
    open_desk(page, studio, "a ball that speaks for itself")
    expect(page.locator(".asked [name=prompt]")).to_have_attribute(
        "placeholder", "a ball that speaks for itself"
    )
    make_one(page)
    assert newest_sound(studio)[1].prompt == "a ball that speaks for itself"


def test_a_sound_without_picture_and_words_is_refused(page: Page, studio: Running, tmp_path: Path) -> None:
    open_desk(page, studio, "a ball unheard")
    clip = tmp_path / "mute.mp4"
    write_video(clip, np.full((9, 32, 48, 3), 60, np.uint8), frame_rate=16, metadata={"kinora": {}})
    page.set_input_files("#sound-upload input[type=file]", clip)
    expect(page.locator(".clips .pick").first).to_have_attribute("aria-label", "A clip of yours")
    page.locator(".clips .pick").first.click()
    expect(page.locator(".asked [name=prompt]")).to_have_attribute("placeholder", "as the picture says")
    page.locator(".asked [name=sees_video]").uncheck()
    page.get_by_role("button", name="Make sound").click()
    expect(page.locator("#sound-notice [role=alert]")).to_contain_text("needs words")
