"""Wan through our loop gives what diffusers' own pipelines give, from the same weights and seed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import WanImageToVideoPipeline, WanPipeline
from PIL import Image

from backend.guidance.guidance import Guidance
from backend.models.adding import install_folder
from backend.models.engine import Conditioning
from backend.models.installed import Installed
from backend.models.placement import Placement
from backend.models.wan_video.engine import WanEngine
from backend.models.wan_video.spec import spec
from backend.pipelines.clip import ClipHooks, LatentCheckpoint, Pictures, make_clip
from backend.pipelines.denoise import denoise
from backend.pipelines.detail import Draft, make_detail
from backend.pipelines.sampling import initial_noise
from backend.pipelines.schedules import Schedule, schedule
from backend.requests import ClipRequest, DetailRequest
from tests.models.tiny_open import (
    WAN_EXPERTS,
    WAN_FIRST_LAST,
    WAN_IMAGE,
    WAN_IMAGE_EXPERTS,
    WAN_SMALL_LATENTS,
    WAN_TEXT,
    TinyWan,
    write_wan,
)

STEPS, NUM_FRAMES, SIDE = 5, 9, 32
# Float32 on both sides; what differs is the order of a few sums and products.
TOLERANCE = 1e-5

Opened = tuple[WanEngine, Any]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[[TinyWan], Opened]:
    """Return an engine and diffusers' own pipeline over the same parts, for a kind of Wan."""
    made: dict[str, Opened] = {}

    def open_kind(kind: TinyWan) -> Opened:
        if repr(kind) not in made:
            folder = tmp_path_factory.mktemp("wan")
            source = write_wan(folder / "tiny", kind)
            models_dir = folder / "models"
            installed = install_folder(source, name="tiny-wan", models_dir=models_dir, short_side=SIDE)
            made[repr(kind)] = _open(installed, kind)
        return made[repr(kind)]

    return open_kind


def _open(installed: Installed, kind: TinyWan) -> Opened:
    pipeline = WanImageToVideoPipeline if kind.takes_pictures else WanPipeline
    parts = pipeline.from_pretrained(installed.folder, use_safetensors=True)
    placement = Placement(torch.device("cpu"), torch.float32, is_sequential=True)
    # diffusers spaces its levels down to sigma_min; this is the least of ours, and of Wan's own UniPC.
    parts.scheduler.sigma_min = 1 / STEPS
    parts.set_progress_bar_config(disable=True)
    return WanEngine(parts, spec(installed), placement, weights_sha256=installed.sha256), parts


def request(**changes: Any) -> ClipRequest:
    fields = {
        "prompt": "a red ball rolls",
        "engine": "tiny-wan",
        "seed": 3,
        "duration_seconds": NUM_FRAMES / 16,
    }
    return ClipRequest.model_validate(
        {**fields, "num_inference_steps": STEPS, "guidance_scale": 1.0, **changes}
    )


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE, 3), np.uint8)


def ours(engine: WanEngine, asked: ClipRequest, pictures: Pictures | None = None) -> torch.Tensor:
    """Return the latents at the end of our loop."""
    seen: list[LatentCheckpoint] = []
    make_clip(engine, asked, pictures=pictures, hooks=ClipHooks(on_checkpoint=seen.append))
    return seen[-1].latents


def theirs(parts: Any, asked: ClipRequest, **more: Any) -> torch.Tensor:
    """Return the latents at the end of diffusers' own loop."""
    result: torch.Tensor = parts(
        prompt=asked.prompt,
        negative_prompt=asked.negative_prompt,
        height=SIDE,
        width=SIDE,
        num_frames=NUM_FRAMES,
        num_inference_steps=STEPS,
        guidance_scale=asked.guidance_scale,
        generator=torch.Generator().manual_seed(3),
        output_type="latent",
        **more,
    ).frames
    return result


