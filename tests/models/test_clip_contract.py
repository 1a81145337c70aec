"""What a clip of every engine promises: progress, previews, cancel, checkpoints, given frames and seeds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.errors import CanceledError, RequestError
from backend.jobs import checkpoints
from backend.models.engine import Engine, KeyFrame
from backend.pipelines.clip import ClipHooks, LatentCheckpoint, Pictures, make_clip
from backend.pipelines.denoise import StepReport
from backend.requests import ClipRequest

ENGINES = pytest.mark.parametrize("engine", ["tiny", "pocket", "wan", "ltx", "ltx2"], indirect=True)
KEY_FRAMED = pytest.mark.parametrize("engine", ["ltx", "ltx2"], indirect=True)
FROM_PICTURES = pytest.mark.parametrize("engine", ["tiny", "pocket", "ltx", "ltx2"], indirect=True)
STEPS = 4


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.getfixturevalue(f"{request.param}_engine")
    return engine


def asked(engine: Engine, **changes: Any) -> ClipRequest:
    fields = {"prompt": "a red ball", "engine": engine.spec.name, "seed": 3, "duration_seconds": 0.6}
    return ClipRequest.model_validate({**fields, "num_inference_steps": STEPS, **changes})


def size(engine: Engine) -> tuple[int, int, int]:
    """Return frames, height and width of a clip."""
    width, height = engine.spec.sizes["1:1"]
    return engine.spec.num_frames(0.6), height, width


def picture(engine: Engine, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (*size(engine)[1:], 3), np.uint8)


@ENGINES
def test_every_step_is_told_with_a_clip_that_can_be_previewed(engine: Engine) -> None:
    phases: list[str] = []
    steps: list[StepReport] = []
    clip = make_clip(engine, asked(engine), hooks=ClipHooks(on_phase=phases.append, on_step=steps.append))
    assert phases == ["text", "sampling", "decoding"]
    assert [step.step for step in steps] == list(range(1, STEPS + 1))
    frames, height, width = size(engine)
    assert clip.frames.shape == (frames, height, width, 3)
    preview = engine.preview(steps[1].clean)
    assert (preview.shape, preview.dtype) == ((frames, height // 2, width // 2, 3), np.uint8)


@ENGINES
def test_cancel_stops_before_another_step(engine: Engine) -> None:
    steps: list[StepReport] = []
    hooks = ClipHooks(on_step=steps.append, is_canceled=lambda: len(steps) == 2)
    with pytest.raises(CanceledError):
        make_clip(engine, asked(engine), hooks=hooks)
    assert len(steps) == 2


@ENGINES
def test_a_canceled_clip_resumed_from_its_file_is_the_unbroken_one(engine: Engine, tmp_path: Path) -> None:
    whole, seen = make_clip(engine, asked(engine)).frames, list[LatentCheckpoint]()
    hooks = ClipHooks(on_checkpoint=seen.append, is_canceled=lambda: len(seen) == 2)
    with pytest.raises(CanceledError):
        make_clip(engine, asked(engine), hooks=hooks)
    checkpoints.write(tmp_path / "latents.safetensors", seen[-1])
    kept = checkpoints.read(tmp_path / "latents.safetensors")
    assert kept is not None and kept.step == 2
    resumed = make_clip(engine, asked(engine), hooks=ClipHooks(resume_from=kept)).frames
    assert np.array_equal(resumed, whole)


@FROM_PICTURES
def test_a_pinned_picture_is_in_the_latents_as_it_was_given(engine: Engine) -> None:
    seen: list[LatentCheckpoint] = []
    make_clip(
        engine,
        asked(engine, image="0" * 64),
        pictures=Pictures(first=picture(engine, 1)),
        hooks=ClipHooks(on_checkpoint=seen.append),
    )
    given = engine.encode(picture(engine, 1)[None])
    channels = given.shape[1] // engine.spec.velocity_parts
    assert np.array_equal(seen[-1].latents[:, :channels, 0], given[:, :channels, 0])


@KEY_FRAMED
def test_a_picture_between_changes_the_clip(engine: Engine) -> None:
    clips = [
        make_clip(
            engine,
            asked(engine, given_frames=[{"frame": 5, "image": "0" * 64}]),
            pictures=Pictures(between=(KeyFrame(5, picture(engine, seed)),)),
        ).frames
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(clips[0], clips[1]) and not np.array_equal(clips[0], clips[2])


@ENGINES
def test_a_seed_means_the_same_clip_and_another_another(engine: Engine) -> None:
    first, same, other = (make_clip(engine, asked(engine, seed=seed)).frames for seed in (3, 3, 4))
    assert np.array_equal(first, same) and not np.array_equal(first, other)


@ENGINES
def test_a_length_that_cannot_be_is_refused_with_those_that_can(engine: Engine) -> None:
    shortest, longest = engine.spec.duration_range
    with pytest.raises(RequestError, match=f"between {shortest:g} and {longest:g}"):
        make_clip(engine, asked(engine, duration_seconds=100))
