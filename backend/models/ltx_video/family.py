"""What LTX-Video and LTX-2 share: how latents become tokens and pictures, and what a draft goes on from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.models.diffusers_parts import to_frames
from backend.models.engine import Engine, EngineSpec, Refiner
from backend.models.lora_weights import LoraRack
from backend.models.partial_noise import PartialNoiseRefiner
from backend.models.placement import Placement


class LtxFamily(Engine):
    """The common half of both engines. parts: a pipeline of diffusers, of which the loop is not used."""

    def __init__(
        self, parts: Any, engine_spec: EngineSpec, placement: Placement, *, weights_sha256: str
    ) -> None:
        self.spec = engine_spec
        self.device = str(placement)
        self.weights_sha256 = weights_sha256
        self._parts = parts
        self._placement = placement
        self._vae = parts.vae
        self.upsampler: Any = None
        self._rack = LoraRack(parts)

    def refiner(self, degradation_step: int) -> Refiner:
        """Return the model itself as its refiner: it goes on from a draft noised to that step."""
        return PartialNoiseRefiner(self, degradation_step=degradation_step)

    def wear(self, strengths: Mapping[Path, float]) -> None:
        """Use the LoRA files of `strengths` as strongly as it says, and no others; WeightsError."""
        self._rack.wear(strengths)

    @torch.no_grad()
    def _decode_picture(self, latents: Tensor) -> np.ndarray:
        """Return frames (T, H, W, 3) uint8 of `latents` (1, C, F, H, W) of the picture alone."""
        vae = self._vae
        factor = vae.config.scaling_factor
        scaled = self._parts._denormalize_latents(latents, vae.latents_mean, vae.latents_std, factor)
        scaled = scaled.to(self._placement.device, vae.dtype)
        timestep = torch.zeros(1).to(scaled) if vae.config.timestep_conditioning else None
        return to_frames(vae.decode(scaled, timestep, return_dict=False)[0])

    @property
    def _patch(self) -> tuple[int, int]:
        """Return the patch sizes in space and in time."""
        return self._parts.transformer_spatial_patch_size, self._parts.transformer_temporal_patch_size

    def _packed(self, latents: Tensor) -> Tensor:
        """Return `latents` (B, C, F, H, W) as tokens (B, F*H*W, C)."""
        packed: Tensor = self._parts._pack_latents(latents, *self._patch)
        return packed

    def _unpacked(self, tokens: Tensor, *, like: Tensor) -> Tensor:
        """Return `tokens` (B, F*H*W, C) as latents of the shape of `like`."""
        unpacked: Tensor = self._parts._unpack_latents(tokens, *like.shape[2:], *self._patch)
        return unpacked
