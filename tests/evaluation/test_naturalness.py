"""Naturalness: blur and noise raise the score step by step, and true frames of other scenes hardly do."""

import cv2
import numpy as np
import pytest

from backend.evaluation.cases import true_clips
from backend.evaluation.naturalness import Statistics, statistics_of, unnaturalness


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Single frames of 24 scenes."""
    return np.concatenate([clip.frames for clip in true_clips(24, num_frames=1, side=128)])


@pytest.fixture(scope="module")
def true(frames: np.ndarray) -> Statistics:
    return statistics_of(frames[:12])


def blurred(frames: np.ndarray, sigma: float) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])


def noisy(frames: np.ndarray, strength: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, strength, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def test_frames_are_like_themselves(frames: np.ndarray, true: Statistics) -> None:
    assert unnaturalness(frames[:12], true) == pytest.approx(0, abs=1e-6)


def test_blur_and_noise_raise_it_step_by_step(frames: np.ndarray, true: Statistics) -> None:
    others = frames[12:]
    for ladder in (
        [blurred(others, sigma) for sigma in (0.7, 1.5, 3.0)],
        [noisy(others, strength) for strength in (4, 12, 30)],
    ):
        scores = [unnaturalness(step, true) for step in (others, *ladder)]
        assert scores == sorted(scores)
        assert scores[1] > 1.2 * scores[0]
