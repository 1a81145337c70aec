import time

import pytest

from backend.jobs.messages import ProgressReport, Run
from backend.jobs.progress import Watched, remaining_seconds
from backend.requests import ClipRequest

SIMILAR = {"load": 9.0, "text": 0.5, "sampling": 4.0, "decode": 1.0, "export": 0.5}


def report(phase: str, step: int = 0, step_seconds: float | None = None) -> ProgressReport:
    return ProgressReport("A", 1, phase, step, 24, step_seconds)


@pytest.mark.parametrize(
    ("now", "similar", "seconds"),
    [
        (report("loading"), SIMILAR, None),
        (report("text"), None, None),
        (report("text"), SIMILAR, 6.0),
        (report("sampling", 12, 0.25), None, 3.0),
        (report("sampling", 12, 0.25), SIMILAR, 4.5),
        (report("decoding", 24, 0.25), SIMILAR, 1.5),
        (report("exporting", 24, 0.25), SIMILAR, 0.5),
        (report("exporting", 24, 0.25), None, None),
    ],
)
def test_remaining_time_comes_from_steps_and_a_similar_clip(
    now: ProgressReport, similar: dict[str, float] | None, seconds: float | None
) -> None:
    assert remaining_seconds(now, similar=similar) == seconds


def test_time_runs_on_between_reports() -> None:
    run = Run("A", 1, ClipRequest(prompt="a ball"), created_at=0.0)
    watched = Watched.begin(run, similar=None).updated(report("sampling", 12, 0.25))
    time.sleep(0.05)
    progress = watched.progress()
    assert progress.elapsed_seconds >= 0.05
    assert 2.5 < progress.remaining_seconds <= 2.95
