"""Whether a sound goes with its picture: its onsets against the peaks of measured motion."""

from collections.abc import Sequence

import numpy as np

from backend.media.audio import SAMPLE_RATE, resampled

SYNC_WINDOW_SECONDS = 0.1
"""How far an onset may lie from a peak of motion and still belong to it."""

_ONSET_RATE = 16_000
_ONSET_HOP = 160
_ONSET_WINDOW = 1024
_QUIET_PEAK = 1e-4  # below, there is nothing to hear begin
_LEAST_RISE = 0.15  # of the range of the curve, for a peak to stand out
_MOTION_PARTS = 3  # numbers a cell: flow across, flow down, change of brightness


def onsets(samples: np.ndarray) -> list[float]:
    """Return the seconds at which something in `samples` (N, channels) at 48 kHz begins to sound.

    By librosa's spectral flux at a step of 10 ms; none for silence.
    """
    # librosa takes a second to import, which a worker that makes no sound should not spend.
    from librosa.onset import onset_detect, onset_strength

    mono = resampled(samples.mean(axis=1, keepdims=True), from_rate=SAMPLE_RATE, to_rate=_ONSET_RATE)[:, 0]
    if np.abs(mono).max(initial=0.0) < _QUIET_PEAK:
        return []
    # A sound that begins at once has nothing before it to rise from.
    lead = _ONSET_RATE // 10
    rising = onset_strength(
        y=np.pad(mono, (lead, lead)), sr=_ONSET_RATE, hop_length=_ONSET_HOP, n_fft=_ONSET_WINDOW
    )
    found = onset_detect(onset_envelope=rising, sr=_ONSET_RATE, hop_length=_ONSET_HOP, units="time")
    length = len(mono) / _ONSET_RATE
    times = (float(time) - lead / _ONSET_RATE for time in found)
    return [round(min(max(0.0, time), length), 3) for time in times if time <= length]


def motion_curve(features: np.ndarray) -> np.ndarray:
    """Return how much moves up to each frame (F,), the mean speed over the picture, of `motion_features`."""
    maps = features.reshape(len(features), -1, _MOTION_PARTS)
    return np.hypot(maps[..., 0], maps[..., 1]).mean(axis=1)


def motion_peaks(curve: np.ndarray, *, frame_rate: float) -> list[float]:
    """Return the seconds at which `curve` (F,), one value a frame, has a peak that stands out."""
    from scipy.signal import find_peaks

    spread = float(np.ptp(curve)) if len(curve) else 0.0
    if spread <= 0:
        return []
    # A peak in the first or last frame has one side only.
    sides = np.concatenate([[curve.min()], curve, [curve.min()]])
    found, _ = find_peaks(sides, prominence=_LEAST_RISE * spread)
    return [round((int(place) - 1) / frame_rate, 3) for place in found]


def sync_figure(sounds: Sequence[float], motions: Sequence[float]) -> float | None:
    """Return the share of onsets and peaks that belong together, 0 to 1; None where there is neither.

    Intersection over union as AV-Align (arXiv 2309.16429), each event paired at most once.
    """
    if not sounds and not motions:
        return None
    free = sorted(motions)
    pairs = 0
    for onset in sorted(sounds):
        near = next((peak for peak in free if abs(peak - onset) <= SYNC_WINDOW_SECONDS + 1e-9), None)
        if near is not None:
            free.remove(near)
            pairs += 1
    return round(pairs / (len(sounds) + len(motions) - pairs), 3)
