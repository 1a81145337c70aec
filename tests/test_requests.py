import json
import math
from dataclasses import replace

import pytest

from backend.errors import RequestError
from backend.models.engine import DetailSpec, PictureRule
from backend.models.kinora.spec import KINORA_POCKET
from backend.requests import (
    ClipRequest,
    DetailRequest,
    completed,
    parse_request,
    validate_for,
    validate_variations,
)

BALL = "a red ball bounces on a green meadow"

REFUSED = [
    ("prompt", "", "1 to 10,000 characters; you gave ''"),
    ("prompt", " \n ", "1 to 10,000 characters"),
    ("prompt", "a" * 10_001, "you gave 10,001 characters"),
    ("prompt", "half \ud83d of an emoji", "lone surrogate"),
    ("prompt", 5, "must be text"),
    ("prompt", None, "must be text"),
    ("negative_prompt", "a" * 10_001, "0 to 10,000 characters"),
    ("duration_seconds", 0, "more than 0 and at most 3600; you gave 0"),
    ("duration_seconds", -2, "you gave -2"),
    ("duration_seconds", "long", "you gave 'long'"),
    ("duration_seconds", math.inf, "you gave inf"),
    ("aspect_ratio", "2:1", "one of 1:1, 4:3, 3:4, 16:9, 9:16; you gave '2:1'"),
    ("aspect_ratio", [1], "you gave [1]"),
    (
        "given_frames",
        [{"frame": 0, "image": "0" * 64}],
        "A given frame must be a whole number from 1",
    ),
    ("given_frames", [{"frame": "", "image": "0" * 64}], "from 1 on; you gave ''."),
    ("given_frames", [{"image": "0" * 64}], "from 1 on; you gave None."),
    ("given_frames", [{"frame": 5}], "the sha256 of a picture"),
    ("given_frames", [{"frame": 5, "image": "0" * 64, "x": 1}], "Given frames must be at most 16 pairs"),
    ("given_frames", [5], "Given frames must be at most 16 pairs"),
    ("given_frames", [{"frame": 5, "image": "a.png"}], "the sha256 of a picture"),
    ("given_frames", [{"frame": 5, "image": "0" * 64}] * 17, "at most 16"),
    ("given_frames", "5", "at most 16"),
    (
        "loras",
        [{"lora": "0" * 64, "strength": 5}],
        "strength of a LoRA must be a number from -4 to 4",
    ),
    ("loras", [{"lora": "0" * 64}] * 9, "LoRA files must be at most 8 pairs"),
    ("loras", [{"lora": "style.safetensors"}], "a strength from -4 to 4"),
    ("seed", -1, "at least 0 and at most 9223372036854775807; you gave -1"),
    ("seed", 2**63, "you gave 9223372036854775808"),
    ("seed", 10**50, "over 38 digits"),
    ("seed", "abc", "a whole number of at least 0 and at most 9223372036854775807; you gave 'abc'"),
    ("seed", 1.5, "you gave 1.5"),
    ("seed", "1.5", "you gave '1.5'"),
    ("seed", True, "you gave True"),
    ("seed", math.nan, "you gave nan"),
    ("num_inference_steps", 0, "at least 1 and at most 200; you gave 0"),
    ("num_inference_steps", 2.5, "you gave 2.5"),
    ("guidance_scale", math.nan, "at least 1 and at most 30; you gave nan"),
    ("guidance_scale", 0.5, "you gave 0.5"),
    ("guidance_scale", True, "you gave True"),
    ("engine", 5, "the name of an engine"),
    ("kind", "poem", "must be one of clip, detail, sound; you gave 'poem'"),
    ("colour", "red", "no field called 'colour'"),
]


@pytest.mark.parametrize(("field", "value", "words"), REFUSED)
def test_bad_value_is_refused_in_one_sentence(field: str, value: object, words: str) -> None:
    with pytest.raises(RequestError) as refusal:
        parse_request({"prompt": BALL, field: value})
    sentence = str(refusal.value)
    assert refusal.value.field == field
    assert words in sentence
    assert sentence.endswith(".") and "\n" not in sentence
    assert sentence.encode()


@pytest.mark.parametrize(
    "prompt",
    [
        "a",
        "a" * 10_000,
        "👩‍👩‍👧 a family 🌍",
        "كرة حمراء تقفز",
        "<img src=x onerror=alert(1)> <script>",
        "%s {0} ${x} '; DROP TABLE jobs; --",
        "a ball\0with a gap",
    ],
)
def test_text_is_kept_as_it_is(prompt: str) -> None:
    assert parse_request(parse_request({"prompt": prompt}).model_dump_json()).prompt == prompt


@pytest.mark.parametrize("seed", [0, 7, "7", 7.0, 2**63 - 1])
def test_whole_seed_is_accepted(seed: object) -> None:
    assert parse_request({"prompt": BALL, "seed": seed}).seed == int(seed)


@pytest.mark.parametrize(
    "text", ["{", "[1]", "7", "null", "NaN", "[" * 100_000, '{"seed": ' + "9" * 5000 + "}"]
)
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match=r"^The request (is not valid JSON|must be a JSON object)"):
        parse_request(text)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(RequestError, match="not valid JSON"):
        parse_request(b'{"prompt": "\xff\xfe"}')


def test_missing_prompt_is_named() -> None:
    with pytest.raises(RequestError, match=r"Prompt is missing; a request needs it\."):
        parse_request({})


