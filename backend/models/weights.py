"""Weights files: where they are and whether they are whole. Torch-free.

Each engine's folder holds `checksums.json`: {"files": {"vae/config.json": {"sha256": …, "size_bytes": …}}}.
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from backend.errors import WeightsError
from backend.models.engine import EngineSpec

CHECKSUMS_NAME = "checksums.json"


@dataclass(frozen=True)
class Checksum:
    """What one file must be. path: POSIX, relative to the engine's folder."""

    path: str
    sha256: str
    size_bytes: int


def problems(weights_dir: Path, spec: EngineSpec) -> list[str]:
    """Return one sentence for each missing or damaged file of `spec`: which file, and how to get it back."""
    if not spec.folder:
        return []
    folder = weights_dir / spec.folder
    try:
        checksums = read_checksums(folder)
    except WeightsError as exc:
        return [str(exc)]
    found = ((checksum.path, _defect(folder / checksum.path, checksum)) for checksum in checksums)
    return [_sentence(folder, path, defect) for path, defect in found if defect]


def weights_sha256(folder: Path, *, members: Collection[str] = ()) -> str:
    """Return one digest of all files of `folder`: sha256 over its sorted "path sha256" lines.

    members: the subfolders to look at, all of them if none is named. Raises WeightsError when the list of
    checksums is missing or damaged.
    """
    lines = sorted(
        f"{checksum.path} {checksum.sha256}\n"
        for checksum in read_checksums(folder)
        if not members or checksum.path.split("/")[0] in members
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_checksums(folder: Path) -> list[Checksum]:
    """Return what the list of checksums in `folder` says; WeightsError when it is missing or damaged."""
    try:
        files = json.loads((folder / CHECKSUMS_NAME).read_text(encoding="utf-8"))["files"]
        return [Checksum(path, str(row["sha256"]), int(row["size_bytes"])) for path, row in files.items()]
    except FileNotFoundError as exc:
        raise WeightsError(_sentence(folder, CHECKSUMS_NAME, "is missing")) from exc
    except OSError as exc:
        raise WeightsError(_sentence(folder, CHECKSUMS_NAME, f"cannot be read ({exc.strerror})")) from exc
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        raise WeightsError(_sentence(folder, CHECKSUMS_NAME, "is damaged")) from exc


def write_checksums(folder: Path) -> None:
    """Write the list of checksums of every file in the subfolders of `folder`, replacing the one there."""
    paths = sorted(path for path in folder.glob("*/**/*") if path.is_file())
    files = {
        path.relative_to(folder).as_posix(): {"sha256": _sha256(path), "size_bytes": path.stat().st_size}
        for path in paths
    }
    text = json.dumps({"files": files}, indent=2) + "\n"
    (folder / CHECKSUMS_NAME).write_text(text, encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _defect(path: Path, checksum: Checksum) -> str:
    """Return what is wrong with the file at `path`, or the empty string."""
    try:
        size_bytes = path.stat().st_size
        if size_bytes != checksum.size_bytes:
            return f"is damaged: it has {size_bytes:,} bytes instead of {checksum.size_bytes:,}"
        is_same = _sha256(path) == checksum.sha256
    except FileNotFoundError:
        return "is missing"
    except OSError as exc:
        return f"cannot be read ({exc.strerror})"
    return "" if is_same else "is damaged: its checksum is not the listed one"


def _sentence(folder: Path, name: str, defect: str) -> str:
    return (
        f"The weights file {folder.name}/{name} {defect}; "
        f"get it back with: git checkout -- assets/weights/{folder.name}/{name}"
    )
