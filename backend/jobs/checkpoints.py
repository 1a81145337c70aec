"""Checkpoints: where sampling stood, as a safetensors file that appears only when it is complete."""

import errno
import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from backend.media.files import replacing
from backend.pipelines.clip import LatentCheckpoint

_log = logging.getLogger(__name__)


def write(path: Path, checkpoint: LatentCheckpoint, *, durable: bool = True) -> None:
    """Store `checkpoint` at `path` in place of the one before; a killed process leaves that one whole.

    durable: wait for the disk, so that a power cut does too. Raises MediaError, DiskFullError.
    """
    latents = checkpoint.latents.cpu().contiguous()
    facts = {"step": str(checkpoint.step), "network_passes": str(checkpoint.network_passes)}
    with replacing(path, durable=durable) as partial:
        try:
            save_file({"latents": latents}, partial, metadata={**facts, "sha256": _digest(latents)})
        except SafetensorError as exc:
            full = "No space left" in str(exc)
            raise OSError(errno.ENOSPC if full else errno.EIO, str(exc)) from exc


def newest(paths: Iterable[Path]) -> LatentCheckpoint | None:
    """Return the checkpoint of the most steps at `paths`, or None where none can be read."""
    found = [checkpoint for path in paths if (checkpoint := read(path)) is not None]
    return max(found, key=lambda checkpoint: checkpoint.step, default=None)


def read(path: Path) -> LatentCheckpoint | None:
    """Return the checkpoint at `path`, or None where there is none or it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            facts, latents = file.metadata(), file.get_tensor("latents")
        if facts["sha256"] != _digest(latents):
            raise ValueError("its numbers are not those that were written")
        return LatentCheckpoint(int(facts["step"]), latents, network_passes=int(facts["network_passes"]))
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, LookupError, ValueError, TypeError) as exc:
        _log.warning("the checkpoint %s is not used: %s", path.name, exc)
        return None


def _digest(latents: Tensor) -> str:
    return hashlib.sha256(latents.numpy().data).hexdigest()
