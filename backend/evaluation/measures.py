"""The measures of the report: what the model makes is set beside the relation that a paper found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from backend.evaluation.cases import Case, TrueClip
from backend.evaluation.metrics import blended, psnr, spearman
from backend.evaluation.verifier import Verifier, read_attributes
from backend.media.motion import measured_motion
from backend.models.engine import Conditioning, Engine, Given
from backend.pipelines.clip import make_clip, sample_latents
from backend.pipelines.speed import measure_speed
from backend.requests import ClipRequest

FLOOR_MEAN, FLOOR_EACH = 0.90, 0.85


@dataclass(frozen=True)
class Finding:
    """One row of the report: what was measured, what should hold, what came out, and whether it holds."""

    title: str
    expected: str
    measured: str
    is_met: bool


def _request(engine: Engine, prompt: str, *, seed: int, **fields: Any) -> ClipRequest:
    named = {"engine": engine.spec.name, "prompt": prompt, "seed": seed}
    return ClipRequest.model_validate(named | fields)


def faithfulness(
    engine: Engine, verifier: Verifier, cases: Sequence[Case], **fields: Any
) -> tuple[list[Finding], list[np.ndarray]]:
    """Return how often the verifier reads what each prompt asks for, and the clips, one a prompt."""
    clips = [
        make_clip(engine, _request(engine, case.prompt, seed=seed, **fields)).frames
        for seed, case in enumerate(cases)
    ]
    read = read_attributes(verifier, clips)
    shares = {
        name: float(np.mean([each[name] == case.asked[name] for each, case in zip(read, cases, strict=True)]))
        for name in cases[0].asked
    }
    findings = [
        Finding(f"{name} as asked", f"at least {FLOOR_EACH:.0%}", f"{share:.1%}", share >= FLOOR_EACH)
        for name, share in shares.items()
    ]
    mean = float(np.mean(list(shares.values())))
    return [
        *findings,
        Finding("mean of the six", f"at least {FLOOR_MEAN:.0%}", f"{mean:.1%}", mean >= FLOOR_MEAN),
    ], clips


def motion_control(engine: Engine, prompts: Sequence[str], scores: Sequence[float]) -> list[Finding]:
    """Return how measured motion follows the score asked for, and what the negative score does to it."""

    def measured(prompt: str, seed: int, score: float, negative: float | None) -> float:
        asked = _request(engine, prompt, seed=seed, motion_score=score, negative_motion_score=negative)
        motion: float = make_clip(engine, asked).facts["motion_measured"]
        return motion

    pairs = [(score, measured(p, seed, score, None)) for seed, p in enumerate(prompts) for score in scores]
    correlation = spearman(*np.array(pairs).T)
    high, low = max(scores), min(scores)
    away = np.mean([measured(p, seed, high, low) for seed, p in enumerate(prompts)])
    equal = np.mean([measured(p, seed, high, high) for seed, p in enumerate(prompts)])
    means = [np.mean([got for asked, got in pairs if asked == score]) for score in scores]
    listed = ", ".join(f"{score:g}: {mean:.1f}" for score, mean in zip(scores, means, strict=True))
    return [
        Finding(
            "motion asked against measured",
            "Spearman at least 0.9 (Lumina-Video: more score, more motion)",
            f"{correlation:.2f} ({listed})",
            correlation >= 0.9,
        ),
        Finding(
            "a low negative score adds motion",
            "more than with equal scores (Lumina-Video, Table 3)",
            f"{away:.1f} against {equal:.1f} at a score of {high:g}",
            bool(away > equal),
        ),
    ]


def given_frames(engine: Engine, truths: Sequence[TrueClip]) -> list[Finding]:
    """Return how well clips are completed between, and after, true latent frames (STIV)."""
    between, faded, after, repeated, exact = [], [], [], [], []
    for seed, truth in enumerate(truths):
        latents = engine.encode(truth.frames)
        last = latents.shape[2] - 1
        ends, start = (0, last), (0, 1, 2)
        made = _completed(engine, truth.prompt, seed, latents, ends)
        exact.append(float((made - latents)[:, : latents.shape[1] // 2, ends].abs().max()))
        inside = slice(1, len(truth.frames) - 4)  # what neither given latent holds
        frames = engine.decode(made)[inside]
        between.append(psnr(frames, truth.frames[inside]))
        fade = blended(truth.frames[0], truth.frames[-4], len(truth.frames) - 3)[inside]
        faded.append(psnr(fade, truth.frames[inside]))
        later = slice(4 * start[-1] + 1, None)
        frames = engine.decode(_completed(engine, truth.prompt, seed, latents, start))[later]
        after.append(psnr(frames, truth.frames[later]))
        still = np.broadcast_to(truth.frames[later.start - 1], frames.shape)
        repeated.append(psnr(still, truth.frames[later]))
    return [
        Finding("given latents come back", "unchanged", f"largest change {max(exact):g}", max(exact) == 0),
        better("interpolation between first and last", between, faded, "linear blending"),
        better("prediction after three latents", after, repeated, "repeating the last frame"),
    ]


def joint_guidance(engine: Engine, truths: Sequence[TrueClip]) -> list[Finding]:
    """Return how much joint image-text guidance moves given pictures, against guidance by text alone."""

    def motion(image_scale: float | None) -> float:
        got = []
        for seed, truth in enumerate(truths):
            first = engine.encode(truth.frames[:1])
            asked = _request(
                engine, truth.prompt, seed=seed, image="0" * 64, image_guidance_scale=image_scale
            )
            given = Given((0,), first[:, : first.shape[1] // engine.spec.velocity_parts])
            latents = sample_latents(engine, asked, conditioning=_conditioning(engine, asked, given)).latents
            got.append(_motion(engine, latents))
        return float(np.mean(got))

    joint, text_only = motion(None), motion(1.0)
    return [
        Finding(
            "joint guidance moves given pictures",
            "more than guidance of text alone (STIV, Sec. 3.3)",
            f"{joint:.1f} against {text_only:.1f}",
            joint > text_only,
        )
    ]


def patch_times(engine: Engine) -> list[Finding]:
    """Return the time of a pass at the coarser patch sizes, as shares of the finest."""
    seconds = measure_speed(engine).pass_seconds
    return [
        Finding(
            f"time of a pass at patch scale {scale}",
            f"at most {limit:.2f} of scale 1 (Lumina-Video, Table 2)",
            f"{seconds[scale] / seconds[1]:.2f}",
            seconds[scale] / seconds[1] <= limit,
        )
        for scale, limit in ((2, 0.40), (3, 0.09))
    ]


def _completed(
    engine: Engine, prompt: str, seed: int, latents: torch.Tensor, frames: tuple[int, ...]
) -> torch.Tensor:
    """Return latents made around the given `frames` of `latents`."""
    duration = (4 * (latents.shape[2] - 1) + 1) / engine.spec.frame_rate
    asked = _request(engine, prompt, seed=seed, duration_seconds=duration)
    appearance = latents[:, : latents.shape[1] // engine.spec.velocity_parts]
    given = Given(frames, appearance[:, :, list(frames)])
    return sample_latents(engine, asked, conditioning=_conditioning(engine, asked, given)).latents


def _conditioning(engine: Engine, asked: ClipRequest, given: Given) -> Conditioning:
    plain = Conditioning(engine.encode_prompt(asked.prompt), engine.encode_prompt(asked.negative_prompt))
    return replace(plain, given=given)


def _motion(engine: Engine, latents: torch.Tensor) -> float:
    return measured_motion(engine.decode(latents), frame_rate=engine.spec.frame_rate)


def better(title: str, ours: list[float], theirs: list[float], name: str) -> Finding:
    gain = float(np.mean(ours) - np.mean(theirs))
    return Finding(
        title,
        f"closer to the truth than {name} (STIV, Sec. 4)",
        f"{np.mean(ours):.1f} dB against {np.mean(theirs):.1f} dB",
        gain > 0,
    )
