"""Detail on the tiny engine, whose refiner keeps what it starts from."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from backend.errors import CanceledError, RequestError
from backend.pipelines.clip import ClipHooks, LatentCheckpoint
from backend.pipelines.denoise import StepReport
from backend.pipelines.detail import Draft, enlarged, make_detail, part_of
from backend.requests import DetailRequest
from tests.tiny_engine import SPEC, make
from tests.tiny_flow import TinyEngine

ENGINE = make(Path("no weights"), "cpu")
REQUEST = DetailRequest(source="0" * 64, engine="tiny", seed=7, degradation_step=0)


def draft(*, frames: int = 9, height: int = 32, width: int = 48) -> Draft:
    """Return a draft of smooth colours that drift to the right."""
    across = np.linspace(0, 3, width)[None, :] + np.linspace(0, 1, frames)[:, None]
    rows = (127 + 100 * np.sin(across)).astype(np.uint8)
    return Draft(np.broadcast_to(rows[:, None, :, None], (frames, height, width, 3)).copy(), 16.0)


def scaled_down(frames: np.ndarray) -> np.ndarray:
    """Return `frames` of sixteen times the size of `draft` (T, H, W, 3) at its size."""
    return np.stack(
        [cv2.resize(f.astype(np.float32), (48, 32), interpolation=cv2.INTER_AREA) for f in frames]
    )


def test_a_detailed_clip_is_larger_and_says_how_faithful_it_is() -> None:
    clip = make_detail(ENGINE, REQUEST, draft())
    assert clip.frames.shape == (9, 512, 768, 3) and clip.frame_rate == 16
    assert clip.facts["network_passes"] == 2 * REQUEST.num_inference_steps
    assert clip.facts["similarity"] > 0.9
    assert clip.facts["detail_motion"] == pytest.approx(clip.facts["draft_motion"], rel=0.5, abs=0.5)
    assert {"text", "prepare", "sampling", "decode"} == set(clip.facts["stage_seconds"])


def test_a_draft_that_is_not_noised_comes_back_as_its_enlargement() -> None:
    low = enlarged(draft(), part_of(REQUEST, draft()), frame_rule=ENGINE.spec.frame_rule)
    difference = make_detail(ENGINE, REQUEST, draft()).frames.astype(int) - low
    assert np.abs(difference).max() <= 1  # rounding
    lossy = ENGINE.decode(ENGINE.encode(low))
    assert np.abs(lossy.astype(int) - low).max() > 2


def test_what_the_pixels_of_the_draft_show_stays_where_an_engine_holds_to_it() -> None:
    noisy, engine = REQUEST.model_copy(update={"degradation_step": 300}), make(Path("no weights"), "cpu")
    low = enlarged(draft(), part_of(noisy, draft()), frame_rule=engine.spec.frame_rule)
    assert engine.spec.detail is not None
    moved, changed = {}, {}
    for holds in (False, True):
        detail = replace(engine.spec.detail, holds_to_draft=holds)
        engine.spec = replace(engine.spec, detail=detail)
        frames = make_detail(engine, noisy, draft()).frames
        moved[holds] = np.abs(scaled_down(frames) - scaled_down(low)).mean()
        changed[holds] = np.abs(frames.astype(int) - low).mean()
    assert moved[True] < moved[False] / 4
    assert changed[True] > 1


def test_a_draft_that_hardly_grows_is_not_held_to() -> None:
    engine, large = make(Path("no weights"), "cpu"), draft(frames=1, height=400, width=400)
    assert engine.spec.detail is not None
    noisy = REQUEST.model_copy(update={"degradation_step": 300})
    free = make_detail(engine, noisy, large).frames
    engine.spec = replace(engine.spec, detail=replace(engine.spec.detail, holds_to_draft=True))
    assert np.array_equal(make_detail(engine, noisy, large).frames, free)


class Finishing(TinyEngine):
    """A tiny engine whose finisher takes a tenth of the draft's levels from each frame."""

    def finish(self, frames: np.ndarray, low: np.ndarray) -> np.ndarray:
        finished: np.ndarray = frames - low // 10
        return finished


