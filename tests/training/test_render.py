"""Rendered pixels and the flow between them, against projected points and against warped pictures."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from backend.training.world.cameras import MOVES, move_camera
from backend.training.world.patterns import surface_mix
from backend.training.world.places import PLACES
from backend.training.world.render import render
from backend.training.world.sampler import SURFACES, sample_scene
from backend.training.world.scene import Array, Body, Camera, Scene
from backend.training.world.shapes import HALF_SIZE, ROUND
from tests.training.worlds import frame_times, moved, scaled, scene_of, still_body, still_camera, turned

SIDE = 64
BALL = still_body(2)
BODIES = {
    "moving": moved(BALL, step=(0.12, 0.05, -0.1)),
    "turning": turned(BALL, about="y", step=0.15),
    "rolling": moved(turned(BALL, about="z", step=-0.15), step=(0.12, 0.0, 0.0)),
    "growing": scaled(BALL, step=0.06),
}


def camera_of(move: str) -> Camera:
    """Return the first two poses of `move` in a clip of one second, as the sampler draws them."""
    camera = move_camera(move, times=frame_times(17), rng=np.random.default_rng(0))
    return Camera(camera.position[:2], camera.rotation[:2], camera.focal[:2])


def samples(supersample: int) -> tuple[Array, Array]:
    """Return column and row in pixels (H, W) of the samples whose flow is kept."""
    offset = (supersample // 2 + 0.5) / supersample
    column, row = np.meshgrid(np.arange(SIDE) + offset, np.arange(SIDE) + offset)
    return column, row


def directions(camera: Camera, supersample: int) -> Array:
    """Return the world directions (H, W, 3) of the first frame's rays."""
    column, row = samples(supersample)
    reach = SIDE * camera.focal[0]
    local = np.stack([(column - SIDE / 2) / reach, (SIDE / 2 - row) / reach, np.ones_like(column)], -1)
    return local @ camera.rotation[0].T


def seen_later(points: Array, camera: Camera) -> Array:
    """Return column and row in pixels (2, H, W) of world `points` (H, W, 3) in the second frame."""
    local = (points - camera.position[1]) @ camera.rotation[1]
    scale = SIDE * camera.focal[1] / local[..., 2]
    return np.stack([SIDE / 2 + local[..., 0] * scale, SIDE / 2 - local[..., 1] * scale])


def ball_points(body: Body, camera: Camera, direction: Array) -> Array:
    """Return where rays meet the ball, (H, W, 3), NaN where they miss."""
    start = camera.position[0] - body.centre[0]
    a, b = (direction**2).sum(-1), direction @ start
    with np.errstate(invalid="ignore"):
        t = (-b - np.sqrt(b * b - a * (start @ start - body.half_size[0] ** 2))) / a
    return camera.position[0] + t[..., None] * direction


@pytest.mark.parametrize("supersample", [1, 2])
@pytest.mark.parametrize("move", ["static", "orbit_left", "zoom_in", "crane_up"])
@pytest.mark.parametrize("motion", BODIES)
def test_flow_of_a_body_carries_its_surface_points(motion: str, move: str, supersample: int) -> None:
    body, camera = BODIES[motion], camera_of(move)
    flow = render(
        scene_of(body, camera=camera, camera_move=move), height=SIDE, width=SIDE, supersample=supersample
    ).flow
    points = ball_points(body, camera, directions(camera, supersample))
    growth = body.scale[1] / body.scale[0]
    offset = (points - body.centre[0]) @ body.rotation[0] @ body.rotation[1].T * growth
    expected = seen_later(body.centre[1] + offset, camera) - np.stack(samples(supersample))
    on_ball = np.isfinite(expected[0])
    assert on_ball.sum() > 200
    # float32 in world units of a few against 64 pixels.
    assert np.abs(flow[0].numpy() - expected)[:, on_ball].max() < 5e-3


@pytest.mark.parametrize("supersample", [1, 2])
@pytest.mark.parametrize("move", MOVES)
def test_flow_of_the_ground_is_that_of_a_plane(move: str, supersample: int) -> None:
    camera = camera_of(move)
    flow = render(
        scene_of(camera=camera, camera_move=move), height=SIDE, width=SIDE, supersample=supersample
    ).flow
    direction = directions(camera, supersample)
    distance = -camera.position[0, 1] / direction[..., 1:2]
    points = camera.position[0] + distance * direction
    expected = seen_later(points, camera) - np.stack(samples(supersample))
    is_near = (direction[..., 1] < 0) & (distance[..., 0] < 40)
    assert is_near.sum() > 500
    assert np.abs(flow[0].numpy() - expected)[:, is_near].max() < 2e-2


