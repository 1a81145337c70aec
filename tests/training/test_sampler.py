"""Random scenes: the same for a seed, in the stated proportions, and true to their words."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from backend.training.world import words
from backend.training.world.contact import Solid, standing_height
from backend.training.world.places import COLOURS, PLACES
from backend.training.world.sampler import RELATIONS, SURFACES, sample_cast, sample_scene, stage
from backend.training.world.scene import Body, Event, ObjectWords, Scene
from backend.training.world.shapes import HALF_SIZE
from tests.training.worlds import frame_times, gaps_along_x

FIRST = ObjectWords("ball", "red", "plain", "still", "medium")
SECOND = replace(FIRST, colour="blue")


def scenes(count: int, *, num_frames: int = 3, time_stride: float = 1.0) -> list[Scene]:
    rng = np.random.default_rng(0)
    return [sample_scene(rng, num_frames=num_frames, time_stride=time_stride) for _ in range(count)]


def staged(relation: str, seed: int, *, first: ObjectWords = FIRST) -> tuple[Body, Body]:
    rng = np.random.default_rng(seed)
    (one, other), _ = stage((first, SECOND), relation, times=frame_times(33), rng=rng)
    return one, other


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        (words.SHAPES, HALF_SIZE),
        (words.COLOURS, COLOURS),
        (words.SURFACES, SURFACES),
        (words.PLACES, PLACES),
        (words.PLACE_SOUNDS, PLACES),
        (words.RELATIONS, RELATIONS),
    ],
)
def test_words_know_every_key(table: words.Phrasings, keys: tuple[str, ...]) -> None:
    assert set(table) == set(keys)


def test_seed_fixes_the_scene() -> None:
    first, second = (sample_scene(np.random.default_rng(3), num_frames=9) for _ in range(2))
    assert (first.cast, first.place, first.camera_move) == (second.cast, second.place, second.camera_move)
    assert first.events == second.events
    for one, other in zip(first.bodies, second.bodies, strict=True):
        np.testing.assert_array_equal(one.centre, other.centre)
        np.testing.assert_array_equal(one.rotation, other.rotation)


def test_scenes_of_one_generator_differ() -> None:
    assert len({(scene.cast, scene.place, scene.camera_move) for scene in scenes(30)}) == 30


def test_a_quarter_of_the_casts_are_pairs_of_two_colours() -> None:
    rng = np.random.default_rng(1)
    casts = [sample_cast(rng) for _ in range(2000)]
    pairs = [cast for cast, _ in casts if len(cast) == 2]
    assert len(pairs) / len(casts) == pytest.approx(0.25, abs=0.03)  # three standard errors
    assert all(first.colour != second.colour for first, second in pairs)
    assert all((relation is None) == (len(cast) == 1) for cast, relation in casts)


def test_shares_of_keys_are_even() -> None:
    rng = np.random.default_rng(1)
    drawn = [sample_cast(rng)[0][0] for _ in range(3000)]
    for attribute, keys in (("shape", HALF_SIZE), ("colour", COLOURS), ("surface", SURFACES)):
        counts = Counter(getattr(words, attribute) for words in drawn)
        assert set(counts) == set(keys)
        assert max(counts.values()) < 1.4 * min(counts.values())


def test_two_to_four_things_stand_around_in_every_place() -> None:
    counts: dict[str, Counter[int]] = {place: Counter() for place in PLACES}
    for seed in range(400):
        scene = sample_scene(np.random.default_rng(seed), num_frames=2)
        counts[scene.place][len(scene.bodies) - len(scene.cast)] += 1
    assert all(set(each) == {2, 3, 4} for each in counts.values()), counts


def test_camera_stands_still_in_two_scenes_of_five() -> None:
    moves = Counter(scene.camera_move for scene in scenes(800))
    assert moves["static"] / 800 == pytest.approx(0.4, abs=0.06)  # three standard errors
    assert set(moves) == set(words.CAMERAS)


def test_every_body_has_a_pose_per_frame() -> None:
    for scene in scenes(40, num_frames=5):
        assert scene.num_frames == 5
        for body in scene.bodies:
            assert (len(body.centre), len(body.rotation), len(body.scale)) == (5, 5, 5)
            assert np.isfinite(body.centre).all()


@pytest.mark.parametrize("time_stride", [1.0, 2.0])
def test_events_begin_in_the_clip(time_stride: float) -> None:
    duration = 16 * time_stride / 16
    for scene in scenes(100, num_frames=17, time_stride=time_stride):
        assert all(0 <= event.time_seconds <= duration for event in scene.events)


def test_time_stride_shows_every_second_frame_of_the_same_scene() -> None:
    slow = sample_scene(np.random.default_rng(2), num_frames=17)
    fast = sample_scene(np.random.default_rng(2), num_frames=9, time_stride=2.0)
    np.testing.assert_allclose(fast.bodies[0].centre, slow.bodies[0].centre[::2], atol=1e-6)


@pytest.mark.parametrize(("relation", "sign"), [("behind", 1), ("in_front_of", -1)])
@pytest.mark.parametrize("motion", words.MOTIONS)
def test_depth_of_the_first_is_what_the_relation_says(relation: str, sign: int, motion: str) -> None:
    for seed in range(6):
        first, second = staged(relation, seed, first=replace(FIRST, motion=motion))
        assert (first.centre[:, 2] - second.centre[:, 2]).mean() * sign > 0.3


def test_beside_is_to_the_side_at_about_one_depth() -> None:
    for seed in range(6):
        first, second = staged("beside", seed)
        apart = np.abs(first.centre - second.centre)[0]
        assert apart[0] > first.half_size[0] + second.half_size[0]
        assert apart[2] < 0.6


def impact_seconds(events: tuple[Event, ...]) -> float:
    (impact,) = [event.time_seconds for event in events if event.kind == "impact"]
    return impact


@pytest.mark.parametrize("first", HALF_SIZE)
def test_colliding_pair_touches_at_the_impact_and_never_overlaps(first: str) -> None:
    for second in HALF_SIZE:
        cast = (replace(FIRST, shape=first, motion="rolls_right"), replace(SECOND, shape=second))
        impact = impact_seconds(
            stage(cast, "collides", times=frame_times(33), rng=np.random.default_rng(4))[1]
        )
        times = np.sort(np.append(frame_times(33), impact))
        bodies, _ = stage(cast, "collides", times=times, rng=np.random.default_rng(4))
        gaps = gaps_along_x(*bodies)
        # Surfaces are sampled at heights 1/160 apart, on slopes of up to three.
        assert gaps[times == impact] == pytest.approx(0, abs=0.02)
        assert gaps.min() > -0.02


@pytest.mark.parametrize("relation", ["beside", "behind", "in_front_of"])
@pytest.mark.parametrize("motion", words.MOTIONS)
def test_pair_never_overlaps(relation: str, motion: str) -> None:
    for seed in range(8):
        first, second = staged(relation, seed, first=replace(FIRST, motion=motion, speed="fast"))
        distance = np.linalg.norm(first.centre - second.centre, axis=1)
        assert (distance > first.half_size[0] * first.scale + second.half_size[0]).all()


@pytest.mark.parametrize(
    "motion", ["rolls_left", "slides_toward", "spins", "circles", "wobbles", "zigzags", "grows", "still"]
)
@pytest.mark.parametrize("shape", HALF_SIZE)
def test_body_on_the_ground_stands_on_it_in_every_pose(shape: str, motion: str) -> None:
    cast = (replace(FIRST, shape=shape, motion=motion),)
    (body,), _ = stage(cast, None, times=frame_times(33), rng=np.random.default_rng(1))
    reach = standing_height(Solid(shape, body.half_size), body.rotation)
    np.testing.assert_allclose(body.centre[:, 1], reach * body.scale, atol=1e-5)


def test_collision_sets_the_second_in_motion() -> None:
    times = frame_times(33)
    (first, second), events = stage((FIRST, SECOND), "collides", times=times, rng=np.random.default_rng(4))
    impact = impact_seconds(events)
    is_before = times <= impact
    assert (np.diff(first.centre[is_before, 0]) > 0).all()
    assert np.ptp(second.centre[is_before, 0]) == 0
    assert (np.diff(second.centre[~is_before, 0]) > 0).all()
