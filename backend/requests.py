"""Requests: plain, frozen data that says what to make.

The same object travels through the page, the command line, the HTTP endpoints, the job row and the metadata
of the exported file, so that any file can be opened as a request again. Limits that every engine shares live
here; limits of one engine live in its `EngineSpec` and are applied by `validate_for`.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from backend.errors import RequestError
from backend.request_parts import (
    INPUT_PATTERN,
    MAX_GIVEN_FRAMES,
    MAX_LORAS,
    PART_LIMITS,
    PART_NAMES,
    GivenFrame,
    LoraUse,
    check_given_frames,
    check_loras,
    part_sentence,
)
from backend.request_words import is_storable, json_problem, shown

if TYPE_CHECKING:
    from backend.models.engine import EngineSpec

MAX_PROMPT_CHARACTERS = 10_000
MAX_SEED = 2**63 - 1
MAX_VARIATIONS = 16
PRESETS = ("fast", "balanced", "quality")
ASPECT_RATIOS = ("1:1", "4:3", "3:4", "16:9", "9:16")

_NUMBERS = (
    "seed",
    "num_inference_steps",
    "duration_seconds",
    "guidance_scale",
    "image_guidance_scale",
    "video_guidance_scale",
    "motion_guidance_scale",
    "motion_score",
    "negative_motion_score",
    "degradation_step",
    "timestep_shift",
    "target_size",
    "start_seconds",
)


class _Request(BaseModel):
    """What all requests have. seed: None means that one is drawn at submission and stored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    engine: str = "kinora-pocket"
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)

    @field_validator("prompt", "negative_prompt", "engine", check_fields=False)
    @classmethod
    def _text_is_storable(cls, text: str) -> str:
        if not is_storable(text):
            raise ValueError("surrogate")
        return text

    @field_validator(*_NUMBERS, mode="before", check_fields=False)
    @classmethod
    def _truth_is_no_number(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("bool")
        return value


class ClipRequest(_Request):
    """One clip from a prompt and, if given, the pictures it starts and ends with.

    num_inference_steps: None is the preset's.
    guidance_scale: of text, and of given pictures too unless `image_guidance_scale` sets theirs apart (STIV,
    arXiv 2412.07730 Sec. 3.3). motion_guidance_scale: of the model's own motion prediction (VideoJAM,
    2502.02492 Eq. 8, w2), 0 for none. motion_score, negative_motion_score: how much motion to move towards
    and away from (Lumina-Video, 2502.06782 Sec. 3.3), None for "not said"; where only the first is said, away
    from little motion. renormalisation: see `guidance.renormalise`. image, last_image: names of stored
    pictures, the sha256 of their content. given_frames: pictures at frames between them.
    """

    kind: Literal["clip"] = "clip"
    prompt: str = Field(min_length=1, max_length=MAX_PROMPT_CHARACTERS)
    negative_prompt: str = Field(default="", max_length=MAX_PROMPT_CHARACTERS)
    duration_seconds: float = Field(default=2.0, gt=0, le=3600)
    aspect_ratio: Literal["1:1", "4:3", "3:4", "16:9", "9:16"] = "1:1"
    preset: Literal["fast", "balanced", "quality"] = "balanced"
    num_inference_steps: int | None = Field(default=None, ge=1, le=200)
    guidance_scale: float = Field(default=4.0, ge=1.0, le=30.0)
    image_guidance_scale: float | None = Field(default=None, ge=1.0, le=30.0)
    motion_guidance_scale: float = Field(default=0.0, ge=0.0, le=10.0)
    motion_score: float | None = Field(default=None, ge=0.0, le=100.0)
    negative_motion_score: float | None = Field(default=None, ge=0.0, le=100.0)
    renormalisation: Literal["match", "cap", "off"] = "off"
    image: str | None = Field(default=None, pattern=INPUT_PATTERN)
    last_image: str | None = Field(default=None, pattern=INPUT_PATTERN)
    given_frames: tuple[GivenFrame, ...] = Field(default=(), max_length=MAX_GIVEN_FRAMES)
    loras: tuple[LoraUse, ...] = Field(default=(), max_length=MAX_LORAS)

    @field_validator("prompt")
    @classmethod
    def _prompt_has_words(cls, prompt: str) -> str:
        if not prompt.strip():
            raise ValueError("blank")
        return prompt


class DetailRequest(_Request):
    """The same clip at a higher resolution (FlashVideo, arXiv 2502.05179 Sec. 3.3).

    source: name of the stored clip, the sha256 of its file. prompt: what it shows, which guides detail.
    target_size: pixels of the short side. degradation_step: how far the draft is noised before it is
    refined, from 0, which keeps it, to 999, which forgets it; None is the engine's own. box: the part to
    detail alone, (left, top, right, bottom) in shares of the picture; start_seconds, duration_seconds: the
    time to detail alone. All of it where they are None.
    """

    kind: Literal["detail"] = "detail"
    source: str = Field(pattern=INPUT_PATTERN)
    prompt: str = Field(default="", max_length=MAX_PROMPT_CHARACTERS)
    target_size: Literal[512, 1024] = 512
    degradation_step: int | None = Field(default=None, ge=0, le=999)
    num_inference_steps: int = Field(default=4, ge=1, le=50)
    guidance_scale: float = Field(default=2.0, ge=1.0, le=30.0)
    timestep_shift: float = Field(default=2.5, ge=1.0, le=20.0)
    box: tuple[float, float, float, float] | None = None
    start_seconds: float | None = Field(default=None, ge=0, le=3600)
    duration_seconds: float | None = Field(default=None, gt=0, le=3600)

    @field_validator("target_size", mode="before")
    @classmethod
    def _size_may_be_text(cls, value: Any) -> Any:
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    @model_validator(mode="after")
    def _box_has_room(self) -> Self:
        if self.box is not None:
            left, top, right, bottom = self.box
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError("box")
        return self

    @property
    def is_probe(self) -> bool:
        """Return whether only a part of the clip is detailed, to judge the look."""
        return self.box is not None or self.start_seconds is not None or self.duration_seconds is not None


class SoundRequest(_Request):
    """Sound for a clip, from what is seen and what is said (Lumina-V2A, arXiv 2502.06782 Sec. 4).

    source: name of the stored clip, the sha256 of its file. prompt: what it shows and what should be heard.
    sees_video: whether the sound follows the picture; without, it follows the words alone. guidance_scale: of
    words, and of the picture too unless `video_guidance_scale` sets its own. take: name of a stored sound of
    the clip, of which only the time from start_seconds on, for duration_seconds, is made again.
    """

    kind: Literal["sound"] = "sound"
    source: str = Field(pattern=INPUT_PATTERN)
    prompt: str = Field(default="", max_length=MAX_PROMPT_CHARACTERS)
    negative_prompt: str = Field(default="", max_length=MAX_PROMPT_CHARACTERS)
    sees_video: bool = True
    num_inference_steps: int = Field(default=25, ge=1, le=100)
    guidance_scale: float = Field(default=4.0, ge=1.0, le=30.0)
    video_guidance_scale: float | None = Field(default=None, ge=1.0, le=30.0)
    take: str | None = Field(default=None, pattern=INPUT_PATTERN)
    start_seconds: float | None = Field(default=None, ge=0, le=3600)
    duration_seconds: float | None = Field(default=None, gt=0, le=3600)


Request = ClipRequest | DetailRequest | SoundRequest
_Model = type[ClipRequest] | type[DetailRequest] | type[SoundRequest]
_KINDS: dict[str, _Model] = {"clip": ClipRequest, "detail": DetailRequest, "sound": SoundRequest}


def parse_request(data: Mapping[str, Any] | str | bytes) -> Request:
    """Return the request that `data` (a mapping or JSON text) describes; without a kind, that of a clip.

    Raises RequestError with one sentence that names the first offending field, its value and its limit.
    """
    try:
        fields = json.loads(data) if isinstance(data, (str, bytes)) else data
    except (ValueError, RecursionError) as exc:
        raise RequestError("request", f"The request is not valid JSON: {json_problem(exc)}.") from exc
    if not isinstance(fields, Mapping):
        raise RequestError("request", "The request must be a JSON object.")
    model = _model(fields)
    try:
        return model.model_validate(fields)
    except ValidationError as exc:
        raise _first_sentence(exc, fields, model) from exc


def validate_variations(value: Any) -> int:
    """Return `value`, a number or its text, as a number of variations; RequestError where it is none."""
    try:
        number = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else 0
    except ValueError:
        number = 0
    if not 1 <= number <= MAX_VARIATIONS:
        raise RequestError(
            "variations",
            f"Variations must be a whole number from 1 to {MAX_VARIATIONS}; you gave {shown(value)}.",
        )
    return number


def validate_for(request: Request, spec: "EngineSpec") -> None:
    """Raise RequestError unless `spec` can make `request`; names the field, the value and what is allowed."""
    if isinstance(request, DetailRequest):
        if spec.detail is None:
            raise RequestError("kind", f"{spec.title} cannot add detail; choose another engine.")
        return
    if isinstance(request, SoundRequest):
        _check_sound(request, spec)
        return
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
    if (request.num_inference_steps or 0) > spec.max_inference_steps:
        raise RequestError(
            "num_inference_steps",
            f"Steps must be at most {spec.max_inference_steps} for {spec.title}; "
            f"you asked for {request.num_inference_steps}.",
        )
    _check_motion_scores(request, spec)
    _check_pictures(request, spec)
    check_given_frames(request.given_frames, spec, duration_seconds=request.duration_seconds)
    check_loras(request.loras, spec)


def completed(request: Request, spec: "EngineSpec") -> Request:
    """Return `request` with what it leaves to the engine filled in, so that it means the same later."""
    own = {"degradation_step": degradation_step(request, spec)} if isinstance(request, DetailRequest) else {}
    return request.model_copy(update=own)


def degradation_step(request: DetailRequest, spec: "EngineSpec") -> int:
    """Return how far the draft of `request` is noised: its own step or that of the engine, which has one."""
    assert spec.detail is not None
    return spec.detail.degradation_step if request.degradation_step is None else request.degradation_step


def inference_steps(request: Request, spec: "EngineSpec") -> int:
    """Return the number of steps of `request`: its own or those of its preset."""
    if not isinstance(request, ClipRequest):
        return request.num_inference_steps
    return request.num_inference_steps or spec.presets[request.preset].num_inference_steps


def _check_sound(request: SoundRequest, spec: "EngineSpec") -> None:
    if spec.sound is None:
        raise RequestError("kind", f"{spec.title} cannot make sound; choose another engine.")
    if not request.sees_video and not request.prompt.strip():
        raise RequestError("prompt", "A sound that does not follow the picture needs words; write some.")
    part = (request.start_seconds, request.duration_seconds)
    if (request.take is None) != (part == (None, None)):
        raise RequestError(
            "take", "To make a part again, give the take that it belongs to, its start and its seconds."
        )


def _check_motion_scores(request: ClipRequest, spec: "EngineSpec") -> None:
    least, most = spec.motion_score_range
    for field in ("motion_score", "negative_motion_score"):
        score = getattr(request, field)
        if score is None:
            continue
        if "motion_score" not in spec.capabilities:
            raise RequestError(field, f"{_NAMES[field]} cannot be set for {spec.title}; leave it out.")
        if not least <= score <= most:
            raise RequestError(
                field,
                f"{_NAMES[field]} must be between {least:g} and {most:g} for {spec.title}; "
                f"you gave {score:g}.",
            )


def _check_pictures(request: ClipRequest, spec: "EngineSpec") -> None:
    accepted = spec.pictures.accepted if "given_frames" in spec.capabilities else ()
    for field in ("image", "last_image"):
        is_named = getattr(request, field) is not None
        if is_named and field not in accepted:
            raise RequestError(field, f"{spec.title} takes no {_NAMES[field].lower()}; leave it out.")
        if not is_named and field in spec.pictures.needed:
            raise RequestError(field, f"{_NAMES[field]} is missing; {spec.title} needs one.")
    if request.image_guidance_scale not in (None, 1.0) and spec.pictures.in_every_pass:
        raise RequestError(
            "image_guidance_scale",
            f"{_NAMES['image_guidance_scale']} cannot be set for {spec.title}, whose network always sees its "
            "picture; leave it out.",
        )


_NAMES = PART_NAMES | {
    "prompt": "Prompt",
    "negative_prompt": "Negative prompt",
    "engine": "Engine",
    "duration_seconds": "Seconds",
    "aspect_ratio": "Aspect ratio",
    "seed": "Seed",
    "num_inference_steps": "Steps",
    "guidance_scale": "Text guidance",
    "image_guidance_scale": "Image guidance",
    "video_guidance_scale": "Video guidance",
    "sees_video": "Following the picture",
    "take": "Take",
    "motion_guidance_scale": "Motion guidance",
    "motion_score": "Motion",
    "negative_motion_score": "Negative motion",
    "preset": "Quality",
    "renormalisation": "Renormalisation",
    "image": "Start image",
    "last_image": "End image",
    "kind": "Kind",
    "source": "Clip",
    "target_size": "Target size",
    "degradation_step": "Fidelity to detail",
    "timestep_shift": "Shift",
    "box": "Box",
    "start_seconds": "Start",
}
_CHOICES = {
    "aspect_ratio": ASPECT_RATIOS,
    "preset": PRESETS,
    "renormalisation": ("match", "cap", "off"),
    "target_size": (512, 1024),
    "kind": tuple(_KINDS),
    "sees_video": ("true", "false"),
}
_LIMITS = PART_LIMITS | {
    "engine": "must be the name of an engine",
    "box": "must be left, top, right and bottom, from 0 to 1, right of left and below top",
}
_STORED = {"image": "a picture", "last_image": "a picture", "source": "a clip", "take": "a sound"}


def _model(data: Mapping[str, Any]) -> _Model:
    """Return the kind of request that `data` says it is, by default a clip; RequestError for another kind."""
    kind = data.get("kind", "clip")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise RequestError("kind", f"Kind must be one of {', '.join(_KINDS)}; you gave {shown(kind)}.")
    return _KINDS[kind]


def _first_sentence(error: ValidationError, data: Mapping[str, Any], model: _Model) -> RequestError:
    """Return `error`'s first problem as one sentence for the page."""
    problem = error.errors(include_input=False, include_url=False)[0]
    field = str(problem["loc"][0]) if problem["loc"] else "box"
    name = _NAMES.get(field, field)
    if sentence := part_sentence(problem["loc"], data):
        return RequestError(field, sentence)
    if problem["type"] == "extra_forbidden":
        return RequestError(field, f"A request has no field called {shown(field[:40])}.")
    if problem["type"] == "missing":
        return RequestError(field, f"{name} is missing; a request needs it.")
    value = data.get(field)
    if isinstance(value, str) and not is_storable(value):
        return RequestError(field, f"{name} holds half of a character (a lone surrogate); type it again.")
    return RequestError(field, f"{name} {_limit(field, model)}; you gave {shown(value)}.")


def _limit(field: str, model: _Model) -> str:
    """Return what `field` must be, read from the model so that no limit is written twice."""
    if field in ("prompt", "negative_prompt"):
        least = "1" if model.model_fields[field].is_required() else "0"
        return f"must be text of {least} to {MAX_PROMPT_CHARACTERS:,} characters"
    if field in _CHOICES:
        return f"must be one of {', '.join(map(str, _CHOICES[field]))}"
    if field in _STORED:
        return f"must be the sha256 of {_STORED[field]} in the data folder"
    if field in _LIMITS:
        return _LIMITS[field]
    bounds = {type(m).__name__: m for m in model.model_fields[field].metadata}
    low = bounds["Gt"].gt if "Gt" in bounds else bounds["Ge"].ge
    high = bounds["Le"].le
    is_whole = "int" in str(model.model_fields[field].annotation)
    whole = "a whole number " if is_whole else "a number "
    joint = "more than" if "Gt" in bounds else "at least"
    return f"must be {whole}of {joint} {low:g} and at most {high if isinstance(high, int) else f'{high:g}'}"
