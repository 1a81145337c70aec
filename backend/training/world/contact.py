"""Where solids touch: the ground that one stands on, the pair that meets, whether a pair keeps apart.

Support is how far a solid reaches from its centre in some direction; every shape has a closed form of it.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from backend.training.world.scene import Array, Body
from backend.training.world.shapes import FAR, INTERSECT, RING_MAJOR, RING_MINOR

_BOX = tuple(product((-1, 1), repeat=3))
_TIPS = tuple((np.sin(turn), np.cos(turn)) for turn in np.pi / 3 * np.arange(6))
_CORNERS: dict[str, Array] = {
    "cube": np.array(_BOX, np.float32),
    "slab": np.array(_BOX, np.float32),
    "pyramid": np.array([(0, 1, 0), *(corner for corner in _BOX if corner[1] < 0)], np.float32),
    "diamond": np.concatenate([np.eye(3), -np.eye(3)]).astype(np.float32),
    "star": np.array([(x, y, z) for x, y in _TIPS for z in (-1, 1)], np.float32),
}
_AXES = np.eye(3, dtype=np.float32)
_HEADINGS = tuple((np.cos(turn), 0, np.sin(turn)) for turn in np.pi / 12 * np.arange(24))
_SEPARATORS = np.array([*_HEADINGS, (0, 1, 0), (0, -1, 0)], np.float32)
_PROFILE_HEIGHTS = 200
_OUTSIDE = 4.0


@dataclass(frozen=True)
class Solid:
    """A shape and its half extents in world units."""

    shape: str
    half_size: tuple[float, float, float]


def support(solid: Solid, rotation: Array, directions: Array) -> Array:
    """Return how far (F, D) `solid`, turned by `rotation` (F, 3, 3), reaches in unit `directions` (D, 3)."""
    pull = (directions @ rotation) * np.array(solid.half_size, np.float32)  # (F, D, 3), in unit space
    if solid.shape in _CORNERS:
        return np.asarray((pull @ _CORNERS[solid.shape].T).max(-1))
    x, y, z = np.moveaxis(pull, -1, 0)
    if solid.shape == "cylinder":
        return np.asarray(np.abs(y) + np.hypot(x, z))
    if solid.shape == "cone":
        return np.maximum(y, np.hypot(x, z) - y)
    length = np.asarray(np.linalg.norm(pull, axis=-1))
    if solid.shape == "ring":
        return np.asarray(RING_MAJOR * np.hypot(x, y) + RING_MINOR * length)
    return length


def standing_height(solid: Solid, rotation: Array) -> Array:
    """Return the height (F,) of the centre of `solid`, turned by `rotation` (F, 3, 3), on the ground."""
    return support(solid, rotation, -_AXES[1:2])[:, 0]


def rolling_radius(solid: Solid) -> float:
    """Return the larger of the upright `solid`'s reach to the side and its height above the ground."""
    return float(support(solid, _AXES[None], np.stack([_AXES[0], -_AXES[1]])).max())


def touching_distances(first: Solid, second: Solid, rotation: Array) -> Array:
    """Return how far apart (F,) the centres of two solids on the ground are when they touch along x.

    `first`, on the left, is turned by `rotation` (F, 3, 3), which is about z alone; `second` is upright.
    """
    top = float(2 * standing_height(second, _AXES[None])[0])
    heights = (np.arange(_PROFILE_HEIGHTS, dtype=np.float32) + 0.5) * (top / _PROFILE_HEIGHTS)
    right, left = _profile(first, rotation, heights, side=1), _profile(second, _AXES[None], heights, side=-1)
    return np.asarray((right + left).max(axis=1))


def _profile(solid: Solid, rotation: Array, heights: Array, *, side: int) -> Array:
    """Return how far (F, N) `solid` reaches to a `side` (1 or -1) of x at `heights` (N,) above the ground.

    Measured at the depth of the centre, which is where solids that mirror themselves in z touch; -FAR where
    there is nothing.
    """
    origin = np.zeros((len(rotation), len(heights), 3), np.float32)
    origin[..., 0] = side * _OUTSIDE
    origin[..., 1] = heights - standing_height(solid, rotation)[:, None]
    half = np.array(solid.half_size, np.float32)
    start = torch.from_numpy(origin @ rotation / half).unbind(-1)
    direction = torch.from_numpy((-side * _AXES[:1]) @ rotation / half).unbind(-1)
    hit = INTERSECT[solid.shape]((start[0], start[1], start[2]), (direction[0], direction[1], direction[2]))
    return torch.where(hit.t < FAR, _OUTSIDE - hit.t, -FAR).numpy()


def keep_apart(first: Body, second: Body) -> bool:
    """Return whether an upright or a level plane parts the two in every frame; then they do not overlap."""
    offset = (second.centre - first.centre) @ _SEPARATORS.T
    reach = _reaches(first, _SEPARATORS) + _reaches(second, -_SEPARATORS)
    return bool((offset >= reach).any(axis=1).all())


def _reaches(body: Body, directions: Array) -> Array:
    """Return how far (F, D) `body` reaches from its centre in `directions` (D, 3)."""
    solid = Solid(body.shape, body.half_size)
    return support(solid, body.rotation, directions) * body.scale[:, None]
