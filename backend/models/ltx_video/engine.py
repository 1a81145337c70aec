"""LTX-Video as an engine: our loop over diffusers' own transformer, VAE and text encoder.

The parts come from diffusers' LTXPipeline or, for models that take key frames, LTXConditionPipeline, whose
own methods encode prompts and pack latents; its loop is not used. A picture at frame 0 takes the place of the
first latent frame, at noise level 0. Pictures at other frames are tokens in front of the clip's own, with the
positions of their frame.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import LTXConditionPipeline, LTXPipeline
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from torch import Tensor

from backend.errors import RequestError
from backend.models.block_cache import BlockCache
from backend.models.diffusers_parts import (
    halved,
    open_extra,
    open_pipeline,
    resized,
    to_pixels,
    upsampled,
)
from backend.models.engine import Conditioning, EngineSpec, Given, KeyFrame, Layer, Pass, SoundMaker
from backend.models.installed import Installed
from backend.models.ltx_video.family import LtxFamily
from backend.models.ltx_video.spec import spec
from backend.models.memory import settle
from backend.models.placement import Placement, place

_CACHED_PROMPTS = 32


@dataclass(frozen=True)
class PromptEmbeds:
    """embeds (1, L, D) and mask (1, L) of one prompt, on the engine's device."""

    embeds: Tensor
    mask: Tensor


@dataclass(frozen=True)
class KeyTokens:
    """Pictures as tokens (1, L, C) and their coordinates (1, 3, L) in frames, rows and columns of pixels."""

    tokens: Tensor
    coordinates: Tensor


def load(installed: Installed, device: str) -> "LtxEngine":
    """Return the engine of an added model on `device`; WeightsError or ResourceError where it cannot be."""
    placement = place(device)
    pipeline = LTXConditionPipeline if installed.facts["takes_key_frames"] else LTXPipeline
    parts = open_pipeline(pipeline, installed, placement)
    engine = LtxEngine(parts, spec(installed), placement, weights_sha256=installed.sha256)
    engine.device = settle(parts, placement, installed)
    if engine.spec.detail is not None and engine.spec.detail.has_upsampler:
        engine.upsampler = open_extra(LTXLatentUpsamplerModel, "latent_upsampler", installed, placement)
    if installed.block_cache:
        engine.use_block_cache(installed.block_cache)
    return engine


