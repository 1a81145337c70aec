"""Wan 2.1 and 2.2 as an engine: our loop over diffusers' own transformer, VAE and text encoder.

The parts come from diffusers' WanPipeline or WanImageToVideoPipeline, whose own methods encode prompts and
pictures; its loop is not used. Wan 2.2 A14B has two experts, of which sigma chooses one (`boundary_ratio`);
Wan 2.2 TI2V-5B tells every token its own noise level (`expand_timesteps`), so that given frames stay clean.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import WanImageToVideoPipeline, WanPipeline
from torch import Tensor

from backend.errors import RequestError
from backend.models.block_cache import BlockCache
from backend.models.diffusers_parts import halved, open_pipeline, resized, to_frames, to_pixels
from backend.models.engine import Conditioning, EngineSpec, Given, KeyFrame, Layer, Pass, Refiner, SoundMaker
from backend.models.installed import Installed
from backend.models.lora_weights import LoraRack
from backend.models.memory import settle
from backend.models.partial_noise import PartialNoiseRefiner
from backend.models.placement import Placement, place
from backend.models.wan_video.spec import spec

_MAX_TOKENS = 512
_CACHED_PROMPTS = 32


@dataclass(frozen=True)
class ShownPictures:
    """What the network sees of given pictures: a mask over latents (1, 4 + C, F, H, W), and their embeddings.

    embeds: (1 or 2, L, D) of each picture from the image encoder, or None for a model without one.
    """

    latents: Tensor
    embeds: Tensor | None


def load(installed: Installed, device: str) -> "WanEngine":
    """Return the engine of an added model on `device`; WeightsError or ResourceError where it cannot be."""
    placement = place(device)
    takes_pictures = installed.facts["kind"] in ("image", "image_and_last", "first_and_last")
    pipeline = WanImageToVideoPipeline if takes_pictures else WanPipeline
    parts = open_pipeline(pipeline, installed, placement)
    engine = WanEngine(parts, spec(installed), placement, weights_sha256=installed.sha256)
    engine.device = settle(parts, placement, installed)
    if installed.block_cache:
        engine.use_block_cache(installed.block_cache)
    return engine


class WanEngine:
    """Implements the engine protocol, one pass at a time: a batch of two would need the memory of two.

    parts: a WanPipeline, or a WanImageToVideoPipeline for a model that is shown pictures.
    """

    def __init__(
        self, parts: Any, engine_spec: EngineSpec, placement: Placement, *, weights_sha256: str
    ) -> None:
        self.spec = engine_spec
        self.device = str(placement)
        self.weights_sha256 = weights_sha256
        self._parts = parts
        self._placement = placement
        self._vae = parts.vae
        shape = (1, -1, 1, 1, 1)
        self._mean = torch.tensor(parts.vae.config.latents_mean).view(shape)
        self._std = torch.tensor(parts.vae.config.latents_std).view(shape)
        self._rack = LoraRack(parts)
        self._block_cache: BlockCache | None = None
        self._embedded = functools.lru_cache(maxsize=_CACHED_PROMPTS)(self._embed)

    def encode_prompt(self, prompt: str) -> Tensor:
        """Return the embeddings (1, 512, D) of `prompt`, kept for the prompts used last."""
        return self._embedded(prompt)

    def latent_shape(self, *, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Return (C, F, H, W) of the latents of one clip."""
        config = self._vae.config
        frames = 1 + (num_frames - 1) // config.scale_factor_temporal
        return (
            int(config.z_dim),
            frames,
            height // config.scale_factor_spatial,
            width // config.scale_factor_spatial,
        )

    def velocities(
        self,
        latents: Tensor,
        sigma: float,
        conditioning: Conditioning,
        passes: Sequence[Pass],
        *,
        scale: int = 1,
    ) -> list[Tensor]:
        """Return one velocity (B, C, F, H, W) float32 per pass."""
        assert scale == 1  # it has one patch size
        if self._block_cache is not None:
            self._block_cache.begin_step(sigma)
        return [self._forward(latents, sigma, conditioning, each) for each in passes]

    @torch.no_grad()
    def encode(self, frames: np.ndarray) -> Tensor:
        """Return latents (1, C, F, H, W) of `frames` (4n + 1, H, W, 3) uint8."""
        pixels = to_pixels(frames).to(self._placement.device, self._vae.dtype)
        latents = self._vae.encode(pixels).latent_dist.mode().float().cpu()
        return (latents - self._mean) * (1 / self._std)

    @torch.no_grad()
    def decode(self, latents: Tensor, *, layer: Layer = "picture") -> np.ndarray:
        """Return frames (T, H, W, 3) uint8 of `latents` (1, C, F, H, W)."""
        assert layer == "picture"  # it predicts no motion
        scaled = latents / (1 / self._std) + self._mean
        return to_frames(self._vae.decode(scaled.to(self._placement.device, self._vae.dtype)).sample)

    def preview(self, latents: Tensor, *, layer: Layer = "picture") -> np.ndarray:
        """Return frames (T, H / 2, W / 2, 3) uint8: the means of 2 x 2 latents decode to about that."""
        factor = self._vae.config.scale_factor_spatial
        height, width = latents.shape[3] * factor // 2, latents.shape[4] * factor // 2
        return resized(self.decode(halved(latents), layer=layer), height=height, width=width)

    def refiner(self, degradation_step: int) -> Refiner:
        """Return the model itself as its refiner: it goes on from a draft noised to that step."""
        return PartialNoiseRefiner(self, degradation_step=degradation_step)

    def use_block_cache(self, threshold: float) -> None:
        """Skip blocks from now on where a step changes less than `threshold`, and say so in `device`."""
        networks = [each for each in (self._parts.transformer, self._parts.transformer_2) if each is not None]
        self._block_cache = BlockCache(networks, threshold=threshold)
        self.device = f"{self.device}, block cache {threshold:g}"

    def wear(self, strengths: Mapping[Path, float]) -> None:
        """Use the LoRA files of `strengths` as strongly as it says, and no others; WeightsError."""
        self._rack.wear(strengths)

    def soundtrack(self) -> SoundMaker:
        """Raise RequestError: these weights make no sound."""
        raise RequestError("kind", f"{self.spec.title} makes no sound; choose another engine.")

    @torch.no_grad()
    def show(self, key_frames: Sequence[KeyFrame], *, num_frames: int) -> ShownPictures:
        """Return the first picture, and the last where there are two, as the network sees them."""
        device, dtype = self._placement.device, self._placement.dtype
        pixels = [to_pixels(each.picture[None])[:, :, 0].to(device) for each in key_frames]  # (1, 3, H, W)
        height, width = key_frames[0].picture.shape[:2]
        shape = self.latent_shape(num_frames=num_frames, height=height, width=width)
        _, latents = self._parts.prepare_latents(
            pixels[0],
            1,
            num_channels_latents=shape[0],
            height=height,
            width=width,
            num_frames=num_frames,
            dtype=torch.float32,
            device=device,
            latents=torch.zeros(1, *shape),
            last_image=pixels[1] if len(pixels) > 1 else None,
        )
        embeds = None
        if self._parts.transformer.config.image_dim is not None:
            embeds = self._parts.encode_image([each.picture for each in key_frames], device).to(dtype)
        return ShownPictures(latents, embeds)

    @torch.no_grad()
    def _embed(self, prompt: str) -> Tensor:
        embeds, _ = self._parts.encode_prompt(
            prompt,
            do_classifier_free_guidance=False,
            max_sequence_length=_MAX_TOKENS,
            device=self._placement.device,
        )
        return embeds.to(self._placement.dtype)

    @torch.no_grad()
    def _forward(self, latents: Tensor, sigma: float, conditioning: Conditioning, which: Pass) -> Tensor:
        device, dtype = self._placement.device, self._placement.dtype
        network, copies = self._expert(sigma), latents.shape[0]
        given = conditioning.given if which.image else None
        hidden = latents if given is None else given.placed(latents)
        shown = conditioning.shown
        embeds = None
        if isinstance(shown, ShownPictures):
            hidden = torch.cat([hidden, shown.latents.cpu().expand(copies, -1, -1, -1, -1)], dim=1)
            embeds = None if shown.embeds is None else shown.embeds.repeat(copies, 1, 1)
        text = self.encode_prompt("") if which.text == "none" else getattr(conditioning, which.text)
        with network.cache_context(f"{which.text}, {which.image}"):
            velocity = network(
                hidden_states=hidden.to(device, dtype),
                timestep=self._timestep(latents, sigma, given).to(device),
                encoder_hidden_states=text.expand(copies, -1, -1),
                encoder_hidden_states_image=embeds,
                return_dict=False,
            )[0]
        return velocity.float().cpu()

    def _expert(self, sigma: float) -> Any:
        """Return the transformer for this noise level."""
        boundary = self._parts.config.boundary_ratio
        is_high = boundary is None or sigma >= boundary
        return self._parts.transformer if is_high else self._parts.transformer_2

    def _timestep(self, latents: Tensor, sigma: float, given: Given | None) -> Tensor:
        """Return 1000 sigma (B,), or for every token (B, tokens) with 0 where it is given."""
        timestep = torch.tensor(sigma, dtype=torch.float32) * 1000
        if not self._parts.config.expand_timesteps:
            return timestep.expand(latents.shape[0])
        _, rows, columns = self._parts.transformer.config.patch_size
        mask = torch.ones(latents.shape[2:])
        if given is not None:
            mask[list(given.frames)] = 0
        return (mask[:, ::rows, ::columns] * timestep).flatten().expand(latents.shape[0], -1)
