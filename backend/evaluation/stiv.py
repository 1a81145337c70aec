"""STIV's claims (arXiv 2412.07730): one checkpoint completes clips of every kind, and given pictures move."""

from collections.abc import Sequence

import numpy as np
import torch

from backend.evaluation.cases import TrueClip
from backend.evaluation.finding import Finding, better
from backend.evaluation.metrics import blended, psnr
from backend.evaluation.runs import completed, motion_of, request, sampled
from backend.models.engine import Engine

_EXACT = "unchanged"


def given_frames(engine: Engine, truths: Sequence[TrueClip]) -> list[Finding]:
    """Return how well clips are completed between the first and the last latent, and after three."""
    between, faded, after, repeated, exact = [], [], [], [], []
    for seed, truth in enumerate(truths):
        latents = engine.encode(truth.frames)
        last, start = latents.shape[2] - 1, (0, 1, 2)
        made = completed(engine, truth.prompt, seed=seed, latents=latents, given=(0, last))
        exact.append(float((made - latents)[:, : latents.shape[1] // 2, (0, last)].abs().max()))
        inside = slice(1, len(truth.frames) - 4)  # what neither given latent holds
        between.append(psnr(engine.decode(made)[inside], truth.frames[inside]))
        fade = blended(truth.frames[0], truth.frames[-4], len(truth.frames) - 3)[inside]
        faded.append(psnr(fade, truth.frames[inside]))
        later = slice(4 * start[-1] + 1, None)
        made = completed(engine, truth.prompt, seed=seed, latents=latents, given=start)
        after.append(psnr(engine.decode(made)[later], truth.frames[later]))
        still = np.broadcast_to(truth.frames[later.start - 1], truth.frames[later].shape)
        repeated.append(psnr(still, truth.frames[later]))
    return [
        Finding("given latents come back", _EXACT, f"largest change {max(exact):g}", max(exact) == 0),
        better(
            "interpolation between first and last",
            between,
            faded,
            than="linear blending",
            source="STIV Sec. 4",
        ),
        better(
            "prediction after three latents",
            after,
            repeated,
            than="repeating the last frame",
            source="STIV Sec. 4",
        ),
    ]


def upsampling(engine: Engine, truths: Sequence[TrueClip]) -> list[Finding]:
    """Return how well every second latent is filled in (temporal upsampling at a stride of 2)."""
    made_db, faded_db = [], []
    for seed, truth in enumerate(truths):
        latents = engine.encode(truth.frames)
        count = latents.shape[2]
        frames = engine.decode(
            completed(engine, truth.prompt, seed=seed, latents=latents, given=range(0, count, 2))
        )
        for odd in range(1, count - 1, 2):
            missing = slice(4 * odd - 3, 4 * odd + 1)
            before, after = truth.frames[4 * odd - 4], truth.frames[4 * odd + 1]
            made_db.append(psnr(frames[missing], truth.frames[missing]))
            faded_db.append(psnr(blended(before, after, 6)[1:-1], truth.frames[missing]))
    return [better("every second latent", made_db, faded_db, than="linear blending", source="STIV Sec. 4.3")]


def key_frames(engine: Engine, stories: Sequence[TrueClip], *, stride: int) -> list[Finding]:
    """Return whether key frames at `stride`, after a given first, change as much as true ones do.

    stories: long clips of which every `stride`-th latent is a key frame.
    """
    made_change, true_change, exact = [], [], []
    for seed, story in enumerate(stories):
        latents = engine.encode(story.frames)[:, :, ::stride]
        made = completed(engine, story.prompt, seed=seed, latents=latents, given=(0,), stride=stride)
        half = latents.shape[1] // engine.spec.velocity_parts
        exact.append(float((made - latents)[:, :half, 0].abs().max()))
        made_change.append(_change(made[:, :half]))
        true_change.append(_change(latents[:, :half]))
    ratio = float(np.mean(made_change) / np.mean(true_change))
    return [
        Finding(
            f"key frames at a stride of {stride} latents change as much as true ones",
            "0.7 to 1.4 of the true change from one to the next, first one kept",
            f"{ratio:.2f}, largest change of the first {max(exact):g}",
            0.7 <= ratio <= 1.4 and max(exact) == 0,
        )
    ]


def views(engine: Engine, truths: Sequence[TrueClip]) -> list[Finding]:
    """Return how well a camera's way around a given first frame is followed."""
    made_db, repeated = [], []
    for seed, truth in enumerate(truths):
        latents = engine.encode(truth.frames)
        camera = torch.from_numpy(truth.camera[::4])
        made = completed(engine, truth.prompt, seed=seed, latents=latents, given=(0,), camera=camera)
        made_db.append(psnr(engine.decode(made)[1:], truth.frames[1:]))
        repeated.append(psnr(np.broadcast_to(truth.frames[:1], truth.frames[1:].shape), truth.frames[1:]))
    return [better("views around a picture", made_db, repeated, than="repeating it", source="STIV Sec. 4.4")]


def joint_guidance(engine: Engine, truths: Sequence[TrueClip]) -> list[Finding]:
    """Return how much joint image-text guidance moves given pictures, against guidance by text alone."""
    motions: dict[float | None, list[float]] = {None: [], 1.0: []}
    kept, possible = [], []
    for seed, truth in enumerate(truths):
        first = engine.encode(truth.frames[:1])
        possible.append(psnr(engine.decode(first), truth.frames[:1]))
        for image_scale, motion in motions.items():
            fields = {"image": "0" * 64, "image_guidance_scale": image_scale}
            asked = request(engine, truth.prompt, seed=seed, **fields)
            latents = sampled(engine, asked, latents=first, given=(0,))
            motion.append(motion_of(engine, latents))
            if image_scale is None:
                kept.append(psnr(engine.decode(latents)[:1], truth.frames[:1]))
    joint, text_only = (float(np.mean(motion)) for motion in motions.values())
    loss = float(np.mean(possible) - np.mean(kept))
    return [
        Finding(
            "joint guidance moves given pictures",
            "more than guidance of text alone (STIV Sec. 3.3)",
            f"{joint:.1f} against {text_only:.1f} over {len(truths)}",
            joint > text_only,
        ),
        Finding(
            "and keeps them",
            "first frame at most 1 dB below what the autoencoder alone gives",
            f"{np.mean(kept):.1f} dB against {np.mean(possible):.1f} dB",
            loss <= 1,
        ),
    ]


def _change(latents: torch.Tensor) -> float:
    """Return the mean absolute change from one latent to the next."""
    return float(latents.diff(dim=2).abs().mean())
