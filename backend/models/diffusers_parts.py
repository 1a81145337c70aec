"""What engines over diffusers' own classes share: loading a folder, and pixels to and from frames."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from backend.errors import WeightsError
from backend.models.installed import Installed, path_of, problems
from backend.models.placement import Placement

EXACT = ("vae", "image_encoder", "audio_vae", "vocoder")
"""Parts kept in float32, as their authors advise: rounding shows in every pixel."""


def open_pipeline(pipeline: Any, installed: Installed, placement: Placement) -> Any:
    """Return the parts in the model's folder as a `pipeline` of diffusers, in the placement's dtype.

    Only safetensors are read and nothing is looked up elsewhere. Raises WeightsError for a file that is
    missing or is not what its record says, or that the parts cannot be made from.
    """
    found = problems(installed)
    if found:
        raise WeightsError(found[0])
    dtypes = {name: torch.float32 for name in EXACT if (Path(installed.folder) / name).is_dir()}
    try:
        return pipeline.from_pretrained(
            installed.folder,
            use_safetensors=True,
            local_files_only=True,
            dtype={**dtypes, "default": placement.dtype},
        )
    except (OSError, ValueError, TypeError, LookupError) as exc:
        raise WeightsError(
            f"The parts of {installed.title} do not fit together ({type(exc).__name__}); add the model again."
        ) from exc


def open_extra(network: Any, name: str, installed: Installed, placement: Placement) -> Any:
    """Return the `network` in the subfolder `name` of the model, on its device; WeightsError."""
    try:
        loaded = network.from_pretrained(
            path_of(installed, name), use_safetensors=True, local_files_only=True, dtype=placement.dtype
        )
    except (OSError, ValueError, TypeError, LookupError) as exc:
        raise WeightsError(
            f"The part {name} of {installed.title} cannot be loaded ({type(exc).__name__}); get it again."
        ) from exc
    return loaded.to(placement.device).eval()


def upsampled(latents: Tensor, parts: Any, upsampler: Any) -> Tensor:
    """Return what LTX's `upsampler` makes of `latents` (1, C, F, H, W): (1, C, F, 2 H, 2 W).

    It was trained on latents as the VAE has them, so they are scaled as its pipeline scales them.
    """
    vae = parts.vae
    scaling = (vae.latents_mean, vae.latents_std, vae.config.scaling_factor)
    plain = parts._denormalize_latents(latents.to(upsampler.device), *scaling)
    return parts._normalize_latents(upsampler(plain.to(upsampler.dtype)).float(), *scaling).cpu()


def to_pixels(frames: np.ndarray) -> Tensor:
    """Return pixels (1, 3, T, H, W) float32 in [-1, 1] of `frames` (T, H, W, 3) uint8."""
    return torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1


def to_frames(pixels: Tensor) -> np.ndarray:
    """Return frames (T, H, W, 3) uint8 of `pixels` (1, 3, T, H, W) in [-1, 1]."""
    frames = ((pixels[0].float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return frames.permute(1, 2, 3, 0).cpu().numpy()


def halved(latents: Tensor) -> Tensor:
    """Return `latents` (1, C, F, H, W) at half their height and width: means of 2 x 2."""
    return torch.nn.functional.avg_pool3d(latents, (1, 2, 2), ceil_mode=True)


def resized(frames: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """Return `frames` (T, H, W, 3) uint8 at `height` x `width`."""
    if frames.shape[1:3] == (height, width):
        return frames
    return np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames])
