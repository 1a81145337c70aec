from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.config import Settings
from backend.errors import CanceledError
from backend.jobs import checkpoints, traces
from backend.jobs.messages import ProgressReport, Run
from backend.jobs.runners import run
from backend.jobs.watch import Allowance, RunContext
from backend.media.inputs import store_clip
from backend.media.metadata import read_metadata
from backend.media.probe import probe
from backend.media.video import read_frames
from backend.models.engine import Engine
from backend.pipelines.clip import LatentCheckpoint
from backend.requests import ClipRequest, DetailRequest, parse_request
from tests.tiny_engine import make

REQUEST = ClipRequest(prompt="a red ball", engine="tiny", seed=7, num_inference_steps=10)


@pytest.fixture
def reports() -> list[ProgressReport]:
    return []


@pytest.fixture
def context(settings: Settings, reports: list[ProgressReport]) -> RunContext:
    def load(_: str) -> Engine:
        return make(settings.weights_dir, "cpu")

    run = Run("A", 1, REQUEST, created_at=0.0)
    return RunContext(run, settings, load, reports.append, is_canceled=lambda: False)


def after_step(step: int, reports: list[ProgressReport]) -> Callable[[], bool]:
    return lambda: bool(reports) and reports[-1].step >= step


def interrupted(context: RunContext, reports: list[ProgressReport]) -> RunContext:
    """Return what the second attempt is given, after a first one that stopped with a checkpoint at step 5."""
    first = replace(context, is_canceled=after_step(5, reports), checkpoint_every_seconds=0.0)
    with pytest.raises(CanceledError):
        run(REQUEST, first)
    reports.clear()
    return replace(context, run=replace(context.run, attempt=2))


def test_files_are_what_their_rows_say(context: RunContext) -> None:
    outputs, facts = run(REQUEST, context)
    clip, poster, motion = ((context.settings.data_dir / output.path) for output in outputs)
    for path in (clip, motion):
        found = probe(path)
        assert (found.num_frames, found.width, found.height) == (33, 32, 32)
    assert (facts["num_frames"], facts["width"], facts["height"], facts["network_passes"]) == (33, 32, 32, 20)
    assert [output.size_bytes for output in outputs] == [
        path.stat().st_size for path in (clip, poster, motion)
    ]
    assert set(facts["stage_seconds"]) == {"load", "text", "sampling", "decode", "export"}


def test_clip_says_how_it_was_made(context: RunContext) -> None:
    outputs, _ = run(REQUEST, context)
    made = read_metadata(context.settings.data_dir / outputs[0].path)["kinora"]
    assert parse_request(made["request"]) == REQUEST
    assert made["facts"]["seed"] == 7


def test_same_seed_gives_the_same_file(context: RunContext) -> None:
    first, _ = run(REQUEST, context)
    second, _ = run(REQUEST, replace(context, run=replace(context.run, job_id="B")))
    assert first[0].sha256 == second[0].sha256
    assert first[0].path != second[0].path


def test_another_seed_gives_other_frames(context: RunContext) -> None:
    first, _ = run(REQUEST, context)
    other = replace(context, run=replace(context.run, job_id="B"))
    second, _ = run(REQUEST.model_copy(update={"seed": 8}), other)
    frames = [read_frames(context.settings.data_dir / each[0].path) for each in (first, second)]
    assert not np.array_equal(frames[0], frames[1])


def test_second_attempt_goes_on_from_the_checkpoint(
    context: RunContext, reports: list[ProgressReport]
) -> None:
    undisturbed, facts = run(REQUEST, replace(context, run=replace(context.run, job_id="B")))
    outputs, resumed_facts = run(REQUEST, interrupted(context, reports))
    steps = [report.step for report in reports if report.phase == "sampling" and report.step_seconds]
    assert min(steps) == 6
    assert outputs[0].sha256 == undisturbed[0].sha256
    assert resumed_facts["network_passes"] == facts["network_passes"]


