"""The vocoder: log-mels to sound through an inverse STFT, as Vocos (arXiv 2306.00814).

ConvNeXt blocks at the frame rate predict a magnitude and a phase for every bin of every frame (Sec. 3.2-3.3);
overlapping windows add up to sound. Where we differ:
- Magnitudes are factors on the spectral envelope that the mels themselves stand for, so that a fresh network
  already has the right loudness at every moment and pitch.
- Beside Vocos's free phases, every bin is an oscillator with a magnitude of its own, whose phase goes on from
  frame to frame at the bin's frequency, detuned by up to half a bin. A convolution cannot tell one moment of
  a held tone from the next: with free phases alone the same frame would come every 10 ms, and only tones that
  are multiples of 100 Hz could be held.
"""

import math

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from backend.models.kinora.mel import EDGE, HOP_LENGTH, NUM_MELS, WINDOW_LENGTH, basis, magnitudes, window

_NUM_BINS = WINDOW_LENGTH // 2 + 1
_LARGEST_LOG_FACTOR = 4.0
_QUIET_OSCILLATORS = -2.0  # log of their share of the envelope at the start of training
_KERNEL = 7


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution along time, then two pointwise layers around GELU (arXiv 2201.03545, in 1D)."""

    def __init__(self, width: int, hidden_width: int, *, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, _KERNEL, padding=_KERNEL // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, hidden_width)
        self.narrow = nn.Linear(hidden_width, width)
        self.layer_scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, D)."""
        y = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        y = self.narrow(functional.gelu(self.widen(self.norm(y))))
        return x + self.layer_scale * y


class Vocoder(ModelMixin, ConfigMixin):  # type: ignore[misc]  # config_name differs in diffusers
    """Turns normalised log-mels (B, T, 64) into sound (B, 160 T) at 16 kHz, float32."""

    @register_to_config
    def __init__(self, width: int = 192, num_layers: int = 5, hidden_width: int = 416) -> None:
        super().__init__()
        self.embed = nn.Conv1d(NUM_MELS, width, _KERNEL, padding=_KERNEL // 2)
        self.embed_norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(width, hidden_width, scale=1 / num_layers) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 4 * _NUM_BINS)

    def forward(self, mels: Tensor) -> Tensor:
        x = mels.to(self.embed.weight.dtype)
        x = self.embed_norm(self.embed(x.transpose(1, 2)).transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        free, phase, held, detune = self.head(self.final_norm(x)).float().chunk(4, dim=-1)  # each (B, T, 321)
        spectrum = torch.polar(_factor(free), phase)
        spectrum = spectrum + torch.polar(_factor(held + _QUIET_OSCILLATORS), _oscillator_phases(detune))
        return overlap_add(envelope(mels) * spectrum)


def envelope(mels: Tensor) -> Tensor:
    """Return smooth magnitudes (B, T, 321) of the spectrum that normalised log-mels stand for."""
    filters = basis(mels.device)
    heights = magnitudes(mels) / filters.sum(1)  # (B, T, 64), mean magnitude under each filter
    cover = filters.sum(0)
    weights = filters / cover.clamp_min(1e-8)
    # Bins that no filter covers, the lowest and the highest, take the height of their neighbour.
    weights[0, 0], weights[-1, -1] = 1.0, 1.0
    return heights @ weights


def overlap_add(spectrum: Tensor) -> Tensor:
    """Return sound (B, 160 T) of frames of spectrum (B, T, 321): the inverse of the front end's STFT."""
    num_frames = spectrum.shape[1]
    shape = window(spectrum.device)
    frames = torch.fft.irfft(spectrum, WINDOW_LENGTH, dim=-1) * shape
    total = _folded(frames.transpose(1, 2))
    weight = _folded(shape.square().view(1, -1, 1).expand(1, -1, num_frames))
    inner = slice(EDGE, EDGE + num_frames * HOP_LENGTH)
    return total[:, inner] / weight[:, inner]


def _folded(frames: Tensor) -> Tensor:
    """Return frames (B, 640, T), a hop apart, added up: (B, 160 (T - 1) + 640)."""
    length = HOP_LENGTH * (frames.shape[2] - 1) + WINDOW_LENGTH
    sums = functional.fold(frames, (1, length), (1, WINDOW_LENGTH), stride=(1, HOP_LENGTH))
    return sums[:, 0, 0]


def _factor(logarithm: Tensor) -> Tensor:
    """Return magnitudes, at most e^4 times the envelope."""
    return logarithm.clamp_max(_LARGEST_LOG_FACTOR).exp()


def _oscillator_phases(detune: Tensor) -> Tensor:
    """Return phases (B, T, 321) that go on at each bin's frequency, detuned by up to half a bin."""
    bins = torch.arange(_NUM_BINS, device=detune.device)
    half_bin = math.pi * HOP_LENGTH / WINDOW_LENGTH
    steps = 2 * half_bin * (bins % (WINDOW_LENGTH // HOP_LENGTH)) + half_bin * detune.tanh()
    return steps.cumsum(1) - math.pi * bins