@pytest.mark.parametrize("move", ["pan_left", "tilt_down", "zoom_out", "orbit_right"])
def test_flow_of_the_sky_is_that_of_directions(move: str) -> None:
    camera = camera_of(move)
    flow = render(scene_of(camera=camera, camera_move=move), height=SIDE, width=SIDE, supersample=1).flow
    direction = directions(camera, 1)
    expected = seen_later(camera.position[1] + direction, camera) - np.stack(samples(1))
    is_sky = direction[..., 1] > 0
    assert is_sky.sum() > 200
    # The sky stands 10,000 units away, and a camera moves by a tenth of a unit.
    assert np.abs(flow[0].numpy() - expected)[:, is_sky].max() < 5e-3


def warped_back(scene: Scene, *, supersample: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the first frame, the second warped back by the flow, and the inside of what moves (H, W)."""
    rendering = render(scene, height=SIDE, width=SIDE, supersample=supersample)
    first, second = rendering.pixels.float()
    flow = rendering.flow[0]
    column, row = (torch.arange(SIDE) + 0.5 + f for f in (flow[0], flow[1].T))
    grid = torch.stack([column, row.T], -1) / SIDE * 2 - 1
    back = functional.grid_sample(second[None], grid[None], align_corners=False, padding_mode="border")[0]
    outside = (flow.abs().amax(0) < 1e-6).float()
    inside = functional.max_pool2d(outside[None], 7, 1, 3)[0] == 0
    return first, back, inside


@pytest.mark.parametrize("supersample", [1, 2])
@pytest.mark.parametrize("motion", BODIES)
def test_warping_back_by_flow_restores_a_moving_body(motion: str, supersample: int) -> None:
    scene = scene_of(BODIES[motion], camera=still_camera(2))
    first, back, inside = warped_back(scene, supersample=supersample)
    error = (first - back).abs().mean(0)[inside]
    assert inside.sum() > 150
    # Levels of 255: bilinear warping blurs the pattern, and light on a turning surface does change.
    assert error.mean() < (6.0 if motion in ("turning", "rolling") else 3.0)


@pytest.mark.parametrize("supersample", [1, 2])
@pytest.mark.parametrize("move", [move for move in MOVES if move != "static"])
def test_warping_back_by_flow_restores_the_view_of_a_moving_camera(move: str, supersample: int) -> None:
    scene = scene_of(camera=camera_of(move), camera_move=move, place="desert")
    first, back, _ = warped_back(scene, supersample=supersample)
    error = (first - back).abs().mean(0)[8:-8, 8:-8]
    moved = render(scene, height=SIDE, width=SIDE, supersample=supersample).pixels.float().diff(dim=0)[0]
    assert error.mean() < 2.5  # bilinear warping blurs the ground
    assert error.mean() < 0.75 * moved.abs().mean(0)[8:-8, 8:-8].mean()


def test_nothing_flows_where_nothing_moves() -> None:
    scene = scene_of(still_body(2), camera=still_camera(2))
    assert render(scene, height=SIDE, width=SIDE).flow.abs().max() < 1e-4


def test_seed_fixes_pixels_and_flow() -> None:
    first, second = (
        render(sample_scene(np.random.default_rng(5), num_frames=2), height=32, width=48) for _ in range(2)
    )
    assert torch.equal(first.pixels, second.pixels)
    assert torch.equal(first.flow, second.flow)


def test_shapes_of_the_result_are_those_asked_for() -> None:
    rendering = render(scene_of(still_body(3), camera=still_camera(3)), height=24, width=40, supersample=3)
    assert rendering.pixels.shape == (3, 3, 24, 40)
    assert rendering.pixels.dtype == torch.uint8
    assert rendering.flow.shape == (2, 2, 24, 40)


@pytest.mark.parametrize("shape", HALF_SIZE)
def test_every_shape_is_seen(shape: str) -> None:
    camera = still_camera(2)
    body = moved(still_body(2, shape=shape), step=(0.1, 0.0, 0.0))
    with_body = render(scene_of(body, camera=camera), height=32, width=32)
    without = render(scene_of(camera=camera), height=32, width=32)
    changed = (with_body.pixels[0].int() - without.pixels[0].int()).abs().amax(0) > 30
    assert 0.05 < changed.float().mean() < 0.5
    assert with_body.flow.isfinite().all()


@pytest.mark.parametrize("surface", SURFACES)
def test_every_surface_has_its_own_look(surface: str) -> None:
    camera = still_camera(1)
    looks = {
        name: render(scene_of(still_body(1, surface=name), camera=camera), height=32, width=32).pixels.float()
        for name in (surface, *SURFACES)
    }
    differences = [(looks[surface] - looks[name]).abs().max() for name in SURFACES if name != surface]
    assert min(differences) > 10


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("shape", ROUND)
def test_spin_shows_on_shapes_whose_outline_it_leaves(shape: str, surface: str) -> None:
    upright = np.tile(np.eye(3, dtype=np.float32), (7, 1, 1))
    body = turned(replace(still_body(7, shape=shape, surface=surface), rotation=upright), about="y", step=0.2)
    pixels = render(scene_of(body, camera=still_camera(7)), height=SIDE, width=SIDE).pixels.float()
    changed = (pixels[1:] - pixels[:-1]).abs().amax(1) > 8  # levels of 255
    assert changed.sum(dim=(1, 2)).min() > (40 if surface in ("striped", "two_tone") else 8)


def test_slanted_stripes_change_as_much_as_checks() -> None:
    before = functional.normalize(torch.randn(3, 4000, generator=torch.Generator().manual_seed(0)), dim=0)
    x, y, z = before
    after = (x * np.cos(0.2) + z * np.sin(0.2), y, z * np.cos(0.2) - x * np.sin(0.2))
    changes = {
        surface: (
            surface_mix(surface, after, seed=1.0, footprint=0 * x)
            - surface_mix(surface, (x, y, z), seed=1.0, footprint=0 * x)
        )
        .abs()
        .mean()
        for surface in ("striped", "checkered")
    }
    assert changes["striped"] > 0.8 * changes["checkered"]


@pytest.mark.parametrize("place", PLACES)
def test_every_place_has_light_and_structure(place: str) -> None:
    scene = scene_of(camera=still_camera(1), place=place)
    picture = render(scene, height=32, width=32).pixels[0].float()
    assert picture.std(dim=(1, 2)).max() > 3
    assert 5 < picture.mean() < 250


def test_nearer_body_hides_the_farther_one() -> None:
    near, far = (still_body(1, centre=(0.0, 0.9, z)) for z in (-1.0, 2.0))
    alone, before, after = (
        render(scene_of(*bodies, camera=still_camera(1)), height=32, width=32).pixels[0, :, 14:18, 14:18]
        for bodies in ((near,), (near, far), (far, near))
    )
    assert torch.equal(alone, before)
    assert torch.equal(alone, after)


WINDOWS = [(slice(0, 40), slice(30, 70)), (slice(33, 71), slice(13, 78)), (slice(50, 80), slice(80, 112))]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("window", WINDOWS)
def test_a_window_is_cut_out_of_the_whole_rendering(window: tuple[slice, slice], seed: int) -> None:
    """Bit for bit: objects and props are partly outside, and all but one camera move."""
    scene = sample_scene(np.random.default_rng(20 + seed), num_frames=3)
    whole = render(scene, height=80, width=112)
    cut = render(scene, height=80, width=112, window=window)
    rows, columns = window
    assert torch.equal(cut.pixels, whole.pixels[..., rows, columns])
    assert torch.equal(cut.flow, whole.flow[..., rows, columns])
    assert torch.equal(cut.cast, whole.cast[..., rows, columns])


@pytest.mark.parametrize("supersample", [1, 3])
def test_windows_through_a_body_put_together_are_the_whole(supersample: int) -> None:
    scene = scene_of(BODIES["rolling"], still_body(2, centre=(0.9, 0.9, 1.5)), camera=still_camera(2))
    whole = render(scene, height=SIDE, width=SIDE, supersample=supersample)
    halves = [
        render(scene, height=SIDE, width=SIDE, supersample=supersample, window=(slice(0, SIDE), columns))
        for columns in (slice(0, 29), slice(29, SIDE))
    ]
    assert all(half.cast.any() and not half.cast.all() for half in halves)
    for name in ("pixels", "flow", "cast"):
        assert torch.equal(torch.cat([getattr(half, name) for half in halves], dim=-1), getattr(whole, name))


def test_a_picture_larger_than_a_tile_has_no_seams() -> None:
    scene = scene_of(BODIES["moving"], camera=still_camera(2), place="desert")
    whole = render(scene, height=150, width=140)
    inside = render(scene, height=150, width=140, window=(slice(100, 150), slice(100, 140)))
    assert torch.equal(inside.pixels, whole.pixels[..., 100:, 100:])
    assert torch.equal(inside.flow, whole.flow[..., 100:, 100:])
