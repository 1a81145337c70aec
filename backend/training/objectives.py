"""The shared velocity loss and the draws that go with it.

sigma runs from 1 (noise) to 0 (data): x = (1 - sigma) data + sigma noise, velocity = noise - data.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Drops:
    """Probabilities with which conditions are hidden or given in training (per clip, independent).

    text: Lumina 0.2, STIV 0.1. motion_channels: VideoJAM 0.2 (their latents are shown as zero). motion_score:
    Lumina 0.3 to 0.4. everything: an explicit draw of all of them, for the null branch of guidance.
    stride, source, camera: what guidance never steers by and the null branch therefore keeps. Where the
    camera is told, words teach nothing about it, and prompts say it in words.
    first, ends, start, every_second, sparse: which latent frames are given clean, by at most one pattern: the
    first (image to video); first and last (interpolation); the first few (prediction); every second
    (temporal upsampling); each with a chance of 0.3 (key frames). In all other draws none is, which is STIV's
    image dropout; a model this small needs it often.
    """

    text: float = 0.12
    motion_channels: float = 0.2
    motion_score: float = 0.35
    everything: float = 0.05
    stride: float = 0.1
    source: float = 0.3
    camera: float = 0.8
    first: float = 0.18
    ends: float = 0.08
    start: float = 0.06
    every_second: float = 0.04
    sparse: float = 0.04


NOTHING_HIDDEN = Drops(**dict.fromkeys(Drops.__dataclass_fields__, 0.0))
_SPARSE_SHARE = 0.3


@dataclass(frozen=True)
class Draw:
    """What one batch hides: boolean (B,) each, and `given` (B, F) latent frames shown clean."""

    text: Tensor
    motion_channels: Tensor
    motion_score: Tensor
    stride: Tensor
    source: Tensor
    camera: Tensor
    given: Tensor


def draw_conditions(batch_size: int, num_latents: int, *, drops: Drops, generator: torch.Generator) -> Draw:
    """Return a random draw of hidden conditions and given frames."""

    def chance(probability: float) -> Tensor:
        return torch.rand(batch_size, generator=generator) < probability

    everything = chance(drops.everything)
    return Draw(
        text=chance(drops.text) | everything,
        motion_channels=chance(drops.motion_channels) | everything,
        motion_score=chance(drops.motion_score) | everything,
        stride=chance(drops.stride),
        source=chance(drops.source),
        camera=chance(drops.camera),
        given=_draw_given(batch_size, num_latents, drops, generator) & ~everything[:, None],
    )


def _draw_given(batch_size: int, num_latents: int, drops: Drops, generator: torch.Generator) -> Tensor:
    """Return which latent frames (B, F) are given; at least one is always left to be made."""
    chances = (drops.first, drops.ends, drops.start, drops.every_second, drops.sparse)
    bounds = torch.tensor(chances).cumsum(0)
    which = torch.bucketize(torch.rand(batch_size, generator=generator), bounds, right=True)[:, None]
    index = torch.arange(num_latents).expand(batch_size, -1)
    length = 2 + (torch.rand(batch_size, 1, generator=generator) * (num_latents // 2)).long()
    sparse = torch.rand(batch_size, num_latents, generator=generator) < _SPARSE_SHARE
    ends = (index == 0) | (index == num_latents - 1)
    patterns = (index == 0, ends, index < length, index % 2 == 0, sparse)
    given = torch.zeros(batch_size, num_latents, dtype=torch.bool)
    for number, pattern in enumerate(patterns):
        given |= (which == number) & pattern
    return given & ~given.all(dim=1, keepdim=True)


def draw_sigmas(batch_size: int, *, shift: float, generator: torch.Generator) -> Tensor:
    """Return sigmas (B,): uniform, stratified over the batch, then shifted towards noise by `shift`.

    Lumina-Video's shift t / (t + shift - shift t) of t = 1 - sigma equals shift s / (1 + (shift - 1) s) of
    s = sigma.
    """
    sigmas = _stratified(batch_size, generator)
    return shift * sigmas / (1 + (shift - 1) * sigmas)


def draw_logit_normal(
    batch_size: int, mean: float, deviation: float, *, generator: torch.Generator
) -> Tensor:
    """Return sigmas (B,) of normal logits, stratified over the batch (SD3, arXiv 2403.03206 Eq. 19)."""
    quantiles = _stratified(batch_size, generator)
    return torch.sigmoid(mean + deviation * torch.special.ndtri(quantiles))


def _stratified(count: int, generator: torch.Generator) -> Tensor:
    """Return numbers (B,) in (0, 1), one in each of as many equal parts, in random order."""
    numbers = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return numbers[torch.randperm(count, generator=generator)]


def velocity_loss(predicted: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean squared error plus 1 - cosine (Lumina-Video's "vd" term).

    predicted, target (B, C, F, H, W); weights (B, 1 or C, F, H, W), 0 where nothing is learnt. A clip whose
    weights are all 0 counts for nothing.
    """
    total = weights.mean(1).sum(dim=(1, 2, 3))
    error = ((predicted - target).square() * weights).mean(1).sum(dim=(1, 2, 3))
    roots = weights.sqrt()
    cosine = functional.cosine_similarity((predicted * roots).flatten(1), (target * roots).flatten(1), dim=1)
    counts = (total > 0).float()
    each = error / total.clamp_min(1e-6) + 1 - cosine
    return (each * counts).sum() / counts.sum().clamp_min(1)
