"""Requests: plain, frozen data that says what to make.

The same object travels through the page, the command line, the HTTP endpoints, the job row and the metadata
of the exported file, so that any file can be opened as a request again. Limits that every engine shares live
here; limits of one engine live in its `EngineSpec` and are applied by `validate_for`.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from backend.errors import RequestError

if TYPE_CHECKING:
    from backend.models.engine import EngineSpec

MAX_PROMPT_CHARACTERS = 10_000
MAX_SEED = 2**63 - 1
MAX_VARIATIONS = 16
ASPECT_RATIOS = ("1:1", "4:3", "3:4", "16:9", "9:16")


class ClipRequest(BaseModel):
    """One clip from a prompt. `seed` None means: draw one at submission and store it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    kind: Literal["clip"] = "clip"
    prompt: str = Field(min_length=1, max_length=MAX_PROMPT_CHARACTERS)
    negative_prompt: str = Field(default="", max_length=MAX_PROMPT_CHARACTERS)
    engine: str = "kinora-pocket"
    duration_seconds: float = Field(default=2.0, gt=0, le=3600)
    aspect_ratio: Literal["1:1", "4:3", "3:4", "16:9", "9:16"] = "1:1"
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    num_inference_steps: int = Field(default=24, ge=1, le=200)
    guidance_scale: float = Field(default=4.0, ge=1.0, le=30.0)

    @field_validator("prompt")
    @classmethod
    def _prompt_has_words(cls, prompt: str) -> str:
        if not prompt.strip():
            raise ValueError("blank")
        return prompt

    @field_validator("prompt", "negative_prompt", "engine")
    @classmethod
    def _text_is_storable(cls, text: str) -> str:
        if not _is_storable(text):
            raise ValueError("surrogate")
        return text

    @field_validator("seed", "num_inference_steps", "duration_seconds", "guidance_scale", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("bool")
        return value


Request = ClipRequest
_ADAPTER: TypeAdapter[ClipRequest] = TypeAdapter(ClipRequest)


def parse_request(data: Mapping[str, Any] | str | bytes) -> ClipRequest:
    """Return the request that `data` (a mapping or JSON text) describes.

    Raises RequestError with one sentence that names the first offending field, its value and its limit.
    """
    try:
        if isinstance(data, (str, bytes)):
            data = json.loads(data)
        return _ADAPTER.validate_python(data)
    except ValidationError as exc:
        raise _first_sentence(exc, data) from exc
    except (ValueError, RecursionError) as exc:
        raise RequestError("request", f"The request is not valid JSON: {_reason(exc)}.") from exc


def validate_variations(value: Any) -> int:
    """Return `value`, a number or its text, as a number of variations; RequestError where it is none."""
    try:
        number = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else 0
    except ValueError:
        number = 0
    if not 1 <= number <= MAX_VARIATIONS:
        raise RequestError(
            "variations",
            f"Variations must be a whole number from 1 to {MAX_VARIATIONS}; you gave {_shown(value)}.",
        )
    return number


def validate_for(request: ClipRequest, spec: "EngineSpec") -> None:
    """Raise RequestError unless `spec` can make `request`; names the field, the value and what is allowed."""
    shortest, longest = spec.duration_range
    if not shortest <= request.duration_seconds <= longest:
        raise RequestError(
            "duration_seconds",
            f"Seconds must be between {shortest:g} and {longest:g} for {spec.title}; "
            f"you asked for {request.duration_seconds:g}.",
        )
    if request.aspect_ratio not in spec.sizes:
        raise RequestError(
            "aspect_ratio",
            f"Aspect ratio {request.aspect_ratio} is not one of {', '.join(spec.sizes)}, "
            f"which {spec.title} can make.",
        )
    if request.num_inference_steps > spec.max_inference_steps:
        raise RequestError(
            "num_inference_steps",
            f"Steps must be at most {spec.max_inference_steps} for {spec.title}; "
            f"you asked for {request.num_inference_steps}.",
        )


_NAMES = {
    "prompt": "Prompt",
    "negative_prompt": "Negative prompt",
    "engine": "Engine",
    "duration_seconds": "Seconds",
    "aspect_ratio": "Aspect ratio",
    "seed": "Seed",
    "num_inference_steps": "Steps",
    "guidance_scale": "Guidance",
    "kind": "Kind",
}


def _first_sentence(error: ValidationError, data: Any) -> RequestError:
    """Return `error`'s first problem as one sentence for the page."""
    problem = error.errors(include_input=False, include_url=False)[0]
    if not problem["loc"]:
        return RequestError("request", "The request must be a JSON object.")
    field = str(problem["loc"][0])
    name = _NAMES.get(field, field)
    if problem["type"] == "extra_forbidden":
        return RequestError(field, f"A request has no field called {_shown(field[:40])}.")
    if problem["type"] == "missing":
        return RequestError(field, f"{name} is missing; a request needs it.")
    value = data.get(field) if isinstance(data, Mapping) else None
    if isinstance(value, str) and not _is_storable(value):
        return RequestError(field, f"{name} holds half of a character (a lone surrogate); type it again.")
    return RequestError(field, f"{name} {_limit(field)}; you gave {_shown(value)}.")


def _limit(field: str) -> str:
    """Return what `field` must be, read from the model so that no limit is written twice."""
    if field in ("prompt", "negative_prompt"):
        least = "1" if field == "prompt" else "0"
        return f"must be text of {least} to {MAX_PROMPT_CHARACTERS:,} characters"
    if field == "aspect_ratio":
        return f"must be one of {', '.join(ASPECT_RATIOS)}"
    if field == "engine":
        return "must be the name of an engine"
    if field == "kind":
        return "must be 'clip'"
    bounds = {type(m).__name__: m for m in ClipRequest.model_fields[field].metadata}
    low = bounds["Gt"].gt if "Gt" in bounds else bounds["Ge"].ge
    high = bounds["Le"].le
    whole = "a whole number " if field in ("seed", "num_inference_steps") else "a number "
    joint = "more than" if "Gt" in bounds else "at least"
    return f"must be {whole}of {joint} {low:g} and at most {high if isinstance(high, int) else f'{high:g}'}"


def _shown(value: Any) -> str:
    """Return `value` short enough to show, with its length where it is long text."""
    if isinstance(value, str) and len(value) > 40:
        return f"{len(value):,} characters"
    if isinstance(value, int) and value.bit_length() > 128:
        return "a number of over 38 digits"
    return repr(value) if isinstance(value, str) else str(value)[:40]


def _is_storable(text: str) -> bool:
    """Return whether `text` is Unicode that a file or a database can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _reason(error: Exception) -> str:
    """Return in a few words why JSON could not be read."""
    if isinstance(error, json.JSONDecodeError):
        return str(error)
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "it holds bytes that are no text, or a number with too many digits"
