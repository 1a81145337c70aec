"""A scene: exact trajectories of objects and camera, the words that describe it, and the events that sound.

World axes: x right, y up, z away from the camera; lengths in world units. Everything is float32 numpy with
one row per frame, so that a scene can be rendered, captioned, measured and made to sound from the same data.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Series = NDArray[np.float64]
"""Values per frame while a path or a pose is worked out, before they are stored."""


@dataclass(frozen=True)
class Event:
    """Something audible. kind: impact, roll, spin, glide_up, glide_down, swing or slide.

    strength in [0, 1]; pitch is relative to a medium object (2 is an octave up). Impacts last zero seconds.
    """

    kind: str
    time_seconds: float
    duration_seconds: float = 0.0
    strength: float = 1.0
    pitch: float = 1.0


@dataclass(frozen=True)
class Body:
    """One solid: an object or a prop.

    half_size: half extents in world units. centre (F, 3), rotation (F, 3, 3) object to world, scale (F,).
    colour, second_colour: RGB in [0, 1]; pattern_seed: phase of the surface detail.
    """

    shape: str
    half_size: tuple[float, float, float]
    colour: tuple[float, float, float]
    second_colour: tuple[float, float, float]
    surface: str
    centre: Array
    rotation: Array
    scale: Array
    pattern_seed: float


@dataclass(frozen=True)
class Camera:
    """Poses of a camera, one per frame.

    position (F, 3); rotation (F, 3, 3) camera to world: columns right, up, forward; focal (F,) in short
    sides of the picture.
    """

    position: Array
    rotation: Array
    focal: Array


@dataclass(frozen=True)
class ObjectWords:
    """The canonical words of one object of the cast."""

    shape: str
    colour: str
    surface: str
    motion: str
    speed: str


@dataclass(frozen=True)
class Scene:
    """Everything about one scene; `cast` describes the first len(cast) bodies, the rest are props."""

    cast: tuple[ObjectWords, ...]
    relation: str | None
    place: str
    camera_move: str
    bodies: tuple[Body, ...]
    camera: Camera
    frame_rate: int
    ground_seed: float
    events: tuple[Event, ...] = field(default=())

    @property
    def num_frames(self) -> int:
        return len(self.camera.focal)
