"""The fifteen motions, against what their names say."""

from itertools import product

import numpy as np
import pytest

from backend.training.world import words
from backend.training.world.motions import MOTIONS, SPEEDS, Path, rotations
from backend.training.world.scene import Array
from tests.training.worlds import frame_times, walk

REST, RADIUS = 0.7, 0.8
SEEDS = range(6)


def test_words_know_every_motion() -> None:
    tables = (words.MOTIONS, words.MOTION_ADJECTIVES, words.MOTION_SOUNDS)
    assert all(set(table) == set(MOTIONS) for table in tables)


def test_words_know_every_speed() -> None:
    assert set(words.SPEEDS) == set(SPEEDS)


@pytest.mark.parametrize("num_frames", [1, 9, 65])
@pytest.mark.parametrize("motion", MOTIONS)
def test_path_is_finite(motion: str, num_frames: int) -> None:
    for pace, seed in product(SPEEDS.values(), SEEDS):
        path = walk(motion, num_frames=num_frames, pace=pace, seed=seed)
        for values in everything(path):
            assert values.dtype == np.float32
            assert np.isfinite(values).all()


@pytest.mark.parametrize("num_frames", [1, 9, 65])
@pytest.mark.parametrize("motion", MOTIONS)
def test_events_begin_in_the_clip(motion: str, num_frames: int) -> None:
    duration = frame_times(num_frames)[-1]
    for pace, seed in product(SPEEDS.values(), SEEDS):
        path = walk(motion, num_frames=num_frames, pace=pace, seed=seed)
        assert all(0 <= event.time_seconds <= duration for event in path.events)


@pytest.mark.parametrize(("motion", "sign"), [("rolls_right", 1), ("rolls_left", -1)])
@pytest.mark.parametrize("seed", SEEDS)
def test_rolling_turns_by_distance_over_radius(motion: str, sign: int, seed: int) -> None:
    path = walk(motion, seed=seed)
    assert (np.diff(path.x) * sign > 0).all()
    # In the picture, with x to the right and y up, a negative angle about z is clockwise.
    np.testing.assert_allclose(np.diff(path.angles[:, 2]), -np.diff(path.x) / RADIUS, atol=1e-5)


@pytest.mark.parametrize(("motion", "sign"), [("slides_toward", -1), ("slides_away", 1)])
def test_sliding_changes_depth_alone(motion: str, sign: int) -> None:
    path = walk(motion)
    assert (np.diff(path.z) * sign > 0).all()
    assert np.ptp(path.x) == np.ptp(path.y) == np.ptp(path.angles) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_bounces_sound_where_the_object_meets_the_ground(seed: int) -> None:
    path = walk("bounces", num_frames=1601, seed=seed)
    impacts = [event.time_seconds for event in path.events if event.kind == "impact"]
    heights = np.interp(impacts, frame_times(1601), path.y) - REST
    assert len(impacts) > 100
    assert path.y.min() >= REST
    # A frame is 1/16 s apart and the object meets the ground at up to 8 units/s.
    assert heights.max() < 8 / 16 / 2


@pytest.mark.parametrize("pace", SPEEDS.values())
def test_falling_lands_at_its_impact_and_stays(pace: float) -> None:
    path, times = walk("falls", pace=pace), frame_times(33)
    (impact,) = [event for event in path.events if event.kind == "impact"]
    assert path.y[0] > REST + 1.8
    assert (np.diff(path.y) <= 0).all()
    assert (path.y[times >= impact.time_seconds] == np.float32(REST)).all()
    assert (path.y[times < impact.time_seconds] > REST).all()


def test_rising_only_rises() -> None:
    path = walk("rises")
    assert path.y[0] == np.float32(REST)
    assert (np.diff(path.y) > 0).all()


def test_spinning_turns_steadily_about_the_upright() -> None:
    path = walk("spins")
    steps = np.diff(path.angles[:, 1])
    np.testing.assert_allclose(np.abs(steps), 3.2 / 16, atol=1e-5)
    assert np.ptp(path.x) == np.ptp(path.y) == np.ptp(path.z) == 0


def test_circling_keeps_to_an_ellipse() -> None:
    path = walk("circles", num_frames=65)
    np.testing.assert_allclose((path.x / 1.05) ** 2 + ((path.z - 0.3) / 0.8) ** 2, 1, atol=1e-5)
    assert np.ptp(path.x) > 2


def test_swinging_hangs_on_a_rope_of_one_length() -> None:
    path = walk("swings", num_frames=65)
    lowest = REST + 0.35
    rope = np.hypot(path.x, path.y - (lowest + 2.3))
    np.testing.assert_allclose(rope, 2.3, atol=1e-5)
    assert path.y.min() >= lowest - 1e-6


def test_swinging_creaks_at_the_lowest_point() -> None:
    path = walk("swings", num_frames=65)
    creaks = [event.time_seconds for event in path.events]
    assert len(creaks) >= 3
    np.testing.assert_allclose(np.interp(creaks, frame_times(65), path.x), 0, atol=0.03)


def test_wobbling_stays_in_place_and_leans_both_ways() -> None:
    path = walk("wobbles")
    assert np.abs(path.x).max() <= 0.1
    assert path.angles[:, 2].min() < -0.3
    assert path.angles[:, 2].max() > 0.3


def test_zigzag_turns_back_while_it_comes_closer() -> None:
    path = walk("zigzags", num_frames=65)
    turns = np.diff(np.sign(np.diff(path.x))) != 0
    assert turns.sum() >= 3
    assert (np.diff(path.z) < 0).all()


@pytest.mark.parametrize(("motion", "first", "last"), [("grows", 0.45, 1.25), ("shrinks", 1.25, 0.45)])
@pytest.mark.parametrize("pace", SPEEDS.values())
def test_growing_object_stands_on_the_ground_at_every_size(
    motion: str, first: float, last: float, pace: float
) -> None:
    path = walk(motion, pace=pace)
    assert (path.scale[0], path.scale[-1]) == (np.float32(first), np.float32(last))
    assert (np.diff(path.scale) * (last - first) > 0).all()
    np.testing.assert_allclose(path.y, REST * path.scale, atol=1e-6)


def test_still_object_does_not_move() -> None:
    path = walk("still")
    assert all(np.ptp(values, axis=0).max() == 0 for values in everything(path))
    assert path.events == ()


def everything(path: Path) -> tuple[Array, ...]:
    """Return all values of `path`, each (F, N)."""
    return (path.x[:, None], path.y[:, None], path.z[:, None], path.angles, path.scale[:, None])


def test_rotations_turn_about_y_then_x_then_z() -> None:
    quarter = np.float32(np.pi / 2)
    (turned,) = rotations(np.array([[quarter, quarter, 0.0]], np.float32))
    # About y the point in front of the camera's right, x, goes towards it, -z; about x that goes up, y.
    np.testing.assert_allclose(turned @ np.array([1.0, 0.0, 0.0]), [0, 1, 0], atol=1e-6)


def test_rotations_are_proper() -> None:
    angles = np.random.default_rng(0).uniform(-3, 3, (20, 3)).astype(np.float32)
    matrices = rotations(angles)
    np.testing.assert_allclose(
        matrices @ matrices.transpose(0, 2, 1), np.tile(np.eye(3), (20, 1, 1)), atol=1e-5
    )
    np.testing.assert_allclose(np.linalg.det(matrices), 1, atol=1e-5)
