"""Drafts of pictures: the enlargement is that of a detail pass, and what else a draft loses is drawn."""

import cv2
import pytest
import torch
from torch import Tensor

from backend.training.degradation import drafted, enlarged, scaled_down


class Lossless:
    """Stands for an autoencoder that loses nothing: its latents are the pixels."""

    def encode(self, pixels: Tensor) -> Tensor:
        return pixels

    def decode(self, latents: Tensor) -> Tensor:
        return latents


def picture(height: int, width: int, *, frames: int = 2) -> Tensor:
    return torch.randint(
        0, 256, (3, frames, height, width), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )


def test_enlarging_is_that_of_a_detail_pass() -> None:
    small = picture(8, 12)
    for frame in range(2):
        pixels = small[:, frame].permute(1, 2, 0).numpy()
        expected = torch.from_numpy(cv2.resize(pixels, (48, 32), interpolation=cv2.INTER_CUBIC))
        made = enlarged(small)[:, frame].permute(1, 2, 0)
        assert (made.int() - expected.int()).abs().max() <= 1  # OpenCV's weights are fixed-point numbers


@pytest.mark.parametrize("rows", [slice(0, 16), slice(4, 40), slice(24, 48)])
@pytest.mark.parametrize("columns", [slice(0, 64), slice(12, 52), slice(60, 64)])
def test_an_enlarged_window_is_cut_out_of_the_whole(rows: slice, columns: slice) -> None:
    small = picture(12, 16)
    assert torch.equal(enlarged(small, window=(rows, columns)), enlarged(small)[..., rows, columns])


def test_scaling_down_averages_what_it_cannot_show() -> None:
    fine = torch.zeros(3, 1, 32, 32, dtype=torch.uint8)
    fine[..., ::2] = 200
    small = scaled_down(fine)
    assert small.shape == (3, 1, 8, 8)
    assert (small[..., 1:-1].int() - 100).abs().max() <= 1


def test_drafts_are_softer_or_tinted_or_neither() -> None:
    small = picture(16, 16)
    drafts = [
        drafted(small, Lossless(), generator=torch.Generator().manual_seed(seed))  # type: ignore[arg-type]
        for seed in range(60)
    ]
    spreads = torch.stack([draft.float().diff(dim=-1).abs().mean() for draft in drafts])
    is_same = torch.tensor([torch.equal(draft, small) for draft in drafts])
    is_soft = spreads < 0.85 * small.float().diff(dim=-1).abs().mean()
    assert 5 < is_same.sum() < 30
    assert 10 < is_soft.sum() < 45
    assert (~is_same & ~is_soft).any()
    shifts = torch.stack([(draft.float() - small.float()).mean(dim=(1, 2, 3)) for draft in drafts])
    assert shifts.abs().max() < 25  # levels of 255: four deviations of gain and offset


def test_a_draft_is_fixed_by_its_generator() -> None:
    first, second = (
        drafted(picture(8, 8), Lossless(), generator=torch.Generator().manual_seed(5))  # type: ignore[arg-type]
        for _ in range(2)
    )
    assert torch.equal(first, second)
