"""Guidance on networks with known velocities. Exact: all numbers are short binary fractions in float32."""

import pytest
import torch

from backend.guidance.classifier_free import ClassifierFreeGuidance
from backend.guidance.plain import PlainGuidance
from backend.guidance.protocol import Step
from backend.guidance.table import GUIDANCE
from backend.models.engine import Pass

STEP = Step(index=0, num_steps=4, sigma=1.0)
POSITIVE = torch.tensor([1.0, -2.0, 0.5]).view(1, 3, 1, 1, 1)
NEGATIVE = torch.tensor([0.5, 1.0, 0.5]).view(1, 3, 1, 1, 1)


def test_plain_guidance_is_the_prediction_for_the_prompt() -> None:
    guidance = PlainGuidance()
    assert tuple(guidance.passes(STEP)) == (Pass(text="prompt"),)
    assert torch.equal(guidance.combine([POSITIVE], STEP), POSITIVE)


def test_classifier_free_guidance_asks_for_the_prompt_and_the_negative_prompt() -> None:
    passes = ClassifierFreeGuidance(guidance_scale=4).passes(STEP)
    assert [each.text for each in passes] == ["prompt", "negative"]


@pytest.mark.parametrize(("scale", "expected"), [(4.0, [2.5, -11.0, 0.5]), (7.5, [4.25, -21.5, 0.5])])
def test_classifier_free_guidance_is_its_formula(scale: float, expected: list[float]) -> None:
    guided = ClassifierFreeGuidance(guidance_scale=scale).combine([POSITIVE, NEGATIVE], STEP)
    assert guided.flatten().tolist() == expected


def test_scale_one_is_plain_bit_for_bit_in_one_pass() -> None:
    velocity = torch.randn(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    neutral = ClassifierFreeGuidance(guidance_scale=1)
    assert tuple(neutral.passes(STEP)) == tuple(PlainGuidance().passes(STEP))
    assert torch.equal(neutral.combine([velocity], STEP), PlainGuidance().combine([velocity], STEP))


def test_half_precision_velocities_are_combined_in_float32() -> None:
    guided = ClassifierFreeGuidance(guidance_scale=3).combine(
        [POSITIVE.bfloat16(), NEGATIVE.bfloat16()], STEP
    )
    assert guided.dtype is torch.float32
    assert guided.flatten().tolist() == [2.0, -8.0, 0.5]


def test_the_table_makes_every_method_from_its_settings() -> None:
    assert GUIDANCE["plain"]() == PlainGuidance()
    assert GUIDANCE["classifier_free"](guidance_scale=2.0) == ClassifierFreeGuidance(guidance_scale=2.0)
