"""Contact of solids, against the surfaces that rays trace."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.training.world.contact import Solid, keep_apart, rolling_radius, standing_height
from backend.training.world.motions import rotations
from backend.training.world.scene import Array
from backend.training.world.shapes import FAR, HALF_SIZE, INTERSECT
from tests.training.worlds import moved, still_body


def lowest_traced(solid: Solid, rotation: Array) -> float:
    """Return how far below its centre rays from beneath first meet `solid`."""
    x, z = np.meshgrid(*[np.linspace(-2, 2, 301, dtype=np.float32)] * 2)
    half = np.array(solid.half_size, np.float32)
    origin = torch.from_numpy(np.stack([x, np.full_like(x, -3), z], -1) @ rotation / half)
    direction = torch.from_numpy(rotation[1] / half)
    t = INTERSECT[solid.shape](
        (origin[..., 0], origin[..., 1], origin[..., 2]), (direction[0], direction[1], direction[2])
    ).t
    assert bool((t < FAR).any())
    return 3 - float(t.min())


@pytest.mark.parametrize("shape", HALF_SIZE)
def test_standing_height_is_the_depth_of_the_lowest_point(shape: str) -> None:
    angles = np.random.default_rng(2).uniform(-3, 3, (8, 3)).astype(np.float32)
    solid, poses = Solid(shape, HALF_SIZE[shape]), rotations(angles)
    traced = [lowest_traced(solid, pose) for pose in poses]
    # Rays are 1/75 apart and miss the tip of a corner by up to that, on slopes of up to three.
    np.testing.assert_allclose(standing_height(solid, poses), traced, atol=0.04)


@pytest.mark.parametrize(("shape", "radius"), [("ball", 0.5), ("cube", 0.4), ("ring", 0.49 * 1.05)])
def test_rolling_radius_is_that_of_the_outline(shape: str, radius: float) -> None:
    width, height, depth = HALF_SIZE[shape]
    assert rolling_radius(Solid(shape, (width / 2, height / 2, depth / 2))) == pytest.approx(radius)


def test_bodies_that_meet_in_one_frame_do_not_keep_apart() -> None:
    target = still_body(9)
    passing = moved(still_body(9, centre=(-4.0, 0.9, 0.0)), step=(1.0, 0.0, 0.0))
    beyond = replace(passing, centre=passing.centre + np.array((0.0, 0.0, 1.7), np.float32))
    assert not keep_apart(passing, target)
    assert keep_apart(beyond, target)


def test_growing_body_needs_its_room() -> None:
    first, second = still_body(2), still_body(2, centre=(1.7, 0.9, 0.0))
    assert keep_apart(first, second)
    assert not keep_apart(replace(first, scale=np.array((1.0, 1.25), np.float32)), second)
