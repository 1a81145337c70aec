import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.errors import MediaError
from backend.media.ffmpeg import Finished, run
from backend.media.probe import probe
from tests.media.clips import pattern_clip

ENDLESS = ["-re", "-f", "lavfi", "-i", "testsrc2", "-f", "null", "-"]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the kernel feature exists only on Linux")


def test_output_fills_the_array_and_its_length_is_told() -> None:
    room = np.zeros(100, dtype=np.uint8)
    grey = [
        "-f",
        "lavfi",
        "-i",
        "color=gray:s=4x4:r=1",
        "-frames:v",
        "1",
        "-pix_fmt",
        "gray",
        "-f",
        "rawvideo",
    ]
    finished = run([*grey, "-"], timeout_seconds=20, receive=room)
    assert (finished.returncode, finished.num_bytes, finished.is_complete) == (0, 16, True)
    assert set(room[:16]) == {126} or set(room[:16]) == {128}


def test_more_output_than_room_is_told() -> None:
    room = np.zeros(100, dtype=np.uint8)
    finished = run(["-f", "lavfi", "-i", "testsrc2", "-f", "rawvideo", "-"], timeout_seconds=20, receive=room)
    assert (finished.num_bytes, finished.is_complete) == (100, False)


def test_a_run_that_takes_too_long_is_stopped_with_a_sentence() -> None:
    started = time.monotonic()
    with pytest.raises(MediaError, match=r"^ffmpeg needed more than 0\.3 seconds and was stopped"):
        run(ENDLESS, timeout_seconds=0.3)
    assert time.monotonic() - started < 3


def test_the_first_error_is_the_cause() -> None:
    finished = run(["-i", "file:/nowhere/gone.mp4"], timeout_seconds=20)
    assert finished.returncode != 0
    assert "No such file or directory" in finished.errors[0]


def test_text_that_only_looks_like_an_error_is_none() -> None:
    log = "[info]     comment : [error] said the prompt\n[mov @ 0x5f] [error] moov atom not found\n"
    assert Finished(1, 0, True, log).errors == ["moov atom not found"]


def test_a_broken_program_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = pattern_clip(tmp_path / "clip.mp4")
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(broken))
    with pytest.raises(MediaError) as refusal:
        probe(clip)
    assert str(refusal.value).endswith(".") and "Traceback" not in str(refusal.value)


def test_a_missing_program_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    with pytest.raises(MediaError, match=r"^The ffmpeg program cannot be started \(No such file"):
        run(["-version"], timeout_seconds=20)


@linux_only
def test_ffmpeg_dies_with_the_process_that_started_it() -> None:
    code = f"from backend.media.ffmpeg import run; run({ENDLESS!r}, timeout_seconds=60)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) as parent:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        _wait_until(lambda: any(_is_ffmpeg(pid) for pid in children.read_text().split()))
        (ffmpeg,) = (int(pid) for pid in children.read_text().split() if _is_ffmpeg(pid))
        os.kill(parent.pid, signal.SIGKILL)
    _wait_until(lambda: not _is_ffmpeg(str(ffmpeg)))


def _is_ffmpeg(pid: str) -> bool:
    try:
        return b"testsrc2" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_until(claim: Callable[[], bool], *, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.02)
