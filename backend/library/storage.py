"""The files of the library: which are missing, which nobody names, what may be deleted; never links."""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.config import Settings
from backend.media.files import copy_file
from backend.requests import INPUT_PATTERN, ClipRequest, Request
from backend.store.generations import Generation, Output
from backend.store.library import Usage

INPUT_SUFFIXES = (".png", ".mp4", ".wav")

_SETTLED_SECONDS = 3600.0  # a younger file may belong to what is being made or asked for right now
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class StoredFile:
    """A file in the data folder. path: POSIX, relative to it."""

    path: str
    size_bytes: int


@dataclass(frozen=True)
class DiskUse:
    """What the data folder holds. unclaimed: files of outputs, inputs and lost+found that nobody names."""

    usages: list[Usage]
    inputs_bytes: int
    backups_bytes: int
    database_bytes: int
    unclaimed: list[StoredFile]


def named_inputs(request: Request) -> dict[str, str]:
    """Return the name of a request's field -> the name of the stored picture or clip in it."""
    fields = request.model_dump().items()
    named = {
        field: value
        for field, value in fields
        if isinstance(value, str) and re.fullmatch(INPUT_PATTERN, value)
    }
    given = request.given_frames if isinstance(request, ClipRequest) else ()
    return named | {f"given_frames.{each.frame}": each.image for each in given}


def input_path(settings: Settings, name: str) -> Path | None:
    """Return where the picture or clip called `name` lies, or None where it is missing."""
    paths = (settings.inputs_dir / f"{name}{suffix}" for suffix in INPUT_SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def missing_parts(settings: Settings, generation: Generation) -> list[str]:
    """Return the roles of outputs, and the fields of inputs, whose files are not where they were."""
    outputs = [
        output.role for output in generation.outputs if not (settings.data_dir / output.path).is_file()
    ]
    inputs = named_inputs(generation.request).items()
    return outputs + [field for field, name in inputs if input_path(settings, name) is None]


def put_back_output(settings: Settings, output: Output, source: Path) -> bool:
    """Return whether `source` was copied to the place of `output`, which was empty."""
    target = settings.data_dir / output.path
    if target.is_file() or not is_inside(settings, target):
        return False
    copy_file(source, target)
    return True


def put_back_input(settings: Settings, name: str, source: Path) -> bool:
    """Return whether `source` was copied to the place of the missing picture or clip called `name`."""
    if input_path(settings, name) is not None:
        return False
    with source.open("rb") as file:
        suffix = ".png" if file.read(len(_PNG_SIGNATURE)) == _PNG_SIGNATURE else ".mp4"
    copy_file(source, settings.inputs_dir / f"{name}{suffix}")
    return True


def delete(settings: Settings, paths: Iterable[str]) -> int:
    """Delete the files at `paths`, relative to the data folder, and return how many bytes that freed."""
    freed = 0
    for relative in paths:
        path = settings.data_dir / relative
        if is_inside(settings, path) and path.is_file() and not path.is_symlink():
            freed += path.stat().st_size
            path.unlink(missing_ok=True)
    return freed


def is_inside(settings: Settings, path: Path) -> bool:
    """Return whether `path` lies in the data folder once every link on the way is followed."""
    return path.parent.resolve().is_relative_to(settings.data_dir.resolve())


def unclaimed(settings: Settings, *, output_paths: set[str], input_names: set[str]) -> list[StoredFile]:
    """Return the settled files of outputs, inputs and lost+found that are in neither set."""
    return [
        file
        for folder in (settings.outputs_dir, settings.inputs_dir, settings.lost_dir)
        for file in stored_files(folder, settings.data_dir, settled_at=time.time() - _SETTLED_SECONDS)
        if file.path not in output_paths
        and not (folder == settings.inputs_dir and Path(file.path).stem in input_names)
    ]


def stored_files(folder: Path, data_dir: Path, *, settled_at: float | None = None) -> Iterator[StoredFile]:
    """Yield the files under `folder`; only those not changed after `settled_at`, where that is given."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        facts: Any = path.stat()
        if settled_at is None or facts.st_mtime <= settled_at:
            yield StoredFile(path.relative_to(data_dir).as_posix(), facts.st_size)
