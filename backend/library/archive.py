"""A whole project as one zip file: `project.json` says what there is, the files lie beside it.

Nothing in such a file is trusted: names in it never become paths, every content is checked by its sha256, and
what would unpack to more than the limits is refused before anything is written.
"""

import hashlib
import json
import logging
import re
import stat
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend.config import Settings
from backend.errors import MediaError
from backend.library.storage import INPUT_SUFFIXES, input_path, named_inputs
from backend.media.files import replacing, sha256_of
from backend.requests import INPUT_PATTERN
from backend.store.generations import Generation, Output
from backend.store.projects import Project

_log = logging.getLogger(__name__)

MANIFEST = "project.json"
SUFFIXES = {
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "audio/wav": ".wav",
    "audio/x-wav": ".wav",
    "audio/flac": ".flac",
    "audio/mp4": ".m4a",
    "application/json": ".json",
}
"""Media type -> suffix of a file that an import may bring; nothing that a browser would run."""

MAX_ENTRIES = 10_000
MAX_UNPACKED_BYTES = 2 * 2**30
MAX_MANIFEST_BYTES = 64 * 2**20
MAX_RATIO = 100
_CHUNK_BYTES = 2**20


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class PackedFile(_Model):
    """One output in a project file. entry: its name in the zip, None where it was missing already."""

    role: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    sha256: str = Field(pattern=INPUT_PATTERN)
    media_type: str
    size_bytes: int = Field(ge=0)
    entry: str | None = None


class PackedGeneration(_Model):
    """One generation in a project file, as it ended."""

    id: str = Field(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")
    request: dict[str, Any]
    parents: tuple[str, ...] = ()
    outputs: tuple[PackedFile, ...] = ()
    facts: dict[str, Any] = Field(default_factory=dict)
    created_at: float = Field(ge=0)
    started_at: float | None = None
    finished_at: float | None = None
    status: Literal["done", "failed", "canceled"]
    attempt: int = Field(default=0, ge=0, le=1000)
    error: str | None = Field(default=None, max_length=10_000)
    is_starred: bool = False


class PackedProject(_Model):
    """What `project.json` holds. inputs: name of a stored picture or clip -> its entry."""

    kinora_project: Literal[1]
    name: str
    generations: tuple[PackedGeneration, ...]
    inputs: dict[str, str] = Field(default_factory=dict)


def write_project(
    target: Path, project: Project, generations: Sequence[Generation], *, settings: Settings
) -> list[str]:
    """Write `generations` with their files to a zip at `target`; return what had to be left out.

    That is the path of every file that is missing, or not any more what it was. Raises MediaError where the
    project is too large for one file, ResourceError where the disk is full.
    """
    files: dict[str, Path] = {}
    packed = [_packed(generation, settings, files) for generation in generations]
    names = {name for generation in generations for name in named_inputs(generation.request).values()}
    inputs = {}
    for name in sorted(names):
        path = input_path(settings, name)
        if path is not None and sha256_of(path) == name:
            inputs[name] = f"inputs/{path.name}"
            files[inputs[name]] = path
    manifest = {"kinora_project": 1, "name": project.name, "generations": packed, "inputs": inputs}
    _require_room(files)
    with replacing(target) as partial, zipfile.ZipFile(partial, "w", strict_timestamps=False) as archive:
        archive.writestr(MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1))
        for entry, path in files.items():
            archive.write(path, entry)
    left_out = [file["role"] for each in packed for file in each["outputs"] if file["entry"] is None]
    return left_out + sorted(names - set(inputs))


def _packed(generation: Generation, settings: Settings, files: dict[str, Path]) -> dict[str, Any]:
    """Return what `project.json` says of `generation`, having added its whole files to `files`."""
    shown = generation.to_json()
    for output in shown["outputs"]:
        path = settings.data_dir / output.pop("path")
        is_whole = path.is_file() and not path.is_symlink() and sha256_of(path) == output["sha256"]
        output["entry"] = f"outputs/{generation.id}/{output['role']}{path.suffix}" if is_whole else None
        if is_whole:
            files[output["entry"]] = path
        else:
            _log.warning("left out of the project file: %s", path)
    return {name: value for name, value in shown.items() if name in PackedGeneration.model_fields}


def _require_room(files: dict[str, Path]) -> None:
    """Raise MediaError where no import would take a zip of these files."""
    size_bytes = sum(path.stat().st_size for path in files.values())
    if len(files) >= MAX_ENTRIES or size_bytes > MAX_UNPACKED_BYTES:
        raise MediaError(
            f"The project has {len(files):,} files of {size_bytes / 2**30:.1f} GB; one project file holds "
            f"{MAX_ENTRIES - 1:,} files of {MAX_UNPACKED_BYTES / 2**30:.0f} GB: put some into the bin."
        )


