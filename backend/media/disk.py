"""Disk space: what a file will need, and whether there is room for it before anything is begun."""

import shutil
from pathlib import Path

from backend.errors import DiskFullError

CLIP_BYTES_PER_PIXEL = 0.25
"""About the most that `write_video` makes of one pixel of one frame; noise needs more, cartoons far less."""


def free_bytes(folder: Path) -> int:
    """Return how many bytes can be written into `folder`, or into the nearest folder above that exists."""
    return shutil.disk_usage(next(each for each in (folder, *folder.parents) if each.exists())).free


def require_space(folder: Path, needed_bytes: int, *, what: str) -> None:
    """Raise DiskFullError, which speaks of `what`, unless `needed_bytes` can be written into `folder`."""
    free = free_bytes(folder)
    if needed_bytes > free:
        raise DiskFullError(
            f"{what} needs about {readable_bytes(needed_bytes)} and the disk has {readable_bytes(free)} "
            "free; free some space, or make it shorter or smaller."
        )


def readable_bytes(num_bytes: float) -> str:
    """Return `num_bytes` in the unit that suits it, as "1.5 GB"."""
    units = ("bytes", "kB", "MB", "GB", "TB", "PB")
    power = next((power for power in range(len(units)) if num_bytes < 1000 ** (power + 1)), len(units) - 1)
    amount = num_bytes / 1000**power
    return f"{amount:.0f} {units[power]}" if amount >= 100 or power == 0 else f"{amount:.1f} {units[power]}"