@pytest.mark.parametrize("box", [None, (0.5, 0.0, 0.75, 0.5)])
def test_decoded_frames_are_finished_with_the_draft_beside_them(
    box: tuple[float, float, float, float] | None,
) -> None:
    assert SPEC.detail is not None
    spec = replace(SPEC, detail=replace(SPEC.detail, has_finisher=True))
    engine, asked = Finishing(spec, marker=Path("never")), REQUEST.model_copy(update={"box": box})
    plain = make_detail(ENGINE, asked, draft(frames=3)).frames
    low = enlarged(draft(frames=3), part_of(asked, draft(frames=3)), frame_rule=spec.frame_rule)[:3]
    assert np.array_equal(make_detail(engine, asked, draft(frames=3)).frames, plain - low // 10)


def test_a_draft_that_hardly_grows_is_not_finished() -> None:
    assert SPEC.detail is not None
    spec = replace(SPEC, detail=replace(SPEC.detail, has_finisher=True))
    large = draft(frames=1, height=400, width=400)
    finished = make_detail(Finishing(spec, marker=Path("never")), REQUEST, large).frames
    assert np.array_equal(finished, make_detail(ENGINE, REQUEST, large).frames)


def test_the_same_request_gives_the_same_frames_and_another_seed_others() -> None:
    noisy = REQUEST.model_copy(update={"degradation_step": 300})
    first, again = (make_detail(ENGINE, noisy, draft()).frames for _ in range(2))
    other = make_detail(ENGINE, noisy.model_copy(update={"seed": 8}), draft()).frames
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("frames", [1, 4, 9, 10])
def test_any_number_of_frames_comes_back(frames: int) -> None:
    assert len(make_detail(ENGINE, REQUEST, draft(frames=frames)).frames) == frames


def test_a_probe_details_its_box_and_its_second_alone() -> None:
    probe = REQUEST.model_copy(
        update={"box": (0.5, 0.0, 0.75, 0.5), "start_seconds": 0.25, "duration_seconds": 0.25}
    )
    part = part_of(probe, draft())
    assert (part.frames, part.box, part.size) == (slice(4, 8), (384, 0, 576, 256), (768, 512))
    clip = make_detail(ENGINE, probe, draft())
    assert clip.frames.shape == (4, 256, 192, 3)
    whole = make_detail(ENGINE, REQUEST, draft()).frames[4:8, 0:256, 384:576]
    assert np.abs(clip.frames.astype(int) - whole).mean() < 8  # the tiny decoder smooths across edges


@pytest.mark.parametrize("box", [(0, 0, 0.001, 0.001), (0.999, 0.999, 1, 1)])
def test_the_smallest_box_is_one_token(box: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = part_of(REQUEST.model_copy(update={"box": box}), draft()).box
    assert (right - left, bottom - top) == (16, 16) and right <= 768 and bottom <= 512


def test_a_start_behind_the_end_is_refused() -> None:
    late = REQUEST.model_copy(update={"start_seconds": 2.0})
    with pytest.raises(RequestError, match=r"below 0\.56, the length of the clip; you gave 2"):
        make_detail(ENGINE, late, draft())


def test_a_large_draft_is_scaled_down_to_the_target() -> None:
    part = part_of(REQUEST, draft(frames=1, height=1080, width=1920))
    assert part.size == (912, 512)
    assert enlarged(draft(frames=1, height=1080, width=1920), part, frame_rule=(4, 1)).shape == (
        1,
        512,
        912,
        3,
    )


def test_it_resumes_where_it_was_even_when_only_decoding_was_left() -> None:
    noisy = REQUEST.model_copy(update={"degradation_step": 300})
    kept: list[LatentCheckpoint] = []
    whole = make_detail(ENGINE, noisy, draft(), hooks=ClipHooks(on_checkpoint=kept.append))
    for checkpoint in (kept[1], kept[-1]):
        steps: list[StepReport] = []
        hooks = ClipHooks(resume_from=checkpoint, on_step=steps.append)
        resumed = make_detail(ENGINE, noisy, draft(), hooks=hooks)
        assert np.array_equal(resumed.frames, whole.frames)
        assert len(steps) == 4 - checkpoint.step
        assert resumed.facts["network_passes"] == whole.facts["network_passes"]


def test_cancel_stops_within_a_step() -> None:
    seen: list[StepReport] = []
    hooks = ClipHooks(on_step=seen.append, is_canceled=lambda: len(seen) >= 2)
    with pytest.raises(CanceledError):
        make_detail(ENGINE, REQUEST, draft(), hooks=hooks)
    assert len(seen) == 2


def test_a_request_without_a_seed_is_refused() -> None:
    with pytest.raises(RequestError, match="Seed is missing"):
        make_detail(ENGINE, REQUEST.model_copy(update={"seed": None}), draft())


def test_an_engine_without_detail_refuses() -> None:
    engine = make(Path("no weights"), "cpu")
    engine.spec = replace(engine.spec, detail=None)
    with pytest.raises(RequestError, match="cannot add detail"):
        make_detail(engine, REQUEST, draft())
