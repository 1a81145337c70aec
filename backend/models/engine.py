"""The engine protocol: what a model family offers so that every sampler, guidance and preview works for it.

This module is torch-free at run time: the registry, the page and the request validation read `EngineSpec`
without loading a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True)
class EngineSpec:
    """What an engine can make, as data.

    sizes: aspect ratio -> (width, height) in pixels.
    frame_rule: (a, b): frame counts are a * n + b, so that latents cover whole groups of frames.
    duration_range: shortest and longest clip, in seconds.
    folder: of its files inside the weights folder; empty for an engine without files.
    capabilities: names of controls the engine honours ("text_guidance", "motion_score", ...).
    timestep_shift: the shift of the sigma schedule that suits its latents; 1 leaves the schedule linear.
    """

    name: str
    title: str
    sizes: dict[str, tuple[int, int]]
    frame_rate: int
    frame_rule: tuple[int, int]
    duration_range: tuple[float, float]
    max_inference_steps: int
    folder: str
    licence: str
    capabilities: frozenset[str] = field(default_factory=frozenset)
    timestep_shift: float = 1.0

    def num_frames(self, duration_seconds: float) -> int:
        """Return the valid frame count nearest to `duration_seconds`."""
        every, first = self.frame_rule
        return every * max(0, round((duration_seconds * self.frame_rate - first) / every)) + first


@dataclass(frozen=True)
class Pass:
    """One forward pass of the network: which conditions it sees.

    text: "prompt", "negative" or "none" (the null text embedding).
    image: whether given clean frames are shown.
    motion_channels: whether the motion half of the latents is shown.
    """

    text: str = "prompt"
    image: bool = True
    motion_channels: bool = True


@dataclass(frozen=True)
class Conditioning:
    """Everything a network pass may look at besides latents and sigma.

    prompt, negative: engine-specific prompt embeddings as returned by `Engine.encode_prompt`.
    """

    prompt: object
    negative: object


class Engine(Protocol):
    """Six calls and a spec. sigma runs from 1 (noise) to 0 (data); velocity = noise - data.

    Latents cross these calls as float32 on the CPU, so that a seed means the same on every machine and a loop
    may stop and resume anywhere; the engine moves them to its device and back.

    device: where and how precisely it runs, for a clip's facts ("cpu, bfloat16").
    weights_sha256: one digest of all its files; empty for an engine without files.
    """

    spec: EngineSpec
    device: str
    weights_sha256: str

    def encode_prompt(self, prompt: str) -> object:
        """Return embeddings of `prompt`; of the empty string, the null text embedding."""
        ...

    def latent_shape(self, *, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Return (C, F, H, W) of the latents of one clip."""
        ...

    def velocities(
        self, latents: torch.Tensor, sigma: float, conditioning: Conditioning, passes: Sequence[Pass]
    ) -> list[torch.Tensor]:
        """Return one velocity per pass, each of the shape of `latents` (B, C, F, H, W), float32."""
        ...

    def encode(self, frames: np.ndarray) -> torch.Tensor:
        """Return latents (1, C, F, H, W) of `frames` (T, H, W, 3) uint8."""
        ...

    def decode(self, latents: torch.Tensor) -> np.ndarray:
        """Return frames (T, H, W, 3) uint8 of `latents` (1, C, F, H, W)."""
        ...

    def preview(self, latents: torch.Tensor) -> np.ndarray:
        """Return the frames of `decode` smaller (T, h, w, 3) uint8, in a fraction of its time."""
        ...
