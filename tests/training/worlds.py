"""Small scenes with known content, for tests of the world."""

from dataclasses import replace

import numpy as np
import torch

from backend.training.world.cameras import look
from backend.training.world.contact import Solid
from backend.training.world.motions import MOTIONS, Course, Path, rotations
from backend.training.world.scene import Array, Body, Camera, ObjectWords, Scene, Series
from backend.training.world.shapes import FAR, HALF_SIZE, INTERSECT

FRAME_RATE = 16


def frame_times(num_frames: int) -> Series:
    return np.arange(num_frames) / FRAME_RATE


def walk(motion: str, *, num_frames: int = 33, pace: float = 1.0, seed: int = 0) -> Path:
    """Return the path of `motion` for a block of rest height 0.7 and radius 0.8 about the origin."""
    solid = Solid("cube", (0.8, 0.7, 0.8))
    course = Course(frame_times(num_frames), pace, solid, (0.0, 0.0), np.random.default_rng(seed))
    return MOTIONS[motion](course)


def still_camera(num_frames: int) -> Camera:
    """Return a camera five units in front of the stage, at the height of an object's middle."""
    zero = np.zeros(num_frames)
    position = np.stack([zero, zero + 0.9, zero - 5], -1)
    return look(position, zero, zero, zero + 1.18)


def still_body(
    num_frames: int,
    *,
    shape: str = "ball",
    surface: str = "checkered",
    centre: tuple[float, float, float] = (0.0, 0.9, 0.0),
) -> Body:
    """Return a body of size 0.8, turned a little so that no edge faces the camera."""
    angles = np.tile(np.array([0.2, 0.4, 0.1], np.float32), (num_frames, 1))
    width, height, depth = HALF_SIZE[shape]
    return Body(
        shape=shape,
        half_size=(0.8 * width, 0.8 * height, 0.8 * depth),
        colour=(0.8, 0.2, 0.2),
        second_colour=(0.9, 0.8, 0.3),
        surface=surface,
        centre=np.tile(np.array(centre, np.float32), (num_frames, 1)),
        rotation=rotations(angles),
        scale=np.ones(num_frames, np.float32),
        pattern_seed=1.0,
    )


def moved(body: Body, *, step: tuple[float, float, float]) -> Body:
    """Return `body` on its way by `step` world units a frame."""
    frames = np.arange(len(body.scale))[:, None]
    return replace(body, centre=(body.centre + frames * np.array(step)).astype(np.float32))


def turned(body: Body, *, about: str, step: float) -> Body:
    """Return `body` turning by `step` radians a frame about a world axis."""
    angles = np.zeros((len(body.scale), 3), np.float32)
    angles[:, "xyz".index(about)] = step * np.arange(len(body.scale))
    turn: Array = (rotations(angles) @ body.rotation).astype(np.float32)
    return replace(body, rotation=turn)


def scaled(body: Body, *, step: float) -> Body:
    """Return `body` growing by the factor 1 + `step` a frame."""
    return replace(body, scale=((1 + step) ** np.arange(len(body.scale))).astype(np.float32))


def scene_of(*bodies: Body, camera: Camera, place: str = "studio", camera_move: str = "static") -> Scene:
    """Return a scene whose cast is `bodies`."""
    words = tuple(ObjectWords(body.shape, "red", body.surface, "still", "medium") for body in bodies)
    return Scene(words, None, place, camera_move, bodies, camera, FRAME_RATE, 3.0)


def gaps_along_x(first: Body, second: Body) -> Array:
    """Return by how much (F,) `second` would have to move left to touch `first`, in the plane z = 0."""
    heights = np.linspace(0.002, 2.5, 400, dtype=np.float32)
    return np.asarray((_edge(second, heights, side=-1) - _edge(first, heights, side=1)).min(axis=1))


def _edge(body: Body, heights: Array, *, side: int) -> Array:
    """Return x (F, N) of the surface at `heights` on the `side` (1 or -1) of `body`; far inside if none."""
    half = np.array(body.half_size, np.float32) * body.scale[:, None]
    start = np.zeros((len(half), len(heights), 3), np.float32)
    start[..., 0], start[..., 1] = 6 * side, heights
    origin = torch.from_numpy((start - body.centre[:, None]) @ body.rotation / half[:, None])
    direction = torch.from_numpy(-side * body.rotation[:, None, 0] / half[:, None])
    t = INTERSECT[body.shape](
        (origin[..., 0], origin[..., 1], origin[..., 2]),
        (direction[..., 0], direction[..., 1], direction[..., 2]),
    ).t
    return torch.where(t < FAR, side * (6 - t), -side * FAR).numpy()
