"""Convolutions over latents that finish what tokens of the finest patch size draw."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.models.kinora.blocks import set_to_zero
from backend.models.kinora.patches import unpatched


class LocalBlock(nn.Module):
    """Two 3x3 convolutions, then one over a frame and its neighbours in time; starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(width, width, 3, padding=1)
        self.conv_out = nn.Conv2d(width, width, 3, padding=1)
        self.over_time = nn.Conv2d(3 * width, width, 1)
        set_to_zero(self.conv_out, self.over_time)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """x (B F, C, H, W), `frames` F of every clip in order of time."""
        x = x + self.conv_out(functional.silu(self.conv_in(functional.silu(x))))
        y = functional.silu(x).unflatten(0, (-1, frames))
        before, after = (torch.cat(pair, dim=1) for pair in ((y[:, :1], y[:, :-1]), (y[:, 1:], y[:, -1:])))
        around = torch.cat([before, y, after], dim=2).flatten(0, 1)
        return x + self.over_time(around.contiguous(memory_format=torch.channels_last))


class LocalHead(nn.Module):
    """Convolutions after the last layer at the finest patch size, as in U-ViT (arXiv 2209.12152 Sec. 3).

    They see the noisy latents of a frame and what the tokens know, and `num_blocks` of them its neighbours in
    time: tokens alone leave seams where patches meet, and learn slowly that neighbours belong together. What
    they add is learnt from nothing.
    """

    def __init__(
        self,
        patch_size: tuple[int, int, int],
        channels: int,
        width: int,
        local_width: int,
        num_blocks: int = 0,
    ) -> None:
        super().__init__()
        self.patch_size, self.local_width = patch_size, local_width
        self.known = nn.Linear(width, math.prod(patch_size) * local_width)
        self.look = nn.Sequential(
            nn.Conv2d(local_width + channels, local_width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(local_width, local_width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(local_width, channels, 3, padding=1),
        )
        self.blocks = nn.ModuleList(LocalBlock(local_width) for _ in range(num_blocks))
        set_to_zero(self.look[-1])

    def forward(self, tokens: Tensor, latents: Tensor) -> Tensor:
        """Return (B, C, F, H, W) float32 of tokens (B, N, width) of the noisy `latents` of that shape."""
        count, _, *sizes = latents.shape
        shape = torch.Size((count, self.local_width, *sizes))
        known = unpatched(self.known(tokens), shape, patch_size=self.patch_size)
        seen = torch.cat([known, latents.to(known.dtype)], dim=1).transpose(1, 2).flatten(0, 1)
        x = self.look[0](seen.contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            x = block(x, sizes[0])
        added: Tensor = self.look[1:](x).float()
        return added.unflatten(0, (count, -1)).transpose(1, 2)
