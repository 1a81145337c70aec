"""Installed open models: which folders of weights were added, as one small JSON file each. Torch-free.

`<data>/models/NAME.json` says where the diffusers folder lies, what it can do and what its files must be.
The folder itself stays where it is; a downloaded one lies in `<data>/models/NAME/`.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from backend.errors import NotFoundError, WeightsError

NAME_PATTERN = r"[a-z0-9][a-z0-9.-]{0,39}"


@dataclass(frozen=True)
class ModelFile:
    """What one file must be. path: POSIX, in the model's folder; modified_ns: its time when it was hashed."""

    path: str
    sha256: str
    size_bytes: int
    modified_ns: int = 0


@dataclass(frozen=True)
class Installed:
    """One added model.

    family: a key of `families.FAMILIES`. facts: what the family read from its configuration files.
    source, revision: the repository and commit it came from, empty for a local folder. short_side: pixels
    of its clips' short side where a creator chose them, else None. memory_plan: see `models.memory`.
    block_cache: the threshold of `models.block_cache`, 0 for none. parts: subfolder -> where it lies instead,
    for what was added to the model later.
    """

    name: str
    title: str
    family: str
    folder: str
    licence: str
    facts: dict[str, Any]
    source: str = ""
    revision: str = ""
    short_side: int | None = None
    memory_plan: str = "auto"
    block_cache: float = 0.0
    files: tuple[ModelFile, ...] = field(default=())
    parts: dict[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def sha256(self) -> str:
        """Return one digest of all files: sha256 over the sorted "path sha256" lines."""
        lines = sorted(f"{file.path} {file.sha256}\n" for file in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_all(models_dir: Path) -> list[Installed]:
    """Return every added model, by name; a damaged record is left out, and `models check` names it."""
    found = []
    for path in sorted(models_dir.glob("*.json")):
        try:
            found.append(read(models_dir, path.stem))
        except WeightsError:
            continue
    return found


def read(models_dir: Path, name: str) -> Installed:
    """Return the model called `name`; NotFoundError, or WeightsError for a damaged record."""
    path = record_path(models_dir, name)
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        files = tuple(ModelFile(**file) for file in fields.pop("files"))
        return Installed(**fields, files=files)
    except FileNotFoundError as exc:
        raise NotFoundError(
            f"No model is called '{name[:40]}'; `models list` shows those there are."
        ) from exc
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as exc:
        raise WeightsError(
            f"The record {path.name} of an added model is damaged; remove the file and add the model again."
        ) from exc


def write(models_dir: Path, installed: Installed) -> None:
    """Store `installed`, in place of the record before."""
    models_dir.mkdir(parents=True, exist_ok=True)
    path = record_path(models_dir, installed.name)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(installed), indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def record_path(models_dir: Path, name: str) -> Path:
    """Return where the record of the model called `name` lies; NotFoundError for what cannot be a name."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise NotFoundError(
            f"A model's name has 1 to 40 small letters, digits, dots and hyphens; you gave '{name[:40]}'."
        )
    return models_dir / f"{name}.json"


def problems(installed: Installed, *, is_thorough: bool = False) -> list[str]:
    """Return one sentence for each file of `installed` that is missing or damaged.

    Files whose size and time are those of the last look are not hashed again unless `is_thorough`.
    """
    return [
        f"The file {file.path} of {installed.title} {defect}; add the model again, or remove it."
        for file in installed.files
        if (defect := _defect(path_of(installed, file.path), file, is_thorough=is_thorough))
    ]


def path_of(installed: Installed, path: str) -> Path:
    """Return where the file or subfolder of `installed` lies that it calls `path`."""
    component, _, name = path.partition("/")
    elsewhere = installed.parts.get(component)
    return Path(elsewhere) / name if elsewhere else Path(installed.folder) / path


def described(folder: Path, paths: list[str]) -> tuple[ModelFile, ...]:
    """Return what the files at `paths` of `folder` are now."""
    return tuple(_describe(folder / path, path) for path in paths)


def _describe(file: Path, path: str) -> ModelFile:
    stat = file.stat()
    return ModelFile(path, sha256_of(file), stat.st_size, stat.st_mtime_ns)


def _defect(path: Path, file: ModelFile, *, is_thorough: bool) -> str:
    """Return what is wrong with the file at `path`, or the empty string."""
    try:
        stat = path.stat()
        if stat.st_size != file.size_bytes:
            return f"has {stat.st_size:,} bytes instead of {file.size_bytes:,}"
        if stat.st_mtime_ns == file.modified_ns and not is_thorough:
            return ""
        is_same = sha256_of(path) == file.sha256
    except FileNotFoundError:
        return "is missing"
    except OSError as exc:
        return f"cannot be read ({exc.strerror})"
    return "" if is_same else "is damaged: its checksum is not the recorded one"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of the file at `path` as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
