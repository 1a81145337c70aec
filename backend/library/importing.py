"""Bringing a project file into the library: new names and ids for what clashes, all of it or nothing."""

import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from backend.config import Settings
from backend.errors import MediaError, RequestError, ResourceError
from backend.library import archive
from backend.library.archive import PackedGeneration, PackedProject, ProjectFile
from backend.requests import parse_request
from backend.store.generations import Generation
from backend.store.ids import least_id, random_id
from backend.store.projects import MAX_NAME_CHARACTERS, checked_name

_SPARE_BYTES = 64 * 2**20  # left free on the disk, for the database


@dataclass(frozen=True)
class Unpacking:
    """Where the files of a project file go. written: what was written so far."""

    file: ProjectFile
    settings: Settings
    written: list[Path]

    def write_all(self, generations: list[Generation]) -> None:
        """Write all files of `generations`, whose order is that of the project file, and all inputs.

        Raises MediaError for a damaged file, ResourceError where the disk has no room.
        """
        self._require_room()
        for packed, generation in zip(self.file.project.generations, generations, strict=True):
            for output, packed_file in zip(generation.outputs, packed.outputs, strict=True):
                if packed_file.entry is not None:
                    self._write(packed_file.entry, self.settings.data_dir / output.path, output.sha256)
        for name, entry in self.file.project.inputs.items():
            target = self.settings.inputs_dir / f"{_input_name(name)}{archive.input_suffix(entry)}"
            if not target.exists():
                self._write(entry, target, name)

    def undo(self) -> None:
        """Delete what was written."""
        for path in self.written:
            path.unlink(missing_ok=True)

    def _write(self, entry: str, target: Path, sha256: str) -> None:
        if target.exists():
            raise MediaError(f"The project file names two files for {target.name}; export it again.")
        self.file.unpack(entry, target, sha256=sha256)
        self.written.append(target)

    def _require_room(self) -> None:
        free_bytes = shutil.disk_usage(self.settings.data_dir).free
        if self.file.size_bytes + _SPARE_BYTES > free_bytes:
            raise ResourceError(
                f"The project needs {self.file.size_bytes / 2**20:.0f} MB, {free_bytes / 2**20:.0f} MB are "
                "free; make some room and import it again."
            )


def unpacked_rows(project: PackedProject, *, project_id: str, taken: set[str]) -> list[Generation]:
    """Return the generations of a project file as they become ours; those in `taken` get new ids.

    So does one that claims to come from the future, as no id here may. Raises MediaError where this version
    does not know a request.
    """
    newest = least_id(time.time())
    ids: dict[str, str] = {}
    for packed in project.generations:
        if packed.id in ids:
            raise MediaError("The project file holds one generation twice; export it again.")
        is_free = packed.id not in taken and packed.id < newest
        ids[packed.id] = packed.id if is_free else random_id(min(packed.created_at, time.time()))
    return [_row(packed, project_id, ids) for packed in project.generations]


def free_name(name: str, taken: set[str]) -> str:
    """Return `name`, shortened and numbered where that is needed to make it a new project's."""
    try:
        wanted = checked_name(name[:MAX_NAME_CHARACTERS])
    except RequestError:
        wanted = "Imported"
    number, free = 1, wanted
    while free in taken:
        number += 1
        free = f"{wanted[: MAX_NAME_CHARACTERS - 8]} ({number})"
    return free


def _row(packed: PackedGeneration, project_id: str, ids: dict[str, str]) -> Generation:
    try:
        request = parse_request(packed.request)
    except RequestError as exc:
        raise MediaError(f"The project file cannot be imported: {exc}") from exc
    created_at = min(packed.created_at, time.time())
    new_id, day = ids[packed.id], datetime.fromtimestamp(created_at, UTC).strftime("%Y-%m-%d")
    outputs = tuple(
        archive.packed_output(file, stem=new_id, folder=f"outputs/{day}") for file in packed.outputs
    )
    return Generation(
        id=new_id,
        project_id=project_id,
        request=request,
        created_at=created_at,
        kind=request.kind,
        status=packed.status,
        attempt=packed.attempt,
        started_at=packed.started_at,
        finished_at=packed.finished_at,
        error=packed.error,
        parents=tuple(ids[parent] for parent in packed.parents if parent in ids),
        outputs=outputs,
        facts=packed.facts,
        is_starred=packed.is_starred,
    )


def _input_name(name: str) -> str:
    """Return `name` if it is the sha256 that names inputs; MediaError."""
    if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
        raise MediaError(
            f"The project file names an input {name[:20]!r}, which is no sha256; export it again."
        )
    return name
