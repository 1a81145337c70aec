"""Detail of grounds, skies and surfaces: sums of waves that fade before they would alias.

Every wave carries its spatial frequency; its strength falls with `footprint`, the width of a sample in the
same units, so that a pattern holds more detail than a small picture can show and none of it flickers.
"""

import math

import torch
from torch import Tensor

from backend.training.world.vectors import Vector

_GROUND_STRENGTHS = (1.8, 0.5, 0.3, 0.22)  # coarse to fine: patches that show how the camera moves


def _visible(frequency: float, footprint: Tensor) -> Tensor:
    """Return how much of a wave of `frequency` (radians per unit) survives a sample of width `footprint`."""
    return torch.exp(-0.18 * (frequency * footprint) ** 2)


def ground_structure(
    x: Tensor, z: Tensor, *, scales: tuple[float, ...], stretch: float, seed: float, footprint: Tensor
) -> Tensor:
    """Return structure in about [-2, 2] at ground points (x, z); coarse waves bend the finer ones."""
    total = torch.zeros_like(x)
    bend = torch.zeros_like(x)
    for level, scale in enumerate(scales):
        turn = 0.9 * level + 0.7 * math.sin(seed + level)
        along = scale * (math.cos(turn) * x / stretch + math.sin(turn) * z)
        across = scale * (math.cos(turn) * z - math.sin(turn) * x / stretch)
        wave = torch.sin(along + 1.7 * bend + seed) * torch.sin(0.83 * across - 1.3 * bend + 2 * seed)
        seen = wave * _visible(scale, footprint)
        total = total + seen * _GROUND_STRENGTHS[level]
        bend = bend + wave
    return total


def clouds(right: Tensor, up: Tensor, *, seed: float) -> Tensor:
    """Return cloud cover in [0, 1] for directions (right, up) of the sky."""
    height = 3.0 / (up + 0.25)
    u, v = right * height, height
    base = torch.sin(1.1 * u + seed) + torch.sin(1.7 * v + 0.6 * torch.sin(0.9 * u + 2 * seed))
    detail = torch.sin(3.1 * u - 1.9 * v + 3 * seed) * 0.5
    return torch.sigmoid(2.2 * (base + detail - 0.5)) * torch.clamp(up * 4, 0, 1)


def stars(right: Tensor, up: Tensor, *, seed: float) -> Tensor:
    """Return brightness in [0, 1] of soft stars on a jittered grid of directions."""
    u, v = right * 14 + seed, up * 14
    cell_u, cell_v = torch.floor(u), torch.floor(v)
    chance = torch.frac(torch.sin(cell_u * 12.9898 + cell_v * 78.233 + seed).abs() * 43758.547)
    du = u - cell_u - 0.25 - 0.5 * torch.frac(chance * 7.13)
    dv = v - cell_v - 0.25 - 0.5 * torch.frac(chance * 3.71)
    return (chance > 0.72) * torch.exp(-(du * du + dv * dv) * 42) * torch.frac(chance * 5.77)


def surface_mix(surface: str, point: Vector, *, seed: float, footprint: Tensor) -> Tensor:
    """Return how much of the second colour shows, in [0, 1], at unit-space `point` of an object."""
    x, y, z = point
    if surface == "striped":
        return _soft_step(torch.sin((y + 0.8 * x) * 6 + seed), footprint * 7.7)
    if surface == "checkered":
        angle = torch.atan2(z, x) * (4 / math.pi) * 1.5
        rows, columns = torch.sin(y * 5.2 + 0.8), torch.sin(angle * 1.5 + seed)
        return _soft_step(rows * columns * 4, footprint * 14)
    if surface == "two_tone":
        return _soft_step((y + 1.2 * x) * 2 + 0.3 * math.sin(seed), footprint * 3.1)
    return torch.zeros_like(x + y + z)


def side_shade(point: Vector, *, footprint: Tensor) -> Tensor:
    """Return brightness in [0.8, 1]: one half of an object is a little darker, so that its turns show."""
    x, y, _ = point
    return 1 - 0.2 * _soft_step(x + 0.35 * y, footprint)


def grain(point: Vector, *, seed: float, footprint: Tensor) -> Tensor:
    """Return fine detail in about [-1, 1], tied to unit-space `point` so that it turns with the object."""
    x, y, z = point
    total = torch.zeros_like(x + y + z)
    for level, scale in enumerate((7.0, 17.0, 43.0)):
        wave = torch.sin(scale * x + 2 * torch.sin(0.6 * scale * z + seed)) * torch.sin(
            scale * y + seed + level
        )
        total = total + wave * _visible(scale, footprint) * 0.75**level
    return total


def _soft_step(value: Tensor, width: Tensor) -> Tensor:
    """Return 0 below zero and 1 above, blended over about the width of a sample."""
    return torch.clamp(value / (2 * width + 0.08) + 0.5, 0, 1)