def test_damaged_checkpoint_means_starting_over(context: RunContext, reports: list[ProgressReport]) -> None:
    second = interrupted(context, reports)
    traces.checkpoint_path(context.settings, "A").write_bytes(b"half a file")
    _, facts = run(REQUEST, second)
    assert facts["network_passes"] == 20
    assert min(report.step for report in reports if report.step_seconds) == 1


def test_checkpoint_with_other_numbers_than_were_written_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "A.safetensors"
    checkpoints.write(path, LatentCheckpoint(3, torch.ones(1, 4, 3, 2, 2), network_passes=6))
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert checkpoints.read(path) is None


def test_newest_readable_checkpoint_is_used(tmp_path: Path) -> None:
    paths = [tmp_path / f"{step}.safetensors" for step in (3, 5, 7)]
    for step, path in zip((3, 5, 7), paths, strict=True):
        latents = torch.full((1, 4, 3, 2, 2), float(step))
        checkpoints.write(path, LatentCheckpoint(step, latents, network_passes=step), durable=False)
    paths[2].write_bytes(b"")
    found = checkpoints.newest(paths)
    assert found is not None and (found.step, found.latents.mean().item()) == (5, 5.0)


def test_missing_checkpoint_is_none(tmp_path: Path) -> None:
    assert checkpoints.read(tmp_path / "A.safetensors") is None


def test_preview_comes_after_the_first_step(context: RunContext, reports: list[ProgressReport]) -> None:
    run(REQUEST, context)
    preview = next(report.preview for report in reports if report.preview)
    assert (preview.step, preview.num_frames, preview.width, preview.height) == (1, 33, 16, 16)
    assert preview.columns * preview.rows >= 33


def test_extra_work_stays_within_its_share() -> None:
    allowance = Allowance(share=0.05, since=-1e9)
    assert allowance.permits()
    allowance.spent_seconds = 0.06 * allowance.main_seconds()
    assert not allowance.permits()


def test_canceled_run_leaves_no_output(context: RunContext, reports: list[ProgressReport]) -> None:
    interrupted(context, reports)
    assert not list(context.settings.outputs_dir.rglob("*.*"))


def detail_of_a_clip(context: RunContext) -> DetailRequest:
    """Return the request to detail a clip that was just made."""
    outputs, _ = run(REQUEST, replace(context, run=replace(context.run, job_id="draft")))
    source = store_clip(context.settings.data_dir / outputs[0].path, folder=context.settings.inputs_dir)
    return DetailRequest(source=source, engine="tiny", seed=7, prompt="a red ball", degradation_step=200)


def test_detail_is_a_file_of_its_own_that_says_how_it_was_made(context: RunContext) -> None:
    request = detail_of_a_clip(context)
    outputs, facts = run(request, context)
    clip, poster = ((context.settings.data_dir / output.path) for output in outputs)
    found = probe(clip)
    assert (found.num_frames, found.width, found.height) == (33, 512, 512) and poster.exists()
    assert parse_request(read_metadata(clip)["kinora"]["request"]) == request
    assert facts["network_passes"] == 8 and facts["similarity"] is not None
    assert set(facts["stage_seconds"]) == {"load", "text", "prepare", "sampling", "decode", "export"}


def test_detail_killed_while_decoding_goes_on_from_its_latents(
    context: RunContext, reports: list[ProgressReport]
) -> None:
    request = detail_of_a_clip(context)
    undisturbed, _ = run(request, replace(context, run=replace(context.run, job_id="B")))
    reports.clear()
    decoding = replace(context, is_canceled=lambda: after_step(4, reports)())
    with pytest.raises(CanceledError):
        run(request, decoding)
    assert checkpoints.read(traces.checkpoint_path(context.settings, "A")).step == 4  # type: ignore[union-attr]
    reports.clear()
    outputs, _ = run(request, replace(context, run=replace(context.run, attempt=2)))
    assert not [report for report in reports if report.step_seconds]
    assert outputs[0].sha256 == undisturbed[0].sha256
