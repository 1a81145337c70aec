"""LTX-Video through our loop gives what diffusers' own pipelines give, from the same weights and seed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    LTXConditionPipeline,
    LTXImageToVideoPipeline,
    LTXPipeline,
)
from diffusers.pipelines.ltx.pipeline_ltx import calculate_shift
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition
from PIL import Image

from backend.models.adding import install_folder
from backend.models.engine import Given, KeyFrame, Preset, TokenShift
from backend.models.ltx_video.engine import LtxEngine
from backend.models.ltx_video.spec import spec
from backend.models.placement import Placement
from backend.pipelines.clip import ClipHooks, LatentCheckpoint, Pictures, make_clip
from backend.pipelines.plan import plan_for
from backend.requests import ClipRequest
from tests.models.tiny_open import write_ltx

STEPS, NUM_FRAMES, SIDE = 6, 17, 64
# Float32 on both sides; what differs is the order of a few sums and products.
TOLERANCE = 1e-5

Opened = tuple[LtxEngine, Any]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Opened]:
    """Return an engine and diffusers' own pipeline over the same parts, with key frames or without."""
    made: dict[bool, Opened] = {}

    def open_kind(takes_key_frames: bool) -> Opened:
        if takes_key_frames not in made:
            folder = tmp_path_factory.mktemp("ltx")
            made[takes_key_frames] = _open(folder, takes_key_frames)
        return made[takes_key_frames]

    return open_kind


def _open(folder: Path, takes_key_frames: bool) -> Opened:
    source = write_ltx(folder / "tiny", takes_key_frames=takes_key_frames)
    installed = install_folder(source, name="tiny-ltx", models_dir=folder / "models", short_side=SIDE)
    pipeline = LTXConditionPipeline if takes_key_frames else LTXPipeline
    parts = pipeline.from_pretrained(installed.folder, use_safetensors=True)
    parts.set_progress_bar_config(disable=True)
    placement = Placement(torch.device("cpu"), torch.float32, is_sequential=True)
    return LtxEngine(parts, spec(installed), placement, weights_sha256=installed.sha256), parts


def request(**changes: Any) -> ClipRequest:
    fields = {"prompt": "a red ball rolls", "negative_prompt": "fog", "engine": "tiny-ltx", "seed": 3}
    fields |= {"duration_seconds": NUM_FRAMES / 25, "num_inference_steps": STEPS, "guidance_scale": 1.0}
    return ClipRequest.model_validate({**fields, **changes})


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE, 3), np.uint8)


def ours(engine: LtxEngine, asked: ClipRequest, pictures: Pictures | None = None) -> torch.Tensor:
    """Return the latents at the end of our loop."""
    seen: list[LatentCheckpoint] = []
    make_clip(engine, asked, pictures=pictures, hooks=ClipHooks(on_checkpoint=seen.append))
    return seen[-1].latents


