"""LTX-2 through our loop gives what diffusers' own pipelines give, picture and sound, from equal weights."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, LTX2ConditionPipeline, LTX2Pipeline
from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition, calculate_shift
from PIL import Image

from backend.models.adding import install_folder
from backend.models.engine import KeyFrame, Preset
from backend.models.ltx2_video.clip_latents import ClipLatents
from backend.models.ltx2_video.engine import Ltx2Engine
from backend.models.ltx2_video.spec import spec
from backend.models.placement import Placement
from backend.pipelines.clip import ClipHooks, LatentCheckpoint, Pictures, make_clip
from backend.pipelines.plan import plan_for
from backend.pipelines.sampling import initial_noise
from backend.requests import ClipRequest
from tests.models.tiny_open import write_ltx2

STEPS, NUM_FRAMES, SIDE = 5, 17, 64
# Float32 on both sides; what differs is the order of a few sums and products.
TOLERANCE = 1e-5

Opened = tuple[Ltx2Engine, Any]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """Yield an engine, and diffusers' pipeline over the same parts."""
    folder = tmp_path_factory.mktemp("ltx2")
    source = write_ltx2(folder / "tiny")
    installed = install_folder(source, name="tiny-ltx2", models_dir=folder / "models", short_side=SIDE)
    parts = LTX2ConditionPipeline.from_pretrained(installed.folder, use_safetensors=True)
    placement = Placement(torch.device("cpu"), torch.float32, is_sequential=True)
    yield Ltx2Engine(parts, spec(installed), placement, weights_sha256=installed.sha256), parts


def request(**changes: Any) -> ClipRequest:
    fields = {"prompt": "a red ball rolls", "negative_prompt": "fog", "engine": "tiny-ltx2", "seed": 3}
    fields |= {"duration_seconds": NUM_FRAMES / 24, "num_inference_steps": STEPS, "guidance_scale": 1.0}
    return ClipRequest.model_validate({**fields, **changes})


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE, 3), np.uint8)


def ours(engine: Ltx2Engine, asked: ClipRequest, pictures: Pictures | None = None) -> torch.Tensor:
    """Return the latents at the end of our loop."""
    seen: list[LatentCheckpoint] = []
    make_clip(engine, asked, pictures=pictures, hooks=ClipHooks(on_checkpoint=seen.append))
    return seen[-1].latents


def theirs(pipeline: Any, engine: Ltx2Engine, asked: ClipRequest, **more: Any) -> Any:
    """Return what diffusers' own loop makes of the noise that ours begins with, guided by text alone."""
    shape = engine.latent_shape(num_frames=NUM_FRAMES, height=SIDE, width=SIDE)
    latents, sound = taken_apart(engine, pipeline, initial_noise(shape, seed=3))
    pipeline.set_progress_bar_config(disable=True)
    options = {
        "height": SIDE,
        "width": SIDE,
        "num_frames": NUM_FRAMES,
        "frame_rate": 24,
        "num_inference_steps": STEPS,
        "guidance_scale": asked.guidance_scale,
        "audio_guidance_scale": asked.guidance_scale,
        "noise_scale": 0.0,
        "output_type": "latent",
    }
    off = {"stg_scale": 0.0, "audio_stg_scale": 0.0, "modality_scale": 1.0, "audio_modality_scale": 1.0}
    off |= {"guidance_rescale": 0.0, "audio_guidance_rescale": 0.0}
    return pipeline(
        prompt=asked.prompt,
        negative_prompt=asked.negative_prompt,
        latents=latents,
        audio_latents=sound,
        **{**options, **off, **more},
    )


