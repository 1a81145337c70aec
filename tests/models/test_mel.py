"""The mel front end against librosa, and its clock."""

import numpy as np
import pytest
import torch
from librosa.filters import mel

from backend.models.kinora.mel import (
    EDGE,
    HOP_LENGTH,
    NUM_MELS,
    SAMPLE_RATE,
    WINDOW_LENGTH,
    log_mel,
    magnitudes,
)


def sound(samples: int = 3200, *, count: int = 2) -> torch.Tensor:
    return 0.3 * torch.randn(count, samples, generator=torch.Generator().manual_seed(0))


def test_two_seconds_are_200_frames_of_64_mels() -> None:
    assert log_mel(sound(2 * SAMPLE_RATE)).shape == (2, 200, 64)


def test_it_is_the_spectrum_under_librosas_filters() -> None:
    waveform = sound()
    padded = np.pad(waveform[0].numpy(), EDGE, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_LENGTH)[::HOP_LENGTH]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(WINDOW_LENGTH + 1)[:-1])).T
    expected = mel(sr=SAMPLE_RATE, n_fft=WINDOW_LENGTH, n_mels=NUM_MELS) @ spectrum
    # The same sums in float32 in another order.
    np.testing.assert_allclose(magnitudes(log_mel(waveform))[0].T, expected, rtol=1e-3, atol=1e-5)


def test_rows_of_a_batch_do_not_meet() -> None:
    waveform = sound(count=3)
    assert torch.allclose(log_mel(waveform)[1:2], log_mel(waveform[1:2]), atol=1e-6)


def test_a_frame_stands_for_its_own_samples() -> None:
    click = torch.zeros(1, 3200)
    click[0, 10 * HOP_LENGTH + HOP_LENGTH // 2] = 1.0
    assert int(log_mel(click)[0].mean(1).argmax()) == 10


def test_silence_is_finite() -> None:
    assert torch.isfinite(log_mel(torch.zeros(1, 3200))).all()


def test_too_short_a_sound_is_refused() -> None:
    with pytest.raises(ValueError, match="two frames"):
        log_mel(torch.zeros(1, 2 * HOP_LENGTH - 1))
