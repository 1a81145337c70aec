"""What a worker tells while it makes a clip: progress, moving previews and checkpoints."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from backend.config import Settings
from backend.jobs import checkpoints, traces
from backend.jobs.messages import Preview, ProgressReport, Run
from backend.media.image import write_sprite
from backend.models.engine import Engine, Speed
from backend.pipelines.clip import ClipHooks, LatentCheckpoint
from backend.pipelines.denoise import StepReport
from backend.pipelines.plan import OVERHEAD_SHARE


@dataclass(frozen=True)
class RunContext:
    """What a runner is given besides its request.

    load_engine: name -> loaded engine, kept warm between jobs. report: sends progress.
    is_canceled: cheap to ask, at every step. speed: of the engine loaded last, where it was measured.
    is_suspended: whether the job will be canceled at this step only to go on from its checkpoint later.
    """

    run: Run
    settings: Settings
    load_engine: Callable[[str], Engine]
    report: Callable[[ProgressReport], None]
    is_canceled: Callable[[], bool]
    speed: Callable[[], Speed | None] = lambda: None
    is_suspended: Callable[[], bool] = lambda: False
    checkpoint_every_steps: int = 4
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

    def __init__(
        self,
        context: RunContext,
        engine: Engine,
        *,
        num_steps: int,
        first_step: int,
        has_motion: bool,
        has_preview: bool = True,
    ) -> None:
        """has_preview: whether the latents can be looked at."""
        self._has_preview = has_preview
        self._context = context
        self._engine = engine
        self._has_motion = has_motion
        self._first_step = first_step
        self._extras = Allowance(OVERHEAD_SHARE)
        self._checkpoint_at, self._checkpoint_step = self._extras.since, first_step
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
        if self._has_preview and step.step < step.num_steps and self._extras.permits():
            self._extras.charge(lambda: self._tell(preview=self._write_preview(step)))

    def on_checkpoint(self, checkpoint: LatentCheckpoint) -> None:
        """Store a checkpoint: one that outlasts a power cut every few seconds, when suspended and at the end,
        to decode from; and every few steps, where those are short, one that outlasts this process."""
        settings, job_id = self._context.settings, self._context.run.job_id
        is_old = time.monotonic() - self._checkpoint_at >= self._context.checkpoint_every_seconds
        if is_old or self._context.is_suspended() or checkpoint.step == self._report.num_steps:
            path = traces.checkpoint_path(settings, job_id)
            self._extras.charge(lambda: checkpoints.write(path, checkpoint))
            self._checkpoint_at, self._checkpoint_step = time.monotonic(), checkpoint.step
        elif checkpoint.step - self._checkpoint_step >= self._context.checkpoint_every_steps:
            path = traces.recent_path(settings, job_id)
            self._extras.charge(lambda: checkpoints.write(path, checkpoint, durable=False))
            self._checkpoint_step = checkpoint.step

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
        cells = self._engine.preview(step.clean)
        if self._has_motion:
            cells = np.concatenate([cells, self._engine.preview(step.clean, layer="motion")], axis=2)
        sprite = write_sprite(path, cells)
        return Preview(
            path=path.relative_to(self._context.settings.data_dir).as_posix(),
            columns=sprite.columns,
            rows=sprite.rows,
            num_frames=sprite.num_frames,
            frame_rate=self._engine.spec.frame_rate,
            width=sprite.width // (2 if self._has_motion else 1),
            height=sprite.height,
            step=step.step,
            has_motion=self._has_motion,
        )


def watched(
    context: RunContext, engine: Engine, *, num_steps: int, has_motion: bool, has_preview: bool = True
) -> tuple[ClipWatch, ClipHooks]:
    """Return a watch on a clip, and the hooks that tell it, continued from what an earlier attempt left."""
    start = None
    if context.run.attempt > 1:
        places = (traces.checkpoint_path, traces.recent_path)
        start = checkpoints.newest(place(context.settings, context.run.job_id) for place in places)
    first_step = start.step if start else 0
    watch = ClipWatch(
        context,
        engine,
        num_steps=num_steps,
        first_step=first_step,
        has_motion=has_motion,
        has_preview=has_preview,
    )
    return watch, ClipHooks(
        on_phase=watch.on_phase,
        on_step=watch.on_step,
        on_checkpoint=watch.on_checkpoint,
        is_canceled=context.is_canceled,
        resume_from=start,
    )
