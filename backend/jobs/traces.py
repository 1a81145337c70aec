"""Traces: the files that only an unfinished job needs: its checkpoint and its previews. Torch-free."""

import shutil
from collections.abc import Collection
from pathlib import Path

from backend.config import Settings


def checkpoint_path(settings: Settings, job_id: str) -> Path:
    """Return where the checkpoint of that job lies while it is unfinished."""
    return settings.checkpoints_dir / f"{job_id}.safetensors"


def previews_dir(settings: Settings, job_id: str) -> Path:
    """Return the folder of that job's previews."""
    return settings.previews_dir / job_id


def remove(settings: Settings, job_id: str) -> None:
    """Remove the traces of one job."""
    checkpoint_path(settings, job_id).unlink(missing_ok=True)
    shutil.rmtree(previews_dir(settings, job_id), ignore_errors=True)


def remove_stale(settings: Settings, *, live: Collection[str]) -> None:
    """Remove what a killed process left: traces of jobs that are not `live`, and half-written outputs."""
    for trace in [*settings.checkpoints_dir.glob("*.safetensors"), *settings.previews_dir.glob("*")]:
        if trace.stem not in live:
            remove(settings, trace.stem)
    _remove_partial(settings)


def _remove_partial(settings: Settings) -> None:
    """Remove files, and folders of files, that were being written when a process ended."""
    nested = settings.outputs_dir.glob("*/.*.partial")
    flat = (settings.checkpoints_dir, settings.inputs_dir, settings.exports_dir)
    for partial in [*nested, *(each for folder in flat for each in folder.glob(".*.partial"))]:
        if partial.is_dir() and not partial.is_symlink():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
