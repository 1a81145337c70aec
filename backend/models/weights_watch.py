"""Watching weights: what is wrong with an engine's files now, hashing them again only when they changed."""

import threading
from pathlib import Path

from backend.models.engine import EngineSpec
from backend.models.weights import problems

Signature = tuple[tuple[str, int, int], ...]


class WeightsWatch:
    """Remembers the problems of one engine's files for as long as names, sizes and times stay."""

    def __init__(self, weights_dir: Path, spec: EngineSpec) -> None:
        self._weights_dir = weights_dir
        self._spec = spec
        self._lock = threading.Lock()
        self._seen: Signature | None = None
        self._problems: list[str] = []

    def problems(self) -> list[str]:
        """Return one sentence for each missing or damaged file."""
        with self._lock:
            signature = _signature(self._weights_dir / self._spec.folder) if self._spec.folder else ()
            if signature != self._seen:
                self._problems = problems(self._weights_dir, self._spec)
                self._seen = signature
            return list(self._problems)


def _signature(folder: Path) -> Signature:
    """Return name, size in bytes and time of change of every file in `folder`."""
    stats = ((path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file())
    return tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)
