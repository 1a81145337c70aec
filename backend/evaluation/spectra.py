"""How far two sounds are apart to the ear, and the sound that Griffin-Lim makes of mels, as a yardstick."""

import numpy as np
import torch
from torch import Tensor

from backend.models.kinora.mel import EDGE, HOP_LENGTH, SAMPLE_RATE, WINDOW_LENGTH, magnitudes

_WINDOWS = (256, 512, 1024, 2048)
_QUIETEST = 1e-3  # of a magnitude: below, differences are not heard
_ITERATIONS = 32


def spectral_distance(sound: Tensor, target: Tensor) -> Tensor:
    """Return the multi-resolution STFT distance () of sounds (B, S), averaged over four window lengths.

    Spectral convergence plus mean absolute difference of log magnitudes (Parallel WaveGAN, arXiv 1910.11480
    Eq. 3-6); the convergence is that of the whole batch, so that silence does not count.
    """
    distances = []
    for length in _WINDOWS:
        made, true = _magnitudes(sound, length), _magnitudes(target, length)
        convergence = (made - true).norm() / true.norm().clamp_min(_QUIETEST)
        distances.append(convergence + (made.log() - true.log()).abs().mean())
    return torch.stack(distances).mean()


def griffin_lim(mels: Tensor) -> Tensor:
    """Return sound (B, 160 T) that librosa's Griffin-Lim finds for normalised log-mels (B, T, 64)."""
    import librosa

    sounds = []
    for mel in magnitudes(mels).cpu().numpy():
        spectrum = librosa.feature.inverse.mel_to_stft(mel.T, sr=SAMPLE_RATE, n_fft=WINDOW_LENGTH, power=1.0)
        sound = librosa.griffinlim(
            spectrum, n_iter=_ITERATIONS, hop_length=HOP_LENGTH, center=False, random_state=0
        )
        sounds.append(sound[EDGE : EDGE + HOP_LENGTH * len(mel)])
    return torch.from_numpy(np.stack(sounds)).float()


def _magnitudes(sound: Tensor, length: int) -> Tensor:
    """Return STFT magnitudes (B, bins, T) for windows of `length` samples, a quarter of it apart."""
    window = torch.hann_window(length, device=sound.device)
    spectrum = torch.stft(sound.float(), length, length // 4, window=window, return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    return power.clamp_min(_QUIETEST**2).sqrt()
