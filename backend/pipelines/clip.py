"""A clip from a prompt: noise, guided sampling, decoding. Nothing is written to disk here."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.errors import CanceledError, RequestError, ResourceError
from backend.media.audio import SAMPLE_RATE, resampled
from backend.media.motion import measured_motion
from backend.models.abilities import SoundingEngine
from backend.models.engine import Conditioning, Engine, Given, KeyFrame, ShowingEngine
from backend.pipelines.denoise import OnStep, StepReport, denoise
from backend.pipelines.plan import Plan, given_frames, plan_for
from backend.pipelines.sampling import initial_noise
from backend.requests import ClipRequest, validate_for


@dataclass(frozen=True)
class LatentCheckpoint:
    """Where sampling stood: finished steps, the latents (1, C, F, H, W) float32 there, and passes so far."""

    step: int
    latents: Tensor
    network_passes: int


def _ignore(_: Any) -> None:
    return None


@dataclass(frozen=True)
class ClipHooks:
    """What a caller may watch and stop.

    on_phase: called with "text", "sampling" and "decoding" as each begins.
    on_step, on_checkpoint: called after every step; the caller decides how often to act.
    is_canceled: asked at every phase and step.
    resume_from: continue a broken run from its checkpoint instead of from noise.
    """

    on_phase: Callable[[str], None] = _ignore
    on_step: OnStep = _ignore
    on_checkpoint: Callable[[LatentCheckpoint], None] = _ignore
    is_canceled: Callable[[], bool] = bool
    resume_from: LatentCheckpoint | None = None


@dataclass(frozen=True)
class Pictures:
    """What a request's images hold, each (H, W, 3) uint8 at the size of the clip, or None.

    between: those at frames of their own.
    """

    first: np.ndarray | None = None
    last: np.ndarray | None = None
    between: tuple[KeyFrame, ...] = ()


@dataclass(frozen=True)
class Clip:
    """Frames (T, H, W, 3) uint8, frames per second, and the measured facts of the run.

    motion_frames: the predicted motion as a picture, of the same shape, or None from an engine without.
    sound: samples (N, channels) float32 at 48 kHz that were made with it, or None from an engine without.
    """

    frames: np.ndarray
    motion_frames: np.ndarray | None
    frame_rate: int
    facts: dict[str, Any]
    sound: np.ndarray | None = None


@dataclass
class Phases:
    """Announces phases, stops before one when canceled, and keeps the seconds each took."""

    hooks: ClipHooks
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str, *, stage: str) -> Iterator[None]:
        stop_if_canceled(self.hooks)
        self.hooks.on_phase(name)
        started = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - started, 4)


def make_clip(
    engine: Engine,
    request: ClipRequest,
    *,
    pictures: Pictures | None = None,
    hooks: ClipHooks | None = None,
) -> Clip:
    """Return the clip that `request` describes, made by `engine`. pictures: those the request names.

    The same request on the same machine gives the same frames, also after a resume. Raises RequestError for
    what the engine cannot make or a request without a seed, CanceledError when a hook says so, ResourceError
    when memory runs out, and NumericsError.
    """
    validate_for(request, engine.spec)
    with told_of_memory(engine):
        return _make(engine, request, pictures or Pictures(), hooks or ClipHooks())


@contextmanager
def told_of_memory(engine: Engine) -> Iterator[None]:
    """Turn every form in which memory runs out in the block into a ResourceError."""
    try:
        yield
    except (RuntimeError, MemoryError) as exc:
        if not _is_out_of_memory(exc):
            raise
        raise ResourceError(
            f"Memory ran out on this device ({engine.device}); make the clip shorter or close other programs."
        ) from exc


def _make(engine: Engine, request: ClipRequest, pictures: Pictures, hooks: ClipHooks) -> Clip:
    phases = Phases(hooks)
    with phases.phase("text", stage="text"):
        conditioning = Conditioning(
            prompt=engine.encode_prompt(request.prompt),
            negative=engine.encode_prompt(request.negative_prompt),
            given=_given(engine, request, pictures),
            shown=_shown(engine, request, pictures),
        )
    with phases.phase("sampling", stage="sampling"):
        sampled = sample_latents(engine, request, conditioning=conditioning, hooks=hooks)
    with phases.phase("decoding", stage="decode"):
        frames = engine.decode(sampled.latents)
        has_motion = "motion_layer" in engine.spec.capabilities
        motion_frames = engine.decode(sampled.latents, layer="motion") if has_motion else None
        sound = _sound(engine, sampled.latents)
    frame_rate = engine.spec.frame_rate
    facts = base_facts(engine, request.seed, frames, frame_rate=frame_rate)
    facts |= {"network_passes": sampled.network_passes, "stage_seconds": phases.seconds}
    facts |= {"motion_asked": request.motion_score, "motion_measured": measured(frames, frame_rate)}
    return Clip(frames, motion_frames, frame_rate, facts, sound)


def _sound(engine: Engine, latents: Tensor) -> np.ndarray | None:
    """Return the sound that was made with the clip, or None."""
    if not isinstance(engine, SoundingEngine):
        return None
    samples = engine.decode_sound(latents)
    return resampled(samples, from_rate=engine.spec.own_sound_rate, to_rate=SAMPLE_RATE)


def _given(engine: Engine, request: ClipRequest, pictures: Pictures) -> Given | None:
    """Return the latents of the pinned pictures: the first frame alone, the last as a still group."""
    frames = given_frames(request, engine.spec)
    if not frames:
        return None
    every, pinned = engine.spec.frame_rule[0], engine.spec.pictures.pinned
    latents = []
    if pictures.first is not None and "image" in pinned:
        latents.append(engine.encode(pictures.first[None])[:, :, :1])
    if pictures.last is not None and "last_image" in pinned:
        latents.append(engine.encode(np.stack([pictures.last] * (every + 1)))[:, :, 1:])
    together = torch.cat(latents, dim=2)
    return Given(frames, together[:, : together.shape[1] // engine.spec.velocity_parts])


def _shown(engine: Engine, request: ClipRequest, pictures: Pictures) -> object:
    """Return the pictures that the network looks at beside its latents, or None."""
    num_frames = engine.spec.num_frames(request.duration_seconds)
    places = {"image": (0, pictures.first), "last_image": (num_frames - 1, pictures.last)}
    key_frames = [
        KeyFrame(frame, picture)
        for field, (frame, picture) in places.items()
        if picture is not None and field not in engine.spec.pictures.pinned
    ]
    key_frames += pictures.between
    if not key_frames:
        return None
    assert isinstance(engine, ShowingEngine)
    return engine.show(key_frames, num_frames=num_frames)


def sample_latents(
    engine: Engine,
    request: ClipRequest,
    *,
    conditioning: Conditioning,
    hooks: ClipHooks | None = None,
    plan: Plan | None = None,
) -> LatentCheckpoint:
    """Return where sampling ended: the latents of the clip and all passes, those before a resume included.

    Any latent frames may be given in `conditioning`, whatever pictures the request names. plan: another than
    the request's own.
    """
    hooks = hooks or ClipHooks()
    noise, plan = _noise(engine, request), plan or plan_for(request, engine.spec)
    start = hooks.resume_from or LatentCheckpoint(0, noise, network_passes=0)
    result = denoise(
        engine,
        plan.guidance,
        latents=start.latents,
        noise=noise,
        schedule=plan.schedule,
        conditioning=conditioning,
        on_step=loop_hooks(hooks, start),
        start_step=start.step,
    )
    network_passes = start.network_passes + result.network_passes
    return LatentCheckpoint(plan.schedule.num_steps, result.latents, network_passes)


def loop_hooks(hooks: ClipHooks, start: LatentCheckpoint) -> OnStep:
    """Return what the loop calls after every step of a run that went on from `start`."""

    def after_step(report: StepReport) -> None:
        hooks.on_step(report)
        network_passes = start.network_passes + report.network_passes
        hooks.on_checkpoint(LatentCheckpoint(report.step, report.latents, network_passes))
        stop_if_canceled(hooks)

    return after_step


def drawn_seed(seed: int | None) -> int:
    """Return `seed`; RequestError where none was drawn."""
    if seed is None:
        raise RequestError("seed", "Seed is missing; one must be drawn before a clip is made.")
    return seed


def _noise(engine: Engine, request: ClipRequest) -> Tensor:
    width, height = engine.spec.sizes[request.aspect_ratio]
    num_frames = engine.spec.num_frames(request.duration_seconds)
    shape = engine.latent_shape(num_frames=num_frames, height=height, width=width)
    return initial_noise(shape, seed=drawn_seed(request.seed))


def base_facts(engine: Engine, seed: int | None, frames: np.ndarray, *, frame_rate: float) -> dict[str, Any]:
    """Return the facts that every kind of clip has."""
    num_frames, height, width, _ = frames.shape
    return {
        "seed": seed,
        "num_frames": num_frames,
        "frame_rate": frame_rate,
        "width": width,
        "height": height,
        "engine": engine.spec.name,
        "weights_sha256": engine.weights_sha256,
        "device": engine.device,
    }


def measured(frames: np.ndarray, frame_rate: float) -> float:
    """Return the motion score of `frames` as it is shown."""
    return round(measured_motion(frames, frame_rate=frame_rate), 2)


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether `error` says that memory ran out; torch's CPU allocator has no type of its own."""
    is_cpu_allocator = "DefaultCPUAllocator" in str(error)
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or is_cpu_allocator


def stop_if_canceled(hooks: ClipHooks) -> None:
    """Raise CanceledError where the caller says so."""
    if hooks.is_canceled():
        raise CanceledError("The clip was canceled.")
