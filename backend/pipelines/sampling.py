"""The sampling convention in tensors; it is that of diffusers' FlowMatchEulerDiscreteScheduler.

sigma runs from 1 (noise) to 0 (data); x = (1 - sigma) * data + sigma * noise; velocity = noise - data. The
scheduler itself is not imported for two lines, since it brings scipy, most of a worker's start, with it.
"""

import torch
from torch import Tensor


def initial_noise(shape: tuple[int, ...], *, seed: int) -> Tensor:
    """Return the noise (1, *shape) float32 of `seed`, the same on every machine and in every batch."""
    return torch.randn((1, *shape), generator=torch.Generator(device="cpu").manual_seed(seed))


def euler_step(latents: Tensor, velocity: Tensor, *, sigma: float, next_sigma: float) -> Tensor:
    """Return the latents at `next_sigma`, a straight line away from those at `sigma`."""
    return latents + (next_sigma - sigma) * velocity


def clean_prediction(latents: Tensor, velocity: Tensor, *, sigma: float) -> Tensor:
    """Return the data that `velocity` points at from `latents`: x - sigma * (noise - data) = data."""
    return latents - sigma * velocity
