"""The mel front end: sound to the log-mel pictures that the sound members work on.

16 kHz, 64 mels and a hop of 160 samples are AudioLDM's (arXiv 2301.12503): two seconds are 200 frames. The
window is shorter than its 1024: 640 samples, four hops, as many as in Vocos (arXiv 2306.00814), so that a
blow is smeared over no more than 20 ms to either side; every mel still holds at least three bins. Frame t
stands for the samples 160 t to 160 (t + 1) and its window is centred on them; the ends are mirrored.
"""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

SAMPLE_RATE = 16_000
HOP_LENGTH = 160
WINDOW_LENGTH = 640
NUM_MELS = 64
EDGE = (WINDOW_LENGTH - HOP_LENGTH) // 2
"""Samples by which the window of a frame reaches beyond the samples that the frame stands for."""

_FLOOR = 1e-5
_LOG_MEAN, _LOG_STD = -5.5, 2.6  # over scenes and uploaded sounds, so that normalised mels are about N(0, 1)
DECIBELS = _LOG_STD * 20 / float(np.log(10))
"""Of one unit of normalised mels."""


def log_mel(waveform: Tensor) -> Tensor:
    """Return normalised log-mels (B, T, 64), float32, of sound (B, 160 T) at 16 kHz in [-1, 1].

    What is left over of a last frame is not read. Raises ValueError for less than two frames.
    """
    num_frames = waveform.shape[-1] // HOP_LENGTH
    if num_frames < 2:
        raise ValueError(f"{waveform.shape[-1]} samples are too short: two frames have {2 * HOP_LENGTH}")
    used = waveform[..., : num_frames * HOP_LENGTH].float()
    padded = functional.pad(used.unsqueeze(1), (EDGE, EDGE), mode="reflect").squeeze(1)
    spectrum = torch.stft(
        padded, WINDOW_LENGTH, HOP_LENGTH, window=window(waveform.device), center=False, return_complex=True
    )
    mels = spectrum.abs().transpose(1, 2) @ basis(waveform.device).T
    return (mels.clamp_min(_FLOOR).log() - _LOG_MEAN) / _LOG_STD


def magnitudes(mels: Tensor) -> Tensor:
    """Return the mel magnitudes (B, T, 64) that normalised log-mels stand for."""
    return (mels.float() * _LOG_STD + _LOG_MEAN).exp()


def window(device: torch.device) -> Tensor:
    """Return the periodic Hann window (640,) of analysis and synthesis."""
    return torch.hann_window(WINDOW_LENGTH, device=device)


def basis(device: torch.device) -> Tensor:
    """Return librosa's mel filters (64, 321): Slaney's scale and area, from 0 to 8 kHz."""
    return torch.from_numpy(_filters()).to(device)


@lru_cache(maxsize=1)
def _filters() -> NDArray[np.float32]:
    # librosa takes a second to import, which a worker that makes no sound should not spend.
    from librosa.filters import mel

    filters: NDArray[np.float32] = mel(sr=SAMPLE_RATE, n_fft=WINDOW_LENGTH, n_mels=NUM_MELS)
    return filters
