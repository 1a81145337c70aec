from pathlib import Path

from backend.config import Settings
from backend.jobs import traces


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_only_traces_of_live_jobs_survive_a_start(settings: Settings) -> None:
    kept = [put(traces.checkpoint_path(settings, "A")), put(traces.recent_path(settings, "A"))]
    kept += [put(traces.previews_dir(settings, "A") / "1-1.jpg")]
    gone = [put(traces.checkpoint_path(settings, "B")), put(traces.recent_path(settings, "B"))]
    gone += [put(traces.previews_dir(settings, "B") / "1-1.jpg")]
    traces.remove_stale(settings, live={"A"})
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)


def test_half_written_outputs_go_and_finished_ones_stay(settings: Settings) -> None:
    partial = put(settings.outputs_dir / "2026-01-01" / ".A.mp4.1234.partial")
    finished = put(settings.outputs_dir / "2026-01-01" / "B.mp4")
    traces.remove_stale(settings, live=())
    assert (partial.exists(), finished.exists()) == (False, True)


def test_outputs_of_what_was_stopped_go_with_a_killed_studio(settings: Settings) -> None:
    stopped, other = "0" * 26, "1" * 26
    gone = [put(settings.outputs_dir / "2026-01-01" / f"{stopped}{end}") for end in (".mp4", "-motion.mp4")]
    kept = put(settings.outputs_dir / "2026-01-01" / f"{other}.mp4")
    traces.remove_stale(settings, live=(), stopped={stopped})
    assert ([path.exists() for path in gone], kept.exists()) == ([False, False], True)


def test_nothing_to_remove_is_fine(settings: Settings) -> None:
    traces.remove(settings, "A")
    traces.remove_stale(settings, live=())
