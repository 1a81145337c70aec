"""Files: checksums, and writing so that a name either holds the whole file or does not exist."""

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backend.errors import DiskFullError, MediaError, StudioError

PARTIAL_SUFFIX = ".partial"
MAX_NAME_BYTES = 150

_DEVICES = re.compile(r"CON|PRN|AUX|NUL|COM\d|LPT\d", re.IGNORECASE)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of the file's bytes as 64 hexadecimal digits; MediaError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise MediaError(f"{path.name} cannot be read: {exc.strerror}.") from exc


def readable_size(path: Path, *, wanted: str) -> int:
    """Return the size in bytes of the file at `path`; MediaError that advises `wanted` if it is not one."""
    try:
        size_bytes = path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):
        size_bytes = None
    if size_bytes is None:
        raise MediaError(f"{path.name} does not exist or is not a file.")
    if size_bytes == 0:
        raise MediaError(f"{path.name} is empty (0 bytes); choose {wanted}.")
    return size_bytes


def copy_file(source: Path, target: Path) -> None:
    """Copy `source` to `target` so that `target` is never half written.

    Raises MediaError if either cannot be used or the copy does not read back, DiskFullError if the disk is
    full.
    """
    readable_size(source, wanted="another file")
    with replacing(target) as partial:
        shutil.copyfile(source, partial)
        if sha256_of(partial) != sha256_of(source):
            raise MediaError(f"{target.name} was not kept because it did not read back; copy it again.")


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what was written there takes the name `path` when the block ends.

    If the block raises, nothing is left under either name (an older file at `path` stays). The temporary name
    is `.<name>.<random>.partial`, so that leftovers of a killed process can be recognised. `durable` waits
    until the disk holds file and folder. Raises MediaError if the folder cannot be written, DiskFullError if
    it is full.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL_SUFFIX}")
    try:
        _make_folder(path.parent, durable=durable)
        yield partial
        if durable:
            _sync(partial)
        partial.replace(path)
        if durable and os.name == "posix":
            _sync(path.parent)
    except OSError as exc:
        raise write_error(path, exc) from exc
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def safe_name(text: str, *, otherwise: str) -> str:
    """Return `text` as a name that every system can hold, without suffix; `otherwise` if nothing is left.

    Letters, digits, spaces and ._-()+ stay; a name never begins with a dot or a dash, nor is it one of the
    devices of Windows.
    """
    plain = "".join(letter if letter.isalnum() or letter in " ._-()+" else " " for letter in text)
    words = " ".join(plain.split())
    cut = words.encode("utf-8", "ignore")[:MAX_NAME_BYTES].decode("utf-8", "ignore")
    name = cut.lstrip("._- ").rstrip(". ")
    return otherwise if not name or _DEVICES.fullmatch(name.partition(".")[0].strip()) else name


def unused_path(folder: Path, stem: str, suffix: str) -> Path:
    """Return a path in `folder` that nothing has yet: `stem` with `suffix`, numbered where that is taken."""
    path, number = folder / f"{stem}{suffix}", 1
    while path.exists() or path.is_symlink():
        number += 1
        path = folder / f"{stem}-{number}{suffix}"
    return path


def write_error(path: Path, cause: OSError) -> StudioError:
    """Return the error to raise when writing `path` failed because of `cause`."""
    if cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"The disk is full, so {path.name} was not written; free some space and try again."
        )
    return MediaError(f"{path.name} cannot be written: {cause.strerror or cause}; choose another folder.")


def _make_folder(folder: Path, *, durable: bool) -> None:
    """Make `folder` and those around it, where they are missing."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing if durable and os.name == "posix" else ():
        _sync(each.parent)


def _sync(path: Path) -> None:
    """Wait until the disk holds `path`, a file or a folder."""
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
