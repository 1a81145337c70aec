"""The tiny engine that kills its worker, or the studio above it, at one chosen moment, once.

`arm` writes the moment into the weights folder; reaching it removes the file and kills. A moment is an event
and how often it has happened since the prompt of `REQUEST` was read: "load 1" (before that),
"encode_prompt 1", "velocities 3", "sound velocities 3", "decode 2", "rename .mp4 2" (before the second such
file takes its name), "read back 1" (all files are in place and nobody has been told), "rename .json 1"
(before there is a receipt).
"""

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backend.requests import ClipRequest
from tests.tiny_engine import SPEC
from tests.tiny_engine import make as make_tiny

__all__ = ["SPEC", "arm", "make"]

DYING = ("tests.jobs.dying:make",)
REQUEST = ClipRequest(
    prompt="a red ball slowly", engine="tiny", seed=7, num_inference_steps=8, duration_seconds=0.25
)


def arm(weights_dir: Path, moment: str, *, victim: str) -> Path:
    """Return the file that is gone once `victim`, "worker" or "studio", was killed at `moment`."""
    path = weights_dir / "die.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"moment": moment, "victim": victim}))
    return path


def make(weights_dir: Path, device: str) -> Any:
    """Return the tiny engine, which tells the clock of its own death what it does."""
    death = Death(weights_dir / "die.json")
    death.reach("load")
    engine = make_tiny(weights_dir, device)
    for name in ("encode_prompt", "velocities", "decode"):
        setattr(engine, name, death.told(name, getattr(engine, name)))
    engine.soundtrack = death.told_of_sound(engine.soundtrack)  # type: ignore[method-assign]
    sys.addaudithook(death.hear)
    return engine


class Death:
    """Counts events and kills at the armed one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: Counter[str] = Counter()

    def told(self, name: str, call: Callable) -> Callable:
        """Return `call`, whose every use is an event."""

        def counted(*values: Any, **named: Any) -> Any:
            if values == (REQUEST.prompt,):
                self._counts.clear()
            self.reach(name)
            return call(*values, **named)

        return counted

    def told_of_sound(self, made: Callable) -> Callable:
        """Return `made`, which gives a sound maker, so that every use of that is an event."""

        def soundtrack() -> Any:
            maker = made()
            for name in ("velocities", "decode"):
                setattr(maker, name, self.told(f"sound {name}", getattr(maker, name)))
            return maker

        return soundtrack

    def hear(self, event: str, given: tuple) -> None:
        """Take an audit event of Python."""
        if event == "os.rename":
            self.reach(f"rename {Path(given[1]).suffix}")
        elif event == "open" and str(given[0]).endswith("-motion.mp4"):
            self.reach("read back")

    def reach(self, event: str) -> None:
        """Count `event`, and kill where it is the armed moment."""
        self._counts[event] += 1
        try:
            armed = json.loads(self._path.read_text())
        except (FileNotFoundError, NotADirectoryError):
            return
        if armed["moment"] == f"{event} {self._counts[event]}":
            self._path.unlink()
            os.kill(os.getpid() if armed["victim"] == "worker" else os.getppid(), signal.SIGKILL)
            time.sleep(60)
