import numpy as np
import pytest

from backend.media.audio import SAMPLE_RATE
from backend.media.motion import motion_features
from backend.media.synchrony import motion_curve, motion_peaks, onsets, sync_figure


def blows(times: list[float], *, seconds: float = 2.0) -> np.ndarray:
    """Return (N, 1) samples with a short decaying tone at each of `times`."""
    samples = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    decay = np.arange(4800) / SAMPLE_RATE
    blow = 0.5 * np.sin(2 * np.pi * 900 * decay) * np.exp(-decay * 60)
    for time in times:
        start = round(time * SAMPLE_RATE)
        samples[start : start + 4800] += blow[: len(samples) - start]
    return samples[:, None]


def test_onsets_are_where_something_begins() -> None:
    times = [0.0, 0.5, 1.2, 1.7]
    assert onsets(blows(times)) == pytest.approx(times, abs=0.03)


def test_silence_and_a_faint_hiss_have_no_onsets() -> None:
    assert onsets(np.zeros((SAMPLE_RATE, 1), np.float32)) == []


def test_peaks_of_motion_are_where_a_blob_darts() -> None:
    place = np.zeros(33)
    place[8:] += 24
    place[20:] += 24
    y, x = np.mgrid[0:64, 0:96]
    frames = [40 + 200 * np.exp(-((x - 20 - shift) ** 2 + (y - 32) ** 2) / 100) for shift in place]
    clip = np.repeat(np.stack(frames)[..., None], 3, -1).astype(np.uint8)
    curve = motion_curve(motion_features(clip, frame_rate=16.0))
    assert motion_peaks(curve, frame_rate=16.0) == pytest.approx([8 / 16, 20 / 16], abs=0.07)


def test_a_still_picture_has_no_peaks() -> None:
    assert motion_peaks(np.zeros(16), frame_rate=16.0) == []
    assert motion_peaks(np.zeros(0), frame_rate=16.0) == []


@pytest.mark.parametrize(
    ("sounds", "motions", "figure"),
    [
        ([0.5, 1.0], [0.55, 0.95], 1.0),
        ([0.5, 1.0], [0.55], 0.5),
        ([0.5], [1.5], 0.0),
        ([0.5, 0.52], [0.5], 0.5),
        ([], [0.5], 0.0),
        ([], [], None),
    ],
)
def test_the_figure_is_the_share_that_belongs_together(
    sounds: list[float], motions: list[float], figure: float | None
) -> None:
    assert sync_figure(sounds, motions) == figure
