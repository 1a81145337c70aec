"""Watching a long run of ffmpeg: how far it is, and a way to stop it."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

ARGUMENTS = ("-progress", "pipe:1", "-stats_period", "0.2")
"""What makes ffmpeg tell its progress on standard output."""

_FRAME = re.compile(rb"frame=\s*(\d+)\s*$")
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Watch:
    """on_frame: told how many frames are written. is_canceled: cheap to ask, several times a second."""

    on_frame: Callable[[int], None] = lambda _: None
    is_canceled: Callable[[], bool] = lambda: False

    def follow(self, output: IO[bytes]) -> None:
        """Read what ffmpeg tells until it ends."""
        for line in output:
            if found := _FRAME.match(line):
                self.on_frame(int(found[1]))


@dataclass
class Stop:
    """Calls `kill` once `watch` is canceled; for the length of a block."""

    watch: Watch
    kill: Callable[[], None]
    was_canceled: bool = False
    _is_over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Stop":
        self._thread = threading.Thread(target=self._look, name="stop", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(_LOOK_SECONDS):
            if self.watch.is_canceled():
                self.was_canceled = True
                self.kill()
                return
