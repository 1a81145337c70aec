"""When blows are heard: an onset detector on log-mels, and how well its times agree with the true ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from backend.models.kinora.mel import HOP_LENGTH, SAMPLE_RATE

TOLERANCE_SECONDS = 0.05
_LAG = 2  # frames to either side; the window of a frame is four, so that a blow takes that long to rise
_LOW_MELS = 12  # up to half a kilohertz: chirps, rattles and insects have nothing there
_FLOOR = 0.5  # of normalised log-mels: what is quieter is silence
_RISE = 0.5
_APART = 8  # frames between two blows at least
_DELAY_SECONDS = 0.02  # from the steepest rise, within windows of 40 ms, to the blow itself


@dataclass(frozen=True)
class Agreement:
    """How many onsets were found, how many there are, and how many of both are a pair."""

    found: int
    true: int
    paired: int

    def __add__(self, other: "Agreement") -> "Agreement":
        return Agreement(self.found + other.found, self.true + other.true, self.paired + other.paired)

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall; 1 where nothing is to be found and nothing is."""
        total = self.found + self.true
        return 2 * self.paired / total if total else 1.0


NO_ONSETS = Agreement(0, 0, 0)


def onsets(mels: torch.Tensor) -> list[float]:
    """Return the times in seconds at which something strikes in normalised log-mels (T, 64).

    On 256 true soundtracks, half of them dubbed, its F1 within 50 ms is 0.85; it misses the brightest knocks.
    """
    low = mels[:, :_LOW_MELS].float().cpu().numpy().clip(_FLOOR)
    rises = np.zeros(len(low), np.float32)
    rises[_LAG:-_LAG] = (low[2 * _LAG :] - low[: -2 * _LAG]).mean(1)
    return [frame * HOP_LENGTH / SAMPLE_RATE + _DELAY_SECONDS for frame in peaks(rises, above=_RISE)]


def peaks(values: np.ndarray, *, above: float) -> list[int]:
    """Return where `values` (T,) have a peak of more than `above`, 80 ms and more from the one before."""
    is_peak = (values[1:-1] >= values[:-2]) & (values[1:-1] > values[2:]) & (values[1:-1] > above)
    found: list[int] = []
    for index in np.flatnonzero(is_peak) + 1:
        if not found or index - found[-1] >= _APART:
            found.append(int(index))
    return found


def agreement(
    found: Sequence[float], true: Sequence[float], *, tolerance: float = TOLERANCE_SECONDS
) -> Agreement:
    """Return how `found` times agree with `true` ones, each paired at most once, in order of time."""
    left = sorted(found)
    paired = 0
    for moment in sorted(true):
        near = next((each for each in left if abs(each - moment) <= tolerance), None)
        if near is not None:
            left.remove(near)
            paired += 1
    return Agreement(len(found), len(true), paired)