class ProjectFile:
    """An open project file that was found safe to read. size_bytes: of all its files, unpacked."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive = archive
        self._name = name
        self._entries = _checked_entries(archive, name)
        self.size_bytes = sum(entry.file_size for entry in self._entries.values())
        self.project = self._read_manifest()

    def unpack(self, entry: str, target: Path, *, sha256: str) -> None:
        """Write the content of `entry` to `target`; MediaError where it is not the one of that sha256."""
        info = self._entries.get(entry)
        if info is None:
            raise MediaError(f"{self._name} lacks the file {entry[:80]!r} that it names; export it again.")
        digest = hashlib.sha256()
        try:
            with replacing(target, durable=False) as partial:
                with self._archive.open(info) as source, partial.open("wb") as file:
                    while chunk := source.read(_CHUNK_BYTES):
                        digest.update(chunk)
                        file.write(chunk)
                if digest.hexdigest() != sha256:
                    raise MediaError(f"The file {entry[:80]!r} in {self._name} is damaged; export it again.")
        except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError) as exc:
            raise MediaError(f"The file {entry[:80]!r} in {self._name} cannot be read: {exc}.") from exc

    def _read_manifest(self) -> PackedProject:
        info = self._entries.get(MANIFEST)
        if info is None or info.file_size > MAX_MANIFEST_BYTES:
            raise MediaError(f"{self._name} is no project file: it has no {MANIFEST} of a sensible size.")
        try:
            with self._archive.open(info) as file:
                content = json.loads(file.read(), parse_constant=_refuse_constant)
            return PackedProject.model_validate(content)
        except ValidationError as exc:
            problem = exc.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in problem["loc"])[:80]
            raise MediaError(
                f"{self._name} cannot be imported: {where} is not as this version writes it."
            ) from exc
        except (ValueError, RecursionError, zipfile.BadZipFile, EOFError) as exc:
            raise MediaError(f"{self._name} cannot be imported: its {MANIFEST} is damaged.") from exc


@contextmanager
def open_project(path: Path) -> Iterator[ProjectFile]:
    """Yield the project file at `path`; MediaError where it is none, unsafe, or beyond the limits."""
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError) as exc:
        raise MediaError(f"{path.name} is no project file; choose a zip that Kinora exported.") from exc
    with archive:
        yield ProjectFile(archive, path.name)


def packed_output(file: PackedFile, *, stem: str, folder: str) -> Output:
    """Return the output that `file` becomes here, under a name of our own; MediaError for other media."""
    if file.media_type not in SUFFIXES:
        raise MediaError(
            f"The project file brings a file of the type {file.media_type[:40]!r}, which is not allowed."
        )
    name = stem if file.role in ("clip", "poster") else f"{stem}-{file.role}"
    return Output(
        role=file.role,
        path=f"{folder}/{name}{SUFFIXES[file.media_type]}",
        sha256=file.sha256,
        media_type=file.media_type,
        size_bytes=file.size_bytes,
    )


def input_suffix(entry: str) -> str:
    """Return the suffix of a packed picture or clip; MediaError for anything else."""
    suffix = Path(entry).suffix
    if suffix not in INPUT_SUFFIXES:
        raise MediaError(f"The project file brings {entry[:80]!r}, which is no picture or clip.")
    return suffix


def _checked_entries(archive: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    """Return the files of `archive` by name; MediaError for what could harm: see the limits above."""
    entries = archive.infolist()
    size_bytes = sum(entry.file_size for entry in entries)
    packed_bytes = sum(entry.compress_size for entry in entries)
    if len(entries) > MAX_ENTRIES or size_bytes > MAX_UNPACKED_BYTES:
        raise MediaError(
            f"{name} holds {len(entries):,} files of {size_bytes / 2**30:.1f} GB; at most "
            f"{MAX_ENTRIES:,} files of {MAX_UNPACKED_BYTES / 2**30:.0f} GB can be imported."
        )
    if size_bytes > MAX_RATIO * max(packed_bytes, 1):
        raise MediaError(f"{name} would unpack to over {MAX_RATIO} times its size, which no project does.")
    found = {entry.filename: entry for entry in entries if not entry.is_dir()}
    if len(found) != sum(not entry.is_dir() for entry in entries):
        raise MediaError(f"{name} holds two files of one name; export the project again.")
    for entry in entries:
        if not _is_safe(entry):
            raise MediaError(f"{name} holds {entry.filename[:80]!r}, which is unsafe; nothing was imported.")
    return found


def _is_safe(entry: zipfile.ZipInfo) -> bool:
    """Return whether `entry` is a plain file or folder, readable without a password, below the zip's root."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    has_safe_name = not re.search(r"^/|^[A-Za-z]:|\\|\0|(^|/)\.\.(/|$)", entry.filename)
    is_plain = kind in (0, stat.S_IFREG, stat.S_IFDIR) and not entry.flag_bits & 1
    return has_safe_name and is_plain and entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
