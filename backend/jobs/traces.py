"""Traces: the files that only an unfinished job needs: checkpoints, previews, a receipt. Torch-free."""

import logging
import shutil
from collections.abc import Collection
from pathlib import Path

from backend.config import Settings
from backend.media.files import PARTIAL_SUFFIX
from backend.store.ids import ID_LENGTH

_log = logging.getLogger(__name__)


def checkpoint_path(settings: Settings, job_id: str) -> Path:
    """Return where the checkpoint of that job lies while it is unfinished."""
    return settings.checkpoints_dir / f"{job_id}.safetensors"


def recent_path(settings: Settings, job_id: str) -> Path:
    """Return where a newer checkpoint may lie, which the disk need not hold yet."""
    return settings.checkpoints_dir / f"{job_id}.recent.safetensors"


def receipt_path(settings: Settings, job_id: str) -> Path:
    """Return where a worker writes down that it has finished that job."""
    return settings.checkpoints_dir / f"{job_id}.done.json"


def previews_dir(settings: Settings, job_id: str) -> Path:
    """Return the folder of that job's previews."""
    return settings.previews_dir / job_id


def remove(settings: Settings, job_id: str) -> None:
    """Remove the traces of one job."""
    for place in (checkpoint_path, recent_path, receipt_path):
        _unlink(place(settings, job_id))
    shutil.rmtree(previews_dir(settings, job_id), ignore_errors=True)


def settle(settings: Settings, job_id: str, *, status: str) -> None:
    """Remove what a job that no worker has now does not need in that `status`.

    Half-written files never are needed, whole ones only where it is done, and traces while it waits.
    """
    partial = f".{job_id}*{PARTIAL_SUFFIX}"
    leftovers = [*settings.outputs_dir.glob(f"*/{partial}"), *settings.checkpoints_dir.glob(partial)]
    if status != "done":
        leftovers += settings.outputs_dir.glob(f"*/{job_id}*")
    for leftover in leftovers:
        _unlink(leftover)
    if status != "queued":
        remove(settings, job_id)


def remove_stale(settings: Settings, *, live: Collection[str], stopped: Collection[str] = ()) -> None:
    """Remove what a killed process left.

    That is: traces of jobs that are not `live`, outputs of those that are `stopped`, for good but not done,
    and half-written files.
    """
    kept = [*settings.checkpoints_dir.glob("*.safetensors"), *settings.checkpoints_dir.glob("*.done.json")]
    for trace in [*kept, *settings.previews_dir.glob("*")]:
        job_id = trace.name.partition(".")[0]
        if job_id not in live:
            remove(settings, job_id)
    for output in settings.outputs_dir.glob("*/*"):
        if output.name[:ID_LENGTH] in stopped:
            _unlink(output)
    _remove_partial(settings)


def _remove_partial(settings: Settings) -> None:
    """Remove files, and folders of files, that were being written when a process ended."""
    nested = settings.outputs_dir.glob("*/.*.partial")
    flat = (settings.checkpoints_dir, settings.inputs_dir, settings.exports_dir)
    for partial in [*nested, *(each for folder in flat for each in folder.glob(".*.partial"))]:
        if partial.is_dir() and not partial.is_symlink():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            _unlink(partial)


def _unlink(path: Path) -> None:
    """Remove a file where it is and can be removed: one that stays is no reason to end a job."""
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        _log.warning("%s cannot be removed: %s", path.name, exc.strerror)
