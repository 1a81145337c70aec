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
from backend.requests import ClipRequest, DetailRequest, Request, SoundRequest, inference_steps

OVERHEAD_SHARE = 0.05
"""How much of the time of sampling its previews and checkpoints may take."""
NEGATIVE_MOTION_UNTIL = 0.05
"""t from which the negative motion score is the positive one (Lumina-Video's released settings)."""
USUAL_NEGATIVE_MOTION = 2.0
"""The negative score where only a positive one is said: motion follows the gap between them (its Table 3)."""

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
    shift = preset.timestep_shift
    if preset.token_shift is not None:
        extent = _extent(spec, request.duration_seconds, request.aspect_ratio)
        shift = preset.token_shift.of(spec.pass_cost.tokens(**extent, scale=1) + _shown_tokens(request, spec))
    levels = schedule(
        steps,
        shift=shift,
        patch_schedule=preset.patch_schedule,
        shape=preset.shape,
        last_sigma=preset.last_sigma,
    )
    return Plan(levels, _guidance(request, spec))


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
    """Return at most how many pixels, over all frames, the clip of `request` will have; 0 for sound alone."""
    if isinstance(request, SoundRequest):
        return 0
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


def sound_schedule(request: SoundRequest) -> Schedule:
    """Return the schedule of a soundtrack."""
    return schedule(request.num_inference_steps, shift=1.0)


def sound_guidance(request: SoundRequest) -> Guidance:
    """Return the guidance of a soundtrack: joint by words and picture, away from the negative prompt alone.

    Two passes a step, three where the picture has a scale of its own, one where both scales are 1.
    """
    video_scale = request.video_guidance_scale if request.sees_video else None
    term = TextGuidance(text_scale=request.guidance_scale, image_scale=video_scale)
    return Guidance(Pass(image=request.sees_video), (term,))


def _extent(spec: EngineSpec, duration_seconds: float, aspect_ratio: str) -> dict[str, int]:
    """Return frames, width and height of a clip, as `PassCost.of` takes them."""
    width, height = spec.sizes[aspect_ratio]
    return {"num_frames": spec.num_frames(duration_seconds), "width": width, "height": height}


def given_frames(request: ClipRequest, spec: EngineSpec) -> tuple[int, ...]:
    """Return the latent frames that pinned pictures of `request` fill: the first, the last, both or none."""
    num_groups = (spec.num_frames(request.duration_seconds) - spec.frame_rule[1]) // spec.frame_rule[0]
    pinned = spec.pictures.pinned
    first = (0,) if request.image and "image" in pinned else ()
    return (*first, num_groups) if request.last_image and "last_image" in pinned else first


def _shown_tokens(request: ClipRequest, spec: EngineSpec) -> int:
    """Return the tokens of the pictures that are shown beside the latents, where they are counted."""
    if not spec.pictures.is_counted:
        return 0
    shown = [field for field in ("image", "last_image") if field not in spec.pictures.pinned]
    count = sum(getattr(request, field) is not None for field in shown) + len(request.given_frames)
    picture = _extent(spec, 0, request.aspect_ratio) | {"num_frames": 1}
    return count * spec.pass_cost.tokens(**picture, scale=1)


def _guidance(request: ClipRequest, spec: EngineSpec) -> Guidance:
    preset = spec.presets[request.preset]
    terms: list[Term] = []
    if "text_guidance" in spec.capabilities:
        terms.append(
            TextGuidance(
                text_scale=request.guidance_scale,
                image_scale=_image_scale(request, spec),
                negative_motion=_negative_motion(request),
                until=preset.text_until,
            )
        )
    if "motion_guidance" in spec.capabilities:
        terms.append(InnerGuidance(weight=request.motion_guidance_scale, until=preset.motion_until))
    renormalise = Renormalise(
        request.renormalisation, parts=spec.velocity_parts, given_frames=given_frames(request, spec)
    )
    return Guidance(Pass(motion_score=request.motion_score), tuple(terms), renormalise)


def _negative_motion(request: ClipRequest) -> NegativeMotion | None:
    """Return the score that motion is moved away from; None where no score is said at all."""
    score = request.negative_motion_score
    if score is None and request.motion_score is None:
        return None
    return NegativeMotion(USUAL_NEGATIVE_MOTION if score is None else score, until=NEGATIVE_MOTION_UNTIL)


def _image_scale(request: ClipRequest, spec: EngineSpec) -> float | None:
    """Return the guidance scale of pictures; None for that of text, 1 where every pass must see them."""
    if request.image is None and request.last_image is None and not request.given_frames:
        return None
    return 1.0 if spec.pictures.in_every_pass else request.image_guidance_scale
