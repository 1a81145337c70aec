"""Patience: how long the dispatcher waits for a worker before it ends it, by the monotonic clock."""

from dataclasses import dataclass

from backend.jobs.executors.local import LocalWorker
from backend.jobs.progress import Watched

_STEPS_MISSED = 5


@dataclass(frozen=True)
class Patience:
    """Seconds after which a worker is ended that does not do what it should.

    silence_seconds: without a sign of life, and at least this without a finished step. loading_seconds: the
    same while it loads, when large libraries may hold everything up. cancel_seconds: until a canceled job has
    stopped. suspend_seconds: until a job that is paused at once has. stop_seconds: until the last goodbye.
    """

    silence_seconds: float = 30.0
    loading_seconds: float = 300.0
    cancel_seconds: float = 1.0
    suspend_seconds: float = 10.0
    stop_seconds: float = 2.0

    def stuck_reason(self, worker: LocalWorker, watched: Watched) -> str:
        """Return, as words for a sentence, why `worker` counts as stuck on its job, or nothing."""
        report = watched.report
        silent = worker.silent_seconds()
        if silent > (self.loading_seconds if report.phase == "loading" else self.silence_seconds):
            return f"it did not answer for {silent:.0f} s"
        if report.phase != "sampling" or report.step_seconds is None:
            return ""
        idle = watched.report_age_seconds()
        if idle > max(self.silence_seconds, _STEPS_MISSED * report.step_seconds):
            return f"it finished no step for {idle:.0f} s"
        return ""


PATIENCE = Patience()
