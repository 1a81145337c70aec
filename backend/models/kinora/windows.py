"""Attention within windows of a picture, so that its cost grows with the picture and not with its square.

Windows of one layer meet in the middle of those of the next (Swin Transformer, arXiv 2103.14030 Sec. 3.2):
what one layer cannot see across an edge, the next one can. Along time every window is as long as the clip.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from backend.models.kinora.blocks import Attention, attend


@dataclass(frozen=True)
class Windows:
    """Rectangles of a clip's tokens: its frames, rows and columns, and the edges of the windows in both."""

    shape: tuple[int, int, int]
    row_edges: tuple[int, ...]
    column_edges: tuple[int, ...]

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return attention (B, H, N, D) of q over k and v, tokens in order of time, row and column."""
        q, k, v = (each.unflatten(2, self.shape) for each in (q, k, v))
        bands = [
            torch.cat([_attend_in(q, k, v, rows, columns) for columns in _spans(self.column_edges)], dim=4)
            for rows in _spans(self.row_edges)
        ]
        return torch.cat(bands, dim=3).flatten(2, 4)


def windowed(shape: tuple[int, int, int], *, side: int, is_shifted: bool) -> Attention:
    """Return attention in windows of at most `side` tokens a side over `shape`: frames, rows, columns.

    is_shifted: with edges in the middle of the other windows. Where one window holds everything, full
    attention.
    """
    _, rows, columns = shape
    if max(rows, columns) <= side:
        return attend
    return Windows(shape, _edges(rows, side, is_shifted), _edges(columns, side, is_shifted)).attend


def _edges(count: int, side: int, is_shifted: bool) -> tuple[int, ...]:
    """Return where windows of nearly the same size, at most `side`, begin and the last one ends."""
    num_windows = -(-count // side)
    edges = [round(index * count / num_windows) for index in range(num_windows + 1)]
    if not is_shifted or num_windows == 1:
        return tuple(edges)
    middles = [(before + after) // 2 for before, after in pairwise(edges)]
    return (0, *middles, count)


def _spans(edges: tuple[int, ...]) -> list[slice]:
    return [slice(*pair) for pair in pairwise(edges)]


def _attend_in(q: Tensor, k: Tensor, v: Tensor, rows: slice, columns: slice) -> Tensor:
    """Return attention (B, H, F, h, w, D) within one window of (B, H, F, R, C, D)."""
    parts = [each[:, :, :, rows, columns] for each in (q, k, v)]
    attended = attend(*(part.flatten(2, 4) for part in parts))
    return attended.unflatten(2, parts[0].shape[2:5])
