"""Flow as pictures: the way back, the compass and the limits."""

import math

import pytest
import torch
from torch import Tensor

from backend.training.flow_colours import SIGMA, flow_to_rgb, rgb_to_flow

SIDE = 32
FASTEST = SIGMA * math.hypot(SIDE, SIDE)


def uniform_flow(u: float, v: float) -> Tensor:
    return torch.tensor([float(u), float(v)]).view(1, 2, 1, 1).expand(1, 2, SIDE, SIDE)


def random_flow(*, fastest: float) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    angle = 2 * math.pi * torch.rand((4, SIDE, SIDE), generator=generator)
    speed = fastest * torch.rand((4, SIDE, SIDE), generator=generator)
    return torch.stack([speed * angle.cos(), speed * angle.sin()], dim=1)


def test_way_back_restores_the_flow() -> None:
    flow = random_flow(fastest=FASTEST)
    assert (rgb_to_flow(flow_to_rgb(flow))[:-1] - flow).abs().max() < 1e-4


def test_way_back_through_bytes_is_within_two_percent() -> None:
    flow = random_flow(fastest=FASTEST)
    stored = ((flow_to_rgb(flow) + 1) * 127.5).round()
    error = (rgb_to_flow(stored / 127.5 - 1)[:-1] - flow).abs().max()
    assert error < 0.02 * FASTEST


def test_faster_flow_keeps_its_direction_at_the_limit() -> None:
    restored = rgb_to_flow(flow_to_rgb(uniform_flow(3 * FASTEST, 4 * FASTEST)))[0, :, 0, 0]
    torch.testing.assert_close(restored, torch.tensor([0.6, 0.8]) * FASTEST)


def test_stillness_is_white() -> None:
    assert (flow_to_rgb(uniform_flow(0, 0)) == 1).all()


def test_colours_stay_in_range() -> None:
    rgb = flow_to_rgb(random_flow(fastest=4 * FASTEST))
    assert rgb.min() >= -1 - 1e-6
    assert rgb.max() <= 1 + 1e-6


@pytest.mark.parametrize("eighth", range(8))
def test_hue_turns_with_the_compass(eighth: int) -> None:
    angle = eighth * math.pi / 4
    rgb = flow_to_rgb(uniform_flow(FASTEST * math.cos(angle), FASTEST * math.sin(angle)))[0, :, 0, 0]
    expected = [math.cos(angle - third * 2 * math.pi / 3) for third in range(3)]
    torch.testing.assert_close(rgb, torch.tensor(expected), atol=1e-4, rtol=0)


def test_last_picture_repeats() -> None:
    rgb = flow_to_rgb(random_flow(fastest=1))
    assert rgb.shape == (5, 3, SIDE, SIDE)
    assert torch.equal(rgb[-1], rgb[-2])