class LtxEngine(LtxFamily):
    """Implements the engine protocol, one pass at a time: a batch of two would need the memory of two.

    parts: an LTXPipeline, or an LTXConditionPipeline for a model that takes key frames.
    """

    def __init__(
        self, parts: Any, engine_spec: EngineSpec, placement: Placement, *, weights_sha256: str
    ) -> None:
        super().__init__(parts, engine_spec, placement, weights_sha256=weights_sha256)
        self._block_cache: BlockCache | None = None
        self._embedded = functools.lru_cache(maxsize=_CACHED_PROMPTS)(self._embed)

    def encode_prompt(self, prompt: str) -> PromptEmbeds:
        """Return the embeddings of `prompt`, kept for the prompts used last."""
        return self._embedded(prompt)

    def latent_shape(self, *, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Return (C, F, H, W) of the latents of one clip."""
        pixels = self._parts.vae_spatial_compression_ratio
        frames = 1 + (num_frames - 1) // self._parts.vae_temporal_compression_ratio
        return int(self._parts.transformer.config.in_channels), frames, height // pixels, width // pixels

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
        """Return latents (1, C, F, H, W) of `frames` (8n + 1, H, W, 3) uint8."""
        pixels = to_pixels(frames).to(self._placement.device, self._vae.dtype)
        latents = self._vae.encode(pixels).latent_dist.mode().float()
        vae = self._vae
        return self._parts._normalize_latents(latents, vae.latents_mean, vae.latents_std).cpu()

    def decode(self, latents: Tensor, *, layer: Layer = "picture") -> np.ndarray:
        """Return frames (T, H, W, 3) uint8 of `latents` (1, C, F, H, W)."""
        assert layer == "picture"  # it predicts no motion
        return self._decode_picture(latents)

    def preview(self, latents: Tensor, *, layer: Layer = "picture") -> np.ndarray:
        """Return frames (T, H / 2, W / 2, 3) uint8: the means of 2 x 2 latents decode to about that."""
        factor = self._parts.vae_spatial_compression_ratio
        height, width = latents.shape[3] * factor // 2, latents.shape[4] * factor // 2
        return resized(self.decode(halved(latents), layer=layer), height=height, width=width)

    @torch.no_grad()
    def upsample(self, latents: Tensor) -> Tensor:
        """Return latents of twice the height and width of `latents` (1, C, F, H, W)."""
        return upsampled(latents, self._parts, self.upsampler)

    def use_block_cache(self, threshold: float) -> None:
        """Skip blocks from now on where a step changes less than `threshold`, and say so in `device`."""
        networks = [self._parts.transformer]
        self._block_cache = BlockCache(networks, threshold=threshold)
        self.device = f"{self.device}, block cache {threshold:g}"

    def soundtrack(self) -> SoundMaker:
        """Raise RequestError: these weights make no sound."""
        raise RequestError("kind", f"{self.spec.title} makes no sound; choose another engine.")

    def show(self, key_frames: Sequence[KeyFrame], *, num_frames: int) -> KeyTokens:
        """Return the pictures as tokens with the positions of their frames, none of which may be 0."""
        assert all(0 < each.frame < num_frames for each in key_frames)  # frame 0 is pinned instead
        shown = [(self.encode(each.picture[None]), each.frame) for each in key_frames]
        return KeyTokens(
            torch.cat([self._packed(latents) for latents, _ in shown], dim=1),
            torch.cat([self._coordinates(latents, frame) for latents, frame in shown], dim=2),
        )

    @torch.no_grad()
    def _embed(self, prompt: str) -> PromptEmbeds:
        embeds, mask, _, _ = self._parts.encode_prompt(
            prompt, do_classifier_free_guidance=False, device=self._placement.device
        )
        return PromptEmbeds(embeds.to(self._placement.dtype), mask)

    @torch.no_grad()
    def _forward(self, latents: Tensor, sigma: float, conditioning: Conditioning, which: Pass) -> Tensor:
        device, dtype = self._placement.device, self._placement.dtype
        network, copies = self._parts.transformer, latents.shape[0]
        given = conditioning.given if which.image else None
        key = conditioning.shown if which.image and isinstance(conditioning.shown, KeyTokens) else None
        tokens = self._packed(latents if given is None else given.placed(latents))  # (B, F*H*W, C)
        timestep = self._timestep(latents, sigma, given, key)
        num_key_tokens = 0
        if key is not None:
            num_key_tokens = key.tokens.shape[1]
            tokens = torch.cat([key.tokens.expand(copies, -1, -1), tokens], dim=1)
        text = self.encode_prompt("") if which.text == "none" else getattr(conditioning, which.text)
        with network.cache_context(f"{which.text}, {which.image}"):
            velocity = network(
                hidden_states=tokens.to(device, dtype),
                encoder_hidden_states=text.embeds.expand(copies, -1, -1),
                timestep=timestep.to(device),
                encoder_attention_mask=text.mask.expand(copies, -1),
                return_dict=False,
                **self._positions(latents, key),
            )[0]
        return self._unpacked(velocity[:, num_key_tokens:].float().cpu(), like=latents)

    def _timestep(self, latents: Tensor, sigma: float, given: Given | None, key: KeyTokens | None) -> Tensor:
        """Return 1000 sigma (B, 1), or for every token (B, tokens) with 0 for those of pictures."""
        timestep = torch.tensor(sigma, dtype=torch.float32) * 1000
        if given is None and key is None:
            return timestep.expand(latents.shape[0], 1)
        mask = torch.ones(1, 1, *latents.shape[2:])
        if given is not None:
            mask[:, :, list(given.frames)] = 0
        per_token = self._packed(mask)[..., 0] * timestep
        if key is not None:
            per_token = torch.cat([torch.zeros(1, key.tokens.shape[1]), per_token], dim=1)
        return per_token.expand(latents.shape[0], -1)

    def _positions(self, latents: Tensor, key: KeyTokens | None) -> dict[str, Any]:
        """Return where the network is told that tokens are: in seconds, rows and columns of pixels.

        Models that take key frames know that the first latent is one frame; those before do not.
        """
        _, _, frames, height, width = latents.shape
        pixels, rate = self._parts.vae_spatial_compression_ratio, self.spec.frame_rate
        if not isinstance(self._parts, LTXConditionPipeline):
            seconds = self._parts.vae_temporal_compression_ratio / rate
            scales = {"rope_interpolation_scale": (seconds, pixels, pixels)}
            return {"num_frames": frames, "height": height, "width": width, **scales}
        coordinates = self._coordinates(latents, 0)
        if key is not None:
            coordinates = torch.cat([key.coordinates, coordinates], dim=2)
        coordinates = coordinates.float()
        coordinates[:, 0] = coordinates[:, 0] * (1.0 / rate)
        return {"video_coords": coordinates.expand(latents.shape[0], -1, -1).to(self._placement.device)}

    def _coordinates(self, latents: Tensor, frame: int) -> Tensor:
        """Return the coordinates (1, 3, tokens) of `latents` (…, F, H, W) that begin at pixel `frame`."""
        ids = self._parts._prepare_video_ids(1, *latents.shape[2:], *self._patch)
        return self._parts._scale_video_ids(
            ids,
            scale_factor=self._parts.vae_spatial_compression_ratio,
            scale_factor_t=self._parts.vae_temporal_compression_ratio,
            frame_index=frame,
        )
