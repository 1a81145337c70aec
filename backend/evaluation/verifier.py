"""The verifier: a small classifier of true renders that reads from a clip what it shows.

It sees 17 frames of 64 pixels and the optical flow between them, so that motions and cameras are read from
how things move and not from where they happen to be.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import cv2
import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from backend.media.motion import optical_flow

NUM_FRAMES = 17
SIDE = 64
_FLOW_UNIT = 4.0  # pixels per frame that become 1
_CHANNELS = 5  # red, green, blue, flow to the right, flow down


class Verifier(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Names one class of every attribute: convolutions over each frame, then over time, then linear heads.

    attributes: name -> the names of its classes, in order.
    """

    @register_to_config
    def __init__(self, attributes: dict[str, list[str]], width: int = 32) -> None:
        super().__init__()
        sizes = [_CHANNELS, width, 2 * width, 3 * width, 4 * width]
        self.frame = nn.Sequential(
            *(
                layer
                for inputs, outputs in pairwise(sizes)
                for layer in (
                    nn.Conv2d(inputs, outputs, 3, stride=2, padding=1),
                    nn.GroupNorm(8, outputs),
                    nn.SiLU(),
                )
            )
        )
        self.gather = nn.Linear(sizes[-1] * (SIDE // 16) ** 2, 256)
        self.time = nn.Sequential(
            nn.Conv1d(256, 256, 5, padding=2), nn.SiLU(), nn.Conv1d(256, 256, 5, padding=2), nn.SiLU()
        )
        self.heads = nn.ModuleDict(
            {name: nn.Linear(512, len(classes)) for name, classes in attributes.items()}
        )

    def forward(self, clips: Tensor) -> dict[str, Tensor]:
        """Return logits (B, classes) of every attribute; clips (B, 5, 17, 64, 64) as `seen` makes them."""
        batch = clips.shape[0]
        frames = self.frame(clips.transpose(1, 2).flatten(0, 1))
        features = functional.silu(self.gather(frames.flatten(1))).unflatten(0, (batch, NUM_FRAMES))
        moving = self.time(features.transpose(1, 2))
        pooled = torch.cat([moving.mean(-1), moving.amax(-1)], dim=1)
        return {name: head(pooled) for name, head in self.heads.items()}


def seen(frames: np.ndarray) -> Tensor:
    """Return what the verifier sees of `frames` (T, H, W, 3) uint8: (5, 17, 64, 64) float32."""
    picked = np.linspace(0, len(frames) - 1, NUM_FRAMES).round().astype(int)
    small = np.stack([cv2.resize(frames[i], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for i in picked])
    flow = np.concatenate([optical_flow(small), np.zeros((1, 2, SIDE, SIDE), np.float32)])
    pixels = torch.from_numpy(small).permute(3, 0, 1, 2).float() / 127.5 - 1
    motion = torch.from_numpy(flow).transpose(0, 1) / _FLOW_UNIT
    return torch.cat([pixels, motion.clamp(-2, 2)])


@torch.no_grad()
def read_attributes(verifier: Verifier, clips: Sequence[np.ndarray]) -> list[dict[str, str]]:
    """Return the class of every attribute that `verifier` reads from each of `clips` (T, H, W, 3) uint8."""
    logits = verifier(torch.stack([seen(frames) for frames in clips]))
    classes: Mapping[str, list[str]] = verifier.config["attributes"]
    return [
        {name: classes[name][int(values[row].argmax())] for name, values in logits.items()}
        for row in range(len(clips))
    ]
