"""The motion score against its definition, and measured on clips that move by a known amount."""

import numpy as np
import pytest

from backend.media.motion import (
    MOTION_FEATURES,
    consistent_flow,
    measured_motion,
    motion_features,
    motion_score,
    optical_flow,
    steady_flow,
)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (128, 224), (224, 128)])
def test_motion_score_of_an_even_flow(height: int, width: int) -> None:
    flow = np.zeros((3, 2, height, width))
    flow[:, 0], flow[:, 1] = 0.01 * width, -0.02 * height
    wide, high = (576, 320) if width >= height else (320, 576)
    expected = (0.01 * wide + 0.02 * high) / 2 * 8  # eight frames in half a second
    assert motion_score(flow, frame_rate=16) == pytest.approx(expected)


def shifted(count: int, *, right: int) -> np.ndarray:
    """A smooth random picture that wraps around while it moves `right` pixels a frame."""
    noise = np.fft.rfft2(np.random.default_rng(0).normal(size=(128, 128)))
    radius = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(128)[None])
    picture = np.fft.irfft2(noise * np.exp(-((radius * 20) ** 2)))
    grey = (255 * (picture - picture.min()) / np.ptp(picture)).astype(np.uint8)
    frames = [np.roll(grey, right * index, axis=1) for index in range(count)]
    return np.repeat(np.stack(frames)[..., None], 3, axis=-1)


def test_flow_finds_the_motion_of_a_picture() -> None:
    flow = optical_flow(shifted(3, right=2))
    middle = flow[:, :, 32:96, 32:96]
    assert middle[:, 0].mean() == pytest.approx(2, abs=0.1)  # DIS is accurate to about a tenth of a pixel
    assert np.abs(middle[:, 1]).mean() < 0.1


def test_measured_motion_grows_with_the_speed() -> None:
    scores = [measured_motion(shifted(5, right=right), frame_rate=16) for right in (0, 1, 2, 4)]
    assert scores == sorted(scores)
    assert scores[0] == 0


@pytest.mark.parametrize(("height", "width"), [(8, 8), (4, 11), (1, 1)])
def test_the_smallest_part_of_a_picture_has_a_flow_too(height: int, width: int) -> None:
    still = np.full((3, height, width, 3), 90, np.uint8)
    assert optical_flow(still).shape == (2, 2, height, width)
    assert measured_motion(still, frame_rate=16) == 0.0


def test_measured_motion_does_not_depend_on_the_size_of_the_picture() -> None:
    frames = shifted(5, right=2)
    large = frames.repeat(4, axis=1).repeat(4, axis=2)
    small_score, large_score = (measured_motion(each, frame_rate=16) for each in (frames, large))
    assert large_score == pytest.approx(small_score)


def test_flicker_is_no_motion() -> None:
    frames = shifted(6, right=0)
    frames[:, 40:90, 40:90] = np.random.default_rng(1).integers(256, size=(6, 50, 50, 1))
    flickers = motion_score(optical_flow(frames), frame_rate=16)
    assert flickers > 1
    assert measured_motion(frames, frame_rate=16) < 0.6 * flickers


def test_trembling_is_no_motion_but_a_steady_way_is() -> None:
    steady, trembling = np.full((16, 2, 8, 8), 1.0), np.ones((16, 2, 8, 8))
    trembling[::2] = -1
    np.testing.assert_allclose(steady_flow(steady, num_frames=8), 1)
    assert np.abs(steady_flow(trembling, num_frames=8)).mean() < 0.1
    assert steady_flow(np.zeros((0, 2, 8, 8)), num_frames=8).shape == (0, 2, 8, 8)


def test_a_picture_that_trembles_measures_far_less_than_one_that_goes_on() -> None:
    going = shifted(33, right=1)
    trembling = going[[0, 1] * 16 + [0]]
    there, trembles = (measured_motion(each, frame_rate=16) for each in (going, trembling))
    assert trembles < 0.2 * there


def test_consistent_flow_is_the_flow_where_the_way_back_leads_back() -> None:
    frames = shifted(4, right=2)
    inside = (slice(None), slice(None), slice(16, 112), slice(16, 112))
    flow, consistent = optical_flow(frames)[inside], consistent_flow(frames)[inside]
    kept = np.abs(consistent).sum(1) > 0
    assert kept.mean() > 0.95
    np.testing.assert_array_equal(consistent.transpose(0, 2, 3, 1)[kept], flow.transpose(0, 2, 3, 1)[kept])


def test_a_single_frame_does_not_move() -> None:
    assert measured_motion(shifted(1, right=0), frame_rate=16) == 0


def test_motion_features_tell_direction_and_speed_in_pictures_per_second() -> None:
    features = motion_features(shifted(4, right=2), frame_rate=16)
    cells = features.reshape(4, 32, 32, 3)
    assert features.shape == (4, MOTION_FEATURES)
    assert not features[0].any()
    assert cells[1:, 8:24, 8:24, 0].mean() == pytest.approx(2 / 128 * 16, abs=0.02)
    assert np.abs(cells[1:, 8:24, 8:24, 1]).mean() < 0.02
    assert (cells[1:, :, :, 2] > 0).all()


def test_motion_features_do_not_depend_on_the_size_of_the_picture() -> None:
    small = shifted(4, right=2)
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    difference = motion_features(large, frame_rate=16) - motion_features(small, frame_rate=16)
    assert np.abs(difference).max() < 0.02


def test_motion_features_of_a_still_clip_and_of_one_frame_are_zero() -> None:
    assert not motion_features(shifted(3, right=0), frame_rate=16).any()
    assert motion_features(shifted(1, right=0), frame_rate=16).shape == (1, MOTION_FEATURES)
