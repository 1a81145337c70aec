"""How natural frames look, without a reference: NIQE fitted to our own world instead of photographs.

NIQE (Mittal, Soundararajan and Bovik 2013): the statistics of locally normalised pixels and of the products
of neighbours, in patches at two scales, are fitted by one Gaussian for true frames and one for the judged
ones; the score is the distance between the two, lower is better. Blur and noise both raise it.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.special import gamma

_PATCH = 32  # pixels at the finer scale, half as many at the coarser
_SIGMA = 7 / 6
_SHAPES = np.arange(0.2, 10.0, 0.001)
_RATIOS = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclass(frozen=True)
class Statistics:
    """Mean (36,) and covariance (36, 36) of patch features."""

    mean: np.ndarray
    covariance: np.ndarray


def statistics_of(frames: np.ndarray) -> Statistics:
    """Return the statistics of all patches of `frames` (N, H, W, 3) uint8 of at least 64 x 64 pixels."""
    features = np.concatenate([_features(frame) for frame in frames])
    return Statistics(features.mean(0), np.cov(features, rowvar=False))


def unnaturalness(frames: np.ndarray, true: Statistics) -> float:
    """Return the distance of `frames` (N, H, W, 3) uint8 from `true` frames; 0 where they are alike."""
    judged = statistics_of(frames)
    gap = judged.mean - true.mean
    return float(np.sqrt(gap @ np.linalg.pinv((judged.covariance + true.covariance) / 2) @ gap))


def _features(frame: np.ndarray) -> np.ndarray:
    """Return the features (patches, 36) of one frame: 18 at its size and 18 at half of it."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float64)
    half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    rows, columns = grey.shape[0] // _PATCH, grey.shape[1] // _PATCH
    scales = [
        [
            _patch_features(normal[r * size : (r + 1) * size, c * size : (c + 1) * size])
            for r in range(rows)
            for c in range(columns)
        ]
        for normal, size in ((_normalised(grey), _PATCH), (_normalised(half), _PATCH // 2))
    ]
    return np.concatenate([np.array(each) for each in scales], axis=1)


def _normalised(grey: np.ndarray) -> np.ndarray:
    """Return the pixels less their local mean, over their local deviation plus one."""
    mean = cv2.GaussianBlur(grey, (7, 7), _SIGMA, borderType=cv2.BORDER_REPLICATE)
    squares = cv2.GaussianBlur(grey**2, (7, 7), _SIGMA, borderType=cv2.BORDER_REPLICATE)
    normal: np.ndarray = (grey - mean) / (np.sqrt(np.maximum(squares - mean**2, 0)) + 1)
    return normal


def _patch_features(patch: np.ndarray) -> list[float]:
    """Return shape and variance of the pixels, and shape, mean and two widths of each neighbour product."""
    shape, left, right = _fit(patch)
    features = [shape, (left + right) / 2]
    for down, across in _SHIFTS:
        product = patch * np.roll(patch, (down, across), axis=(0, 1))
        shape, left, right = _fit(product)
        mean = (right - left) * gamma(2 / shape) / gamma(1 / shape)
        features += [shape, mean, left**2, right**2]
    return features


def _fit(values: np.ndarray) -> tuple[float, float, float]:
    """Return shape, left and right width of the asymmetric generalised Gaussian that fits `values`."""
    left, right = (
        float(np.sqrt((side**2).mean())) if side.size else 1e-6
        for side in (values[values < 0], values[values >= 0])
    )
    left, right = max(left, 1e-6), max(right, 1e-6)
    ratio = left / right
    spread = max(float((values**2).mean()), 1e-12)
    r = float(np.abs(values).mean()) ** 2 / spread
    norm = r * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shape = float(_SHAPES[np.abs(_RATIOS - norm).argmin()])
    width = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left * width, right * width
