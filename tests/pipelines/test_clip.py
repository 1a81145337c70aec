from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.errors import CanceledError, NumericsError, RequestError, ResourceError
from backend.pipelines.clip import ClipHooks, LatentCheckpoint, Pictures, make_clip
from backend.requests import ClipRequest
from tests.tiny_engine import SPEC, make
from tests.tiny_flow import TinyEngine

ENGINE = make(Path("no weights"), "cpu")


def request(**changes: Any) -> ClipRequest:
    fields = {
        "prompt": "a red ball",
        "engine": "tiny",
        "seed": 7,
        "num_inference_steps": 5,
        "guidance_scale": 2,
    }
    return ClipRequest.model_validate(fields | changes)


def test_a_clip_has_the_length_and_size_asked_for() -> None:
    clip = make_clip(ENGINE, request(duration_seconds=1.0, aspect_ratio="16:9"))
    assert (clip.frames.shape, clip.frames.dtype, clip.frame_rate) == ((17, 32, 56, 3), np.uint8, 16)


def test_a_clip_moves() -> None:
    frames = make_clip(ENGINE, request()).frames.astype(int)
    assert np.abs(frames[0] - frames[-1]).mean() > 5


def test_the_same_request_gives_the_same_frames() -> None:
    assert np.array_equal(make_clip(ENGINE, request()).frames, make_clip(ENGINE, request()).frames)


@pytest.mark.parametrize("change", [{"seed": 8}, {"prompt": "a blue cube"}, {"negative_prompt": "fog"}])
def test_seed_prompt_and_negative_prompt_each_change_the_frames(change: dict[str, Any]) -> None:
    changed = make_clip(ENGINE, request(**change)).frames
    assert not np.array_equal(make_clip(ENGINE, request()).frames, changed)


def test_facts_say_how_the_clip_was_made() -> None:
    facts = make_clip(ENGINE, request()).facts
    assert facts.pop("motion_measured") > 0
    assert set(facts.pop("stage_seconds")) == {"text", "sampling", "decode"}
    assert facts == {
        "seed": 7,
        "num_frames": 33,
        "frame_rate": 16,
        "width": 32,
        "height": 32,
        "engine": "tiny",
        "weights_sha256": "",
        "device": "cpu, float32",
        "network_passes": 10,
        "motion_asked": None,
    }


def test_phases_are_announced_in_order() -> None:
    phases: list[str] = []
    make_clip(ENGINE, request(), hooks=ClipHooks(on_phase=phases.append))
    assert phases == ["text", "sampling", "decoding"]


def test_a_run_resumed_from_a_checkpoint_gives_the_same_clip() -> None:
    checkpoints: list[LatentCheckpoint] = []
    unbroken = make_clip(ENGINE, request(), hooks=ClipHooks(on_checkpoint=checkpoints.append))
    resumed = make_clip(ENGINE, request(), hooks=ClipHooks(resume_from=checkpoints[2]))
    assert np.array_equal(unbroken.frames, resumed.frames)
    assert resumed.facts["network_passes"] == unbroken.facts["network_passes"] == 10


def test_cancel_stops_between_steps() -> None:
    steps: list[int] = []
    hooks = ClipHooks(on_step=lambda report: steps.append(report.step), is_canceled=lambda: len(steps) == 2)
    with pytest.raises(CanceledError):
        make_clip(ENGINE, request(), hooks=hooks)
    assert steps == [1, 2]


def test_what_the_engine_cannot_make_is_refused_before_any_work() -> None:
    phases: list[str] = []
    with pytest.raises(RequestError, match="Seconds must be between"):
        make_clip(ENGINE, request(duration_seconds=9), hooks=ClipHooks(on_phase=phases.append))
    assert phases == []


def test_a_request_without_a_seed_is_refused() -> None:
    with pytest.raises(RequestError, match="Seed is missing"):
        make_clip(ENGINE, request(seed=None))


def test_invalid_numbers_are_reported() -> None:
    with pytest.raises(NumericsError):
        make_clip(ENGINE, request(prompt="nan"))


def test_other_failures_pass_through() -> None:
    with pytest.raises(RuntimeError, match="exploded"):
        make_clip(ENGINE, request(prompt="explode"))


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 1 byte")]
)
def test_running_out_of_memory_says_what_to_do(error: Exception) -> None:
    class FullEngine(TinyEngine):
        def decode(self, *_: object) -> np.ndarray:
            raise error

    with pytest.raises(ResourceError, match="make the clip shorter"):
        make_clip(FullEngine(SPEC, marker=Path("unused")), request())


@pytest.mark.parametrize("duration_seconds", [0.25, 1.0])
def test_given_pictures_are_the_first_and_the_last_frame(duration_seconds: float) -> None:
    red, blue = (np.full((32, 32, 3), colour, np.uint8) for colour in ((200, 40, 40), (40, 40, 200)))
    given = {"image": "0" * 64, "last_image": "1" * 64, "duration_seconds": duration_seconds}
    clip = make_clip(ENGINE, request(**given), pictures=Pictures(first=red, last=blue))
    assert np.abs(clip.frames[0].astype(int) - red).max() < 3  # atanh and tanh of the tiny engine, rounded
    assert np.abs(clip.frames[-1].astype(int) - blue).max() < 3