def taken_apart(
    engine: Ltx2Engine, pipeline: Any, latents: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return picture (1, C, F, H, W) and sound (1, C, L, M) of `latents`, as the decoders take them."""
    vae, audio_vae = pipeline.vae, pipeline.audio_vae
    sound = pipeline._denormalize_audio_latents(
        engine._latents.sound(latents), audio_vae.latents_mean, audio_vae.latents_std
    )
    bins = audio_vae.config.mel_bins // audio_vae.mel_compression_ratio
    return (
        pipeline._denormalize_latents(engine._latents.picture(latents), vae.latents_mean, vae.latents_std),
        pipeline._unpack_audio_latents(sound, sound.shape[1], num_mel_bins=bins),
    )


def is_same(engine: Ltx2Engine, pipeline: Any, made: torch.Tensor, expected: Any) -> bool:
    pairs = zip(taken_apart(engine, pipeline, made), (expected.frames, expected.audio), strict=True)
    return all(torch.allclose(one, other, atol=TOLERANCE, rtol=TOLERANCE) for one, other in pairs)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_clip_from_text_is_that_of_diffusers(opened: Opened, scale: float) -> None:
    engine, parts = opened
    components = {name: part for name, part in parts.components.items() if name != "audio_scheduler"}
    pipeline, asked = LTX2Pipeline(**components), request(guidance_scale=scale)
    assert is_same(engine, pipeline, ours(engine, asked), theirs(pipeline, engine, asked))


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_clip_from_a_picture_is_that_of_diffusers(opened: Opened, scale: float) -> None:
    engine, pipeline = opened
    asked = request(image="0" * 64, guidance_scale=scale, image_guidance_scale=1.0)
    conditions = [LTX2VideoCondition(Image.fromarray(picture(1)), index=0)]
    made = ours(engine, asked, Pictures(first=picture(1)))
    assert is_same(engine, pipeline, made, theirs(pipeline, engine, asked, conditions=conditions))


def test_key_frames_give_the_clip_of_diffusers(opened: Opened) -> None:
    opened_engine, parts = opened
    # Levels that need no rounding: diffusers rounds shifted ones, which a network sees a thousandfold.
    pipeline = LTX2ConditionPipeline(**{**parts.components, "scheduler": FlowMatchEulerDiscreteScheduler()})
    even = replace(opened_engine.spec, presets={"balanced": Preset(STEPS)})
    engine = Ltx2Engine(pipeline, even, opened_engine._placement, weights_sha256="")
    frames = {2: (5, 2), 4: (13, 3)}  # latent index, by which diffusers counts: pixel frame, picture
    conditions = [
        LTX2VideoCondition(Image.fromarray(picture(seed)), index=index)
        for index, (_, seed) in {0: (0, 1), **frames}.items()
    ]
    between = tuple(KeyFrame(frame, picture(seed)) for frame, seed in frames.values())
    asked = key_framed(5, 13, image="1" * 64, guidance_scale=3.0, image_guidance_scale=1.0)
    made = ours(engine, asked, Pictures(first=picture(1), between=between))
    assert is_same(engine, pipeline, made, theirs(pipeline, engine, asked, conditions=conditions))


def key_framed(*frames: int, **changes: Any) -> ClipRequest:
    return request(given_frames=[{"frame": frame, "image": "0" * 64} for frame in frames], **changes)


@pytest.mark.parametrize("frames", [(), (5, 13)])
def test_levels_are_those_of_diffusers_also_with_key_frames(opened: Opened, frames: tuple[int, ...]) -> None:
    engine, parts = opened
    tokens = (5 + len(frames)) * 4 * 4
    levels, mu = np.linspace(1.0, 1 / STEPS, STEPS), calculate_shift(tokens, 16, 64, 0.95, 2.05)
    parts.scheduler.set_timesteps(sigmas=levels, mu=mu)
    planned = plan_for(key_framed(*frames), engine.spec).schedule.sigmas
    assert np.allclose(planned, parts.scheduler.sigmas, atol=1e-6)


def test_frames_and_sound_are_those_of_diffusers(opened: Opened) -> None:
    engine, pipeline = opened
    expected = theirs(pipeline, engine, request(), output_type="np")
    frames, samples = make_clip(engine, request()).frames, engine.decode_sound(ours(engine, request()))
    assert np.abs(frames / 255 - expected.frames[0]).max() <= 0.5 / 255 + TOLERANCE
    assert np.abs(samples - expected.audio[0].T.numpy()).max() <= TOLERANCE


def test_a_clip_has_a_sound_of_its_own_at_48_khz(opened: Opened) -> None:
    engine, _ = opened
    made, samples = make_clip(engine, request()), engine.decode_sound(ours(engine, request()))
    assert made.sound is not None and engine.spec.own_sound_rate == 16_000
    assert made.sound.shape == (3 * len(samples), 2) and made.sound.any()


def test_a_resumed_clip_and_its_sound_are_the_unbroken_ones_bit_for_bit(opened: Opened) -> None:
    engine, _ = opened
    seen: list[LatentCheckpoint] = []
    whole = make_clip(engine, request(), hooks=ClipHooks(on_checkpoint=seen.append))
    resumed = make_clip(engine, request(), hooks=ClipHooks(resume_from=seen[2]))
    assert np.array_equal(whole.frames, resumed.frames)
    assert whole.sound is not None and np.array_equal(whole.sound, resumed.sound)


@pytest.mark.parametrize("shape", [(8, 1, 2, 3), (8, 5, 2, 3), (8, 5, 4, 4), (128, 16, 15, 26)])
def test_latents_of_picture_and_sound_come_apart_as_they_were_joined(shape: tuple[int, ...]) -> None:
    latents = ClipLatents(frames=8, frame_rate=24, sound_steps_per_second=25.0, sound_width=4)
    picture = torch.randn(2, *shape)
    sound = torch.randn(2, latents.sound_steps(shape[1]), 4)
    joined = latents.joined(picture, sound)
    assert torch.equal(latents.picture(joined), picture)
    assert torch.equal(latents.sound(joined), sound)
    assert not latents.sound(latents.joined(picture, latents.silence(picture))).any()
