"""Measures of clips and of orders, as plain functions of arrays."""

import numpy as np
from scipy import stats


def psnr(frames: np.ndarray, truth: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB of uint8 arrays of one shape; infinite where equal."""
    error = float(((frames.astype(np.float64) - truth) ** 2).mean())
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def spearman(asked: np.ndarray, got: np.ndarray) -> float:
    """Return Spearman's rank correlation of two sequences of one length."""
    return float(stats.spearmanr(asked, got).statistic)


def blended(first: np.ndarray, last: np.ndarray, count: int) -> np.ndarray:
    """Return `count` frames (count, H, W, 3) uint8 that fade linearly from `first` to `last` (H, W, 3)."""
    shares = np.linspace(0, 1, count)[:, None, None, None]
    return np.round((1 - shares) * first + shares * last).astype(np.uint8)
