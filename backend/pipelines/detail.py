"""Detail: a draft becomes the same clip at a higher resolution, in a few steps that begin with the draft.

FlashVideo's second stage (arXiv 2502.05179 Sec. 3.3 and 3.4): the draft is enlarged as pixels, encoded,
noised to the degradation step and then refined. Only what the creator asked for is computed: the whole clip,
or a part of its picture or time as a probe of the look. What of the enlarged draft no latents can hold is
added to the decoded pixels again, and an engine that holds to drafts adds only what is finer than their
pixels, so that a draft never loses what it already showed. Where an engine has a finisher, which is ours and
not FlashVideo's, it then goes over the frames with the enlarged draft beside them.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from backend.errors import RequestError
from backend.models.abilities import FinishingEngine, UpsamplingEngine
from backend.models.engine import Conditioning, Engine
from backend.pipelines.clip import (
    Clip,
    ClipHooks,
    LatentCheckpoint,
    Phases,
    base_facts,
    drawn_seed,
    loop_hooks,
    measured,
    told_of_memory,
)
from backend.pipelines.denoise import denoise
from backend.pipelines.plan import detail_guidance, detail_schedule
from backend.pipelines.sampling import initial_noise
from backend.pipelines.similarity import faithfulness
from backend.requests import DetailRequest, degradation_step, validate_for

_ALIGNED_PIXELS = 16
"""The latents of one token, where an engine does not say another size."""

_UPSAMPLED_FROM = 1.5
_HELD_FROM = 2.0
_FINISHED_FROM = 2.0


@dataclass(frozen=True)
class Draft:
    """A clip to detail: frames (T, H, W, 3) uint8, at `frame_rate` per second."""

    frames: np.ndarray
    frame_rate: float


@dataclass(frozen=True)
class Part:
    """What is detailed: which frames, and which box (left, top, right, bottom) in pixels of the target."""

    frames: slice
    box: tuple[int, int, int, int]
    size: tuple[int, int]  # width and height of the whole target


def make_detail(
    engine: Engine, request: DetailRequest, draft: Draft, *, hooks: ClipHooks | None = None
) -> Clip:
    """Return the clip that `request` makes of `draft`, without a motion layer.

    Raises what `make_clip` raises; RequestError also where the part asked for lies outside the draft.
    """
    validate_for(request, engine.spec)
    with told_of_memory(engine):
        return _make(engine, request, draft, hooks or ClipHooks())


def part_of(request: DetailRequest, draft: Draft, *, aligned_pixels: int = _ALIGNED_PIXELS) -> Part:
    """Return which part of `draft`, enlarged, `request` asks for; RequestError where it is not in it.

    aligned_pixels: of which all sides are made multiples.
    """
    count, height, width = draft.frames.shape[:3]
    enlargement = request.target_size / min(height, width)
    size = (_aligned(width * enlargement, aligned_pixels), _aligned(height * enlargement, aligned_pixels))
    left, top, right, bottom = request.box or (0.0, 0.0, 1.0, 1.0)
    start = round((request.start_seconds or 0.0) * draft.frame_rate)
    length = count if request.duration_seconds is None else round(request.duration_seconds * draft.frame_rate)
    if start >= count:
        raise RequestError(
            "start_seconds",
            f"Start must be below {count / draft.frame_rate:.2f}, the length of the clip; "
            f"you gave {request.start_seconds:g}.",
        )
    sides = [
        _span(low, high, side, aligned_pixels)
        for low, high, side in ((left, right, size[0]), (top, bottom, size[1]))
    ]
    box = (sides[0][0], sides[1][0], sides[0][1], sides[1][1])
    return Part(slice(start, min(count, start + max(1, length))), box, size)


def enlarged(draft: Draft, part: Part, *, frame_rule: tuple[int, int]) -> np.ndarray:
    """Return the frames (T', h, w, 3) uint8 of `part`; the last one repeats to the next valid count."""
    left, top, right, bottom = part.box
    frames = [
        cv2.resize(frame, part.size, interpolation=_interpolation(frame, part.size))[top:bottom, left:right]
        for frame in draft.frames[part.frames]
    ]
    every, first = frame_rule
    return np.stack(frames + [frames[-1]] * (-(len(frames) - first) % every))


def _make(engine: Engine, request: DetailRequest, draft: Draft, hooks: ClipHooks) -> Clip:
    aligned_pixels = engine.spec.detail.aligned_pixels if engine.spec.detail else _ALIGNED_PIXELS
    phases, part = Phases(hooks), part_of(request, draft, aligned_pixels=aligned_pixels)
    with phases.phase("text", stage="text"):
        prompt, null = (engine.encode_prompt(text) for text in (request.prompt, ""))
    with phases.phase("preparing", stage="prepare"):
        refiner = engine.refiner(degradation_step(request, engine.spec))
        begun = hooks.resume_from or LatentCheckpoint(0, _start(engine, request, draft, part), 0)
    with phases.phase("sampling", stage="sampling"):
        result = denoise(
            refiner,
            detail_guidance(request),
            latents=begun.latents,
            noise=begun.latents,
            schedule=detail_schedule(request),
            conditioning=Conditioning(prompt, null),
            on_step=loop_hooks(hooks, begun),
            start_step=begun.step,
        )
    with phases.phase("decoding", stage="decode"):
        frames = _decoded(engine, result.latents, draft, part)
    facts = base_facts(engine, request.seed, frames, frame_rate=draft.frame_rate)
    facts |= {"network_passes": begun.network_passes + result.network_passes}
    facts |= {"stage_seconds": phases.seconds, "motion_measured": measured(frames, draft.frame_rate)}
    return Clip(frames, None, round(draft.frame_rate), facts | _compared(frames, draft, part))


def _start(engine: Engine, request: DetailRequest, draft: Draft, part: Part) -> Tensor:
    """Return the degraded draft (1, C, F, H, W), appearance alone."""
    latents = _enlarged_latents(engine, draft, part)
    _, channels, frames, height, width = latents.shape
    noise = initial_noise((channels, frames, height, width), seed=drawn_seed(request.seed))
    return engine.refiner(degradation_step(request, engine.spec)).start(latents, noise)


def _enlarged_latents(engine: Engine, draft: Draft, part: Part) -> Tensor:
    """Return latents (1, C, F, H, W) of `part`: by the engine's upsampler from half the size, or from pixels.

    Where the draft grows little, half the target would be less than what there is.
    """
    grows = part.size[0] >= _UPSAMPLED_FROM * draft.frames.shape[2]
    has_upsampler = engine.spec.detail is not None and engine.spec.detail.has_upsampler
    if not (grows and has_upsampler and isinstance(engine, UpsamplingEngine)):
        return _appearance(engine, enlarged(draft, part, frame_rule=engine.spec.frame_rule))
    left, top, right, bottom = (edge // 2 for edge in part.box)
    half = Part(part.frames, (left, top, right, bottom), (part.size[0] // 2, part.size[1] // 2))
    frames = enlarged(draft, half, frame_rule=engine.spec.frame_rule)
    return engine.upsample(_appearance(engine, frames))


def restored(
    frames: np.ndarray, again: np.ndarray, low: np.ndarray, *, held_to: tuple[int, int] | None
) -> None:
    """Turn `frames`, decoded from refined latents, into the enlarged draft `low` and what refining changed.

    All (T, h, w, 3) uint8; again: `low` encoded and decoded. held_to: width and height in pixels of the
    draft; what they show stays, so that colours do not drift (by wavelets in StableSR, arXiv 2305.07015).
    """
    size = frames.shape[2], frames.shape[1]
    for frame, lossy, kept in zip(frames, again, low, strict=True):  # one by one: large clips fill memory
        change = frame.astype(np.float32) - lossy
        if held_to is not None:
            coarse = cv2.resize(change, held_to, interpolation=cv2.INTER_AREA)
            change -= cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
        frame[:] = (kept + change).round().clip(0, 255)


def _decoded(engine: Engine, latents: Tensor, draft: Draft, part: Part) -> np.ndarray:
    """Return the frames (T, h, w, 3) uint8 of `latents`, with what encoding loses of the draft added."""
    frames = engine.decode(latents)
    low = enlarged(draft, part, frame_rule=engine.spec.frame_rule)
    restored(frames, engine.decode(_appearance(engine, low)), low, held_to=_held_to(engine, draft, part))
    count = part.frames.stop - part.frames.start
    if not (_has_finisher(engine, draft, part) and isinstance(engine, FinishingEngine)):
        return frames[:count]
    return engine.finish(frames[:count], low[:count])


def _has_finisher(engine: Engine, draft: Draft, part: Part) -> bool:
    """Return whether `engine` finishes a draft that grows as much as `draft` does."""
    detail = engine.spec.detail
    return detail is not None and detail.has_finisher and _growth(draft, part) >= _FINISHED_FROM


def _held_to(engine: Engine, draft: Draft, part: Part) -> tuple[int, int] | None:
    """Return width and height of `part` in pixels of `draft`, if detail holds to them; None where it may not.

    A draft that hardly grows has nothing finer than its pixels.
    """
    growth = _growth(draft, part)
    if engine.spec.detail is None or not engine.spec.detail.holds_to_draft or growth < _HELD_FROM:
        return None
    left, top, right, bottom = part.box
    return max(1, round((right - left) / growth)), max(1, round((bottom - top) / growth))


def _growth(draft: Draft, part: Part) -> float:
    """Return how many times wider the target is than `draft`."""
    return part.size[0] / draft.frames.shape[2]


def _appearance(engine: Engine, frames: np.ndarray) -> Tensor:
    """Return latents (1, C, F, H, W) of `frames` without those of motion."""
    latents = engine.encode(frames)
    return latents[:, : latents.shape[1] // engine.spec.velocity_parts]


def _compared(frames: np.ndarray, draft: Draft, part: Part) -> dict[str, Any]:
    """Return how faithful `frames` are to the same part of `draft`, at the size of the draft."""
    scale = draft.frames.shape[2] / part.size[0]
    left, top, right, bottom = (round(edge * scale) for edge in part.box)
    before = draft.frames[part.frames, top:bottom, left:right]
    return faithfulness(frames, before, frame_rate=draft.frame_rate)


def _span(low: float, high: float, side: int, aligned_pixels: int) -> tuple[int, int]:
    """Return pixels from `low` to `high`, shares of `side`, moved outwards to whole tokens inside it."""
    start = int(low * side) // aligned_pixels * aligned_pixels
    stop = -(-round(high * side) // aligned_pixels) * aligned_pixels
    return start, min(side, max(stop, start + aligned_pixels))


def _aligned(length: float, aligned_pixels: int) -> int:
    return max(aligned_pixels, round(length / aligned_pixels) * aligned_pixels)


def _interpolation(frame: np.ndarray, size: tuple[int, int]) -> int:
    """Return how to resize `frame`: smooth when it grows, without aliases when it shrinks."""
    return cv2.INTER_CUBIC if size[0] >= frame.shape[1] else cv2.INTER_AREA
