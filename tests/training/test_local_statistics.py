"""Local statistics: they tell how fine structure is made, not where it lies."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from backend.training.local_statistics import _patch_statistics, distance_loss, statistics_loss, whitening


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
    assert float(statistics_loss(change(noise(seed=1)), noise(seed=1))) > 1.2 * other_place


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


def test_what_is_alike_as_a_whole_may_lie_elsewhere() -> None:
    true = torch.cat([noise(seed=1), noise(seed=2, strength=0.05)], dim=3)
    swapped = torch.cat([noise(seed=3, strength=0.05), noise(seed=4)], dim=3)
    whitened = whitening(true)
    assert float(distance_loss(swapped, true, whitened)) < 0.1 * float(
        distance_loss(0.02 * true, true, whitened)
    )
    assert float(distance_loss(true, true, whitened)) == pytest.approx(0, abs=1e-6)


def test_differences_are_told_in_standard_deviations() -> None:
    pictures = torch.cat([noise(seed=seed, strength=0.02 * (1 + seed)) for seed in range(6)])
    patches = _patch_statistics(pictures)
    spread = ((patches - patches.mean(1, keepdim=True)) @ whitening(pictures)).flatten(0, 1).std(0)
    assert float(spread.max()) == pytest.approx(1, abs=0.1)  # the floor keeps what hardly spreads below one
