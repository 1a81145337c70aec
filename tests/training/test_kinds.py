"""Kinds of scenes: views circle a still cast, stories go on and come back, pictures are first moments."""

import numpy as np
import pytest

from backend.training.world.cameras import MOVES, move_camera, orbit_features
from backend.training.world.kinds import KINDS
from backend.training.world.sampler import sample_scene

SEEDS = range(6)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_has_as_many_frames_as_asked(kind: str) -> None:
    scene = KINDS[kind](rng(0), num_frames=9)
    assert scene.num_frames == 9
    assert all(len(body.centre) == len(body.scale) == 9 for body in scene.bodies)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_view_circles_a_still_cast(seed: int) -> None:
    scene = KINDS["view"](rng(seed), num_frames=33)
    features = orbit_features(scene.camera)
    assert (features[:, 5] == 1).all()
    turn = np.unwrap(np.arctan2(features[:, 0], features[:, 1]))
    steps = np.diff(turn)
    assert (np.sign(steps) == (1 if scene.camera_move == "orbit_left" else -1)).all()
    assert 40 <= abs(np.rad2deg(turn[-1])) <= 361
    for body in scene.bodies:
        assert (body.centre == body.centre[0]).all() and (body.rotation == body.rotation[0]).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_story_stays_on_the_path_of_its_clip(seed: int) -> None:
    """Every moment of it is a moment of the clip, and none is skipped: nothing jumps."""
    scene = KINDS["story"](rng(seed), num_frames=129)
    fine = sample_scene(rng(seed), num_frames=8 * 33, time_stride=1 / 8)
    for body, path in zip(scene.bodies, fine.bodies, strict=True):
        fastest = np.abs(np.diff(path.centre[::8], axis=0)).max() if np.ptp(path.centre) else 0
        assert np.abs(np.diff(body.centre, axis=0)).max() <= 1.3 * fastest + 1e-6
        assert {tuple(row) for row in body.centre} <= {tuple(row) for row in path.centre}
        assert np.array_equal(body.centre[:20], path.centre[: 20 * 8 : 8])


def test_a_picture_is_the_first_moment_of_a_clip() -> None:
    picture, clip = KINDS["picture"](rng(3), num_frames=1), sample_scene(rng(3), num_frames=33)
    assert np.array_equal(picture.bodies[0].centre[0], clip.bodies[0].centre[0])
    assert np.array_equal(picture.camera.position[0], clip.camera.position[0])


@pytest.mark.parametrize("move", MOVES)
def test_only_cameras_that_look_at_the_stage_have_a_place_around_it(move: str) -> None:
    features = orbit_features(move_camera(move, times=np.arange(33) / 16, rng=rng(0)))
    if move in ("static", "orbit_left", "orbit_right", "crane_up"):
        assert np.allclose(features[0], [0, 1, 0, 1, 0, 1], atol=1e-6)
        assert (np.abs(features[-1, 0]) > 0.3) == move.startswith("orbit")
        assert (features[-1, 2] > 0.05) == (move == "crane_up")
    else:
        assert not features.any()
