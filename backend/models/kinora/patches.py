"""Latents as tokens and back: patches of several sizes over one trunk (Lumina-Video, arXiv 2502.06782)."""

import math

import torch
from torch import Tensor, nn

from backend.models.kinora.blocks import set_to_zero

PATCH_SIZES = ((1, 2, 2), (2, 2, 2), (2, 4, 4))
"""Frames, rows and columns of latents that one token spans, at Lumina-Video's scales 1, 2 and 3."""


class PatchScale(nn.Module):
    """Embedder and final layer of one patch size, and the learned mark of a given frame in a patch."""

    def __init__(self, patch_size: tuple[int, int, int], channels: int, width: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        values = math.prod(patch_size) * channels
        self.embed = nn.Linear(values, width)
        self.given = nn.Parameter(torch.zeros(patch_size[0], width))
        self.final = nn.Linear(width, values)
        set_to_zero(self.final)

    @torch.no_grad()
    def start_from(self, coarser: "PatchScale") -> None:
        """Take over what `coarser` has learnt: a token then means what it means there, seen from closer by.

        The embedding of a patch is that of its enlargement to the coarser size; its velocities are the means
        of the coarser ones in its place.
        """
        sizes = zip(self.patch_size, coarser.patch_size, strict=True)
        split = [size for own, other in sizes for size in (own, other // own)]  # (pt, ft, ph, fh, pw, fw)
        width, values = self.embed.weight.shape
        channels = values // math.prod(self.patch_size)
        embed = coarser.embed.weight.view(width, channels, *split).sum(dim=(3, 5, 7))
        final = coarser.final.weight.view(channels, *split, width).mean(dim=(2, 4, 6))
        bias = coarser.final.bias.view(channels, *split).mean(dim=(2, 4, 6))
        self.embed.weight.copy_(embed.flatten(1))
        self.embed.bias.copy_(coarser.embed.bias)
        self.final.weight.copy_(final.flatten(0, 3))
        self.final.bias.copy_(bias.flatten())
        self.given.copy_(coarser.given.unflatten(0, split[:2]).sum(1))

    def to_tokens(self, x: Tensor, given: Tensor | None) -> Tensor:
        """Return (B, N, width) float32, in order of time, row, column; x (B, C, F, H, W), given (B, F)."""
        pt, ph, pw = self.patch_size
        x = x.unflatten(4, (-1, pw)).unflatten(3, (-1, ph)).unflatten(2, (-1, pt))
        tokens = self.embed(x.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4)).float()  # (B, F/pt, H/ph, W/pw, D)
        if given is not None:
            marks = given.unflatten(1, (-1, pt)).to(tokens.dtype) @ self.given.float()
            tokens = tokens + marks[:, :, None, None]
        return tokens.flatten(1, 3)

    def from_tokens(self, tokens: Tensor, shape: torch.Size) -> Tensor:
        """Return (B, C, F, H, W) float32, the `shape` that was made into tokens."""
        return unpatched(self.final(tokens).float(), shape, patch_size=self.patch_size)


def unpatched(values: Tensor, shape: torch.Size, *, patch_size: tuple[int, int, int]) -> Tensor:
    """Return (B, C, F, H, W), the `shape`, of values (B, N, C * patch) in order of time, row, column."""
    pt, ph, pw = patch_size
    _, channels, frames, height, width = shape
    x = values.unflatten(1, (frames // pt, height // ph, width // pw))
    x = x.unflatten(4, (channels, pt, ph, pw)).permute(0, 4, 1, 5, 2, 6, 3, 7)
    return x.flatten(6).flatten(4, 5).flatten(2, 3)
