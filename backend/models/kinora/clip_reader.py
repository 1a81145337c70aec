"""What a clip tells of its sound: tokens of its pictures and motion that have read one another.

What is heard of a scene is decided by how things move: the same ball rolls, slides or circles. One patch of
one latent cannot tell, so a few layers of self-attention look over all of them first. Lumina-V2A (arXiv
2502.06782 Sec. 4) and MMAudio (arXiv 2412.15322) take encoders for that which were trained elsewhere to name
what they see (CLIP, Synchformer); ours learns with the soundtrack to name what would be heard.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.models.kinora.blocks import set_to_zero
from backend.models.kinora.text_encoder import TextLayer

PATCH = 4
"""Rows and columns of latents in one token."""
_FRAMES_PER_LATENT = 4
_CLOCK_FREQUENCIES = 6
_PLACE_FREQUENCIES = 3
_FEATURES_PER_CELL = 3


class ClipReader(nn.Module):
    """Tokens (B, F' * H / 4 * W / 4, D) of video latents (B, C, F', H, W) and motion features (B, F, M)."""

    def __init__(
        self,
        video_channels: int,
        motion_features: int,
        width: int,
        *,
        num_layers: int,
        num_heads: int,
        num_sounds: int,
    ) -> None:
        """motion_features: 3 for each cell of a square grid. num_sounds: how many the clip is asked for."""
        super().__init__()
        self.grid_side = math.isqrt(motion_features // _FEATURES_PER_CELL)
        self.embed = nn.Linear(video_channels * PATCH**2, width)
        self.clock = nn.Linear(2 * _CLOCK_FREQUENCIES, width)
        self.place = nn.Linear(4 * _PLACE_FREQUENCIES, width, bias=False)
        self.motion = nn.Linear(_FRAMES_PER_LATENT * _FEATURES_PER_CELL, width, bias=False)
        layers = [TextLayer(width, num_heads) for _ in range(num_layers)]
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)
        self.name = nn.Linear(width, num_sounds)
        set_to_zero(self.place, self.motion)
        for layer in layers:
            set_to_zero(layer.to_out, layer.mlp_out)

    def forward(self, video: Tensor, motion: Tensor | None, *, frame_rate: float) -> Tensor:
        """Return the tokens, those of one latent after another, row by row.

        video: H and W multiples of 4; the first latent of one frame, the others of four. frame_rate: frames a
        second.
        """
        patches = video.unflatten(4, (-1, PATCH)).unflatten(3, (-1, PATCH))
        patches = patches.permute(0, 2, 3, 5, 1, 4, 6).flatten(4)  # (B, F', H / 4, W / 4, C * 16)
        rows, columns = patches.shape[2:4]
        first, last = _frames_of_latents(video.shape[2], video.device)
        seconds = (0.5 * (first + last) + 0.5) / frame_rate
        x = self.embed(patches) + self.clock(clock_features(seconds, _CLOCK_FREQUENCIES))[:, None, None]
        x = x + self.place(_place_features(rows, columns, video.device))
        if motion is not None:
            x = x + self.motion(self._motion_around(motion, last, rows, columns))
        x = x.flatten(1, 3)
        nothing_hidden = torch.zeros(1, device=x.device, dtype=x.dtype)
        for layer in self.layers:
            x = layer(x, nothing_hidden)
        tokens: Tensor = self.norm(x)
        return tokens

    def names(self, tokens: Tensor) -> Tensor:
        """Return scores (B, num_sounds) before the sigmoid of what would be heard of the clip of `tokens`."""
        scores: Tensor = self.name(tokens.mean(1))
        return scores

    def _motion_around(self, motion: Tensor, last: Tensor, rows: int, columns: int) -> Tensor:
        """Return the motion in each patch (B, F', rows, columns, 12): of the four frames to `last` (F',)."""
        cells = motion.unflatten(2, (self.grid_side, self.grid_side, _FEATURES_PER_CELL))
        before = torch.arange(_FRAMES_PER_LATENT - 1, -1, -1, device=last.device)
        frames = (last[:, None] - before).clamp(0, motion.shape[1] - 1)
        around = cells[:, frames].permute(0, 1, 2, 5, 3, 4).flatten(2, 3)  # (B, F', 12, side, side)
        if (rows, columns) != (self.grid_side, self.grid_side):
            around = functional.interpolate(around.flatten(0, 1), (rows, columns), mode="area").unflatten(
                0, around.shape[:2]
            )
        return around.permute(0, 1, 3, 4, 2)


def clock_features(seconds: Tensor, count: int) -> Tensor:
    """Return sines and cosines (N, 2 * count) of times (N,), with periods of 8 s, 4 s, 2 s, ..."""
    rates = 2 * math.pi / 8 * 2.0 ** torch.arange(count, device=seconds.device)
    angles = seconds.unsqueeze(-1).float() * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _place_features(rows: int, columns: int, device: torch.device) -> Tensor:
    """Return sines and cosines (rows, columns, 12) of where patches are, as shares of the picture."""
    rates = math.pi * 2.0 ** torch.arange(_PLACE_FREQUENCIES, device=device)
    down, across = (
        ((torch.arange(count, device=device) + 0.5) / count).unsqueeze(-1) * rates
        for count in (rows, columns)
    )
    parts = [down[:, None].expand(-1, columns, -1), across[None].expand(rows, -1, -1)]
    return torch.cat([wave(part) for part in parts for wave in (torch.sin, torch.cos)], dim=-1)


def _frames_of_latents(count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the first and the last frame (F',) that each video latent holds: 0, then 1 to 4, 5 to 8, ..."""
    last = _FRAMES_PER_LATENT * torch.arange(count, device=device)
    return (last - _FRAMES_PER_LATENT + 1).clamp_min(0), last
