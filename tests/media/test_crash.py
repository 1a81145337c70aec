"""A process killed at any step of writing leaves nothing, or the whole file, under the final name."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.config import Settings
from backend.jobs import traces
from tests.media.clips import pattern_clip

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="kills forked processes and looks at /proc"),
]

# Kills a fork of itself before the first, second, third ... step of writing, until one gets through.
DRIVER = """
import os, signal, sys
from pathlib import Path
import numpy as np
from backend.media.export import export
from backend.media.export_settings import export_settings
from backend.media.files import copy_file
from backend.media.image import read_image, write_poster
from backend.media.video import read_frames, write_video

STEPS = {"mkdir", "open", "fsync", "rename", "replace", "unlink", "fork_exec", "copyfile", "sendfile"}
FRAMES = np.full((5, 32, 32, 3), 90, np.uint8)
WRITERS = {
    "video.mp4": lambda path: write_video(path, FRAMES, frame_rate=16, metadata={"kinora": {}}),
    "poster.jpg": lambda path: write_poster(path, FRAMES[0]),
    "copy.mp4": lambda path: copy_file(Path(sys.argv[2]), path),
    "export.mp4": lambda path: export(Path(sys.argv[2]), path, export_settings({"quality": "high"})),
}

def killed_before(step, write):
    seen = 0
    def watch(frame, event, called):
        nonlocal seen
        if event == "c_call" and called.__name__ in STEPS:
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)
    child = os.fork()
    if not child:
        sys.setprofile(watch)
        write()
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL

def is_whole(path):
    return len(read_frames(path)) > 0 if path.suffix == ".mp4" else read_image(path).size > 0

name = sys.argv[3]
step, partials = 1, 0
while True:
    folder = Path(sys.argv[1]) / f"{name}-{step}" / "new"
    path = folder / name
    was_killed = killed_before(step, lambda: WRITERS[name](path))
    left = sorted(each.name for each in folder.iterdir()) if folder.exists() else []
    others = [each for each in left if each != name]
    assert all(each.startswith(".") and each.endswith(".partial") for each in others), left
    assert name not in left or is_whole(path), (step, left)
    partials += len(others)
    if not was_killed:
        break
    step += 1
assert left == [name]
print(step - 1, partials)
"""


@pytest.mark.parametrize("name", ["video.mp4", "poster.jpg", "copy.mp4", "export.mp4"])
def test_a_kill_at_any_step_leaves_nothing_or_the_whole(tmp_path: Path, name: str) -> None:
    source = pattern_clip(tmp_path / "source.mp4", size="32x32", seconds=0.25)
    command = [sys.executable, "-c", DRIVER, str(tmp_path), str(source), name]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    num_kills, num_partials = (int(word) for word in ended.stdout.split())
    assert num_kills >= 6 and num_partials >= 2


EXPORT = """
import sys
from pathlib import Path
from backend.media.export import export
from backend.media.export_settings import export_settings
export(Path(sys.argv[1]), Path(sys.argv[2]), export_settings({"format": "webm", "short_side": 2160}))
"""


def test_an_app_killed_in_the_middle_of_an_export_leaves_neither_file_nor_ffmpeg(
    tmp_path: Path, settings: Settings
) -> None:
    source = pattern_clip(tmp_path / "source.mp4", size="640x480", seconds=10)
    target = settings.exports_dir / "film.webm"
    with subprocess.Popen([sys.executable, "-c", EXPORT, source, target], cwd=ROOT) as process:
        until(lambda: any(settings.exports_dir.glob(".film.webm.*.partial")))
        os.kill(process.pid, signal.SIGKILL)
    until(lambda: not encoders(target), seconds=10)
    assert [path.name.endswith(".partial") for path in settings.exports_dir.iterdir()] == [True]
    (settings.exports_dir / ".frames-x.partial").mkdir()
    traces.remove_stale(settings, live=())
    assert list(settings.exports_dir.iterdir()) == []


def encoders(target: Path) -> list[str]:
    """Return the command lines of the processes that write `target`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if f".{target.name}." in command:
            found.append(command)
    return found


def until(claim: Callable[[], bool], *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.02)
