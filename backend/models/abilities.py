"""What some engines can do besides the calls of every engine; torch-free at run time, as `engine` is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from backend.models.engine import Engine

if TYPE_CHECKING:
    import numpy as np
    import torch


@runtime_checkable
class SoundingEngine(Engine, Protocol):
    """An engine that makes sound together with its clips; its spec has an `own_sound_rate`."""

    def decode_sound(self, latents: torch.Tensor) -> np.ndarray:
        """Return samples (N, channels) float32 at the spec's own rate of `latents` (1, C, F, H, W)."""
        ...


@runtime_checkable
class LoraEngine(Engine, Protocol):
    """An engine that takes LoRA files; its spec has the capability "loras"."""

    def wear(self, strengths: Mapping[Path, float]) -> None:
        """Use the LoRA files of `strengths` as strongly as it says, and no others; WeightsError."""
        ...


@runtime_checkable
class UpsamplingEngine(Engine, Protocol):
    """An engine that can enlarge latents; whether its network is there, `DetailSpec.has_upsampler` says."""

    def upsample(self, latents: torch.Tensor) -> torch.Tensor:
        """Return latents (1, C, F, 2 H, 2 W) of `latents` (1, C, F, H, W)."""
        ...


@runtime_checkable
class FinishingEngine(Engine, Protocol):
    """An engine with a network that finishes decoded details, where `DetailSpec.has_finisher` says so."""

    def finish(self, frames: np.ndarray, low: np.ndarray) -> np.ndarray:
        """Return `frames` closer to what they show; `low`: the enlarged draft; all (T, H, W, 3) uint8.

        WeightsError where the network is not installed.
        """
        ...