def theirs(parts: Any, asked: ClipRequest, **more: Any) -> torch.Tensor:
    """Return the latents (1, C, F, H, W) at the end of diffusers' own loop."""
    latents: torch.Tensor = parts(
        prompt=asked.prompt,
        negative_prompt=asked.negative_prompt,
        height=SIDE,
        width=SIDE,
        num_frames=NUM_FRAMES,
        frame_rate=25,
        num_inference_steps=STEPS,
        guidance_scale=asked.guidance_scale,
        generator=torch.Generator().manual_seed(3),
        output_type="latent",
        **more,
    ).frames
    if latents.ndim == 3:  # LTXPipeline leaves them packed
        factor = parts.vae_spatial_compression_ratio
        frames = 1 + (NUM_FRAMES - 1) // parts.vae_temporal_compression_ratio
        latents = parts._unpack_latents(latents, frames, SIDE // factor, SIDE // factor)
    return latents


def is_same(made: torch.Tensor, expected: torch.Tensor) -> bool:
    return torch.allclose(made, expected, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("scale", [1.0, 3.0])
@pytest.mark.parametrize("takes_key_frames", [False, True])
def test_a_clip_from_text_is_that_of_diffusers(
    opened: Callable[[bool], Opened], takes_key_frames: bool, scale: float
) -> None:
    engine, parts = opened(takes_key_frames)
    more = {"image_cond_noise_scale": 0.0} if takes_key_frames else {}
    asked = request(guidance_scale=scale)
    assert is_same(ours(engine, asked), theirs(parts, asked, **more))


def test_a_clip_from_a_picture_is_that_of_diffusers(opened: Callable[[bool], Opened]) -> None:
    engine, parts = opened(False)
    asked = request(image="0" * 64, guidance_scale=3.0, image_guidance_scale=1.0)
    from_picture = LTXImageToVideoPipeline(**parts.components)
    from_picture.set_progress_bar_config(disable=True)
    # It draws noise once, but only after encoding the picture, whose spread is none: the draw is the same.
    noise = engine._packed(torch.randn(1, *_shape(engine), generator=torch.Generator().manual_seed(3)))
    expected = theirs(from_picture, asked, image=Image.fromarray(picture(1)), latents=_begun(engine, noise))
    assert is_same(ours(engine, asked, Pictures(first=picture(1))), expected)


def _shape(engine: LtxEngine) -> tuple[int, int, int, int]:
    return engine.latent_shape(num_frames=NUM_FRAMES, height=SIDE, width=SIDE)


def _begun(engine: LtxEngine, noise: torch.Tensor) -> torch.Tensor:
    """Return what LTXImageToVideoPipeline starts from: the picture first, noise after it, packed."""
    latents = engine._unpacked(noise, like=torch.zeros(1, *_shape(engine)))
    given = Given((0,), engine.encode(picture(1)[None]))
    return engine._packed(given.placed(latents))


def test_first_and_last_pictures_give_the_clip_of_diffusers(opened: Callable[[bool], Opened]) -> None:
    engine, parts = opened(True)
    asked = request(image="0" * 64, last_image="1" * 64, guidance_scale=3.0, image_guidance_scale=1.0)
    conditions = [
        LTXVideoCondition(image=Image.fromarray(picture(seed)), frame_index=frame)
        for seed, frame in ((1, 0), (2, NUM_FRAMES - 1))
    ]
    expected = theirs(parts, asked, conditions=conditions, image_cond_noise_scale=0.0)
    assert is_same(ours(engine, asked, Pictures(first=picture(1), last=picture(2))), expected)


def test_key_frames_at_any_frame_give_the_clip_of_diffusers(opened: Callable[[bool], Opened]) -> None:
    engine, parts = opened(True)
    frames = {0: 1, 5: 2, 12: 3}
    conditions = [
        LTXVideoCondition(image=Image.fromarray(picture(seed)), frame_index=frame)
        for frame, seed in frames.items()
    ]
    given = [{"frame": frame, "image": str(seed) * 64} for frame, seed in frames.items() if frame]
    asked = request(image="1" * 64, given_frames=given)
    expected = theirs(parts, asked, conditions=conditions, image_cond_noise_scale=0.0)
    between = tuple(KeyFrame(frame, picture(seed)) for frame, seed in frames.items() if frame)
    assert is_same(ours(engine, asked, Pictures(first=picture(1), between=between)), expected)


def test_levels_of_the_first_models_are_those_of_diffusers(opened: Callable[[bool], Opened]) -> None:
    engine, _ = opened(False)
    preset = Preset(STEPS, token_shift=TokenShift((1024, 4096), (0.95, 2.05)), last_sigma=0.1)
    changed = replace(engine.spec, presets={"balanced": preset})
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=0.1)
    tokens = 5 * 4 * 4
    levels = np.linspace(1.0, 1 / STEPS, STEPS)
    scheduler.set_timesteps(sigmas=levels, mu=calculate_shift(tokens, 1024, 4096, 0.95, 2.05))
    assert np.allclose(plan_for(request(), changed).schedule.sigmas, scheduler.sigmas, atol=1e-6)


def test_a_resumed_clip_is_the_unbroken_one_bit_for_bit(opened: Callable[[bool], Opened]) -> None:
    engine, _ = opened(True)
    asked, pictures = request(image="0" * 64), Pictures(first=picture(1))
    seen: list[LatentCheckpoint] = []
    whole = make_clip(engine, asked, pictures=pictures, hooks=ClipHooks(on_checkpoint=seen.append))
    resumed = make_clip(engine, asked, pictures=pictures, hooks=ClipHooks(resume_from=seen[2]))
    assert np.array_equal(whole.frames, resumed.frames)