@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize("kind", [WAN_TEXT, WAN_EXPERTS, WAN_SMALL_LATENTS])
def test_a_clip_from_text_is_that_of_diffusers(
    opened: Callable[[TinyWan], Opened], kind: TinyWan, scale: float
) -> None:
    engine, parts = opened(kind)
    asked = request(
        guidance_scale=scale, negative_prompt="fog", duration_seconds=NUM_FRAMES / engine.spec.frame_rate
    )
    assert torch.allclose(ours(engine, asked), theirs(parts, asked), atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize("kind", [WAN_IMAGE, WAN_IMAGE_EXPERTS])
def test_a_clip_from_a_picture_is_that_of_diffusers(
    opened: Callable[[TinyWan], Opened], kind: TinyWan, scale: float
) -> None:
    engine, parts = opened(kind)
    asked = request(guidance_scale=scale, image="0" * 64)
    expected = theirs(parts, asked, image=Image.fromarray(picture(1)))
    assert torch.allclose(
        ours(engine, asked, Pictures(first=picture(1))), expected, atol=TOLERANCE, rtol=TOLERANCE
    )


@pytest.mark.parametrize("kind", [WAN_FIRST_LAST, WAN_IMAGE_EXPERTS])
def test_a_clip_between_two_pictures_is_that_of_diffusers(
    opened: Callable[[TinyWan], Opened], kind: TinyWan
) -> None:
    engine, parts = opened(kind)
    asked = request(guidance_scale=3.0, image="0" * 64, last_image="1" * 64)
    first, last = picture(1), picture(2)
    expected = theirs(parts, asked, image=Image.fromarray(first), last_image=Image.fromarray(last))
    made = ours(engine, asked, Pictures(first=first, last=last))
    assert torch.allclose(made, expected, atol=TOLERANCE, rtol=TOLERANCE)


def test_a_picture_pinned_by_tokens_at_level_zero_is_that_of_diffusers(
    opened: Callable[[TinyWan], Opened],
) -> None:
    engine, parts = opened(WAN_SMALL_LATENTS)
    image_pipeline = WanImageToVideoPipeline(
        **{**parts.components, "image_encoder": None, "image_processor": None}, expand_timesteps=True
    )
    image_pipeline.set_progress_bar_config(disable=True)
    asked = request(
        image="0" * 64, image_guidance_scale=1.0, guidance_scale=4.0, duration_seconds=NUM_FRAMES / 24
    )
    made = ours(engine, asked, Pictures(first=picture(1)))
    expected = theirs(image_pipeline, asked, image=Image.fromarray(picture(1)))
    assert torch.allclose(made, expected, atol=TOLERANCE, rtol=TOLERANCE)


def test_frames_are_those_of_diffusers(opened: Callable[[TinyWan], Opened]) -> None:
    engine, parts = opened(WAN_TEXT)
    latents = torch.randn(1, *engine.latent_shape(num_frames=NUM_FRAMES, height=SIDE, width=SIDE))
    mean, inverse_std = (
        torch.tensor(values).view(1, -1, 1, 1, 1)
        for values in (parts.vae.config.latents_mean, [1 / std for std in parts.vae.config.latents_std])
    )
    with torch.no_grad():
        decoded = parts.vae.decode(latents / inverse_std + mean).sample
    expected = parts.video_processor.postprocess_video(decoded, output_type="np")[0]
    assert np.abs(engine.decode(latents) / 255 - expected).max() <= 0.5 / 255 + 1e-6


def test_a_resumed_clip_is_the_unbroken_one_bit_for_bit(opened: Callable[[TinyWan], Opened]) -> None:
    engine, _ = opened(WAN_EXPERTS)
    seen: list[LatentCheckpoint] = []
    whole = make_clip(engine, request(), hooks=ClipHooks(on_checkpoint=seen.append))
    resumed = make_clip(engine, request(), hooks=ClipHooks(resume_from=seen[1]))
    assert np.array_equal(whole.frames, resumed.frames)


def test_detail_goes_on_from_the_noised_draft_as_sampling_would(opened: Callable[[TinyWan], Opened]) -> None:
    engine, _ = opened(WAN_TEXT)
    shape = engine.latent_shape(num_frames=NUM_FRAMES, height=SIDE, width=SIDE)
    draft, noise = initial_noise(shape, seed=1), initial_noise(shape, seed=2)
    text = Conditioning(engine.encode_prompt("a red ball"), engine.encode_prompt(""))
    refiner = engine.refiner(400)
    levels = schedule(STEPS, shift=2.5)
    within = Schedule(tuple(0.4 * sigma for sigma in levels.sigmas), levels.scales)
    begun = refiner.start(draft, noise)
    options: dict[str, Any] = {"latents": begun, "noise": noise, "conditioning": text}
    refined = denoise(refiner, Guidance(), schedule=levels, **options).latents
    sampled = denoise(engine, Guidance(), schedule=within, **options).latents
    assert torch.equal(begun, 0.6 * draft + 0.4 * noise)
    assert torch.allclose(refined, sampled, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("kind", [WAN_TEXT, WAN_IMAGE])
def test_detail_is_offered_where_no_picture_is_needed(
    opened: Callable[[TinyWan], Opened], kind: TinyWan
) -> None:
    engine, _ = opened(kind)
    assert (engine.spec.detail is None) == bool(engine.spec.pictures.needed)


def test_a_detailed_clip_has_the_size_asked_for(opened: Callable[[TinyWan], Opened]) -> None:
    engine, _ = opened(WAN_TEXT)
    draft = Draft(np.stack([picture(seed) for seed in range(5)]), frame_rate=16)
    asked = DetailRequest(
        source="0" * 64, engine="tiny-wan", seed=1, box=(0, 0, 0.5, 0.5), num_inference_steps=2
    )
    assert make_detail(engine, asked, draft).frames.shape == (5, 256, 256, 3)
