"""Downloading an open model from huggingface.co or a mirror, at a pinned commit. Torch-free.

Nothing here runs unless a creator asked for that model. What would be downloaded is known, with its size and
licence, before anything is; files arrive under a temporary name, an interrupted one goes on where it stopped,
and each must have the checksum that the commit states. No token is sent: a model that asks for an agreement
is downloaded in a browser and added as a folder.

huggingface_hub 2 names every partial file anew, so that a killed download would begin again; hence two plain
requests of our own.
"""

import errno
import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import httpx

from backend.errors import CanceledError, ResourceError, StudioError, WeightsError
from backend.models.diffusers_folder import (
    INDEX_NAME,
    WEIGHTS_SUFFIX,
    WITHOUT_WEIGHTS,
    is_needed,
    parse_index,
)
from backend.models.families import family_of
from backend.models.installed import sha256_of

_TIMEOUT_SECONDS = 30.0
_CHUNK_BYTES = 1 << 20
SPARE_BYTES = 2 * 10**9
"""How much of the disk a download leaves free."""
PARTIAL_SUFFIX = ".partial"


@dataclass(frozen=True)
class RemoteFile:
    """One file of a commit. sha256: as the commit states it; blob: the git checksum of a small file."""

    path: str
    size_bytes: int
    sha256: str = ""
    blob: str = ""


@dataclass(frozen=True)
class Offer:
    """What a download would bring: the commit, the files that are needed of it, and their licence."""

    repository: str
    revision: str
    licence: str
    family: str
    files: tuple[RemoteFile, ...]

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    def weight_bytes(self) -> dict[str, int]:
        """Return the bytes of the weights of each component."""
        found: dict[str, int] = {}
        for file in self.files:
            if file.path.endswith(WEIGHTS_SUFFIX):
                component = file.path.partition("/")[0]
                found[component] = found.get(component, 0) + file.size_bytes
        return found


@dataclass(frozen=True)
class Progress:
    """Bytes that are there, of how many, and the seconds left at this pace, where it is known."""

    done_bytes: int
    total_bytes: int
    remaining_seconds: float | None


def offer(repository: str, *, revision: str | None = None, hub: str) -> Offer:
    """Return what downloading `repository` would bring, at `revision` or at its newest commit, then pinned.

    hub: address of huggingface.co or a mirror. Raises WeightsError where it cannot be reached or the
    repository is no model that Kinora can run from safetensors alone.
    """
    try:
        address = f"{hub}/api/models/{repository}/revision/{revision or 'main'}"
        info = _answer(address, blobs="true")
        commit, licence = str(info["sha"]), str((info.get("cardData") or {}).get("license") or "not stated")
        remote = [_remote(each) for each in info["siblings"]]
        index = parse_index(_answer(f"{hub}/{repository}/resolve/{commit}/{INDEX_NAME}"))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError, AttributeError) as exc:
        raise WeightsError(_unreachable(repository, exc)) from exc
    family = family_of(index)
    index.require_allowed(family.components)
    components = set(index.components())
    components |= {each.path.partition("/")[0] for each in remote} & set(family.extras)
    files = tuple(each for each in remote if is_needed(each.path, components))
    for component in sorted(components - set(WITHOUT_WEIGHTS)):
        weights = [each for each in files if each.path.startswith(f"{component}/") and each.sha256]
        if not any(each.path.endswith(".safetensors") for each in weights):
            raise WeightsError(
                f"{repository}/{component} holds no safetensors; Kinora reads no other weights, since "
                "pickles can run code."
            )
    return Offer(repository, commit, licence, family.name, files)


def require_space(wanted: Offer, folder: Path) -> None:
    """Raise ResourceError unless the disk of `folder` has room for what is still missing of `wanted`."""
    missing = sum(each.size_bytes for each in wanted.files if not (folder / each.path).exists())
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if missing + SPARE_BYTES > free:
        raise ResourceError(
            f"{wanted.repository} needs {missing / 1e9:.1f} GB and {SPARE_BYTES / 1e9:.0f} GB to spare, but "
            f"{free / 1e9:.1f} GB are free at {existing}; free some space or choose another data folder."
        )


