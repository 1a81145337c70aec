"""Log files: readable by their owner alone, and set aside before they grow long."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

MAX_LOG_BYTES = 1_000_000
KEPT_LOGS = 3
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class PrivateLog(RotatingFileHandler):
    """A log file of mode 0600; `path`.1, `path`.2, ... are those before it."""

    def _open(self) -> TextIOWrapper:
        return open_private(Path(self.baseFilename))


@contextmanager
def recorded(path: Path, *, max_bytes: int = MAX_LOG_BYTES) -> Iterator[None]:
    """Write all that is logged to `path` too, for as long as the block lasts."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = PrivateLog(path, maxBytes=max_bytes, backupCount=KEPT_LOGS, encoding="utf-8", errors="replace")
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def open_private(path: Path) -> TextIOWrapper:
    """Return `path` opened for appending text; nobody else may read it, even where it was there before."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    if os.name == "posix":
        os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "a", encoding="utf-8", errors="replace")


def last_lines(path: Path, *, count: int, max_bytes: int = 64_000) -> list[str]:
    """Return up to `count` lines from the end of the log at `path`; none where there is no such log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - max_bytes))
            return file.read(max_bytes).decode("utf-8", "replace").splitlines()[-count:]
    except OSError:
        return []
