"""Windows of attention: what sees what, and that together they cover a clip."""

from itertools import pairwise

import pytest
import torch

from backend.models.kinora.blocks import attend
from backend.models.kinora.refiner import RefinerTransformer
from backend.models.kinora.windows import windowed

_FRAMES, _ROWS, _COLUMNS = 2, 7, 10


def _tokens() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 1, 2, _FRAMES * _ROWS * _COLUMNS, 8, generator=generator)
    return q, k, v


def _seen_by(row: int, column: int, *, is_shifted: bool) -> torch.Tensor:
    """Return which rows and columns (R, C) the token there attends to, in windows of four tokens."""
    attention = windowed((_FRAMES, _ROWS, _COLUMNS), side=4, is_shifted=is_shifted)
    q, k, v = _tokens()
    v.requires_grad_()
    grid = attention(q, k, v).unflatten(2, (_FRAMES, _ROWS, _COLUMNS))
    (gradient,) = torch.autograd.grad(grid[:, :, 0, row, column].sum(), v)
    return gradient.unflatten(2, (_FRAMES, _ROWS, _COLUMNS)).abs().sum((0, 1, 2, 5)) > 0


def test_one_window_is_full_attention() -> None:
    assert windowed((9, 16, 16), side=16, is_shifted=True) is attend


@pytest.mark.parametrize("is_shifted", [False, True])
def test_each_window_attends_alone_over_all_frames(is_shifted: bool) -> None:
    q, k, v = _tokens()
    shape = (_FRAMES, _ROWS, _COLUMNS)
    rows, columns = ([0, 2, 5, 7], [0, 1, 5, 8, 10]) if is_shifted else ([0, 4, 7], [0, 3, 7, 10])
    expected = torch.full((1, 2, *shape, 8), torch.nan)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            window = (..., slice(top, bottom), slice(left, right), slice(None))
            parts = [each.unflatten(2, shape)[window] for each in (q, k, v)]
            inside = attend(*(part.flatten(2, 4) for part in parts))
            expected[window] = inside.unflatten(2, parts[0].shape[2:5])
    got = windowed(shape, side=4, is_shifted=is_shifted)(q, k, v)
    torch.testing.assert_close(got, expected.flatten(2, 4))


def test_shifted_windows_see_across_the_edges_of_the_others() -> None:
    row, column = 3, 2  # the last of its window, both ways
    plain, shifted = (_seen_by(row, column, is_shifted=each) for each in (False, True))
    assert not plain[row + 1].any()
    assert not plain[:, column + 1].any()
    assert shifted[row + 1, column]
    assert shifted[row, column + 1]


@torch.no_grad()
def test_large_pictures_cost_as_their_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    refiner = RefinerTransformer(width=24, num_heads=1, num_layers=2, mlp_width=32).eval()
    pairs: list[int] = []

    def counted(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        pairs.append(q.shape[2] * k.shape[2])
        return attend(q, k, v)

    monkeypatch.setattr("backend.models.kinora.windows.attend", counted)
    text, mask = torch.zeros(1, 3, 192), torch.ones(1, 3, dtype=torch.bool)
    costs = []
    for side in (64, 128):
        pairs.clear()
        latents = torch.zeros(1, 16, 1, side, side)
        refiner(latents, torch.ones(1), text, mask, degradation=torch.zeros(1))
        costs.append(sum(pairs))
    assert 4 <= costs[1] / costs[0] <= 5
