"""Runs of an engine that a page cannot ask for: true latents given, another schedule, hidden channels."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from backend.media.motion import measured_motion
from backend.models.engine import Conditioning, Engine, EngineSpec, Given
from backend.pipelines.clip import sample_latents
from backend.pipelines.plan import Plan
from backend.requests import ClipRequest

_HURRY = 3


def hurried(spec: EngineSpec) -> EngineSpec:
    """Return `spec` with a third of the steps in every preset, for figures that may be coarse."""
    presets = {
        name: replace(preset, num_inference_steps=max(_HURRY, preset.num_inference_steps // _HURRY))
        for name, preset in spec.presets.items()
    }
    return replace(spec, presets=presets)


def request(engine: Engine, prompt: str, *, seed: int, **fields: Any) -> ClipRequest:
    """Return the request for a clip of `engine` with some `fields` other than usual."""
    named = {"engine": engine.spec.name, "prompt": prompt, "seed": seed}
    return ClipRequest.model_validate(named | fields)


def sampled(
    engine: Engine,
    asked: ClipRequest,
    *,
    latents: torch.Tensor | None = None,
    given: Sequence[int] = (),
    plan: Plan | None = None,
    **conditions: Any,
) -> torch.Tensor:
    """Return the latents that `asked` gives around the `given` frames of `latents` (1, C, F, H, W).

    plan: instead of the request's own. conditions: more of `Conditioning`: stride, camera.
    """
    conditioning = Conditioning(
        engine.encode_prompt(asked.prompt), engine.encode_prompt(asked.negative_prompt)
    )
    if latents is not None and given:
        appearance = latents[:, : latents.shape[1] // engine.spec.velocity_parts]
        conditions["given"] = Given(tuple(given), appearance[:, :, list(given)])
    conditioning = replace(conditioning, **conditions)
    return sample_latents(engine, asked, conditioning=conditioning, plan=plan).latents


def completed(
    engine: Engine, prompt: str, *, seed: int, latents: torch.Tensor, given: Sequence[int], **conditions: Any
) -> torch.Tensor:
    """Return latents made around the `given` frames of true `latents`, as many as they are.

    Without guidance, which moves away from what is likely and so from the truth.
    """
    duration = (4 * (latents.shape[2] - 1) + 1) / engine.spec.frame_rate
    fields = {"duration_seconds": duration, "preset": "fast", "guidance_scale": 1.0}
    asked = request(engine, prompt, seed=seed, **fields)
    return sampled(engine, asked, latents=latents, given=given, **conditions)


def motion_of(engine: Engine, latents: torch.Tensor) -> float:
    """Return the motion score measured in the clip of `latents`."""
    return measured_motion(engine.decode(latents), frame_rate=engine.spec.frame_rate)
