"""Optical flow as RGB video and back, so that the autoencoder of pixels also carries motion.

VideoJAM (arXiv 2502.02492) Eq. 5: m = min(1, |flow| / (sigma sqrt(H² + W²))), hue from the direction, opacity
m over white. The paper's sigma of 0.15 fits 24 frames per second of real footage; motions of our world are
slower in pixels, so sigma is 0.04, which uses the range and saturates at 0.04 of the diagonal per frame.
"""

import math

import torch
from torch import Tensor

SIGMA = 0.04


def flow_to_rgb(flow: Tensor) -> Tensor:
    """Return RGB in [-1, 1] (F, 3, H, W) of `flow` (F - 1, 2, H, W) in pixels; the last frame repeats."""
    height, width = flow.shape[-2:]
    magnitude = flow.norm(dim=1) / (SIGMA * math.hypot(height, width))
    angle = torch.atan2(flow[:, 1], flow[:, 0])
    thirds = torch.tensor([0.0, 2 * math.pi / 3, -2 * math.pi / 3], device=flow.device).view(1, 3, 1, 1)
    hue = torch.cos(angle.unsqueeze(1) - thirds)  # zero mean over the three channels
    rgb = 1 - magnitude.clamp(0, 1).unsqueeze(1) * (1 - hue)
    return torch.cat([rgb, rgb[-1:]]) if len(rgb) else rgb


def rgb_to_flow(rgb: Tensor) -> Tensor:
    """Return flow in pixels (F, 2, H, W) of `rgb` in [-1, 1] (F, 3, H, W), the inverse up to saturation."""
    height, width = rgb.shape[-2:]
    thirds = torch.tensor([0.0, 2 * math.pi / 3, -2 * math.pi / 3], device=rgb.device).view(1, 3, 1, 1)
    u = 2 / 3 * (rgb * torch.cos(thirds)).sum(1)
    v = 2 / 3 * (rgb * torch.sin(thirds)).sum(1)
    return torch.stack([u, v], dim=1) * (SIGMA * math.hypot(height, width))
