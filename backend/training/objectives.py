"""The shared velocity loss and the draws that go with it.

sigma runs from 1 (noise) to 0 (data): x = (1 - sigma) data + sigma noise, velocity = noise - data.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Drops:
    """Probabilities with which conditions are hidden or given in training (per clip, independent).

    text: Lumina 0.2, STIV 0.1. motion_channels: VideoJAM 0.2 (their latents are shown as zero). motion_score:
    Lumina 0.3 to 0.4. everything: an explicit draw of all of them, for the null branch of guidance.
    first, ends: first frame given; first and last given. A model this small needs them less often than STIV.
    """

    text: float = 0.12
    motion_channels: float = 0.2
    motion_score: float = 0.35
    everything: float = 0.05
    first: float = 0.12
    ends: float = 0.06


@dataclass(frozen=True)
class Draw:
    """What one batch hides: boolean (B,) each, and `given` (B, F) latent frames shown clean."""

    text: Tensor
    motion_channels: Tensor
    motion_score: Tensor
    given: Tensor


def draw_conditions(batch_size: int, num_latents: int, *, drops: Drops, generator: torch.Generator) -> Draw:
    """Return a random draw of hidden conditions and given frames."""

    def chance(probability: float) -> Tensor:
        return torch.rand(batch_size, generator=generator) < probability

    everything = chance(drops.everything)
    which = torch.rand(batch_size, generator=generator)
    given = torch.zeros(batch_size, num_latents, dtype=torch.bool)
    given[:, 0] = which < drops.first + drops.ends
    given[:, -1] = which < drops.ends
    return Draw(
        text=chance(drops.text) | everything,
        motion_channels=chance(drops.motion_channels) | everything,
        motion_score=chance(drops.motion_score) | everything,
        given=given & ~everything[:, None],
    )


def draw_sigmas(batch_size: int, *, shift: float, generator: torch.Generator) -> Tensor:
    """Return sigmas (B,): uniform, stratified over the batch, then shifted towards noise by `shift`.

    Lumina-Video's shift t / (t + shift - shift t) of t = 1 - sigma equals shift s / (1 + (shift - 1) s) of
    s = sigma.
    """
    offsets = torch.rand(batch_size, generator=generator)
    sigmas = (torch.arange(batch_size) + offsets) / batch_size
    sigmas = sigmas[torch.randperm(batch_size, generator=generator)]
    return shift * sigmas / (1 + (shift - 1) * sigmas)


def velocity_loss(predicted: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Return mean squared error plus 1 - cosine (Lumina-Video's "vd" term), over where `weights` is not 0.

    predicted, target (B, C, F, H, W); weights (B, 1, F, 1, 1). A clip whose weights are all 0 counts for
    nothing.
    """
    count = weights.sum(dim=(1, 2, 3, 4)).clamp_min(1) * predicted[0, :, 0].numel()
    error = ((predicted - target).square() * weights).sum(dim=(1, 2, 3, 4)) / count
    a, b = (predicted * weights).flatten(1), (target * weights).flatten(1)
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=1)
    counts = (weights.flatten(1).sum(1) > 0).float()
    return ((error + 1 - cosine) * counts).sum() / counts.sum().clamp_min(1)
