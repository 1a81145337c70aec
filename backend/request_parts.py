"""Parts of clip requests that may come several times: pictures at frames, and LoRA files with strengths."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from backend.errors import RequestError
from backend.request_words import shown

if TYPE_CHECKING:
    from backend.models.engine import EngineSpec

INPUT_PATTERN = r"^[0-9a-f]{64}$"
MAX_GIVEN_FRAMES = 16
MAX_LORAS = 8


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class GivenFrame(_Part):
    """A picture that a clip shows at `frame`, which counts from 0. image: name of a stored picture."""

    frame: int = Field(ge=1)
    image: str = Field(pattern=INPUT_PATTERN)


class LoraUse(_Part):
    """A LoRA (arXiv 2106.09685) and how strongly it is added. lora: the sha256 of its stored file."""

    lora: str = Field(pattern=INPUT_PATTERN)
    strength: float = Field(default=1.0, ge=-4.0, le=4.0)


PART_LIMITS = {
    "given_frames": f"must be at most {MAX_GIVEN_FRAMES} pairs of a frame, from 1 on, and the sha256 of a "
    "picture in the data folder",
    "loras": f"must be at most {MAX_LORAS} pairs of the sha256 of a stored file and a strength from -4 to 4",
}


PART_NAMES = {"given_frames": "Given frames", "loras": "LoRA files"}
_NUMBERS = {
    "frame": "A given frame must be a whole number from 1 on",
    "strength": "The strength of a LoRA must be a number from -4 to 4",
}


def part_sentence(place: Sequence[str | int], data: Mapping[str, Any]) -> str:
    """Return what is wrong at `place` of `data`, a request; empty where that is in no part.

    place: of a problem as pydantic tells it, such as ("loras", 0, "strength").
    """
    field = str(place[0]) if len(place) > 1 else ""
    if field not in PART_LIMITS:
        return ""
    if place[-1] in _NUMBERS:
        number = data[field][place[1]].get(place[-1])
        return f"{_NUMBERS[str(place[-1])]}; you gave {shown(number)}."
    return f"{PART_NAMES[field]} {PART_LIMITS[field]}; you gave {shown(data[field])}."


def check_given_frames(given: tuple[GivenFrame, ...], spec: "EngineSpec", *, duration_seconds: float) -> None:
    """Raise RequestError unless `spec` takes pictures at all those frames of a clip of that duration."""
    if not given:
        return
    if "given_frames" not in spec.pictures.accepted or "given_frames" not in spec.capabilities:
        raise RequestError(
            "given_frames", f"{spec.title} takes no pictures between the first and the last; leave them out."
        )
    last = spec.num_frames(duration_seconds) - 1
    frames = [each.frame for each in given]
    for frame in frames:
        if frame >= last:
            raise RequestError(
                "given_frames",
                f"A given frame must lie from 1 to {last - 1}, between the first and the last of the clip; "
                f"you gave {frame}, and the nearest is {last - 1}.",
            )
        if frames.count(frame) > 1:
            raise RequestError("given_frames", f"Two pictures are given for frame {frame}; keep one of them.")


def check_loras(loras: tuple[LoraUse, ...], spec: "EngineSpec") -> None:
    """Raise RequestError unless `spec` takes LoRA files, and each of them once."""
    if loras and "loras" not in spec.capabilities:
        raise RequestError("loras", f"{spec.title} takes no LoRA files; leave them out.")
    if len({each.lora for each in loras}) < len(loras):
        raise RequestError("loras", "The same LoRA is named twice; name it once, with one strength.")
