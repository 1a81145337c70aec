"""The ten camera moves, against what their names say."""

import numpy as np
import pytest

from backend.training.world import words
from backend.training.world.cameras import MOVES, move_camera
from backend.training.world.scene import Array, Camera
from tests.training.worlds import frame_times

STAGE = np.array([0.0, 0.95, 0.0])
SEEDS = range(5)


def moving(move: str, seed: int, num_frames: int = 33) -> Camera:
    return move_camera(move, times=frame_times(num_frames), rng=np.random.default_rng(seed))


def seen(camera: Camera, point: Array = STAGE) -> tuple[Array, Array]:
    """Return where `point` is in the pictures: right and up (F,), in short sides from the middle."""
    local = np.einsum("fij,fi->fj", camera.rotation, point - camera.position)
    right, up = (local[:, axis] / local[:, 2] * camera.focal for axis in (0, 1))
    return right, up


def test_words_know_every_move() -> None:
    assert set(words.CAMERAS) == set(words.SHOTS) == set(MOVES)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("num_frames", [1, 9, 65])
@pytest.mark.parametrize("move", MOVES)
def test_poses_are_right_handed_frames(move: str, num_frames: int, seed: int) -> None:
    camera = moving(move, seed, num_frames)
    identity = np.tile(np.eye(3), (num_frames, 1, 1))
    np.testing.assert_allclose(camera.rotation.transpose(0, 2, 1) @ camera.rotation, identity, atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(camera.rotation), 1, atol=1e-5)
    assert (camera.focal > 0).all()
    assert (camera.rotation[:, 1, 0] == 0).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("move", MOVES)
def test_stage_is_in_view_in_the_middle_of_every_move(move: str, seed: int) -> None:
    right, up = seen(moving(move, seed))
    assert abs(right[16]) < 0.05
    assert abs(up[16]) < 0.12


@pytest.mark.parametrize("seed", SEEDS)
def test_static_camera_keeps_still(seed: int) -> None:
    camera = moving("static", seed)
    assert all(
        np.ptp(values, axis=0).max() == 0 for values in (camera.position, camera.rotation, camera.focal)
    )


@pytest.mark.parametrize(("move", "sign"), [("pan_left", 1), ("pan_right", -1)])
@pytest.mark.parametrize("seed", SEEDS)
def test_panning_moves_the_picture_the_other_way(move: str, sign: int, seed: int) -> None:
    camera = moving(move, seed)
    right, _ = seen(camera)
    assert (np.diff(right) * sign > 0).all()
    assert np.ptp(camera.position, axis=0).max() == 0


@pytest.mark.parametrize(("move", "sign"), [("tilt_up", -1), ("tilt_down", 1)])
@pytest.mark.parametrize("seed", SEEDS)
def test_tilting_moves_the_picture_the_other_way(move: str, sign: int, seed: int) -> None:
    camera = moving(move, seed)
    _, up = seen(camera)
    assert (np.diff(up) * sign > 0).all()
    assert np.ptp(camera.position, axis=0).max() == 0


@pytest.mark.parametrize(("move", "sign"), [("zoom_in", 1), ("zoom_out", -1)])
@pytest.mark.parametrize("seed", SEEDS)
def test_zooming_changes_the_size_of_things(move: str, sign: int, seed: int) -> None:
    camera = moving(move, seed)
    arm = np.array([1.0, 0.0, 0.0])
    left, _ = seen(camera, STAGE - arm)
    right, _ = seen(camera, STAGE + arm)
    assert (np.diff(right - left) * sign > 0).all()


@pytest.mark.parametrize(("move", "sign"), [("orbit_left", -1), ("orbit_right", 1)])
@pytest.mark.parametrize("seed", SEEDS)
def test_orbit_travels_sideways_around_the_stage(move: str, sign: int, seed: int) -> None:
    camera = moving(move, seed)
    right, _ = seen(camera)
    assert (np.diff(camera.position[:, 0]) * sign > 0).all()
    np.testing.assert_allclose(np.hypot(camera.position[:, 0], camera.position[:, 2]).std(), 0, atol=1e-5)
    np.testing.assert_allclose(right, 0, atol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_crane_rises_and_keeps_looking_at_the_stage(seed: int) -> None:
    camera = moving("crane_up", seed)
    _, up = seen(camera)
    assert (np.diff(camera.position[:, 1]) > 0).all()
    np.testing.assert_allclose(up, 0, atol=1e-5)


def test_half_of_the_cameras_are_slow_down_to_a_fifth() -> None:
    """A pan at a pace of 1 turns by half a radian."""
    forward = np.stack([moving("pan_left", seed).rotation[(0, -1), :, 2] for seed in range(400)])
    yaw = np.arctan2(forward[:, :, 0], forward[:, :, 2])
    paces = np.abs(yaw[:, 1] - yaw[:, 0]) / 0.5
    assert 0.2 <= paces.min() < 0.25
    assert 1.2 < paces.max() <= 1.25 + 1e-5
    assert 0.42 < (paces < 0.75).mean() < 0.58  # three deviations
