"""A worker process on this machine, reached through its standard input and output."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import backend
from backend.config import Settings
from backend.jobs.messages import Beat, ToWorker, decode, encode
from backend.logs import open_private

_log = logging.getLogger(__name__)

_MAX_LOG_BYTES = 5_000_000


class LocalWorker:
    """One spawned worker. What it says, and None at its end, goes to `deliver` from a thread of its own.

    Start it from a thread that lives as long as the worker shall: Linux ends the worker with that thread.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        extra_engines: tuple[str, ...],
        deliver: Callable[["LocalWorker", Any], None],
    ) -> None:
        with _open_log(settings.data_dir / "logs" / "worker.log") as log:
            self._process = subprocess.Popen(
                _command(settings, extra_engines),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=Path(backend.__path__[0]).parent,
                encoding="utf-8",
            )
        self._deliver = deliver
        self._heard_at = time.monotonic()
        self._killed_because = ""
        threading.Thread(target=self._read, name=f"worker-{self.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: ToWorker) -> None:
        """Send `message`; a worker that is gone is reported by its end, not here."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(encode(message))
            self._process.stdin.flush()
        except OSError:
            _log.info("worker %d no longer listens", self.pid)

    def silent_seconds(self) -> float:
        """Return for how long the worker has said nothing, not even that it is alive."""
        return time.monotonic() - self._heard_at

    def kill(self, *, because: str = "") -> None:
        """End the process at once. because: words for `exit_reason`."""
        self._killed_because = self._killed_because or because
        self._process.kill()

    def wait(self, *, timeout_seconds: float) -> bool:
        """Return whether the process ended within `timeout_seconds`."""
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def exit_reason(self) -> str:
        """Return how the ended process ended, as words for a sentence."""
        code = self._process.wait()
        if self._killed_because:
            return self._killed_because
        if code == -9:
            return "the system ended it, most likely because memory ran out"
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _read(self) -> None:
        assert self._process.stdout is not None and self._process.stdin is not None
        try:
            for line in self._process.stdout:
                if not line.endswith("\n"):
                    break  # it died in the middle of a word
                self._heard_at = time.monotonic()
                message = decode(line)
                if not isinstance(message, Beat):
                    self._deliver(self, message)
        except ValueError:
            _log.exception("worker %d said something that is no message and is ended", self.pid)
        finally:
            self.kill()
            self._process.wait()
            self._process.stdout.close()
            self._deliver(self, None)


def _command(settings: Settings, extra_engines: tuple[str, ...]) -> list[str]:
    command = [sys.executable, "-m", "backend.jobs.worker"]
    command += ["--data", str(settings.data_dir), "--weights", str(settings.weights_dir)]
    command += ["--device", settings.device]
    return command + [part for engine in extra_engines for part in ("--extra-engine", engine)]


def _open_log(path: Path) -> Any:
    """Return the log opened for appending; a long one is set aside first, replacing the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _MAX_LOG_BYTES:
        path.replace(path.with_suffix(".old.log"))
    return open_private(path)
