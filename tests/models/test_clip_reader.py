"""The reader of clips on small random weights: its tokens, what it sees where, and pictures of any shape."""

import pytest
import torch
from torch import Tensor

from backend.models.kinora.clip_reader import ClipReader

WIDTH, SOUNDS = 16, 5


def reader(*, is_fresh: bool = False) -> ClipReader:
    torch.manual_seed(0)
    made = ClipReader(16, 48, WIDTH, num_layers=2, num_heads=2, num_names=SOUNDS)
    for parameter in made.parameters() if not is_fresh else ():
        torch.nn.init.normal_(parameter, std=0.2)
    return made.eval().requires_grad_(False)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("height", "width"), [(16, 16), (8, 16), (20, 12), (4, 4)])
def test_a_token_is_four_by_four_latents_of_any_picture(height: int, width: int) -> None:
    made, video, motion = reader(), random(2, 16, 3, height, width), random(2, 9, 48)
    tokens = made(video, motion, frame_rate=16)
    assert tokens.shape == (2, 3 * (height // 4) * (width // 4), WIDTH)
    assert made.names(video, motion).shape == (2, SOUNDS)


def test_motion_is_that_of_the_patch_and_of_the_four_frames_of_the_latent() -> None:
    """Of one number in the second row and third column, at frame 6: latent 2 holds frames 5 to 8."""
    motion = torch.zeros(1, 9, 4, 4, 3)
    motion[0, 6, 1, 2, 0] = 1
    last = torch.tensor([0, 4, 8])
    around = reader()._motion_around(motion.flatten(2), last, 4, 4)
    assert around.nonzero().tolist() == [[0, 2, 3, 1, 2]]


def test_motion_of_other_grids_is_the_mean_of_the_cells() -> None:
    motion = random(1, 9, 48)
    last = torch.tensor([0, 4, 8])
    fine, coarse = (reader()._motion_around(motion, last, side, side) for side in (4, 2))
    means = fine.unflatten(4, (2, 2)).unflatten(3, (2, 2)).mean((4, 6))
    assert torch.allclose(coarse, means, atol=1e-6)


@torch.no_grad()
def test_a_fresh_reader_gives_patches_alone() -> None:
    """Places, motion, what happens and what tokens read of one another start at nothing."""
    made, video = reader(is_fresh=True), random(1, 16, 3, 16, 16)
    first, second = (made(video, random(1, 9, 48, seed=seed), frame_rate=16) for seed in (1, 2))
    assert torch.equal(first, second)
    same = made(video.flip(3).flip(4), None, frame_rate=16)
    assert same.shape == first.shape and not torch.equal(same, first)
    other = video.clone()
    other[:, :, 2, 12:, 12:] += 1
    changed = (made(other, None, frame_rate=16) != first).any(-1)[0]
    assert changed.nonzero().flatten().tolist() == [47]


def test_names_and_tokens_depend_on_motion_of_every_cell() -> None:
    made, video, motion = reader(), random(1, 16, 3, 16, 16), torch.zeros(1, 9, 48)
    names, tokens = made.names(video, motion), made(video, motion, frame_rate=16)
    assert torch.equal(made.names(video, None), names)
    for cell in (0, 21, 47):
        motion[0, 6] = 0
        motion[0, 6, cell] = 1
        assert not torch.allclose(made.names(video, motion), names)
        assert ((made(video, motion, frame_rate=16) - tokens).abs() > 1e-6).any(-1).all()


def test_tokens_read_one_another_and_know_where_they_are() -> None:
    made, video = reader(), random(1, 16, 3, 16, 16)
    other = video.clone()
    other[:, :, 2, 12:, 12:] += 1
    assert ((made(other, None, frame_rate=16) - made(video, None, frame_rate=16)).abs() > 1e-6).any(-1).all()
    alike = made(torch.ones(1, 16, 1, 16, 16), None, frame_rate=16)[0]
    assert float(torch.pdist(alike).min()) > 1e-3
