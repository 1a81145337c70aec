"""Local statistics: they tell how fine structure is made, not where it lies."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from backend.training.local_statistics import statistics_loss


def noise(*, seed: int, strength: float = 0.2) -> Tensor:
    return strength * torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(seed))


def blurred(pixels: Tensor) -> Tensor:
    return functional.avg_pool2d(pixels, 3, stride=1, padding=1)


def test_the_same_picture_has_the_same_statistics() -> None:
    assert float(statistics_loss(noise(seed=1), noise(seed=1))) == 0


@pytest.mark.parametrize("change", [blurred, lambda pixels: pixels / 40, lambda pixels: pixels.abs()])
def test_other_structure_counts_and_another_place_does_not(change: object) -> None:
    assert callable(change)
    other_place = float(statistics_loss(noise(seed=2), noise(seed=1)))
    assert float(statistics_loss(change(noise(seed=1)), noise(seed=1))) > 1.4 * other_place


def test_a_grid_is_told_from_noise_as_strong() -> None:
    cell = noise(seed=3)[:, :, :4, :4]
    grid, true = cell.repeat(1, 1, 16, 24), noise(seed=1)
    assert float(statistics_loss(grid, true)) > 2 * float(statistics_loss(noise(seed=2), true))


def test_flat_pictures_give_finite_gradients() -> None:
    flat = torch.zeros(1, 3, 64, 64, requires_grad=True)
    statistics_loss(flat, noise(seed=1)[:1, :, :64, :64]).backward()
    assert flat.grad is not None and flat.grad.isfinite().all()


def test_more_texture_brings_a_smooth_picture_closer() -> None:
    true, texture = noise(seed=1), noise(seed=2)
    losses = [float(statistics_loss(share * texture, true)) for share in (0.0, 0.02, 0.05, 1.0)]
    assert losses == sorted(losses, reverse=True)
