"""Running ffmpeg: argument lists only, limited in time and memory, never outliving its parent process."""

import contextlib
import logging
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np

from backend.errors import CanceledError, MediaError
from backend.media.child import child_limits
from backend.media.files import readable_size
from backend.media.watch import ARGUMENTS, Stop, Watch

VIDEO_FORMATS = "MP4, MOV, WebM, MKV, AVI or GIF"
VIDEO_CONTAINERS = "mov,matroska,avi,gif"
MAX_PIXELS = 50_000_000
MAX_MEMORY_BYTES = 8 * 1024**3

_MAX_LOG_BYTES = 16 * 1024**2
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finished:
    """How a run of ffmpeg ended.

    num_bytes: how much of the output was received. is_complete: False if ffmpeg had more output than room.
    log: ffmpeg's messages, each line with its level in brackets.
    """

    returncode: int
    num_bytes: int
    is_complete: bool
    log: str

    @property
    def errors(self) -> list[str]:
        """ffmpeg's error messages, the cause first."""
        return re.findall(r"^(?:\[[^\]\n]+ @ \w+\] )?\[(?:error|fatal)\] (.+)$", self.log, re.MULTILINE)


def input_arguments(
    path: Path, *, containers: str = VIDEO_CONTAINERS, wanted: str = f"a video in {VIDEO_FORMATS}"
) -> list[str]:
    """Return the arguments that open the foreign file `path`, and nothing but it.

    Without the whitelist of `containers` a text file named .mp4 can make ffmpeg read other files. MediaError,
    which advises `wanted`, if `path` is not a file or is empty.
    """
    readable_size(path, wanted=wanted)
    return [
        *("-format_whitelist", containers),
        *("-protocol_whitelist", "file,pipe"),
        *("-max_pixels", str(MAX_PIXELS)),
        *("-threads", "2"),
        *("-i", f"file:{path}"),
    ]


def run(
    arguments: Sequence[str],
    *,
    timeout_seconds: float,
    send: np.ndarray | None = None,
    receive: np.ndarray | None = None,
    watch: Watch | None = None,
) -> Finished:
    """Run ffmpeg with `arguments` and return how it ended.

    send: contiguous array whose bytes go to its standard input. receive: contiguous uint8 array that its
    standard output fills from the start. watch: told how far it is, and asked whether to stop, where nothing
    is received. Raises MediaError if ffmpeg is missing or takes over `timeout_seconds`, CanceledError.
    """
    command = [_find_ffmpeg(), "-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info"]
    command += [*(ARGUMENTS if watch else ()), *arguments]
    with tempfile.TemporaryFile() as log, _start(command, log, timeout_seconds, send is not None) as process:
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(timeout_seconds, expire)
        timer.start()
        try:
            if watch is not None:
                _follow(process, watch)
            num_bytes, is_complete = _exchange(process, send, receive)
            process.wait()
        finally:
            timer.cancel()
            process.kill()
        if expired.is_set():
            raise MediaError(
                f"ffmpeg needed more than {timeout_seconds:g} seconds and was stopped; use a shorter clip."
            )
        log.seek(0)
        text = log.read(_MAX_LOG_BYTES).decode("utf-8", errors="replace")
    if process.returncode:
        _LOG.info("ffmpeg ended with %d:\n%s", process.returncode, text)
    return Finished(process.returncode, num_bytes, is_complete, text)


def ffmpeg_problem() -> list[str]:
    """Return the sentence to tell where no ffmpeg program can be started, or nothing; cheap to ask often."""
    try:
        program = _find_ffmpeg()
    except MediaError as exc:
        return [str(exc)]
    if shutil.which(program) is None:
        return [_cannot_start("no such program")]
    return []


def _cannot_start(reason: str | None) -> str:
    return f"The ffmpeg program cannot be started ({reason}); run `python launcher.py doctor`."


def _find_ffmpeg() -> str:
    """Return the ffmpeg program: the one of imageio-ffmpeg unless the environment names another."""
    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as exc:
        raise MediaError(
            "No ffmpeg program was found; run `python launcher.py doctor` to see what is missing."
        ) from exc


def _start(
    command: list[str], log: IO[bytes], timeout_seconds: float, has_input: bool
) -> "subprocess.Popen[bytes]":
    """Return the started process, in a session of its own so that Ctrl-C in a terminal does not reach it."""
    cpu_seconds = int(timeout_seconds * 4) + 1
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=0,
            preexec_fn=child_limits(cpu_seconds=cpu_seconds, memory_bytes=MAX_MEMORY_BYTES),
            start_new_session=True,
        )
    except OSError as exc:
        raise MediaError(_cannot_start(exc.strerror)) from exc


def _follow(process: "subprocess.Popen[bytes]", watch: Watch) -> None:
    """Tell `watch` how far the process is until it ends; CanceledError where it was to stop."""
    assert process.stdout is not None
    with Stop(watch, process.kill) as stop:
        watch.follow(process.stdout)
    if stop.was_canceled:
        raise CanceledError("This was canceled.")


def _exchange(
    process: "subprocess.Popen[bytes]", send: np.ndarray | None, receive: np.ndarray | None
) -> tuple[int, bool]:
    """Return how many bytes of output were received, and whether that was all of it."""
    if process.stdin is not None and send is not None:
        _send(process.stdin, send.data.cast("B"))
        process.stdin.close()
    if process.stdout is None or receive is None:
        return 0, True
    room = receive.data.cast("B")
    while room and (num_bytes := process.stdout.readinto(room)):  # type: ignore[attr-defined]
        room = room[num_bytes:]
    is_complete = bool(room) or not process.stdout.read(1)
    if not is_complete:
        process.kill()
    return receive.nbytes - len(room), is_complete


def _send(stdin: IO[bytes], content: memoryview) -> None:
    """Write `content` to ffmpeg; if it stops reading, its log says why."""
    with contextlib.suppress(BrokenPipeError):
        while content:
            content = content[stdin.write(content) :]
