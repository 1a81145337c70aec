"""What a request will make the engine do: schedule, guidance, passes and cost. Torch-free, for the page.

The loop is driven by the same schedule and guidance, so the counts here are the counts of the run.
"""

import math
from collections import Counter
from dataclasses import dataclass

from backend.guidance.guidance import Guidance
from backend.guidance.inner import InnerGuidance
from backend.guidance.protocol import Step, Term
from backend.guidance.renormalise import Renormalise
from backend.guidance.text import NegativeMotion, TextGuidance
from backend.models.engine import EngineSpec, Pass, Speed
from backend.pipelines.schedules import Schedule, schedule
from backend.requests import ClipRequest, DetailRequest, Request, inference_steps

OVERHEAD_SHARE = 0.05
"""How much of the time of sampling its previews and checkpoints may take."""
NEGATIVE_MOTION_UNTIL = 0.05
"""t from which the negative motion score is the positive one (Lumina-Video's released settings)."""

_WIDEST = 16 / 9


@dataclass(frozen=True)
class Plan:
    """How a clip is sampled: the schedule, and the guidance of every step."""

    schedule: Schedule
    guidance: Guidance

    def steps_by_scale(self) -> dict[int, int]:
        """Return how many steps the run takes at each patch scale."""
        return dict(Counter(self.schedule.scales))

    def passes_by_scale(self) -> dict[int, int]:
        """Return how many forward passes the run takes at each patch scale."""
        counts: Counter[int] = Counter()
        for index, (sigma, scale) in enumerate(zip(self.schedule.sigmas, self.schedule.scales, strict=False)):
            step = Step(index=index, num_steps=self.schedule.num_steps, sigma=sigma)
            counts[scale] += len(self.guidance.passes(step))
        return dict(counts)

    @property
    def network_passes(self) -> int:
        return sum(self.passes_by_scale().values())


def plan_for(request: ClipRequest, spec: EngineSpec) -> Plan:
    """Return the plan of `request` on an engine with `spec`; what the engine cannot honour is left out."""
    preset = spec.presets[request.preset]
    steps = inference_steps(request, spec)
    return Plan(
        schedule(steps, shift=preset.timestep_shift, patch_schedule=preset.patch_schedule),
        _guidance(request, spec),
    )


def predicted_seconds(request: ClipRequest, spec: EngineSpec, speed: Speed) -> float:
    """Return how long a loaded engine of that `speed` takes to sample and decode `request`."""
    fields = ClipRequest.model_fields
    asked = _extent(spec, request.duration_seconds, request.aspect_ratio)
    usual = _extent(spec, fields["duration_seconds"].default, fields["aspect_ratio"].default)
    plan = plan_for(request, spec)
    sampling = sum(
        count
        * speed.pass_seconds[scale]
        * spec.pass_cost.of(**asked, scale=scale)
        / spec.pass_cost.of(**usual, scale=scale)
        for scale, count in plan.passes_by_scale().items()
    )
    sampling += sum(count * speed.step_seconds[scale] for scale, count in plan.steps_by_scale().items())
    sampling *= 1 + OVERHEAD_SHARE
    return sampling + speed.decode_seconds * math.prod(asked.values()) / math.prod(usual.values())


def predicted_pixels(request: Request, spec: EngineSpec) -> int:
    """Return at most how many pixels, over all frames, the clip of `request` will have."""
    if isinstance(request, ClipRequest):
        return math.prod(_extent(spec, request.duration_seconds, request.aspect_ratio).values())
    frames = 0 if spec.detail is None else spec.detail.max_frames
    return math.ceil(frames * request.target_size**2 * _WIDEST)


def detail_schedule(request: DetailRequest) -> Schedule:
    """Return the schedule of a detail pass: sigma 1 is the degraded draft."""
    return schedule(request.num_inference_steps, shift=request.timestep_shift)


def detail_guidance(request: DetailRequest) -> Guidance:
    """Return the guidance of a detail pass: by text alone, two passes a step (FlashVideo Sec. 3.4)."""
    return Guidance(Pass(), (TextGuidance(text_scale=request.guidance_scale),))


def _extent(spec: EngineSpec, duration_seconds: float, aspect_ratio: str) -> dict[str, int]:
    """Return frames, width and height of a clip, as `PassCost.of` takes them."""
    width, height = spec.sizes[aspect_ratio]
    return {"num_frames": spec.num_frames(duration_seconds), "width": width, "height": height}


def given_frames(request: ClipRequest, spec: EngineSpec) -> tuple[int, ...]:
    """Return the latent frames that the pictures of `request` fill: the first, the last, both or none."""
    num_groups = (spec.num_frames(request.duration_seconds) - spec.frame_rule[1]) // spec.frame_rule[0]
    first = (0,) if request.image else ()
    return (*first, num_groups) if request.last_image else first


def _guidance(request: ClipRequest, spec: EngineSpec) -> Guidance:
    preset = spec.presets[request.preset]
    terms: list[Term] = []
    if "text_guidance" in spec.capabilities:
        negative = None
        if request.negative_motion_score is not None:
            negative = NegativeMotion(request.negative_motion_score, until=NEGATIVE_MOTION_UNTIL)
        is_given = request.image is not None or request.last_image is not None
        terms.append(
            TextGuidance(
                text_scale=request.guidance_scale,
                image_scale=request.image_guidance_scale if is_given else None,
                negative_motion=negative,
                until=preset.text_until,
            )
        )
    if "motion_guidance" in spec.capabilities:
        terms.append(InnerGuidance(weight=request.motion_guidance_scale, until=preset.motion_until))
    renormalise = Renormalise(
        request.renormalisation, parts=spec.velocity_parts, given_frames=given_frames(request, spec)
    )
    return Guidance(Pass(motion_score=request.motion_score), tuple(terms), renormalise)
