"""Sound on the tiny engine, whose loudness follows what moves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import CanceledError, RequestError
from backend.media.audio import SAMPLE_RATE
from backend.media.probe import VideoFacts
from backend.models.engine import Conditioning, Pass
from backend.pipelines.clip import ClipHooks, LatentCheckpoint
from backend.pipelines.denoise import StepReport
from backend.pipelines.soundtrack import (
    Silent,
    Soundtrack,
    WindowedMaker,
    make_soundtrack,
    size_for,
    span_of,
    spliced,
    windows,
)
from backend.requests import SoundRequest
from tests.tiny_engine import SPEC, make

ENGINE = make(Path("no weights"), "cpu")
REQUEST = SoundRequest(source="0" * 64, engine="tiny", seed=7, num_inference_steps=4, guidance_scale=1)
SOUND = SPEC.sound
assert SOUND is not None


def darting(*, seconds: float = 2.0, at: tuple[float, ...] = (0.5, 1.5)) -> Silent:
    """Return a clip of a blob that stands still but for a dart at each of those seconds."""
    count = round(16 * seconds)
    place = np.zeros(count)
    for number, second in enumerate(at):
        place[round(16 * second) :] += 14 if number % 2 == 0 else -14
    y, x = np.mgrid[0:32, 0:32]
    frames = [40 + 200 * np.exp(-((x - 9 - shift) ** 2 + (y - 16) ** 2) / 20) for shift in place]
    pixels = np.repeat(np.stack(frames)[..., None], 3, -1).astype(np.uint8)
    return Silent(VideoFacts(count, 32, 32, 16.0, count / 16, False, "h264"), pixels)


def loudness_of(samples: np.ndarray, start: float, stop: float) -> float:
    part = samples[round(start * SAMPLE_RATE) : round(stop * SAMPLE_RATE)]
    return float(np.sqrt(np.mean(part**2)))


@pytest.fixture(scope="module")
def made() -> Soundtrack:
    return make_soundtrack(ENGINE, REQUEST, darting())


def test_a_sound_is_as_long_as_its_clip_and_loud_where_it_moves(made: Soundtrack) -> None:
    assert made.samples.shape == (2 * SAMPLE_RATE, 1)
    assert loudness_of(made.samples, 0.5, 0.58) > 5 * loudness_of(made.samples, 0.8, 1.3)
    assert made.facts["motion_peaks"] == [0.5, 1.5] and made.facts["sync"] > 0
    assert len(made.facts["waveform"]) == 480 and len(made.facts["motion_curve"]) == 32
    assert set(made.facts["stage_seconds"]) == {"text", "prepare", "sampling", "decode"}


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, 4),
        ({"guidance_scale": 3}, 8),
        ({"guidance_scale": 3, "video_guidance_scale": 2}, 12),
        ({"guidance_scale": 3, "video_guidance_scale": 2, "sees_video": False, "prompt": "a bell"}, 8),
    ],
)
def test_passes_are_those_of_the_guidance(changes: dict[str, object], passes: int) -> None:
    request = REQUEST.model_copy(update=changes)
    assert make_soundtrack(ENGINE, request, darting()).facts["network_passes"] == passes


def test_words_alone_do_not_follow_the_picture() -> None:
    request = REQUEST.model_copy(update={"sees_video": False, "prompt": "a bell"})
    samples = make_soundtrack(ENGINE, request, darting()).samples
    assert loudness_of(samples, 0.5, 0.58) == pytest.approx(loudness_of(samples, 0.8, 1.3), rel=0.5)
    assert loudness_of(samples, 0, 2) > 0.01


def test_guidance_moves_away_from_the_unseen_picture(made: Soundtrack) -> None:
    guided = make_soundtrack(ENGINE, REQUEST.model_copy(update={"guidance_scale": 2}), darting()).samples
    ratio = loudness_of(guided, 0.5, 0.58) / loudness_of(made.samples, 0.5, 0.58)
    assert ratio == pytest.approx(2, rel=0.15)


def test_the_same_seed_gives_the_same_samples_and_another_others(made: Soundtrack) -> None:
    assert np.array_equal(make_soundtrack(ENGINE, REQUEST, darting()).samples, made.samples)
    other = make_soundtrack(ENGINE, REQUEST.model_copy(update={"seed": 8}), darting())
    assert not np.array_equal(other.samples, made.samples)


@pytest.mark.parametrize("frames", [1, 5, 33, 100])
def test_any_length_comes_out_to_the_sample(frames: int) -> None:
    silent = darting(seconds=frames / 16, at=())
    assert len(make_soundtrack(ENGINE, REQUEST, silent).samples) == frames * 3000


@pytest.mark.parametrize("steps", [1, 50, 51, 75, 76, 137, 250])
def test_windows_cover_every_step_with_weights_of_one(steps: int) -> None:
    total = torch.zeros(steps)
    for part, weights in windows(steps, spec=SOUND):
        assert part.start % 25 == 0 and part.stop - part.start <= 50
        total[part] += weights.flatten()
    assert torch.allclose(total, torch.ones(steps))


def test_one_window_is_the_maker_itself_bit_for_bit() -> None:
    maker, latents = ENGINE.soundtrack(), torch.randn(1, 1, 50, 1)
    seen = maker.watch(darting().frames, np.ones((32, 48), np.float32))
    conditioning = Conditioning(ENGINE.encode_prompt("a"), ENGINE.encode_prompt(""))
    alone = maker.velocities(latents, 0.5, replace(conditioning, video=seen), [Pass(), Pass(image=False)])
    windowed = WindowedMaker(maker, windows(50, spec=SOUND), seen=[seen])
    together = windowed.velocities(latents, 0.5, conditioning, [Pass(), Pass(image=False)])
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_a_long_clip_has_no_seams() -> None:
    silent = darting(seconds=5.0, at=(0.5, 2.5, 4.5))
    samples = make_soundtrack(ENGINE, REQUEST, silent).samples[:, 0]
    steps = np.abs(np.diff(samples))
    for seam in (1, 2, 3, 4):
        around = steps[seam * SAMPLE_RATE - 2000 : seam * SAMPLE_RATE + 2000]
        assert around.max() <= steps.max() / 2  # the darts are the only steep places
    for second in (0.5, 2.5, 4.5):
        assert loudness_of(samples[:, None], second, second + 0.08) > 0.03


def test_a_part_made_again_keeps_the_rest_bit_for_bit(made: Soundtrack) -> None:
    silent = replace(darting(), take=made.samples)
    part = {"take": "0" * 64, "start_seconds": 0.75, "duration_seconds": 0.5, "seed": 9}
    again = make_soundtrack(ENGINE, REQUEST.model_copy(update=part), silent).samples
    start, stop = round(0.75 * SAMPLE_RATE), round(1.25 * SAMPLE_RATE)
    assert np.array_equal(again[:start], made.samples[:start])
    assert np.array_equal(again[stop:], made.samples[stop:])
    assert not np.array_equal(again[start:stop], made.samples[start:stop])


def test_a_crossfade_has_equal_power_and_ends_need_none() -> None:
    take, other = np.full((9600, 1), 0.3, np.float32), np.full((9600, 1), -0.3, np.float32)
    whole = spliced(take, other, start=0, stop=9600)
    assert np.array_equal(whole, other)
    part = spliced(take, other[:4800], start=2400, stop=7200)
    assert np.array_equal(part[3840:5760], other[:1920]) and part[2400] == pytest.approx(0.3, abs=1e-3)
    assert np.abs(np.diff(part[:, 0])).max() < 1e-3  # nothing clicks


@pytest.mark.parametrize(
    ("part", "first", "steps", "known"),
    [
        ((0.0, 0.4), 0, 50, tuple(range(10, 50))),
        ((3.5, 0.5), 2, 75, (*range(37), *range(50, 75))),
        ((4.9, 9.0), 3, 50, tuple(range(47))),
    ],
)
def test_a_part_is_sampled_with_what_lies_around_it(
    part: tuple[float, float], first: int, steps: int, known: tuple[int, ...]
) -> None:
    silent = replace(darting(seconds=5.0), take=np.zeros((5 * SAMPLE_RATE, 1), np.float32))
    request = REQUEST.model_copy(update={"start_seconds": part[0], "duration_seconds": part[1]})
    span = span_of(request, silent, spec=SOUND)
    assert (span.first_second, span.num_steps, span.known) == (first, steps, known)


@pytest.mark.parametrize(
    ("changes", "samples", "words"),
    [
        ({"start_seconds": 2.0}, 96_000, r"Start must be below 2\.00"),
        ({"start_seconds": 0.5}, 48_000, r"The take lasts 1\.00 s and the clip 2\.00 s"),
    ],
)
def test_a_part_outside_and_a_take_of_another_clip_are_refused(
    changes: dict[str, object], samples: int, words: str
) -> None:
    silent = replace(darting(), take=np.zeros((samples, 1), np.float32))
    with pytest.raises(RequestError, match=words):
        make_soundtrack(ENGINE, REQUEST.model_copy(update={"take": "0" * 64, **changes}), silent)


def test_it_resumes_where_it_was_even_when_only_decoding_was_left(made: Soundtrack) -> None:
    kept: list[LatentCheckpoint] = []
    make_soundtrack(ENGINE, REQUEST, darting(), hooks=ClipHooks(on_checkpoint=kept.append))
    for checkpoint in (kept[1], kept[-1]):
        steps: list[StepReport] = []
        hooks = ClipHooks(resume_from=checkpoint, on_step=steps.append)
        resumed = make_soundtrack(ENGINE, REQUEST, darting(), hooks=hooks)
        assert np.array_equal(resumed.samples, made.samples)
        assert len(steps) == 4 - checkpoint.step
        assert resumed.facts["network_passes"] == made.facts["network_passes"]


def test_cancel_stops_within_a_step() -> None:
    seen: list[StepReport] = []
    hooks = ClipHooks(on_step=seen.append, is_canceled=lambda: len(seen) >= 2)
    with pytest.raises(CanceledError):
        make_soundtrack(ENGINE, REQUEST, darting(), hooks=hooks)
    assert len(seen) == 2


def test_an_engine_without_sound_and_a_request_without_a_seed_are_refused() -> None:
    engine = make(Path("no weights"), "cpu")
    engine.spec = replace(engine.spec, sound=None)
    with pytest.raises(RequestError, match="cannot make sound"):
        make_soundtrack(engine, REQUEST, darting())
    with pytest.raises(RequestError, match="Seed is missing"):
        make_soundtrack(ENGINE, REQUEST.model_copy(update={"seed": None}), darting())


@pytest.mark.parametrize(
    ("size", "wanted"), [((1920, 1080), (56, 32)), ((600, 600), (32, 32)), ((1080, 2400), (32, 56))]
)
def test_an_upload_takes_the_nearest_shape(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert size_for(SPEC, VideoFacts(1, *size, 16.0, 1.0, False, "h264")) == wanted
