"""What this machine has and what is missing, as lines to read: `python -m backend.doctor`.

It also runs before anything is installed, so whatever is not in the standard library is imported late.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from backend.errors import MediaError, ResourceError
from backend.models import registry, weights

if TYPE_CHECKING:
    from backend.config import Settings

ROOT = Path(__file__).parent.parent
SPARE_DISK_BYTES = 10**9
SET_UP = "run: python launcher.py"


@dataclass(frozen=True)
class Finding:
    """One thing looked at. remedy: what to do about it, empty where nothing needs doing."""

    topic: str
    fact: str
    remedy: str = ""


def examine(settings: Settings | None) -> Iterator[Finding]:
    """Return everything found on this machine; `settings` is None while the packages are not installed."""
    yield Finding("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield _packages()
    yield from _torch("auto" if settings is None else settings.device)
    yield _memory()
    yield _ffmpeg()
    yield from _weights(ROOT / "assets" / "weights" if settings is None else settings.weights_dir)
    yield from _data(settings)


def report(found: list[Finding]) -> list[str]:
    """Return one line per finding, then what to do, or that nothing is missing."""
    lines = [f"{finding.topic:<12} {finding.fact}" for finding in found]
    remedies = list(
        dict.fromkeys(f"{finding.topic}: {finding.remedy}" for finding in found if finding.remedy)
    )
    return [
        *lines,
        "",
        *(["To do", *(f"  {remedy}" for remedy in remedies)] if remedies else ["Nothing is missing."]),
    ]


def _packages() -> Finding:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = project["dependencies"]
    missing = [name for name in names if not _version(name)]
    if missing:
        return Finding("Packages", f"{len(missing)} of {len(names)} missing: {', '.join(missing)}", SET_UP)
    return Finding("Packages", f"all {len(names)} installed")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _torch(device: str) -> Iterator[Finding]:
    if not find_spec("torch"):
        yield Finding("torch", "not installed")
        yield Finding("Device", f"not known before set-up; {os.cpu_count()} CPU cores")
        return
    import torch

    from backend.models.placement import place

    yield Finding("torch", torch.__version__)
    try:
        placement = place(device)
    except ResourceError as error:
        yield Finding("Device", f"{device}: not available", str(error))
        return
    name = torch.cuda.get_device_name() if placement.device.type == "cuda" else f"{os.cpu_count()} CPU cores"
    yield Finding("Device", f"{placement}; {name}")


def _memory() -> Finding:
    if not find_spec("psutil"):
        return Finding("Memory", "not known before set-up")
    import psutil

    memory = psutil.virtual_memory()
    return Finding(
        "Memory", f"{_gigabytes(memory.total)}, of which {_gigabytes(memory.available)} are available"
    )


def _ffmpeg() -> Finding:
    if not find_spec("imageio_ffmpeg"):
        return Finding("ffmpeg", "not installed")
    import imageio_ffmpeg

    from backend.media import ffmpeg

    try:
        ended = ffmpeg.run(["-version"], timeout_seconds=30)
    except MediaError:
        return Finding(
            "ffmpeg", "cannot be started", f"unset IMAGEIO_FFMPEG_EXE, or delete .venv and {SET_UP}"
        )
    if ended.returncode:
        return Finding("ffmpeg", f"fails with exit code {ended.returncode}", f"delete .venv, then {SET_UP}")
    return Finding("ffmpeg", imageio_ffmpeg.get_ffmpeg_version())


def _weights(weights_dir: Path) -> Iterator[Finding]:
    for spec in registry.specs():
        problems = weights.problems(weights_dir, spec)
        for problem in problems:
            defect, _, remedy = problem.partition("; ")
            yield Finding("Weights", defect, remedy)
        if not problems:
            count = len(weights.read_checksums(weights_dir / spec.folder))
            yield Finding("Weights", f"{spec.title}: {count} files, all checksums right")


def _data(settings: Settings | None) -> Iterator[Finding]:
    if settings is None:
        yield Finding("Data folder", "not known before set-up")
        yield _disk(ROOT)
        return
    folder = settings.data_dir
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        yield Finding("Data folder", f"{folder} cannot be written", "choose another with --data DIR")
    else:
        yield Finding(
            "Data folder", f"{folder} ({'found' if folder.exists() else 'made at the first start'})"
        )
    yield _disk(existing)


def _disk(folder: Path) -> Finding:
    free_bytes = shutil.disk_usage(folder).free
    remedy = "free some space: clips and the database are kept there" if free_bytes < SPARE_DISK_BYTES else ""
    return Finding("Disk", f"{_gigabytes(free_bytes)} free at {folder}", remedy)


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB"


def _settings(data_dir: Path | None) -> Settings | None:
    """Return the settings, or None while the packages they need are not installed."""
    try:
        from backend.config import load_settings
    except ModuleNotFoundError:
        return None
    return load_settings(data_dir=data_dir)


def main() -> int:
    """Print the report; return 1 if something is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m backend.doctor", description="What is here and what is missing."
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the database, clips and logs")
    found = list(examine(_settings(parser.parse_args().data)))
    print("\n".join(report(found)))
    return int(any(finding.remedy for finding in found))


if __name__ == "__main__":
    sys.exit(main())
