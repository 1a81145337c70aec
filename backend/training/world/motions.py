"""The fifteen motions: where an object is, how it is turned and how large it is, at every frame.

Each motion is one function of a `Course` to a `Path`. Phases are random, so that no motion always starts at
the same pose; directions are seen from the front camera.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backend.training.world.contact import Solid, rolling_radius, standing_height
from backend.training.world.scene import Array, Event, Series

SPEEDS = {"slow": 0.6, "medium": 1.0, "fast": 1.6}


@dataclass(frozen=True)
class Course:
    """What a motion may use: frame times in seconds (F,), pace, the moving solid and a random generator.

    anchor: (x, z) around which it moves. yaw: how far the solid is turned about the upright, in radians.
    """

    times: Series
    pace: float
    solid: Solid
    anchor: tuple[float, float]
    rng: np.random.Generator
    yaw: float = 0.0

    @property
    def duration(self) -> float:
        return float(self.times[-1])

    def fraction(self) -> Series:
        """Return time as a fraction of the whole, (F,)."""
        return self.times / max(self.duration, 1e-6)


@dataclass(frozen=True)
class Path:
    """Where a body is at every frame, and what is heard of it.

    x, y, z (F,); angles (F, 3) in radians about x, y, z, applied in the order y, x, z; scale (F,).
    """

    x: Array
    y: Array
    z: Array
    angles: Array
    scale: Array
    events: tuple[Event, ...] = ()


def _path(
    course: Course,
    *,
    x: Series | float = 0.0,
    y: Series | float = 0.0,
    z: Series | float = 0.0,
    turn: dict[str, Series] | None = None,
    scale: Series | float = 1.0,
    events: tuple[Event, ...] = (),
    is_hanging: bool = False,
) -> Path:
    """Return a path from offsets to the anchor; scalars are spread over all frames.

    y is the height of the lowest point above the ground or, if `is_hanging`, of the centre above its height
    when the solid stands upright.
    """
    count = len(course.times)
    angles = np.zeros((count, 3), np.float32)
    for axis, value in (turn or {}).items():
        angles[:, "xyz".index(axis)] = value
    angles[:, 1] += course.yaw
    spread = [np.broadcast_to(np.asarray(v, np.float32), count).copy() for v in (x, y, z, scale)]
    poses = np.eye(3, dtype=np.float32)[None] if is_hanging else rotations(angles)
    return Path(
        spread[0] + course.anchor[0],
        spread[1] + spread[3] * standing_height(course.solid, poses),
        spread[2] + course.anchor[1],
        angles,
        spread[3],
        events,
    )


def _rolls(course: Course, sign: float) -> Path:
    reach = min(1.25 * course.pace * course.duration, 3.6)
    x = sign * reach * (course.fraction() - course.rng.uniform(0.4, 0.6))
    roll = Event("roll", 0.0, course.duration, min(1.0, course.pace / 1.6))
    return _path(course, x=x, turn={"z": -x / rolling_radius(course.solid)}, events=(roll,))


def _slides(course: Course, sign: float) -> Path:
    reach = min(1.5 * course.pace * course.duration, 3.6)
    z = sign * reach * (course.fraction() - 0.5) + 0.6
    return _path(course, z=z, events=(Event("slide", 0.0, course.duration, 0.5),))


def _bounces(course: Course) -> Path:
    period = course.rng.uniform(0.72, 0.84) / course.pace**0.5
    height = course.rng.uniform(0.9, 1.4)
    phase = course.times / period + course.rng.uniform(0, 1)
    arc = phase % 1.0
    first = (1 - phase[0] % 1.0) * period
    impacts = np.arange(first, course.duration, period)
    events = tuple(Event("impact", float(t), strength=height / 1.4) for t in impacts)
    return _path(course, y=4 * height * arc * (1 - arc), events=events)


def _spins(course: Course) -> Path:
    rate = course.rng.choice((-1.0, 1.0)) * 3.2 * course.pace
    spin = Event("spin", 0.0, course.duration, 0.6, course.pace)
    return _path(course, turn={"y": rate * course.times + course.rng.uniform(0, 6.28)}, events=(spin,))


def _rises(course: Course) -> Path:
    reach = min(0.9 * course.pace * course.duration, 2.3)
    return _path(course, y=reach * course.fraction(), events=(Event("glide_up", 0.0, course.duration, 0.6),))


def _falls(course: Course) -> Path:
    height = course.rng.uniform(1.9, 2.4)
    landing = min(1.15 / course.pace, 0.85 * course.duration)
    y = height * np.clip(1 - (course.times / max(landing, 1e-6)) ** 2, 0, None)
    glide, thud = Event("glide_down", 0.0, landing, 0.6), Event("impact", landing, strength=1.0)
    return _path(course, y=y, events=(glide, thud))


def _circles(course: Course) -> Path:
    angle = course.rng.choice((-1.0, 1.0)) * 2.6 * course.pace * course.times + course.rng.uniform(0, 6.28)
    roll = Event("roll", 0.0, course.duration, 0.5)
    return _path(
        course, x=1.05 * np.cos(angle), z=0.8 * np.sin(angle) + 0.3, turn={"y": -angle}, events=(roll,)
    )


def _swings(course: Course) -> Path:
    length = 2.3
    rate = 3.4 * course.pace
    phase = course.rng.uniform(0, 6.28)
    angle = 0.62 * np.sin(rate * course.times + phase)
    turns = np.arange(np.ceil(phase / np.pi), (rate * course.duration + phase) / np.pi)
    events = tuple(Event("swing", float((n * np.pi - phase) / rate), 0.3, 0.5) for n in turns)
    x, y = length * np.sin(angle), length * (1 - np.cos(angle)) + 0.35
    return _path(course, x=x, y=y, turn={"z": angle}, events=events, is_hanging=True)


def _wobbles(course: Course) -> Path:
    phase = course.rng.uniform(0, 6.28)
    angle = 0.38 * np.sin(6.5 * course.pace * course.times + phase)
    return _path(
        course, x=0.25 * angle, turn={"z": -angle}, events=(Event("swing", 0.0, course.duration, 0.3),)
    )


def _zigzags(course: Course) -> Path:
    phase = course.times * 0.85 * course.pace + course.rng.uniform(0, 1)
    x = 1.2 * (4 * np.abs(phase % 1.0 - 0.5) - 1)
    z = 0.8 - 0.9 * course.fraction()
    return _path(course, x=x, z=z, events=(Event("slide", 0.0, course.duration, 0.6),))


def _grows(course: Course, sign: float) -> Path:
    low, high = 0.45, 1.25
    along = course.fraction() if sign > 0 else 1 - course.fraction()
    scale = low + (high - low) * along ** (1 / course.pace)
    glide = Event("glide_up" if sign > 0 else "glide_down", 0.0, course.duration, 0.4)
    return _path(course, scale=scale, events=(glide,))


MOTIONS: dict[str, Callable[[Course], Path]] = {
    "rolls_left": lambda course: _rolls(course, -1.0),
    "rolls_right": lambda course: _rolls(course, 1.0),
    "slides_toward": lambda course: _slides(course, -1.0),
    "slides_away": lambda course: _slides(course, 1.0),
    "bounces": _bounces,
    "spins": _spins,
    "rises": _rises,
    "falls": _falls,
    "circles": _circles,
    "swings": _swings,
    "wobbles": _wobbles,
    "zigzags": _zigzags,
    "grows": lambda course: _grows(course, 1.0),
    "shrinks": lambda course: _grows(course, -1.0),
    "still": lambda course: _path(course),
}


def rotations(angles: Array) -> Array:
    """Return rotation matrices (F, 3, 3), object to world, of `angles` (F, 3) about x, y, z: Rz Rx Ry."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles).T, np.sin(angles).T
    zero, one = np.zeros_like(cx), np.ones_like(cx)
    about_x = np.stack([one, zero, zero, zero, cx, -sx, zero, sx, cx], -1).reshape(-1, 3, 3)
    about_y = np.stack([cy, zero, sy, zero, one, zero, -sy, zero, cy], -1).reshape(-1, 3, 3)
    about_z = np.stack([cz, -sz, zero, sz, cz, zero, zero, zero, one], -1).reshape(-1, 3, 3)
    product: Array = (about_z @ about_x @ about_y).astype(np.float32)
    return product
