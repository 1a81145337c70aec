"""Measures of clips and of orders, as plain functions of arrays."""

import numpy as np
from scipy import stats

from backend.media.motion import optical_flow

_STILL = 0.05  # pixels per frame: less than this is no motion


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


def jerk(frames: np.ndarray) -> float:
    """Return how much flow changes from frame to frame, in shares of itself; 0 is steady motion.

    frames: (T, H, W, 3) uint8. The mean of |F(t + 1) - F(t)| over the mean of |F|, both where something
    moves: it sees the jitter of small objects, which smoothness does not, and stillness does not win.
    """
    flow = optical_flow(frames)
    speed = np.linalg.norm(flow, axis=1)
    moves = (speed > _STILL).any(axis=0)
    if not moves.any():
        return 0.0
    change = np.linalg.norm(np.diff(flow, axis=0), axis=1)
    return float(change[:, moves].mean() / speed[:, moves].mean())
