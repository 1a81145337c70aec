"""Which inputs of Create an engine honours, and what they show for it: limits, choices, where they begin."""

from typing import Any

from backend.api import Api, EngineSpec
from backend.errors import RequestError
from backend.requests import ASPECT_RATIOS, ClipRequest

DEFAULTS = ClipRequest(prompt="-")
_ALWAYS = ("prompt", "seed", "engine", "duration_seconds", "aspect_ratio", "preset", "num_inference_steps")
_GUIDED = ("negative_prompt", "guidance_scale", "renormalisation")
_PICTURES = {"image": "Start image", "last_image": "End image"}


def page_engine(api: Api, name: str | None = None) -> EngineSpec:
    """Return the engine called `name`, by default the first; RequestError where it is not here (any more)."""
    engines = api.engines()
    found = next((each for each in engines if each.name == (name or engines[0].name)), None)
    if found is None:
        raise RequestError(
            "engine", f"The model '{str(name)[:40]}' is not here (any more); add it on the Models page."
        )
    return found


def sound_engine(api: Api, name: str) -> str:
    """Return the name of the engine that makes sound for clips of the engine `name`: itself, if it can."""
    makers = [each.name for each in api.engines() if each.sound is not None]
    return name if name in makers or not makers else makers[0]


def honoured(spec: EngineSpec) -> frozenset[str]:
    """Return the fields of a clip's request that mean something to an engine; the page shows no others."""
    fields = {*_ALWAYS, *given_pictures(spec)}
    if "text_guidance" in spec.capabilities:
        fields |= {*_GUIDED}
        if given_pictures(spec) and not spec.pictures.in_every_pass:
            fields |= {"image_guidance_scale"}
    if "motion_guidance" in spec.capabilities:
        fields |= {"motion_guidance_scale", "renormalisation"}
    if "motion_score" in spec.capabilities:
        fields |= {"motion_score", "negative_motion_score"}
    if "loras" in spec.capabilities:
        fields |= {"loras"}
    return frozenset(fields)


def given_pictures(spec: EngineSpec) -> tuple[str, ...]:
    """Return the fields of pictures that an engine takes, "given_frames" among them."""
    return spec.pictures.accepted if "given_frames" in spec.capabilities else ()


def controls(spec: EngineSpec) -> dict[str, dict[str, Any]]:
    """Return request field -> what its input is for an engine, as the arguments of its component.

    Where it begins belongs to that for fields that engines differ in; words and seed stay as they are.
    """
    found = {field: {**settings} for field, settings in _settings(spec).items()}
    for field, settings in found.items():
        settings["visible"] = field in honoured(spec)
    return found


def _settings(spec: EngineSpec) -> dict[str, dict[str, Any]]:
    shortest, longest = spec.duration_range
    every, _ = spec.frame_rule
    least, most = spec.motion_score_range
    ratios = [ratio for ratio in ASPECT_RATIOS if ratio in spec.sizes]
    ratio = default_of(spec, "aspect_ratio")
    return {
        "negative_prompt": {},
        "duration_seconds": {
            "minimum": _short(shortest),
            "maximum": _short(longest),
            "step": _short(every / spec.frame_rate),
            "value": _short(min(longest, max(shortest, default_of(spec, "duration_seconds")))),
        },
        "aspect_ratio": {"choices": ratios, "value": ratio if ratio in ratios else ratios[0]},
        "motion_score": {"minimum": least, "maximum": most or 1, "value": round((least + most) / 3)},
        "preset": {"value": default_of(spec, "preset")},
        "guidance_scale": {"value": default_of(spec, "guidance_scale")},
        "image_guidance_scale": {"value": ""},
        "motion_guidance_scale": {"value": default_of(spec, "motion_guidance_scale")},
        "negative_motion_score": {"value": ""},
        "num_inference_steps": {"value": ""},
        "renormalisation": {"value": default_of(spec, "renormalisation")},
    }


def picture_controls(spec: EngineSpec) -> dict[str, dict[str, Any]]:
    """Return request field -> the arguments of the slot for its picture."""
    return {
        field: {
            "visible": field in given_pictures(spec),
            "label": f"{label}, needed" if field in spec.pictures.needed else label,
        }
        for field, label in _PICTURES.items()
    }


def default_of(spec: EngineSpec, field: str) -> Any:
    """Return where the input of `field` begins for an engine."""
    return spec.defaults.get(field, getattr(DEFAULTS, field))


def _short(seconds: float) -> float:
    """Return `seconds` without the digits that only sums of fractions have."""
    return round(seconds, 4)
