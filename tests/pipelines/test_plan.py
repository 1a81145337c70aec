"""The plan counts what the loop then does."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from backend.guidance.protocol import Step
from backend.models.engine import Speed
from backend.models.kinora.spec import KINORA_POCKET
from backend.pipelines.clip import make_clip
from backend.pipelines.plan import given_frames, plan_for, predicted_seconds
from backend.requests import PRESETS, ClipRequest
from tests.tiny_engine import SPEC, make

SPEED = Speed(
    step_seconds={1: 0.3, 2: 0.2, 3: 0.1}, pass_seconds={1: 1.0, 2: 0.5, 3: 0.25}, decode_seconds=2.0
)


def request(**changes: Any) -> ClipRequest:
    return ClipRequest.model_validate({"prompt": "a red ball", "seed": 1} | changes)


@pytest.mark.parametrize(
    ("preset", "guidance", "image", "motion"), [*product(PRESETS, (1.0, 4.0), (None, 2.0), (0.0, 3.0))]
)
def test_counted_passes_are_those_of_every_step(
    preset: str, guidance: float, image: float | None, motion: float
) -> None:
    asked = request(
        preset=preset,
        guidance_scale=guidance,
        image_guidance_scale=image,
        motion_guidance_scale=motion,
        image="0" * 64,
    )
    spec = KINORA_POCKET.presets[preset]
    plan = plan_for(asked, KINORA_POCKET)
    is_split = image is not None and image != guidance
    expected = 0
    for sigma in plan.schedule.sigmas[:-1]:
        in_text, in_motion = 1 - sigma < spec.text_until, 1 - sigma < spec.motion_until
        expected += 1 + in_text * (2 if is_split else int(guidance != 1)) + int(in_motion and motion != 0)
    assert plan.network_passes == sum(plan.passes_by_scale().values()) == expected


def test_the_loop_takes_the_passes_that_were_counted() -> None:
    asked = request(engine="tiny", num_inference_steps=5, duration_seconds=0.25)
    clip = make_clip(make(Path("no weights"), "cpu"), asked)
    assert clip.facts["network_passes"] == plan_for(asked, SPEC).network_passes == 10


def test_a_controls_without_meaning_for_an_engine_is_left_out() -> None:
    plan = plan_for(request(engine="tiny", motion_guidance_scale=3), SPEC)
    assert plan.network_passes == 2 * SPEC.presets["balanced"].num_inference_steps


def test_seconds_follow_the_passes_of_each_scale() -> None:
    plan = plan_for(request(), KINORA_POCKET)
    counts, steps = plan.passes_by_scale(), plan.steps_by_scale()
    seconds = predicted_seconds(request(), KINORA_POCKET, SPEED)
    sampling = counts[1] + 0.5 * counts[2] + 0.25 * counts[3]
    sampling += 0.3 * steps[1] + 0.2 * steps[2] + 0.1 * steps[3]
    assert sum(steps.values()) == plan.schedule.num_steps
    assert seconds == pytest.approx(sampling * 1.05 + 2)  # previews may take a twentieth


def test_longer_and_wider_clips_take_longer() -> None:
    """Nearly in proportion to the pixels: what a step takes by itself stays, but attention grows faster."""
    usual, long, wide = (
        predicted_seconds(request(**changes), KINORA_POCKET, SPEED)
        for changes in ({}, {"duration_seconds": 4.0}, {"aspect_ratio": "16:9"})
    )
    assert long > 1.7 * usual and wide > 1.6 * usual


@pytest.mark.parametrize(
    ("image", "last_image", "frames"),
    [(None, None, ()), ("a" * 64, None, (0,)), (None, "a" * 64, (8,)), ("a" * 64, "b" * 64, (0, 8))],
)
def test_pictures_fill_the_first_and_the_last_latent(
    image: str | None, last_image: str | None, frames: tuple[int, ...]
) -> None:
    assert given_frames(request(image=image, last_image=last_image), KINORA_POCKET) == frames


@pytest.mark.parametrize(
    ("positive", "negative", "expected"),
    [(None, None, None), (20.0, None, 2.0), (20.0, 20.0, 20.0), (None, 5.0, 5.0)],
)
def test_motion_asked_for_moves_away_from_little_unless_told(
    positive: float | None, negative: float | None, expected: float | None
) -> None:
    asked = request(motion_score=positive, negative_motion_score=negative)
    passes = plan_for(asked, KINORA_POCKET).guidance.passes(Step(index=0, num_steps=24, sigma=1.0))
    assert [each.motion_score for each in passes if each.text == "negative"] == [expected]
