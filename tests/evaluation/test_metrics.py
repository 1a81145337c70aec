"""Measures against closed forms."""

import numpy as np
import pytest

from backend.evaluation.metrics import blended, psnr, spearman


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
