"""Plain Euler steps of a soundtrack transformer, guided by clip and text together (STIV's joint form)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from backend.models.kinora.soundtrack import SoundtrackTransformer
from backend.models.kinora.text_encoder import TextEncoder

NUM_STEPS = 25
GUIDANCE_SCALE = 4.5
"""Both as in MMAudio (arXiv 2412.15322)."""


@dataclass(frozen=True)
class Silent:
    """Clips to be heard: video latents (B, 16, F', H, W), motion features (B, F, 48), prompts of B clips.

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
) -> Tensor:
    """Return audio latents (B, 8, T, 16) for `silent` clips from `noise` of that shape.

    The null branch sees neither clip nor prompt; at a scale of 1 it is not computed.
    """
    is_guided = guidance_scale != 1
    copies = 2 if is_guided else 1
    hidden = torch.zeros_like(silent.is_seen)
    is_seen = torch.cat([silent.is_seen, hidden]) if is_guided else silent.is_seen
    prompts = [*silent.prompts, *[""] * (len(noise) if is_guided else 0)]
    video, motion = (torch.cat([values.float()] * copies) for values in (silent.video, silent.motion))
    sigmas = torch.linspace(1, 0, num_inference_steps + 1).tolist()
    x = noise
    with torch.autocast(noise.device.type, torch.bfloat16):
        text, mask = text_encoder(prompts)
        for now, following in pairwise(sigmas):
            sigma = torch.full((copies * len(x),), now, device=x.device)
            velocities = transformer(
                torch.cat([x] * copies), sigma, text, mask, video=video, motion=motion, has_video=is_seen
            )
            velocity, *null = velocities.chunk(copies)
            if null:
                velocity = null[0] + guidance_scale * (velocity - null[0])
            x = x + (following - now) * velocity
    return x
