"""Reading pictures small: convolutions, then means over the few places that matter."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Gaze(nn.Module):
    """Pools a map (B, C, H, W) to (B, gazes * C'), each gaze a mean over the places it looks at."""

    def __init__(self, channels: int, values: int, gazes: int) -> None:
        super().__init__()
        self.where = nn.Conv2d(channels, gazes, 1)
        self.what = nn.Conv2d(channels, gazes * values, 1)
        self.gazes = gazes

    def forward(self, x: Tensor) -> Tensor:
        """Return what each gaze sees, and the row and column it looks at, in [-1, 1]."""
        rows, columns = (torch.linspace(-1, 1, size, device=x.device) for size in x.shape[2:])
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).flatten(1)  # (2, H W)
        shares = self.where(x).flatten(2).float().softmax(-1)  # (B, G, H W)
        seen = self.what(x).flatten(2).unflatten(1, (self.gazes, -1)).float()  # (B, G, C', H W)
        values = (seen * shares.unsqueeze(2)).sum(-1)
        return torch.cat([values.flatten(1), (shares @ grid.T).flatten(1)], dim=1)


def convolutions(inputs: int, width: int, *, strides: Sequence[int]) -> nn.Sequential:
    """Return convolutions to `width`, 2 `width`, ... channels."""
    sizes = [inputs, *(width * number for number in range(1, len(strides) + 1))]
    return nn.Sequential(
        *(
            layer
            for (before, after), stride in zip(pairwise(sizes), strides, strict=True)
            for layer in (
                nn.Conv2d(before, after, 3, stride=stride, padding=1),
                nn.GroupNorm(8, after),
                nn.SiLU(),
            )
        )
    )
