"""Progress: where a running job stands, with the time it has taken and the time it will still take."""

import time
from dataclasses import dataclass, replace

from backend.jobs.messages import Preview, ProgressReport, Run

_TAIL_STAGES = ("decode", "export")


@dataclass(frozen=True)
class Progress:
    """What a page shows of a running job.

    phase: as in `ProgressReport`; step: how many of num_steps are finished.
    remaining_seconds: None until there is something to estimate it from.
    """

    phase: str
    step: int
    num_steps: int
    elapsed_seconds: float
    remaining_seconds: float | None
    preview: Preview | None


@dataclass(frozen=True)
class Watched:
    """A job's newest report. Times are of the monotonic clock.

    similar: measured seconds per stage of an earlier clip that was as much work, or None.
    """

    report: ProgressReport
    started_at: float
    reported_at: float
    similar: dict[str, float] | None

    @classmethod
    def begin(cls, run: Run, *, similar: dict[str, float] | None) -> "Watched":
        """Return the state of a job that was just given to a worker."""
        report = ProgressReport(run.job_id, run.attempt, phase="loading")
        now = time.monotonic()
        return cls(report, started_at=now, reported_at=now, similar=similar)

    def updated(self, report: ProgressReport) -> "Watched":
        """Return the state after `report`."""
        return replace(self, report=report, reported_at=time.monotonic())

    def report_age_seconds(self) -> float:
        """Return how long ago the newest report came."""
        return time.monotonic() - self.reported_at

    def progress(self) -> Progress:
        """Return the progress as of now."""
        now = time.monotonic()
        remaining = remaining_seconds(self.report, similar=self.similar)
        if remaining is not None:
            remaining = max(0.0, remaining - (now - self.reported_at))
        return Progress(
            phase=self.report.phase,
            step=self.report.step,
            num_steps=self.report.num_steps,
            elapsed_seconds=now - self.started_at,
            remaining_seconds=remaining,
            preview=self.report.preview,
        )


def remaining_seconds(report: ProgressReport, *, similar: dict[str, float] | None) -> float | None:
    """Return how long a job takes from `report` on, as far as its steps and a similar clip tell, or None."""
    if report.phase == "loading":
        return None
    past = similar or {}
    if report.phase == "exporting":
        return past.get("export")
    tail = sum(past.get(stage, 0.0) for stage in _TAIL_STAGES)
    if report.phase == "decoding":
        return tail if similar else None
    if report.step_seconds is not None:
        return report.step_seconds * (report.num_steps - report.step) + tail
    if similar is None:
        return None
    return past.get("text", 0.0) + past.get("sampling", 0.0) + tail
