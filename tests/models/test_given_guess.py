"""What given latent frames tell of the others: they stay or fade, and the best velocity that says so."""

import pytest
import torch
from torch import Tensor

from backend.models.kinora.given_guess import GivenGuess, guessed_velocity

FRAMES = 5


def frames_of(*values: float) -> Tensor:
    """Return latents (1, 2, F, 1, 1), each frame of one value."""
    return torch.tensor(values, dtype=torch.float32).view(1, 1, -1, 1, 1).expand(1, 2, -1, 1, 1).clone()


def given_at(*places: int) -> Tensor:
    given = torch.zeros(1, FRAMES, dtype=torch.bool)
    given[:, list(places)] = True
    return given


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ((0,), (10, 10, 10, 10, 10)),
        ((0, 4), (10, 20, 30, 40, 50)),
        ((1, 3), (20, 20, 30, 40, 40)),
        ((4,), (50, 50, 50, 50, 50)),
    ],
)
def test_frames_stay_after_the_last_given_one_and_fade_between_two(
    places: tuple[int, ...], expected: tuple[float, ...]
) -> None:
    guess, likeness = GivenGuess(2)(frames_of(10.0, 20.0, 30.0, 40.0, 50.0), given_at(*places))
    assert torch.allclose(guess, frames_of(*expected))
    assert all(likeness[0, place] == 1 for place in places)
    assert ((likeness > 0.5) & (likeness <= 1)).all()


def test_nothing_is_told_where_nothing_is_given() -> None:
    _, likeness = GivenGuess(2)(frames_of(1.0, 2.0, 3.0, 4.0, 5.0), given_at())
    assert not likeness.any()


def test_the_nearer_a_given_frame_the_more_alike() -> None:
    _, likeness = GivenGuess(2)(frames_of(1.0, 2.0, 3.0, 4.0, 5.0), given_at(0))
    assert (likeness.diff(dim=1) < 0).all()


def test_first_latents_are_translated_to_later_ones_and_back() -> None:
    generator = torch.Generator().manual_seed(0)
    later = torch.randn(8, 2, 1, 6, 6, generator=generator)
    first = 3 * later.flip(1) + 1
    maker = GivenGuess(2)
    maker.fit(torch.cat([first, later], dim=2))
    clip = torch.cat([first, later, torch.zeros_like(later)], dim=2)
    for place, wanted in ((0, (first, later, later)), (1, (first, later, later))):
        given = torch.zeros(8, 3, dtype=torch.bool)
        given[:, place] = True
        guess, _ = maker(clip, given)
        assert torch.allclose(guess, torch.cat(wanted, dim=2), atol=1e-4)


@pytest.mark.parametrize("sigma", [0.2, 0.7, 1.0])
@pytest.mark.parametrize("likeness", [0.0, 0.6, 0.95])
def test_the_velocity_is_the_least_squares_one(sigma: float, likeness: float) -> None:
    generator = torch.Generator().manual_seed(1)
    guess, rest, noise = (torch.randn(1, 1, 1, 200, 200, generator=generator) for _ in range(3))
    data = likeness * guess + (1 - likeness**2) ** 0.5 * rest
    state = (1 - sigma) * data + sigma * noise
    made = guessed_velocity(state, torch.tensor([sigma]), guess, torch.tensor([[likeness]]))
    features = torch.stack([state.flatten(), guess.flatten()], dim=1)
    factors = torch.linalg.lstsq(features, (noise - data).flatten()[:, None]).solution
    assert torch.allclose(made.flatten(), (features @ factors)[:, 0], atol=0.08)
