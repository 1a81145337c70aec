"""The tiny engine's sound, in closed form like its clips.

A latent step is 40 ms: how loud it is, on one channel and one row. What is heard is a tone of 500 Hz
as loud as that. Without guidance the data is 0.05 of the mean speed of what moves plus 0.05
for words, plus 0.02 of the noise; the negative prompt and the unseen picture give 0.
"""

from collections.abc import Sequence

import numpy as np
import torch

from backend.media.synchrony import motion_curve
from backend.models.engine import Conditioning, Pass
from tests.tiny_flow import TinyEngine

RATE, STEP, FRAME_RATE = 16_000, 640, 16
SPREAD = 0.02
LOUDNESS_OF_MOTION, LOUDNESS_OF_WORDS = 0.05, 0.05


class TinySoundMaker:
    """Implements the sound maker protocol."""

    def __init__(self, engine: TinyEngine) -> None:
        self._engine = engine

    def latent_shape(self, num_steps: int) -> tuple[int, int, int]:
        return 1, num_steps, 1

    def watch(self, frames: np.ndarray, motion: np.ndarray) -> torch.Tensor:
        assert len(frames) == len(motion)
        return torch.from_numpy(motion_curve(motion)).float()

    def velocities(
        self,
        latents: torch.Tensor,
        sigma: float,
        conditioning: Conditioning,
        passes: Sequence[Pass],
        *,
        scale: int = 1,
    ) -> list[torch.Tensor]:
        assert scale == 1
        results = []
        for each in passes:
            prompt = self._engine.shown(conditioning, each.text)
            self._engine.misbehave(prompt.text, sigma)
            centre = torch.full_like(latents, LOUDNESS_OF_WORDS if prompt.text else 0.0)
            if each.image and isinstance(conditioning.video, torch.Tensor):
                centre = centre + LOUDNESS_OF_MOTION * _on_steps(conditioning.video, latents.shape[2]).view(
                    1, 1, -1, 1
                )
            noise = (latents - (1 - sigma) * centre) / ((1 - sigma) * SPREAD + sigma)
            results.append((1 - SPREAD) * noise - centre)
        return results

    def encode(self, samples: np.ndarray) -> torch.Tensor:
        mono = torch.from_numpy(samples).float().mean(1).view(-1, STEP)
        return (mono.square().mean(1) * 2).sqrt().view(1, 1, -1, 1)

    def decode(self, latents: torch.Tensor) -> np.ndarray:
        loudness = latents[0, 0, :, 0].clamp(0, 0.9).repeat_interleave(STEP)
        times = torch.arange(len(loudness)) / RATE
        return (loudness * torch.sin(2 * torch.pi * 500 * times)).numpy()[:, None].astype(np.float32)


def _on_steps(curve: torch.Tensor, count: int) -> torch.Tensor:
    """Return `curve` (F,), one value a frame, at the middle of each of `count` latent steps."""
    frames = ((torch.arange(count) + 0.5) * STEP / RATE * FRAME_RATE).long()
    return curve[frames.clamp_max(len(curve) - 1)]
