"""Measures against closed forms."""

import numpy as np
import pytest

from backend.evaluation.metrics import blended, jerk, psnr, spearman


def test_psnr_of_a_constant_error() -> None:
    black = np.zeros((2, 4, 4, 3), np.uint8)
    assert psnr(black, black) == float("inf")
    assert psnr(black, black + 255) == pytest.approx(0)
    assert psnr(black, black + 1) == pytest.approx(20 * np.log10(255))


@pytest.mark.parametrize(("got", "correlation"), [([1, 4, 9], 1), ([9, 4, 1], -1), ([1, 1, 2], 0.866)])
def test_spearman_is_the_correlation_of_ranks(got: list[float], correlation: float) -> None:
    assert spearman(np.array([1, 2, 3]), np.array(got)) == pytest.approx(correlation, abs=1e-3)


def test_blending_fades_evenly() -> None:
    first, last = np.zeros((2, 2, 3)), np.full((2, 2, 3), 100.0)
    assert blended(first, last, 5)[:, 0, 0, 0].tolist() == [0, 25, 50, 75, 100]


def ball(positions: list[int]) -> np.ndarray:
    """Return frames of a bright textured square at `positions` from the left."""
    texture = np.random.default_rng(0).integers(80, 255, (16, 16, 3), np.uint8)
    frames = np.zeros((len(positions), 48, 96, 3), np.uint8)
    for frame, left in zip(frames, positions, strict=True):
        frame[16:32, left : left + 16] = texture
    return frames


def test_jerk_grows_with_jitter_and_most_of_all_out_of_order() -> None:
    """Stillness has none, and shuffled frames have the most."""
    steady = list(range(8, 72, 4))
    jittered = [place + (index % 2) for index, place in enumerate(steady)]
    shuffled = [steady[index] for index in np.random.default_rng(0).permutation(len(steady))]
    values = [jerk(ball(places)) for places in (steady, jittered, shuffled)]
    assert values[0] < values[1] < values[2]
    assert jerk(ball([8] * 5)) == 0
