"""Plain Euler steps of a soundtrack transformer, guided by clip and text together (STIV's joint form)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backend.models.kinora.mel import SAMPLE_RATE
from backend.models.kinora.sound_autoencoder import SoundAutoencoder
from backend.models.kinora.soundtrack import STEP_SECONDS, SoundtrackTransformer
from backend.models.kinora.text_encoder import TextEncoder
from backend.models.kinora.vocoder import Vocoder
from backend.models.placement import mixed_precision

NUM_STEPS = 25
GUIDANCE_SCALE = 4.5
"""Both as in MMAudio (arXiv 2412.15322)."""
_FRAME_RATE = 16


@dataclass(frozen=True)
class Silent:
    """Clips to be heard: video latents (B, 16, F', H, W), motion features (B, F, 3072), prompts of B clips.

    is_seen (B,): False where a clip is not shown and the prompt alone tells what to hear.
    """

    video: Tensor
    motion: Tensor
    prompts: Sequence[str]
    is_seen: Tensor

    @classmethod
    def shown(cls, video: Tensor, motion: Tensor, prompts: Sequence[str]) -> "Silent":
        """Return clips that are all shown."""
        return cls(video, motion, prompts, torch.ones(len(video), dtype=torch.bool, device=video.device))


@torch.no_grad()
def sample_sound(
    transformer: SoundtrackTransformer,
    text_encoder: TextEncoder,
    silent: Silent,
    *,
    noise: Tensor,
    num_inference_steps: int = NUM_STEPS,
    guidance_scale: float = GUIDANCE_SCALE,
    video_guidance_scale: float | None = None,
) -> Tensor:
    """Return audio latents (B, 8, T, 16) for `silent` clips from `noise` of that shape.

    The null branch sees neither clip nor prompt; at a scale of 1 it is not computed. With a scale of its own
    for the clip, a third branch sees the clip without its prompt (STIV's split form).
    """
    is_split = video_guidance_scale is not None
    others = ([silent.is_seen] if is_split else []) + [torch.zeros_like(silent.is_seen)]
    others = others if is_split or guidance_scale != 1 else []
    copies = 1 + len(others)
    is_seen = torch.cat([silent.is_seen, *others])
    prompts = [*silent.prompts, *[""] * len(others) * len(noise)]
    video, motion = (torch.cat([values.float()] * copies) for values in (silent.video, silent.motion))
    sigmas = torch.linspace(1, 0, num_inference_steps + 1).tolist()
    x = noise
    with mixed_precision(noise.device.type):
        text, mask = text_encoder(prompts)
        for now, following in pairwise(sigmas):
            sigma = torch.full((copies * len(x),), now, device=x.device)
            velocities = transformer(
                torch.cat([x] * copies), sigma, text, mask, video=video, motion=motion, has_video=is_seen
            )
            x = x + (following - now) * _guided(
                velocities.chunk(copies), guidance_scale, video_guidance_scale
            )
    return x


def _guided(branches: Sequence[Tensor], scale: float, video_scale: float | None) -> Tensor:
    """Return the velocity of `branches`: clip and prompt, the clip alone if it has a scale, and none."""
    velocity, *others = branches
    if video_scale is not None:
        clip_alone, null = others
        return velocity + (scale - 1) * (velocity - clip_alone) + (video_scale - 1) * (clip_alone - null)
    return others[0] + scale * (velocity - others[0]) if others else velocity


@dataclass(frozen=True)
class SoundMembers:
    """The networks that make sound of a clip."""

    transformer: SoundtrackTransformer
    text_encoder: TextEncoder
    vae: SoundAutoencoder
    vocoder: Vocoder


def load_members(family: Path) -> SoundMembers:
    """Return the published sound members in the folder `family`, in float32 on the CPU."""

    def load(member: Any, name: str) -> Any:
        return member.from_pretrained(family / name, use_safetensors=True).float().eval()

    return SoundMembers(
        load(SoundtrackTransformer, "soundtrack"),
        load(TextEncoder, "text_encoder"),
        load(SoundAutoencoder, "sound_vae"),
        load(Vocoder, "vocoder"),
    )


@torch.no_grad()
def make_sounds(
    members: SoundMembers, silent: Silent, *, seed: int, video_guidance_scale: float | None = None
) -> Tensor:
    """Return sounds (B, S) at 16 kHz for `silent` clips, as long as they are."""
    seconds = silent.motion.shape[1] / _FRAME_RATE
    steps = math.ceil(seconds / STEP_SECONDS - 1e-6)
    config = members.transformer.config
    shape = (len(silent.prompts), config["latent_channels"], steps, config["latent_rows"])
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    latents = sample_sound(
        members.transformer,
        members.text_encoder,
        silent,
        noise=noise,
        video_guidance_scale=video_guidance_scale,
    )
    sounds: Tensor = members.vocoder(members.vae.decode(latents))
    return sounds[:, : round(seconds * SAMPLE_RATE)]
