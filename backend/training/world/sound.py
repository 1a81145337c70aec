"""The true soundtrack of a scene: its place, and its events at their exact times.

Frame f begins at sample f * rate / frame_rate, so that a clip and its sound are equally long. How loud a roll
or a slide or a creak is follows the scene's own trajectories, and everything the cast does is louder near the
camera. What never moves is heard only through its place.
"""

from dataclasses import dataclass

import numpy as np

from backend.training.world.ambiences import AMBIENCES
from backend.training.world.places import PLACES
from backend.training.world.scene import Array, Body, Event, Scene, Series
from backend.training.world.signals import Tape, Wave
from backend.training.world.voices import Hearing, sounding, voice_of

_HIGHEST_PEAK = 0.98
_NEAR = 5.0  # distance to the camera, in world units, at which nothing is louder or quieter
_DISTANCE_POWER = 0.9
_LOUDNESS_RANGE = (0.5, 1.8)


@dataclass(frozen=True)
class _Motion:
    """Of the cast, on the sample clock (S,): speed, turning (see `Hearing`) and loudness by distance."""

    speed: Wave
    turning: Wave
    loudness: Wave


def soundtrack(scene: Scene, *, rate: int, rng: np.random.Generator) -> Array:
    """Return what is heard of `scene`, float32 (num_frames * rate / frame_rate,) in [-1, 1], never clipped.

    The frames of `scene` are 1 / frame_rate apart. Raises ValueError where frames do not begin at samples.
    """
    tape = Tape(rate, num_samples(scene.num_frames, scene.frame_rate, rate=rate), rng)
    wave = ambience(scene.place, tape)
    if scene.events:
        motion = _motion(scene, tape)
        wave += motion.loudness * sum(_heard(event, scene, motion, tape) for event in scene.events)
    peak = float(np.abs(wave).max())
    return (wave * min(1.0, _HIGHEST_PEAK / max(peak, 1e-12))).astype(np.float32)


def num_samples(num_frames: int, frame_rate: int, *, rate: int) -> int:
    """Return how many samples last as long as the frames; ValueError where frames do not begin at samples."""
    if rate % frame_rate:
        raise ValueError(f"{rate} samples a second are not a multiple of {frame_rate} frames a second")
    return num_frames * (rate // frame_rate)


def ambience(place: str, tape: Tape) -> Wave:
    """Return what is heard of `place` (S,) when nothing happens, a little louder or quieter each time."""
    level = tape.rng.uniform(0.75, 1.25)
    return level * AMBIENCES[PLACES[place].ambience](tape)


def voices(scene: Scene) -> tuple[str, ...]:
    """Return the voices that are heard in `scene`, each once, in the order of its events."""
    return tuple(dict.fromkeys(voice_in(scene, event) for event in scene.events))


def voice_in(scene: Scene, event: Event) -> str:
    """Return the voice of `event`, which is one of `scene`."""
    return voice_of(event, motion=scene.cast[0].motion, relation=scene.relation)


def _heard(event: Event, scene: Scene, motion: _Motion, tape: Tape) -> Wave:
    """Return the sound (S,) of `event`; one that lasts to the last frame lasts to the end of that frame."""
    last = (scene.num_frames - 1) / scene.frame_rate
    if event.duration_seconds and event.time_seconds + event.duration_seconds > last - 1e-6:
        event = Event(
            event.kind, event.time_seconds, tape.duration - event.time_seconds, event.strength, event.pitch
        )
    surface = scene.cast[-1 if scene.relation == "collides" else 0].surface
    return sounding(voice_in(scene, event), Hearing(tape, event, motion.speed, motion.turning, surface))


def _motion(scene: Scene, tape: Tape) -> _Motion:
    cast = scene.bodies[: len(scene.cast)]
    frames = np.arange(scene.num_frames) / scene.frame_rate
    middles = frames[:-1] + 0.5 / scene.frame_rate
    speeds, turning = paces(scene)
    distance = np.linalg.norm(cast[0].centre - scene.camera.position, axis=-1)
    loudness = np.clip((_NEAR / distance.clip(1e-3)) ** _DISTANCE_POWER, *_LOUDNESS_RANGE)
    return _Motion(
        _between(middles, speeds, tape), _between(middles, turning, tape), _between(frames, loudness, tape)
    )


def paces(scene: Scene) -> tuple[Series, Series]:
    """Return, from frame to frame (F - 1,), speed and turning of the fastest of the cast (see `Hearing`)."""
    cast = scene.bodies[: len(scene.cast)]
    steps = np.max([_steps(body) for body in cast], axis=0) * scene.frame_rate
    angles = np.max([_angles(body) for body in cast], axis=0) * scene.frame_rate
    return steps, angles


def _between(times: Series, values: Series, tape: Tape) -> Wave:
    """Return `values` at `times` on the sample clock (S,); zero where there are none."""
    return np.interp(tape.times, times, values) if len(times) else tape.silence()


def _steps(body: Body) -> Series:
    """Return how far (F - 1,) `body` moves over the ground from frame to frame."""
    return np.linalg.norm(np.diff(body.centre[:, [0, 2]].astype(np.float64), axis=0), axis=-1)


def _angles(body: Body) -> Series:
    """Return by how much (F - 1,) `body` turns from frame to frame, in radians within 0 and pi."""
    rotation = body.rotation.astype(np.float64)
    trace = (rotation[:-1] * rotation[1:]).sum(axis=(1, 2))
    return np.arccos(((trace - 1) / 2).clip(-1, 1))
