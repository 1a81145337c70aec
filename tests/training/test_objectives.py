"""Draws and the velocity loss: rates by counting, losses against closed forms."""

import pytest
import torch
from torch import Tensor

from backend.training.objectives import (
    NOTHING_HIDDEN,
    Draw,
    Drops,
    draw_conditions,
    draw_logit_normal,
    draw_sigmas,
    velocity_loss,
)

COUNT = 20_000
TOLERANCE = 0.01  # three standard deviations of a rate over this many draws


def drawn(drops: Drops, *, num_latents: int = 9) -> Draw:
    return draw_conditions(COUNT, num_latents, drops=drops, generator=torch.Generator().manual_seed(0))


def rate(hidden: Tensor) -> float:
    return float(hidden.float().mean())


@pytest.mark.parametrize(
    ("name", "share"), [("text", 0.12), ("motion_channels", 0.2), ("motion_score", 0.35)]
)
def test_conditions_are_hidden_as_often_as_planned(name: str, share: float) -> None:
    """Each on its own, or all together in 5 % of the draws."""
    expected = 1 - (1 - share) * (1 - 0.05)
    assert rate(getattr(drawn(Drops()), name)) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize(("name", "share"), [("stride", 0.1), ("source", 0.3), ("camera", 0.8)])
def test_what_is_never_steered_by_is_hidden_on_its_own(name: str, share: float) -> None:
    assert rate(getattr(drawn(Drops()), name)) == pytest.approx(share, abs=TOLERANCE)


def test_everything_is_hidden_together_at_times() -> None:
    draw = drawn(Drops(0, 0, 0, everything=0.05))
    assert torch.equal(draw.text, draw.motion_channels) and torch.equal(draw.text, draw.motion_score)
    assert rate(draw.text) == pytest.approx(0.05, abs=TOLERANCE)
    assert not draw.given[draw.text].any()


def test_given_frames_follow_their_patterns() -> None:
    given = drawn(Drops(everything=0)).given
    number, index = given.sum(1), torch.arange(9)
    is_start = (given == (index < number[:, None])).all(1) & (number > 1)
    is_ends = (number == 2) & given[:, 0] & given[:, -1]
    is_first = (number == 1) & given[:, 0]
    assert rate(is_ends) == pytest.approx(0.08, abs=TOLERANCE)
    assert rate(is_start) == pytest.approx(0.06, abs=TOLERANCE)
    assert rate(is_first) == pytest.approx(0.18, abs=TOLERANCE)
    is_every_second = (given == (index % 2 == 0)).all(1)
    assert rate(is_every_second) == pytest.approx(0.04, abs=TOLERANCE)
    is_planned = is_first | is_ends | is_start | is_every_second
    assert rate((number > 0) & ~is_planned) == pytest.approx(0.04, abs=TOLERANCE)


@pytest.mark.parametrize("num_latents", [2, 3, 9])
def test_something_is_always_left_to_be_made(num_latents: int) -> None:
    given = drawn(Drops(first=0.25, ends=0.25, start=0.25, sparse=0.25), num_latents=num_latents).given
    assert not given.all(dim=1).any()


def test_a_measure_hides_and_gives_nothing() -> None:
    draw = drawn(NOTHING_HIDDEN)
    assert not (draw.text | draw.motion_channels | draw.motion_score).any()
    assert not draw.given.any()


@pytest.mark.parametrize("shift", [1.0, 3.0, 6.0])
def test_sigmas_have_the_median_of_their_shift(shift: float) -> None:
    sigmas = draw_sigmas(COUNT, shift=shift, generator=torch.Generator().manual_seed(0))
    assert float(sigmas.median()) == pytest.approx(shift / (1 + shift), abs=TOLERANCE)
    assert sigmas.min() >= 0 and sigmas.max() <= 1


@pytest.mark.parametrize(("mean", "deviation"), [(0.9, 1.1), (4.5, 1.5)])
def test_sigmas_have_normal_logits(mean: float, deviation: float) -> None:
    sigmas = draw_logit_normal(COUNT, mean, deviation, generator=torch.Generator().manual_seed(0))
    logits = torch.logit(sigmas.double())
    assert float(logits.mean()) == pytest.approx(mean, abs=0.05)
    assert float(logits.std()) == pytest.approx(deviation, rel=0.05)


def ones(*shape: int) -> Tensor:
    return torch.ones(shape)


def test_loss_is_the_squared_error_plus_one_minus_the_cosine() -> None:
    target = ones(1, 2, 1, 1, 2)
    assert velocity_loss(target, target, ones(1, 1, 1, 1, 2)).item() == pytest.approx(0, abs=1e-6)
    assert velocity_loss(3 * target, target, ones(1, 1, 1, 1, 2)).item() == pytest.approx(4)
    assert velocity_loss(-target, target, ones(1, 1, 1, 1, 2)).item() == pytest.approx(4 + 2)


def test_a_channel_without_weight_is_not_learnt() -> None:
    target, weights = ones(1, 2, 1, 1, 2), torch.tensor([0.0, 2.0]).view(1, 2, 1, 1, 1).expand(1, 2, 1, 1, 2)
    predicted = torch.tensor([9.0, 3.0]).view(1, 2, 1, 1, 1).expand(1, 2, 1, 1, 2)
    assert velocity_loss(predicted, target, weights).item() == pytest.approx(4)


def test_a_latent_of_twice_the_weight_counts_twice() -> None:
    target = ones(1, 1, 1, 1, 2)
    predicted = torch.tensor([2.0, 1.0]).view(1, 1, 1, 1, 2)  # an error of 1 in the first latent alone
    weights = torch.tensor([2.0, 1.0]).view(1, 1, 1, 1, 2)
    cosine = (2 * 2 + 1) / (9**0.5 * 3**0.5)
    assert velocity_loss(predicted, target, weights).item() == pytest.approx(2 / 3 + 1 - cosine)


def test_given_frames_get_no_gradient() -> None:
    predicted = torch.randn(2, 4, 3, 2, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = ones(2, 1, 3, 2, 2)
    weights[:, :, 0] = 0
    velocity_loss(predicted, ones(2, 4, 3, 2, 2), weights).backward()
    assert predicted.grad is not None
    assert (predicted.grad[:, :, 0] == 0).all() and (predicted.grad[:, :, 1:] != 0).all()


def test_a_clip_without_weight_counts_for_nothing() -> None:
    predicted, target = 3 * ones(2, 1, 1, 1, 2), ones(2, 1, 1, 1, 2)
    weights = ones(2, 1, 1, 1, 2)
    weights[1] = 0
    assert velocity_loss(predicted, target, weights).item() == pytest.approx(4)