@pytest.mark.parametrize("seconds", [0.1, 5, 1000])
def test_seconds_outside_the_engine_are_refused(seconds: float) -> None:
    request = parse_request({"prompt": BALL, "duration_seconds": seconds})
    with pytest.raises(RequestError, match=rf"between 0\.5 and 4 for Kinora Pocket; you asked for {seconds}"):
        validate_for(request, KINORA_POCKET)


def test_too_many_steps_for_the_engine_are_refused() -> None:
    with pytest.raises(RequestError, match="at most 100 for Kinora Pocket; you asked for 150"):
        validate_for(ClipRequest(prompt=BALL, num_inference_steps=150), KINORA_POCKET)


@pytest.mark.parametrize("value", [0, 17, -1, True, 1.5, "many", None])
def test_variations_out_of_range_are_refused(value: object) -> None:
    with pytest.raises(RequestError, match="whole number from 1 to 16; you gave"):
        validate_variations(value)


def test_request_survives_json() -> None:
    request = ClipRequest(prompt=BALL, seed=2**63 - 1, guidance_scale=2.5, aspect_ratio="16:9")
    assert parse_request(json.loads(request.model_dump_json())) == request


CLIP = "0" * 64
REFUSED_DETAIL = [
    ("source", "my clip", "must be the sha256 of a clip in the data folder; you gave 'my clip'"),
    ("source", None, "must be the sha256 of a clip"),
    ("target_size", 720, "must be one of 512, 1024; you gave 720"),
    ("degradation_step", 1000, "a whole number of at least 0 and at most 999; you gave 1000"),
    ("degradation_step", 1.5, "you gave 1.5"),
    ("num_inference_steps", 51, "at least 1 and at most 50; you gave 51"),
    ("timestep_shift", 0, "at least 1 and at most 20; you gave 0"),
    ("start_seconds", -1, "at least 0 and at most 3600; you gave -1"),
    ("box", [0, 0, 1.5, 1], "from 0 to 1, right of left and below top; you gave [0, 0, 1.5, 1]"),
    ("box", [0.5, 0, 0.5, 1], "right of left and below top"),
    ("box", "all", "must be left, top, right and bottom"),
    ("preset", "fast", "no field called 'preset'"),
]


@pytest.mark.parametrize(("field", "value", "words"), REFUSED_DETAIL)
def test_bad_value_of_a_detail_is_refused_in_one_sentence(field: str, value: object, words: str) -> None:
    with pytest.raises(RequestError) as refusal:
        parse_request({"kind": "detail", "source": CLIP, field: value})
    assert refusal.value.field == field
    assert words in str(refusal.value) and str(refusal.value).endswith(".")


def test_detail_survives_json_and_knows_a_probe() -> None:
    whole = parse_request({"kind": "detail", "source": CLIP, "prompt": BALL})
    assert isinstance(whole, DetailRequest) and not whole.is_probe
    probe = parse_request({"kind": "detail", "source": CLIP, "box": (0.25, 0, 0.5, 1), "start_seconds": 0})
    assert isinstance(probe, DetailRequest) and probe.is_probe
    assert parse_request(probe.model_dump_json()) == probe


def test_detail_needs_an_engine_that_can() -> None:
    unable = replace(KINORA_POCKET, detail=None)
    with pytest.raises(RequestError, match="Kinora Pocket cannot add detail"):
        validate_for(DetailRequest(source=CLIP), unable)


def test_what_a_detail_leaves_to_its_engine_is_filled_in() -> None:
    able = replace(KINORA_POCKET, detail=DetailSpec(33, safe_ranges={}, degradation_step=40))
    assert completed(DetailRequest(source=CLIP), able).degradation_step == 40
    assert completed(DetailRequest(source=CLIP, degradation_step=0), able).degradation_step == 0


def key_framed(*frames: int) -> ClipRequest:
    given = [{"frame": frame, "image": "0" * 64} for frame in frames]
    return ClipRequest.model_validate({"prompt": BALL, "duration_seconds": 2.0, "given_frames": given})


KEY_FRAMED = replace(
    KINORA_POCKET, pictures=PictureRule(("image", "last_image", "given_frames"), pinned=("image",))
)


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        (
            (32,),
            "from 1 to 31, between the first and the last of the clip; you gave 32, and the nearest is 31",
        ),
        ((5, 900), "you gave 900"),
        ((5, 9, 5), "Two pictures are given for frame 5"),
    ],
)
def test_pictures_at_frames_that_cannot_be_are_refused(frames: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        validate_for(key_framed(*frames), KEY_FRAMED)


def test_pictures_at_frames_are_for_engines_that_take_them() -> None:
    validate_for(key_framed(1, 31), KEY_FRAMED)
    with pytest.raises(RequestError, match="takes no pictures between"):
        validate_for(key_framed(1, 31), KINORA_POCKET)


def test_lora_files_are_for_engines_that_take_them_once_each() -> None:
    once = ClipRequest.model_validate({"prompt": BALL, "loras": [{"lora": "0" * 64}]})
    with pytest.raises(RequestError, match="takes no LoRA files"):
        validate_for(once, KINORA_POCKET)
    willing = replace(KINORA_POCKET, capabilities=KINORA_POCKET.capabilities | {"loras"})
    validate_for(once, willing)
    with pytest.raises(RequestError, match="named twice"):
        validate_for(once.model_copy(update={"loras": once.loras * 2}), willing)
