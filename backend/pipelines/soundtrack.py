"""Sound for a clip: noise to sound latents, steered by words and picture, and back to samples as long as it.

Lumina-V2A (arXiv 2502.06782 Sec. 4) makes windows of some seconds; a longer clip is sampled as one, the
velocities of its windows faded into each other at every step (as MultiDiffusion, arXiv 2302.08113, does), so
that nothing has to fit at a seam. A part of a take is made again in the light of what stays around it, and
crossfaded in.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.errors import RequestError
from backend.media.audio import SAMPLE_RATE, fitted, loudness, resampled, waveform
from backend.media.motion import motion_features
from backend.media.probe import VideoFacts
from backend.media.sound_export import num_samples
from backend.media.synchrony import motion_curve, motion_peaks, onsets, sync_figure
from backend.models.engine import Conditioning, Engine, EngineSpec, Given, Pass, SoundMaker, SoundSpec
from backend.pipelines.clip import (
    ClipHooks,
    LatentCheckpoint,
    Phases,
    drawn_seed,
    loop_hooks,
    stop_if_canceled,
    told_of_memory,
)
from backend.pipelines.denoise import denoise
from backend.pipelines.plan import sound_guidance, sound_schedule
from backend.pipelines.sampling import initial_noise
from backend.requests import SoundRequest, validate_for

CROSSFADE_SECONDS = 0.03
_DRAWN_POINTS = 480


@dataclass(frozen=True)
class Silent:
    """A clip that gets a sound: its facts, and its frames (T, H, W, 3) uint8 at the engine's rate and size.

    take: samples (N, channels) at 48 kHz of which a part is made again, or None.
    """

    facts: VideoFacts
    frames: np.ndarray
    take: np.ndarray | None = None


@dataclass(frozen=True)
class Soundtrack:
    """Samples (N, channels) float32 at 48 kHz, exactly as long as the clip, and measured facts.

    frame: the one in the middle of the clip (H, W, 3) uint8, to be shown.
    """

    samples: np.ndarray
    frame: np.ndarray
    facts: dict[str, Any]


@dataclass(frozen=True)
class Span:
    """A stretch of latent steps from a whole second on.

    known: the steps in it, counted from its first, that keep what the take has there.
    """

    first_second: int
    num_steps: int
    known: tuple[int, ...] = ()


def size_for(spec: EngineSpec, facts: VideoFacts) -> tuple[int, int]:
    """Return the (width, height) of `spec` whose shape is nearest to the clip's."""
    shape = math.log(facts.width / facts.height)
    return min(spec.sizes.values(), key=lambda size: abs(math.log(size[0] / size[1]) - shape))


def make_soundtrack(
    engine: Engine, request: SoundRequest, silent: Silent, *, hooks: ClipHooks | None = None
) -> Soundtrack:
    """Return the sound that `request` describes for the clip.

    Raises what `make_clip` raises; RequestError also where the part asked for lies outside the clip, or the
    take is not one of it.
    """
    validate_for(request, engine.spec)
    with told_of_memory(engine):
        return _make(engine, request, silent, hooks or ClipHooks())


def span_of(request: SoundRequest, silent: Silent, *, spec: SoundSpec) -> Span:
    """Return what is sampled: all of the clip, or the part asked for and a window's overlap around it."""
    length = num_samples(silent.facts) / SAMPLE_RATE
    total = max(1, math.ceil(length * spec.steps_per_second - 1e-6))
    if silent.take is None:
        return Span(0, total)
    start, stop = _part(request, silent, length)
    first = max(0, math.floor(start) - spec.overlap_seconds)
    last = min(total, (math.ceil(stop) + spec.overlap_seconds) * spec.steps_per_second)
    offset = first * spec.steps_per_second
    remade = range(math.floor(start * spec.steps_per_second), math.ceil(stop * spec.steps_per_second))
    known = tuple(step - offset for step in range(offset, last) if step not in remade)
    return Span(first, last - offset, known)


def windows(num_steps: int, *, spec: SoundSpec) -> list[tuple[slice, Tensor]]:
    """Return the windows over `num_steps` latent steps, each with weights (1, 1, n, 1); they add up to 1."""
    window, overlap = (
        seconds * spec.steps_per_second for seconds in (spec.window_seconds, spec.overlap_seconds)
    )
    rise = (torch.arange(overlap) + 0.5) / overlap
    found = []
    for start in range(0, max(1, num_steps - overlap), window - overlap):
        stop = min(num_steps, start + window)
        weights = torch.ones(stop - start)
        if start:
            weights[:overlap] = rise
        if stop < num_steps:
            weights[-overlap:] = 1 - rise
        found.append((slice(start, stop), weights.view(1, 1, -1, 1)))
    return found


