"""Checkpoints: where sampling stood, as a safetensors file that appears only when it is complete."""

import logging
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from backend.media.files import replacing
from backend.pipelines.clip import LatentCheckpoint

_log = logging.getLogger(__name__)


def write(path: Path, checkpoint: LatentCheckpoint) -> None:
    """Store `checkpoint` at `path` in place of the one before; a killed process leaves that one whole."""
    counts = {"step": str(checkpoint.step), "network_passes": str(checkpoint.network_passes)}
    with replacing(path) as partial:
        save_file({"latents": checkpoint.latents.contiguous()}, partial, metadata=counts)


def read(path: Path) -> LatentCheckpoint | None:
    """Return the checkpoint at `path`, or None where there is none or it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            counts = file.metadata()
            return LatentCheckpoint(
                step=int(counts["step"]),
                latents=file.get_tensor("latents"),
                network_passes=int(counts["network_passes"]),
            )
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, LookupError, ValueError, TypeError) as exc:
        _log.warning("starting over, since the checkpoint %s cannot be read: %s", path.name, exc)
        return None
