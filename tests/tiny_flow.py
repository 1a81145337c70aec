"""The closed-form flow behind the tiny engine.

With mean m(prompt), spread s and noise e, the data of a clip is m + s*e. Then at every sigma
    x = (1 - sigma)*m + ((1 - sigma)*s + sigma)*e,     velocity = e - data = (1 - s)*e - m,
a straight line, so Euler's method lands on m + s*e with any number of steps. The velocity is linear in m:
guidance with scale g between m and m' lands on m' + g*(m - m') + s*e.
"""

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from backend.models.engine import Conditioning, EngineSpec, Pass

if TYPE_CHECKING:
    from tests.tiny_sound import TinySoundMaker

SPREAD = 0.1
CHANNELS = 4


@dataclass(frozen=True)
class TinyPrompt:
    """What `encode_prompt` returns: the text itself and the seed of its mean (0 for the empty text)."""

    text: str
    seed: int


class TinyEngine:
    """Implements the engine protocol on the flow above."""

    def __init__(self, spec: EngineSpec, *, marker: Path) -> None:
        self.spec = spec
        self.device = "cpu, float32"
        self.weights_sha256 = ""
        self._marker = marker
        self._lingers = False

    def encode_prompt(self, prompt: str) -> TinyPrompt:
        self._lingers = "linger" in prompt.split() or (self._lingers and not prompt)
        digest = hashlib.sha256(prompt.encode()).digest()
        return TinyPrompt(prompt, int.from_bytes(digest[:6], "big") if prompt else 0)

    def latent_shape(self, *, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        return CHANNELS, 1 + (num_frames - 1) // 4, height // 8, width // 8

    def velocities(
        self,
        latents: torch.Tensor,
        sigma: float,
        conditioning: Conditioning,
        passes: Sequence[Pass],
        *,
        scale: int = 1,
    ) -> list[torch.Tensor]:
        assert scale == 1  # the flow has no patches
        shown = [self.shown(conditioning, each.text) for each in passes]
        for prompt in shown:
            self.misbehave(prompt.text, sigma)
        return [
            velocity(latents, sigma, prompt, motion_score=each.motion_score or 0.0)
            for prompt, each in zip(shown, passes, strict=True)
        ]

    def encode(self, frames: np.ndarray) -> torch.Tensor:
        pixels = torch.from_numpy(frames).float().permute(3, 0, 1, 2)[:, ::4] / 127.5 - 1  # (3, F, H, W)
        small = torch.nn.functional.avg_pool2d(pixels.transpose(0, 1), 8).transpose(0, 1)
        spare = torch.zeros(CHANNELS - 3, *small.shape[1:])
        return torch.cat([torch.atanh(small.clamp(-0.999, 0.999)), spare])[None]

    def decode(self, latents: torch.Tensor, *, layer: str = "picture") -> np.ndarray:
        if self._lingers:
            time.sleep(60)
        return self._pixels(latents, layer=layer)

    def _pixels(self, latents: torch.Tensor, *, layer: str) -> np.ndarray:
        if layer == "motion":
            return 255 - self._pixels(latents, layer="picture")
        _, _, groups, height, width = latents.shape
        pixels = torch.nn.functional.interpolate(
            torch.tanh(latents[:, :3].float()),
            size=(4 * (groups - 1) + 1, 8 * height, 8 * width),
            mode="trilinear",
            align_corners=True,
        )
        return ((pixels[0].permute(1, 2, 3, 0) + 1) * 127.5).round().to(torch.uint8).numpy()

    def preview(self, latents: torch.Tensor, *, layer: str = "picture") -> np.ndarray:
        return self._pixels(latents, layer=layer)[:, ::2, ::2]

    def refiner(self, degradation_step: int) -> "TinyRefiner":
        return TinyRefiner(self, kept=1 - degradation_step / 1000)

    def soundtrack(self) -> "TinySoundMaker":
        from tests.tiny_sound import TinySoundMaker

        return TinySoundMaker(self)

    def shown(self, conditioning: Conditioning, text: str) -> TinyPrompt:
        prompt = TinyPrompt("", 0) if text == "none" else getattr(conditioning, text)
        assert isinstance(prompt, TinyPrompt)
        return prompt

    def misbehave(self, text: str, sigma: float) -> None:
        words = text.lower().split()
        if "counted" in words:
            self._marker.parent.mkdir(parents=True, exist_ok=True)
            with self._marker.with_name("calls").open("a") as calls:
                calls.write(".")
        if "slowly" in words:
            time.sleep(0.1)
        if "hungry" in words:
            torch.empty(2**60, dtype=torch.uint8)
        if "unplug" in words:
            raise torch.AcceleratorError("the tiny engine lost its device, as its prompt asked")
        if "explode" in words:
            raise RuntimeError("the tiny engine exploded, as its prompt asked")
        if "die" in words and sigma <= 0.5:
            if "once" in words and self._marker.exists():
                return
            self._marker.parent.mkdir(parents=True, exist_ok=True)
            self._marker.touch()
            os._exit(9)


class TinyRefiner:
    """Implements the refiner protocol: what it starts from is what it ends with."""

    def __init__(self, engine: TinyEngine, *, kept: float) -> None:
        self._engine, self._kept = engine, kept

    def start(self, latents: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return self._kept * latents + (1 - self._kept**2) ** 0.5 * noise

    def velocities(
        self,
        latents: torch.Tensor,
        sigma: float,
        conditioning: Conditioning,
        passes: Sequence[Pass],
        *,
        scale: int = 1,
    ) -> list[torch.Tensor]:
        self._engine.velocities(latents, sigma, conditioning, passes, scale=scale)  # it may misbehave
        return [torch.zeros_like(latents) for _ in passes]


def mean(prompt: TinyPrompt, shape: torch.Size) -> torch.Tensor:
    """Return the mean of `prompt`'s clips in `shape` (B, C, F, H, W); zeros for the empty prompt."""
    if not prompt.seed:
        return torch.zeros(shape)
    generator = torch.Generator().manual_seed(prompt.seed)
    return 0.2 * torch.randn((1, *shape[1:]), generator=generator).expand(shape)


def velocity(
    latents: torch.Tensor, sigma: float, prompt: TinyPrompt, *, motion_score: float = 0.0
) -> torch.Tensor:
    """Return noise - data at `latents` (B, C, F, H, W) for `prompt`, whose mean grows with the score."""
    if "nan" in prompt.text.lower().split():
        return torch.full_like(latents, float("nan"))
    centre = mean(prompt, latents.shape) * (1 + 0.2 * motion_score)
    noise = (latents - (1 - sigma) * centre) / ((1 - sigma) * SPREAD + sigma)
    return (1 - SPREAD) * noise - centre
