"""The sampling convention, written once; it is that of diffusers' FlowMatchEulerDiscreteScheduler.

sigma runs from 1 (noise) to 0 (data); x = (1 - sigma) * data + sigma * noise; velocity = noise - data.
Papers that write t = 1 - sigma are converted where their formulas are used.
"""

import numpy as np
import torch
from torch import Tensor


def timestep_shift(sigma: float, shift: float) -> float:
    """Return `sigma` moved towards noise: shift * sigma / (1 + (shift - 1) * sigma); shift 1 leaves it.

    Lumina-Video's t / (t + shift - shift * t) in t = 1 - sigma (arXiv 2502.06782).
    """
    return shift * sigma / (1 + (shift - 1) * sigma)


def schedule(num_inference_steps: int, *, shift: float) -> Tensor:
    """Return the sigmas (num_inference_steps + 1,) float32 of a run, from 1 down to 0.

    They are evenly spaced before the shift: what the scheduler makes of `sigmas` 1, ..., 1/n. It is not
    imported for this one line, since it brings scipy with it, which is most of a worker's start.
    """
    levels = np.linspace(1, 0, num_inference_steps + 1).tolist()
    return torch.tensor([timestep_shift(sigma, shift) for sigma in levels], dtype=torch.float32)


def initial_noise(shape: tuple[int, int, int, int], *, seed: int) -> Tensor:
    """Return the noise (1, C, F, H, W) float32 of `seed`, the same on every machine and in every batch."""
    return torch.randn((1, *shape), generator=torch.Generator(device="cpu").manual_seed(seed))


def euler_step(latents: Tensor, velocity: Tensor, *, sigma: float, next_sigma: float) -> Tensor:
    """Return the latents at `next_sigma`, a straight line away from those at `sigma`."""
    return latents + (next_sigma - sigma) * velocity


def clean_prediction(latents: Tensor, velocity: Tensor, *, sigma: float) -> Tensor:
    """Return the data that `velocity` points at from `latents`: x - sigma * (noise - data) = data."""
    return latents - sigma * velocity
