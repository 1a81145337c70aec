"""LTX-2 as an engine: our loop over diffusers' own networks for picture and sound, which are made together.

The parts come from diffusers' LTX2ConditionPipeline, whose own methods encode prompts and pack latents; its
loop is not used. The latents of the sound travel as more frames behind those of the picture (`ClipLatents`),
so that every sampler, guidance, checkpoint and resume holds for both. A picture at frame 0 takes the place of
the first latent frame, at noise level 0; pictures at other frames are tokens behind the clip's own.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import LTX2ConditionPipeline
from diffusers.pipelines.ltx2 import LTX2LatentUpsamplerModel
from diffusers.pipelines.ltx2.utils import apply_image_conditioning_crf, resolve_default_image_crf
from torch import Tensor

from backend.errors import RequestError
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
from backend.models.ltx2_video.clip_latents import ClipLatents
from backend.models.ltx2_video.spec import spec
from backend.models.ltx_video.family import LtxFamily
from backend.models.memory import settle
from backend.models.placement import Placement, place

_CACHED_PROMPTS = 8
_LEAST_HALVED = 4


@dataclass(frozen=True)
class PromptEmbeds:
    """What both halves see of one prompt: picture (1, L, D), sound (1, L, E) and mask (1, L)."""

    picture: Tensor
    sound: Tensor
    mask: Tensor


@dataclass(frozen=True)
class KeyTokens:
    """Pictures as tokens (1, L, C) and their bounds (1, 3, L, 2) in seconds, rows and columns of pixels."""

    tokens: Tensor
    bounds: Tensor


def load(installed: Installed, device: str) -> "Ltx2Engine":
    """Return the engine of an added model on `device`; WeightsError or ResourceError where it cannot be."""
    placement = place(device)
    parts = open_pipeline(LTX2ConditionPipeline, installed, placement)
    engine = Ltx2Engine(parts, spec(installed), placement, weights_sha256=installed.sha256)
    engine.device = settle(parts, placement, installed)
    if engine.spec.detail is not None and engine.spec.detail.has_upsampler:
        engine.upsampler = open_extra(LTX2LatentUpsamplerModel, "latent_upsampler", installed, placement)
    return engine


class Ltx2Engine(LtxFamily):
    """Implements the engine protocol, one pass at a time: a batch of two would need the memory of two.

    parts: an LTX2ConditionPipeline.
    """

    def __init__(
        self, parts: Any, engine_spec: EngineSpec, placement: Placement, *, weights_sha256: str
    ) -> None:
        super().__init__(parts, engine_spec, placement, weights_sha256=weights_sha256)
        self._latents = ClipLatents(
            frames=parts.vae_temporal_compression_ratio,
            frame_rate=engine_spec.frame_rate,
            sound_steps_per_second=parts.audio_sampling_rate
            / parts.audio_hop_length
            / parts.audio_vae_temporal_compression_ratio,
            sound_width=int(parts.transformer.config.audio_in_channels),
        )
        self._embedded = functools.lru_cache(maxsize=_CACHED_PROMPTS)(self._embed)

    def encode_prompt(self, prompt: str) -> PromptEmbeds:
        """Return the embeddings of `prompt`, kept for the prompts used last."""
        return self._embedded(prompt)

    def latent_shape(self, *, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Return (C, F + S, H, W) of the latents of one clip: F frames of picture, then S with the sound."""
        pixels = self._parts.vae_spatial_compression_ratio
        frames = 1 + (num_frames - 1) // self._parts.vae_temporal_compression_ratio
        channels = int(self._parts.transformer.config.in_channels)
        shape = (channels, frames, height // pixels, width // pixels)
        return channels, frames + self._latents.sound_frames(shape), *shape[2:]

    def velocities(
        self,
        latents: Tensor,
        sigma: float,
        conditioning: Conditioning,
        passes: Sequence[Pass],
        *,
        scale: int = 1,
    ) -> list[Tensor]:
        """Return one velocity (B, C, F + S, H, W) float32 per pass."""
        assert scale == 1  # it has one patch size
        return [self._forward(latents, sigma, conditioning, each) for each in passes]

    def encode(self, frames: np.ndarray) -> Tensor:
        """Return latents (1, C, F + S, H, W) of `frames` (8n + 1, H, W, 3) uint8, without sound.

        The latents of the sound are zero. A frame alone is a picture, which is compressed first as those were
        that the model was trained on.
        """
        picture = self._encode(frames)
        return self._latents.joined(picture, self._latents.silence(picture))

    def decode(self, latents: Tensor, *, layer: Layer = "picture") -> np.ndarray:
        """Return frames (T, H, W, 3) uint8 of `latents` (1, C, F + S, H, W)."""
        assert layer == "picture"  # it predicts no motion
        return self._decode_picture(self._latents.picture(latents))

    def preview(self, latents: Tensor, *, layer: Layer = "picture") -> np.ndarray:
        """Return frames (T, H / 2, W / 2, 3) uint8: the means of 2 x 2 latents decode to about that."""
        assert layer == "picture"  # it predicts no motion
        factor = self._parts.vae_spatial_compression_ratio
        height, width = latents.shape[3] * factor // 2, latents.shape[4] * factor // 2
        picture = self._latents.picture(latents)
        is_small = min(latents.shape[3:]) < _LEAST_HALVED  # the decoder mirrors edges, which needs two places
        frames = self._decode_picture(picture if is_small else halved(picture))
        return resized(frames, height=height, width=width)

    @torch.no_grad()
    def decode_sound(self, latents: Tensor) -> np.ndarray:
        """Return samples (N, channels) float32 at the spec's own rate of `latents` (1, C, F + S, H, W)."""
        parts = self._parts
        tokens = self._latents.sound(latents)
        vae = parts.audio_vae
        scaled = parts._denormalize_audio_latents(tokens, vae.latents_mean, vae.latents_std)
        bins = parts.audio_mel_bins // parts.audio_vae_mel_compression_ratio
        unpacked = parts._unpack_audio_latents(scaled, tokens.shape[1], num_mel_bins=bins)
        mels = vae.decode(unpacked.to(self._placement.device, vae.dtype), return_dict=False)[0]
        return parts.vocoder(mels)[0].float().clamp(-1, 1).T.cpu().numpy()

    @torch.no_grad()
    def upsample(self, latents: Tensor) -> Tensor:
        """Return latents of twice the height and width of `latents` (1, C, F + S, H, W)."""
        picture = upsampled(self._latents.picture(latents), self._parts, self.upsampler)
        return self._latents.joined(picture, self._latents.silence(picture))

    def soundtrack(self) -> SoundMaker:
        """Raise RequestError: these weights make the sound of their own clips alone."""
        raise RequestError("kind", f"{self.spec.title} gives sound to its own clips only, as it makes them.")

    def show(self, key_frames: Sequence[KeyFrame], *, num_frames: int) -> KeyTokens:
        """Return the pictures as tokens with the bounds of their frames, none of which may be 0."""
        assert all(0 < each.frame < num_frames for each in key_frames)  # frame 0 is pinned instead
        shown = [(self._encode(each.picture[None]), each.frame) for each in key_frames]
        return KeyTokens(
            torch.cat([self._packed(latents) for latents, _ in shown], dim=1),
            torch.cat([self._key_bounds(latents, frame) for latents, frame in shown], dim=2),
        )

    @torch.no_grad()
    def _embed(self, prompt: str) -> PromptEmbeds:
        embeds, mask, _, _ = self._parts.encode_prompt(
            prompt, do_classifier_free_guidance=False, device=self._placement.device
        )
        side = self._parts.tokenizer_padding_side
        return PromptEmbeds(*self._parts.connectors(embeds, mask, padding_side=side))

    @torch.no_grad()
    def _encode(self, frames: np.ndarray) -> Tensor:
        """Return latents (1, C, F, H, W) of the picture alone."""
        if len(frames) == 1:
            crf = resolve_default_image_crf(self._parts.text_encoder)
            frames = apply_image_conditioning_crf(frames[0], crf)[None]
        vae = self._vae
        pixels = to_pixels(frames).to(self._placement.device, vae.dtype)
        latents = vae.encode(pixels).latent_dist.mode().float()
        return self._parts._normalize_latents(latents, vae.latents_mean, vae.latents_std).cpu()

    @torch.no_grad()
    def _forward(self, latents: Tensor, sigma: float, conditioning: Conditioning, which: Pass) -> Tensor:
        device, dtype = self._placement.device, self._placement.dtype
        network, copies = self._parts.transformer, latents.shape[0]
        given = conditioning.given if which.image else None
        key = conditioning.shown if which.image and isinstance(conditioning.shown, KeyTokens) else None
        picture, sound = self._latents.picture(latents), self._latents.sound(latents)
        tokens = self._packed(picture if given is None else given.placed(picture))  # (B, F*H*W, C)
        num_tokens = tokens.shape[1]
        if key is not None:
            tokens = torch.cat([tokens, key.tokens.expand(copies, -1, -1)], dim=1)
        level = torch.full((copies,), sigma * 1000, device=device)
        text = self.encode_prompt("") if which.text == "none" else getattr(conditioning, which.text)
        mask = text.mask.expand(copies, -1)
        with network.cache_context(f"{which.text}, {which.image}"):
            of_picture, of_sound = network(
                hidden_states=tokens.to(device, dtype),
                audio_hidden_states=sound.to(device, dtype),
                encoder_hidden_states=text.picture.expand(copies, -1, -1),
                audio_encoder_hidden_states=text.sound.expand(copies, -1, -1),
                timestep=self._timestep(picture, sigma, given, key).to(device),
                audio_timestep=level,
                sigma=level,
                encoder_attention_mask=mask,
                audio_encoder_attention_mask=mask,
                audio_num_frames=sound.shape[1],
                video_coords=self._bounds(picture, key).to(device),
                use_cross_timestep=True,
                return_dict=False,
            )
        velocity = self._unpacked(of_picture[:, :num_tokens].float().cpu(), like=picture)
        return self._latents.joined(velocity, of_sound.float().cpu())

    def _timestep(self, picture: Tensor, sigma: float, given: Given | None, key: KeyTokens | None) -> Tensor:
        """Return 1000 sigma for every token (B, tokens), with 0 for those of pictures."""
        mask = torch.ones(1, 1, *picture.shape[2:])
        if given is not None:
            mask[:, :, list(given.frames)] = 0
        per_token = self._packed(mask)[..., 0] * torch.tensor(sigma, dtype=torch.float32) * 1000
        if key is not None:
            per_token = torch.cat([per_token, torch.zeros(1, key.tokens.shape[1])], dim=1)
        return per_token.expand(picture.shape[0], -1)

    def _bounds(self, picture: Tensor, key: KeyTokens | None) -> Tensor:
        """Return where tokens begin and end (B, 3, tokens, 2): in seconds, rows and columns of pixels."""
        bounds = self._parts.transformer.rope.prepare_video_coords(
            1, *picture.shape[2:], picture.device, fps=self.spec.frame_rate
        )
        if key is not None:
            bounds = torch.cat([bounds, key.bounds], dim=2)
        return bounds.expand(picture.shape[0], -1, -1, -1)

    def _key_bounds(self, latents: Tensor, frame: int) -> Tensor:
        """Return the bounds (1, 3, tokens, 2) of a picture's `latents` (1, C, 1, H, W) at pixel `frame`."""
        bounds: Tensor = self._parts._prepare_keyframe_coords(
            *latents.shape[2:],
            pixel_frame_idx=frame,
            num_pixel_frames=1,
            fps=self.spec.frame_rate,
            device=latents.device,
        )
        return bounds
