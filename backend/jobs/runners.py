"""Runners: how a worker makes each kind of request. Only the worker imports this, since it loads torch."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import backend
from backend.config import Settings
from backend.jobs import checkpoints, traces
from backend.jobs.messages import Preview, ProgressReport, Run
from backend.media.files import sha256_of
from backend.media.image import write_poster, write_sprite
from backend.media.inputs import load_image
from backend.media.video import write_video
from backend.models.engine import Engine, Speed
from backend.pipelines.clip import Clip, ClipHooks, LatentCheckpoint, Pictures, make_clip
from backend.pipelines.denoise import StepReport
from backend.pipelines.plan import OVERHEAD_SHARE, predicted_seconds
from backend.requests import ClipRequest, inference_steps
from backend.store.generations import Output

Results = tuple[tuple[Output, ...], dict[str, Any]]


@dataclass(frozen=True)
class RunContext:
    """What a runner is given besides its request.

    load_engine: name -> loaded engine, kept warm between jobs. report: sends progress.
    is_canceled: cheap to ask, at every step. speed: of the engine loaded last, where it was measured.
    """

    run: Run
    settings: Settings
    load_engine: Callable[[str], Engine]
    report: Callable[[ProgressReport], None]
    is_canceled: Callable[[], bool]
    speed: Callable[[], Speed | None] = lambda: None
    checkpoint_every_seconds: float = 3.0


@dataclass
class Allowance:
    """Counts extra work, which may take at most `share` of the time; the first piece is let through."""

    share: float
    spent_seconds: float = 0.0
    since: float = field(default_factory=time.monotonic)

    def permits(self) -> bool:
        """Return whether there is time for another piece of extra work."""
        return self.spent_seconds <= self.share * self.main_seconds()

    def main_seconds(self) -> float:
        """Return the time that passed without the extra work."""
        return time.monotonic() - self.since - self.spent_seconds

    def charge(self, work: Callable[[], None]) -> None:
        """Do `work` and count the time that it took."""
        started = time.monotonic()
        work()
        self.spent_seconds += time.monotonic() - started


class ClipWatch:
    """Turns what the pipeline tells into progress, moving previews and checkpoints."""

    def __init__(self, context: RunContext, engine: Engine, *, num_steps: int, first_step: int) -> None:
        self._context = context
        self._engine = engine
        self._shows_motion = "motion_layer" in engine.spec.capabilities
        self._first_step = first_step
        self._extras = Allowance(OVERHEAD_SHARE)
        self._checkpoint_at = self._extras.since
        self._report = ProgressReport(
            context.run.job_id, context.run.attempt, phase="text", step=first_step, num_steps=num_steps
        )

    def on_phase(self, phase: str) -> None:
        """Report that `phase` begins."""
        if phase == "sampling":
            self._extras = Allowance(OVERHEAD_SHARE)
            self._checkpoint_at = self._extras.since
        self._tell(phase=phase)

    def on_step(self, step: StepReport) -> None:
        """Report a finished step, with a new preview where one is due."""
        self._tell(step=step.step, step_seconds=self._extras.main_seconds() / (step.step - self._first_step))
        if step.step < step.num_steps and self._extras.permits():
            self._extras.charge(lambda: self._tell(preview=self._write_preview(step)))

    def on_checkpoint(self, checkpoint: LatentCheckpoint) -> None:
        """Store a checkpoint where the one before is a few seconds old."""
        if time.monotonic() - self._checkpoint_at >= self._context.checkpoint_every_seconds:
            path = traces.checkpoint_path(self._context.settings, self._context.run.job_id)
            self._extras.charge(lambda: checkpoints.write(path, checkpoint))
            self._checkpoint_at = time.monotonic()

    def _tell(self, **changes: Any) -> None:
        self._report = replace(self._report, **changes)
        self._context.report(self._report)

    def _write_preview(self, step: StepReport) -> Preview:
        """Return the sheet of the clip as predicted at `step`, having removed all but the one before."""
        folder = traces.previews_dir(self._context.settings, self._context.run.job_id)
        before = self._report.preview
        for old in folder.glob("*.jpg"):
            if before is None or old.name != Path(before.path).name:
                old.unlink()
        path = folder / f"{self._context.run.attempt}-{step.step}.jpg"
        cells, has_motion = self._engine.preview(step.clean), self._shows_motion
        if has_motion:
            cells = np.concatenate([cells, self._engine.preview(step.clean, layer="motion")], axis=2)
        sprite = write_sprite(path, cells)
        return Preview(
            path=path.relative_to(self._context.settings.data_dir).as_posix(),
            columns=sprite.columns,
            rows=sprite.rows,
            num_frames=sprite.num_frames,
            frame_rate=self._engine.spec.frame_rate,
            width=sprite.width // (2 if has_motion else 1),
            height=sprite.height,
            step=step.step,
            has_motion=has_motion,
        )


def run_clip(request: ClipRequest, context: RunContext) -> Results:
    """Return the written, verified files of the clip that `request` describes, and its measured facts."""
    run = context.run
    started = time.perf_counter()
    context.report(ProgressReport(run.job_id, run.attempt, phase="loading"))
    engine = context.load_engine(request.engine)
    load_seconds = round(time.perf_counter() - started, 4)
    clip, watch = _make(request, engine, context)
    watch.on_phase("exporting")
    started = time.perf_counter()
    outputs = _write_files(clip, request, context)
    seconds = {"load": load_seconds, **clip.facts["stage_seconds"]}
    seconds["export"] = round(time.perf_counter() - started, 4)
    speed = context.speed()
    predicted = None if speed is None else round(predicted_seconds(request, engine.spec, speed), 4)
    facts = {"stage_seconds": seconds, "predicted_seconds": predicted, "version": backend.__version__}
    return outputs, {**clip.facts, **facts}


RUNNERS: dict[str, Callable[[ClipRequest, RunContext], Results]] = {"clip": run_clip}


def _make(request: ClipRequest, engine: Engine, context: RunContext) -> tuple[Clip, ClipWatch]:
    """Return the clip, continued from the checkpoint that an earlier attempt left, and its watch."""
    start = None
    if context.run.attempt > 1:
        start = checkpoints.read(traces.checkpoint_path(context.settings, context.run.job_id))
    num_steps = inference_steps(request, engine.spec)
    watch = ClipWatch(context, engine, num_steps=num_steps, first_step=start.step if start else 0)
    hooks = ClipHooks(
        on_phase=watch.on_phase,
        on_step=watch.on_step,
        on_checkpoint=watch.on_checkpoint,
        is_canceled=context.is_canceled,
        resume_from=start,
    )
    pictures = _pictures(request, engine, context.settings.inputs_dir)
    return make_clip(engine, request, pictures=pictures, hooks=hooks), watch


def _pictures(request: ClipRequest, engine: Engine, folder: Path) -> Pictures:
    """Return the pictures that `request` names, at the size of its clip."""
    width, height = engine.spec.sizes[request.aspect_ratio]

    def loaded(name: str | None) -> np.ndarray | None:
        return None if name is None else load_image(name, folder=folder, width=width, height=height)

    return Pictures(first=loaded(request.image), last=loaded(request.last_image))


def _write_files(clip: Clip, request: ClipRequest, context: RunContext) -> tuple[Output, ...]:
    """Write the clip and its poster; the clip says how it was made, so that it can be opened as a request."""
    day = datetime.fromtimestamp(context.run.created_at, UTC).strftime("%Y-%m-%d")
    path = context.settings.outputs_dir / day / f"{context.run.job_id}.mp4"
    # Without times, the same seed gives the same bytes.
    facts = {name: value for name, value in clip.facts.items() if name != "stage_seconds"}
    made = {"request": request.model_dump(), "facts": facts, "version": backend.__version__}
    write_video(
        path, clip.frames, frame_rate=clip.frame_rate, metadata={"kinora": made}, title=request.prompt
    )
    poster_path = path.with_suffix(".jpg")
    write_poster(poster_path, clip.frames[len(clip.frames) // 2])
    data_dir = context.settings.data_dir
    outputs = (
        _output("clip", path, media_type="video/mp4", data_dir=data_dir),
        _output("poster", poster_path, media_type="image/jpeg", data_dir=data_dir),
    )
    if clip.motion_frames is None:
        return outputs
    motion_path = path.with_name(f"{path.stem}-motion.mp4")
    write_video(motion_path, clip.motion_frames, frame_rate=clip.frame_rate, metadata={"kinora": made})
    return (*outputs, _output("motion", motion_path, media_type="video/mp4", data_dir=data_dir))


def _output(role: str, path: Path, *, media_type: str, data_dir: Path) -> Output:
    return Output(
        role=role,
        path=path.relative_to(data_dir).as_posix(),
        sha256=sha256_of(path),
        media_type=media_type,
        size_bytes=path.stat().st_size,
    )
