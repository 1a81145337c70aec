"""What a clip will take, told beside Generate and kept true while the inputs change."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from backend.api import Api, Estimate, readable_bytes
from backend.errors import StudioError
from backend.requests import ClipRequest
from studio.inputs import QUIET, Inputs

_COSTLY_FIELDS = (
    "engine",
    "preset",
    "duration_seconds",
    "aspect_ratio",
    "num_inference_steps",
    "guidance_scale",
    "image_guidance_scale",
    "motion_guidance_scale",
    "image",
    "last_image",
    "given_frames",
    "loras",
)
_SOON_SECONDS, _LATER_SECONDS = 1.0, 5.0


def connect_estimate(
    api: Api, inputs: Inputs, *, request_of: Callable[[tuple[Any, ...]], ClipRequest]
) -> None:
    """Connect the estimate to all inputs that change it, and ask again until its model has loaded.

    request_of: the request of (whether motion is asked for, values of the fields).
    """
    place = list(inputs.fields).index("prompt")

    def tell(variations: Any, *values: Any) -> tuple[dict[str, Any], Any]:
        try:
            form = [*values[:place], "-", *values[place:]]  # it takes the same whatever is said
            found = api.estimate(request_of((False, *form)), variations=int(variations or 1))
        except StudioError:
            return {}, gr.Timer(_LATER_SECONDS)
        is_starting = api.status().worker == "starting"
        return estimate_view(found), gr.Timer(
            _SOON_SECONDS if is_starting else _LATER_SECONDS, active=found.seconds is None
        )

    others = [component for field, component in inputs.fields.items() if field != "prompt"]
    timer = gr.Timer(_SOON_SECONDS)
    changes = [inputs.fields[field].change for field in _COSTLY_FIELDS]  # type: ignore[attr-defined]
    options: dict[str, Any] = {"preprocess": False, "trigger_mode": "always_last", **QUIET}
    told = ([inputs.variations, *others], [inputs.prediction, timer])
    gr.on([timer.tick, inputs.variations.change, *changes], tell, *told, **options)
    inputs.follower.follow(tell, *told, **options)


def estimate_view(found: Estimate) -> dict[str, Any]:
    """Return the words that tell an estimate."""
    return {
        "size": f"{found.num_frames} frames of {found.width} x {found.height}",
        "time": "" if found.seconds is None else _rounded(found.seconds),
        "memory": readable_bytes(found.memory_bytes),
        "disk": readable_bytes(found.disk_bytes),
        "warnings": list(found.warnings),
    }


def _rounded(seconds: float) -> str:
    if seconds < 0.95:
        return "less than a second"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