def download(
    wanted: Offer,
    folder: Path,
    *,
    hub: str,
    on_progress: Callable[[Progress], None] = lambda _: None,
    is_canceled: Callable[[], bool] = bool,
) -> None:
    """Bring all files of `wanted` into `folder`; those that are there and whole stay.

    An interrupted download goes on at the byte where it stopped. Raises CanceledError, ResourceError for a
    full disk, WeightsError for a lost connection and for a file without its checksum, which is removed.
    """
    require_space(wanted, folder)
    counter = _Counter(wanted.size_bytes, on_progress, is_canceled)
    for file in wanted.files:
        path = folder / file.path
        if not path.exists():
            counter.begin(file)
            address = f"{hub}/{wanted.repository}/resolve/{wanted.revision}/{file.path}"
            try:
                _fetch(address, path, file, counter)
            except (httpx.HTTPError, OSError) as exc:
                raise _lost(wanted.repository, exc) from exc
        _require_whole(path, file)
        counter.finish(file)


class _Counter:
    """Adds up what has arrived, tells it, and stops the download when asked to."""

    def __init__(
        self, total_bytes: int, on_progress: Callable[[Progress], None], is_canceled: Callable[[], bool]
    ) -> None:
        self._total_bytes, self._on_progress, self._is_canceled = total_bytes, on_progress, is_canceled
        self._finished_bytes = self._file_bytes = self._file_size = self._arrived_bytes = 0
        self._started = time.monotonic()

    def begin(self, file: RemoteFile) -> None:
        self._file_bytes, self._file_size = 0, file.size_bytes

    def finish(self, file: RemoteFile) -> None:
        self._finished_bytes += file.size_bytes
        self._file_bytes = 0
        self._tell()

    def add(self, count: int, *, is_new: bool) -> None:
        """Count bytes of the current file; `is_new` ones arrived just now. Raises CanceledError."""
        self._file_bytes = min(self._file_size, self._file_bytes + count)
        self._arrived_bytes += count if is_new else 0
        self._tell()
        if self._is_canceled():
            raise CanceledError("The download was stopped; adding the model again goes on from here.")

    def _tell(self) -> None:
        done = self._finished_bytes + self._file_bytes
        seconds = time.monotonic() - self._started
        pace = self._arrived_bytes / seconds if seconds > 0 else 0.0
        remaining = (self._total_bytes - done) / pace if pace else None
        self._on_progress(Progress(done, self._total_bytes, remaining))


def _fetch(address: str, path: Path, file: RemoteFile, counter: _Counter) -> None:
    """Bring the file at `address` to `path`, from the byte on where an earlier try stopped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{file.sha256 or file.blob}{PARTIAL_SUFFIX}")
    start = partial.stat().st_size if partial.exists() else 0
    if start < file.size_bytes or start == 0:
        headers = {"Range": f"bytes={start}-"} if start else {}
        with httpx.stream(
            "GET", address, headers=headers, follow_redirects=True, timeout=_TIMEOUT_SECONDS
        ) as answer:
            answer.raise_for_status()
            is_resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
            counter.add(start if is_resumed else 0, is_new=False)
            with partial.open("ab" if is_resumed else "wb") as target:
                for chunk in answer.iter_bytes(_CHUNK_BYTES):
                    target.write(chunk)
                    counter.add(len(chunk), is_new=True)
    partial.replace(path)


def _answer(address: str, **parameters: str) -> dict[str, Any]:
    """Return the JSON object at `address`."""
    answer = httpx.get(address, params=parameters, follow_redirects=True, timeout=_TIMEOUT_SECONDS)
    answer.raise_for_status()
    value: dict[str, Any] = answer.json()
    return value


def _remote(sibling: dict[str, Any]) -> RemoteFile:
    large = sibling.get("lfs") or {}
    size_bytes = int(sibling.get("size") or 0)
    return RemoteFile(
        str(sibling["rfilename"]), size_bytes, str(large.get("sha256", "")), str(sibling.get("blobId", ""))
    )


def _lost(repository: str, error: Exception) -> StudioError:
    """Return what to raise for `error` in the middle of a download."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ResourceError(
            "The disk is full; free some space and add the model again: what arrived is kept."
        )
    return WeightsError(_unreachable(repository, error))


def _require_whole(path: Path, file: RemoteFile) -> None:
    """Remove the file at `path` and raise WeightsError unless it is what the commit states."""
    is_whole = sha256_of(path) == file.sha256 if file.sha256 else _git_blob(path) == file.blob
    if not is_whole:
        path.unlink()
        raise WeightsError(
            f"{PurePosixPath(file.path).name} does not have the checksum that its commit states, and was "
            "removed; add the model again to get it anew."
        )


def _git_blob(path: Path) -> str:
    """Return the checksum by which git knows the file at `path`."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _unreachable(repository: str, error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403, 404):
        return (
            f"{repository} is not there, or asks for an agreement on its page first (answer {status}); "
            "check the id, or download it in a browser and add the folder."
        )
    return (
        f"{repository} cannot be downloaded now ({type(error).__name__}); what has arrived is kept: "
        "check the network and add the model again."
    )