class WindowedMaker:
    """A predictor over any number of latent steps: windows of a sound maker, each with what it sees."""

    def __init__(
        self, maker: SoundMaker, parts: list[tuple[slice, Tensor]], *, seen: Sequence[object | None]
    ) -> None:
        self._maker, self._parts, self._seen = maker, parts, seen

    def velocities(
        self,
        latents: Tensor,
        sigma: float,
        conditioning: Conditioning,
        passes: Sequence[Pass],
        *,
        scale: int = 1,
    ) -> list[Tensor]:
        """Return one velocity of the shape of `latents` (1, C, T, R) per pass."""
        totals = [torch.zeros_like(latents) for _ in passes]
        for (part, weights), video in zip(self._parts, self._seen, strict=True):
            told = replace(conditioning, video=video)
            found = self._maker.velocities(latents[:, :, part], sigma, told, passes, scale=scale)
            for total, velocity in zip(totals, found, strict=True):
                total[:, :, part] += weights * velocity
        return totals


def spliced(take: np.ndarray, made: np.ndarray, *, start: int, stop: int) -> np.ndarray:
    """Return `take` (N, channels) with `made` (stop - start, channels) in the samples from `start` to `stop`.

    Both edges crossfade at equal power inside the part, unless they are an end of the take; outside of it
    every bit stays.
    """
    length = min(round(CROSSFADE_SECONDS * SAMPLE_RATE), (stop - start) // 2)
    angles = np.zeros(stop - start, np.float32)  # of what stays of the take
    fade = np.pi / 2 * (np.arange(length, dtype=np.float32) + 0.5) / max(1, length)
    if start > 0:
        angles[:length] = fade[::-1]
    if stop < len(take):
        angles[len(angles) - length :] = fade
    result = take.copy()
    result[start:stop] = made * np.cos(angles)[:, None] + take[start:stop] * np.sin(angles)[:, None]
    return result


def _make(engine: Engine, request: SoundRequest, silent: Silent, hooks: ClipHooks) -> Soundtrack:
    phases, spec = Phases(hooks), _sound_spec(engine)
    span = span_of(request, silent, spec=spec)
    with phases.phase("text", stage="text"):
        prompt, negative = (engine.encode_prompt(text) for text in (request.prompt, request.negative_prompt))
    with phases.phase("preparing", stage="prepare"):
        maker, motion = engine.soundtrack(), _motion(engine, silent)
        parts = windows(span.num_steps, spec=spec)
        seen = [_seen(engine, request, silent, motion, _frames_of(engine, span, part)) for part, _ in parts]
        stop_if_canceled(hooks)
        given = _given(maker, silent, span, spec=spec)
        noise = initial_noise(maker.latent_shape(span.num_steps), seed=drawn_seed(request.seed))
        begun = hooks.resume_from or LatentCheckpoint(0, noise, 0)
    with phases.phase("sampling", stage="sampling"):
        result = denoise(
            WindowedMaker(maker, parts, seen=seen),
            sound_guidance(request),
            latents=begun.latents,
            noise=noise,
            schedule=sound_schedule(request),
            conditioning=Conditioning(prompt, negative, given=given),
            on_step=loop_hooks(hooks, begun),
            start_step=begun.step,
        )
    with phases.phase("decoding", stage="decode"):
        samples = _finished(maker.decode(result.latents), request, silent, span, spec=spec)
    facts = _facts(engine, request, silent) | _heard(samples, motion, frame_rate=engine.spec.frame_rate)
    facts |= {"network_passes": begun.network_passes + result.network_passes}
    frame = silent.frames[len(silent.frames) // 2]
    return Soundtrack(samples, frame, facts | {"stage_seconds": phases.seconds})


def _sound_spec(engine: Engine) -> SoundSpec:
    assert engine.spec.sound is not None  # validate_for has seen to it
    return engine.spec.sound


def _motion(engine: Engine, silent: Silent) -> np.ndarray:
    return motion_features(silent.frames, frame_rate=engine.spec.frame_rate)


def _frames_of(engine: Engine, span: Span, part: slice) -> slice:
    """Return the frames that are shown during a window, and the one after them."""
    spec, rate = _sound_spec(engine), engine.spec.frame_rate
    start = span.first_second + part.start // spec.steps_per_second
    stop = span.first_second + part.stop / spec.steps_per_second
    return slice(start * rate, math.ceil(stop * rate) + 1)


def _seen(
    engine: Engine, request: SoundRequest, silent: Silent, motion: np.ndarray, frames: slice
) -> object | None:
    """Return what a window sees, at least one frame; None where the sound does not follow the picture."""
    if not request.sees_video:
        return None
    first = min(frames.start, len(silent.frames) - 1)
    return engine.soundtrack().watch(silent.frames[first : frames.stop], motion[first : frames.stop])


def _part(request: SoundRequest, silent: Silent, length: float) -> tuple[float, float]:
    """Return the seconds from and to which the take is made again; RequestError where they are not in it."""
    assert silent.take is not None
    if len(silent.take) != num_samples(silent.facts):
        raise RequestError(
            "take",
            f"The take lasts {len(silent.take) / SAMPLE_RATE:.2f} s and the clip {length:.2f} s; "
            "choose a take of this clip.",
        )
    start = request.start_seconds or 0.0
    if start >= length:
        raise RequestError(
            "start_seconds",
            f"Start must be below {length:.2f}, the length of the clip; you gave {start:g}.",
        )
    stop = length if request.duration_seconds is None else min(length, start + request.duration_seconds)
    return start, stop


def _given(maker: SoundMaker, silent: Silent, span: Span, *, spec: SoundSpec) -> Given | None:
    """Return the latents of what stays of the take; None where nothing does."""
    if silent.take is None or not span.known:
        return None
    first = span.first_second * SAMPLE_RATE
    count = round(span.num_steps / spec.steps_per_second * SAMPLE_RATE)
    around = fitted(silent.take[first:], count)
    latents = maker.encode(resampled(around, from_rate=SAMPLE_RATE, to_rate=spec.sample_rate))
    return Given(span.known, latents[:, :, list(span.known)])


def _finished(
    decoded: np.ndarray, request: SoundRequest, silent: Silent, span: Span, *, spec: SoundSpec
) -> np.ndarray:
    """Return `decoded` at 48 kHz and at the length of the clip, or the take with its part made again."""
    made, count = (
        resampled(decoded, from_rate=spec.sample_rate, to_rate=SAMPLE_RATE),
        num_samples(silent.facts),
    )
    if silent.take is None:
        return fitted(made, count)
    start, stop = (round(seconds * SAMPLE_RATE) for seconds in _part(request, silent, count / SAMPLE_RATE))
    channels, first = silent.take.shape[1], span.first_second * SAMPLE_RATE
    alike = made if made.shape[1] == channels else np.repeat(made.mean(axis=1, keepdims=True), channels, 1)
    return spliced(silent.take, fitted(alike[start - first :], stop - start), start=start, stop=stop)


def _facts(engine: Engine, request: SoundRequest, silent: Silent) -> dict[str, Any]:
    """Return the facts of the clip and of who made its sound."""
    return {
        "seed": request.seed,
        "num_frames": silent.facts.num_frames,
        "frame_rate": silent.facts.frame_rate,
        "width": silent.facts.width,
        "height": silent.facts.height,
        "engine": engine.spec.name,
        "weights_sha256": engine.weights_sha256,
        "device": engine.device,
    }


def _heard(samples: np.ndarray, motion: np.ndarray, *, frame_rate: float) -> dict[str, Any]:
    """Return what is measured of the sound, and of the picture beside it."""
    curve = motion_curve(motion)
    heard, moved = onsets(samples), motion_peaks(curve, frame_rate=frame_rate)
    lufs, _ = loudness(samples)
    drawn = curve[np.linspace(0, len(curve) - 1, min(len(curve), _DRAWN_POINTS)).round().astype(int)]
    return {
        "sound_seconds": len(samples) / SAMPLE_RATE,
        "channels": samples.shape[1],
        "loudness_lufs": None if math.isinf(lufs) else round(lufs, 1),
        "onsets": heard,
        "motion_peaks": moved,
        "sync": sync_figure(heard, moved),
        "waveform": waveform(samples, num_points=_DRAWN_POINTS),
        "motion_curve": [round(float(value), 3) for value in drawn],
    }
