"""Guidance on networks with known velocities. Exact: all numbers are short binary fractions in float32."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backend.guidance.guidance import Guidance
from backend.guidance.inner import InnerGuidance
from backend.guidance.protocol import Step, Term
from backend.guidance.renormalise import Renormalise
from backend.guidance.text import NegativeMotion, TextGuidance
from backend.models.engine import Pass

STEP = Step(index=0, num_steps=4, sigma=1.0)
P, N = Pass(), Pass(text="negative", image=False)
T, D = Pass(text="negative"), Pass(motion_channels=False)
KNOWN = {P: [1.0, -2.0], N: [0.5, 1.0], T: [0.75, -1.0], D: [2.0, 1.0]}
"""Velocity of each pass: one appearance channel, one motion channel."""


def velocity(which: Pass) -> Tensor:
    return torch.tensor(KNOWN[replace(which, motion_score=None)]).view(1, 2, 1, 1, 1)


def guided(*terms: Term, step: Step = STEP, renormalise: Renormalise | None = None) -> list[float]:
    guidance = Guidance(terms=terms, renormalise=renormalise or Renormalise())
    velocities = [velocity(which) for which in guidance.passes(step)]
    values: list[float] = guidance.combine(velocities, step).flatten().tolist()
    return values


def test_without_terms_it_is_the_prediction_for_everything_asked() -> None:
    assert Guidance().passes(STEP) == (P,)
    assert guided() == KNOWN[P]


@pytest.mark.parametrize(
    "neutral",
    [
        TextGuidance(),
        TextGuidance(text_scale=1, image_scale=1),
        TextGuidance(text_scale=5, until=0.0),
        TextGuidance(text_scale=1, negative_motion=NegativeMotion(2.0)),
        InnerGuidance(),
        InnerGuidance(weight=3, until=0.0),
        InnerGuidance(weight=3, step_share=0.0),
    ],
)
@pytest.mark.parametrize("mode", ["off", "match", "cap"])
def test_a_neutral_setting_is_the_plain_prediction_bit_for_bit_in_one_pass(neutral: Term, mode: str) -> None:
    guidance = Guidance(terms=(neutral,), renormalise=Renormalise(mode))  # type: ignore[arg-type]
    drawn = torch.randn(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert guidance.passes(STEP) == (P,)
    assert torch.equal(guidance.combine([drawn], STEP), drawn)


@pytest.mark.parametrize(("scale", "expected"), [(4.0, [2.5, -11.0]), (7.5, [4.25, -21.5])])
def test_joint_guidance_is_its_formula_in_two_passes(scale: float, expected: list[float]) -> None:
    assert Guidance(terms=(TextGuidance(scale),)).passes(STEP) == (P, N)
    assert guided(TextGuidance(scale)) == expected  # N + s (P - N)


def test_split_guidance_is_its_formula_in_three_passes() -> None:
    split = TextGuidance(text_scale=4, image_scale=2)
    assert Guidance(terms=(split,)).passes(STEP) == (P, T, N)
    assert guided(split) == [1 + 3 * (1 - 0.75) + (0.75 - 0.5), -2 + 3 * (-2 + 1) + (-1 - 1)]


def test_split_guidance_with_equal_scales_is_joint_guidance_bit_for_bit() -> None:
    joint, equal = TextGuidance(4), TextGuidance(4, image_scale=4)
    assert Guidance(terms=(equal,)).passes(STEP) == Guidance(terms=(joint,)).passes(STEP)
    assert guided(equal) == guided(joint)


def test_inner_guidance_with_the_papers_switch_is_its_formula() -> None:
    terms = TextGuidance(text_scale=6), InnerGuidance(weight=3, steers_motion=True)
    assert Guidance(terms=terms).passes(STEP) == (P, N, D)
    # (1 + w1 + w2) P - w1 N - w2 D of VideoJAM's Eq. 8 with w1 = 5, w2 = 3
    assert guided(*terms) == [
        9 * p - 5 * n - 3 * d for p, n, d in zip(KNOWN[P], KNOWN[N], KNOWN[D], strict=True)
    ]


def test_inner_guidance_leaves_the_motion_half_alone_unless_told() -> None:
    assert guided(InnerGuidance(weight=3)) == [1 + 3 * (1 - 2), -2.0]


@pytest.mark.parametrize(("sigma", "number"), [(1.0, 3), (0.875, 2), (0.75, 2), (0.5, 1), (0.25, 1)])
def test_windows_in_t_end_their_branches(sigma: float, number: int) -> None:
    terms = TextGuidance(4, until=0.5), InnerGuidance(3, until=0.125)
    passes = Guidance(terms=terms).passes(Step(index=1, num_steps=8, sigma=sigma))
    assert len(passes) == number


@pytest.mark.parametrize(("index", "number"), [(0, 2), (49, 2), (50, 1), (99, 1)])
def test_a_window_in_steps_ends_its_branch(index: int, number: int) -> None:
    guidance = Guidance(terms=(InnerGuidance(3, step_share=0.5),))
    assert len(guidance.passes(Step(index=index, num_steps=100, sigma=0.9))) == number


def test_the_papers_hundred_steps_take_250_passes() -> None:
    guidance = Guidance(terms=(TextGuidance(6), InnerGuidance(3, step_share=0.5)))
    steps = (Step(index=index, num_steps=100, sigma=1 - index / 100) for index in range(100))
    assert sum(len(guidance.passes(step)) for step in steps) == 250


def test_the_negative_motion_score_becomes_the_positive_one() -> None:
    positive = Pass(motion_score=6.0)
    guidance = Guidance(positive, (TextGuidance(4, negative_motion=NegativeMotion(2.0, until=0.05)),))
    scores = [guidance.passes(Step(0, 10, sigma))[1].motion_score for sigma in (1.0, 0.96, 0.94)]
    assert scores == [2.0, 2.0, 6.0]


def test_without_a_negative_motion_score_both_branches_have_the_same() -> None:
    passes = Guidance(Pass(motion_score=6.0), (TextGuidance(4),)).passes(STEP)
    assert [each.motion_score for each in passes] == [6.0, 6.0]


def test_half_precision_velocities_are_combined_in_float32() -> None:
    guidance = Guidance(terms=(TextGuidance(3),))
    combined = guidance.combine([velocity(P).bfloat16(), velocity(N).bfloat16()], STEP)
    assert combined.dtype is torch.float32
    assert combined.flatten().tolist() == [2.0, -8.0]


def drawn(seed: int) -> Tensor:
    return torch.randn(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_match_gives_each_half_the_length_of_the_positive() -> None:
    """STIV's renormalisation; float32 sums of 800 numbers, so to 1e-5."""
    scaled = Renormalise("match", parts=2).apply(7 * drawn(0) + drawn(1), drawn(0))
    for half in (slice(0, 2), slice(2, 4)):
        wanted, got = (x[:, half].flatten(1).norm(dim=1) for x in (drawn(0), scaled))
        assert torch.allclose(got, wanted, rtol=1e-5)


def test_cap_shortens_what_is_too_long_and_leaves_the_rest() -> None:
    short, long = 1.5 * drawn(0), 5 * drawn(0)
    assert torch.equal(Renormalise("cap", limit=2).apply(short, drawn(0)), short)
    assert torch.allclose(Renormalise("cap", limit=2).apply(long, drawn(0)), 2 * drawn(0), rtol=1e-5)


def test_given_frames_do_not_count_in_norms() -> None:
    loud = drawn(1)
    loud[:, :, 0] = 1000
    quiet, scaled = (
        Renormalise("match", given_frames=(0,)).apply(each, drawn(0)) for each in (drawn(1), loud)
    )
    assert torch.equal(quiet[:, :, 1:], scaled[:, :, 1:])
