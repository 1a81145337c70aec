"""The verifier: a small classifier of true renders that reads from a clip what it shows.

What an object is, it reads from single frames of 128 pixels; how it and the camera move, from 17 frames of 64
pixels and the optical flow between them. Both look where it matters (attention over places), so that neither
learns by heart where things stood in training.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from backend.media.motion import optical_flow
from backend.models.kinora.gaze import Gaze, convolutions

NUM_FRAMES = 17
SIDE, LOOK_SIDE = 64, 128
LOOKS = ("shape", "colour", "surface", "place")
"""Attributes of single frames; all others are read from how things move."""
_LOOKED_AT = (0, 8, 16)
_FLOW_UNIT = 4.0  # pixels per frame that become 1
_CHANNELS = 5  # red, green, blue, flow to the right, flow down
_GAZES = 8


class Verifier(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Names one class of every attribute. attributes: name -> the names of its classes, in order."""

    @register_to_config
    def __init__(self, attributes: dict[str, list[str]], width: int = 32) -> None:
        super().__init__()
        self.look = nn.Sequential(
            convolutions(3, width, strides=(2, 2, 2, 1, 1)), Gaze(5 * width, 32, _GAZES)
        )
        self.move = nn.Sequential(
            convolutions(_CHANNELS, width, strides=(2, 2, 1)), Gaze(3 * width, 16, _GAZES)
        )
        self.time = nn.Sequential(
            nn.Conv1d(18 * _GAZES, 256, 3, padding=1), nn.SiLU(),
            nn.Conv1d(256, 256, 5, padding=2), nn.SiLU(),
            nn.Conv1d(256, 256, 5, padding=2), nn.SiLU(),
        )  # fmt: skip
        self.heads = nn.ModuleDict(
            {
                name: _head(34 * _GAZES if name in LOOKS else 512, len(classes))
                for name, classes in sorted(attributes.items())  # as a saved configuration has them
            }
        )

    def forward(self, pictures: Tensor | None, clips: Tensor | None) -> dict[str, Tensor]:
        """Return logits of every attribute: (B, classes), those of `LOOKS` from pictures (B, 3, 128, 128).

        The others are read from clips (B, 5, 17, 64, 64) as `seen` makes them. What is None is not read.
        """
        logits: dict[str, Tensor] = {}
        if pictures is not None:
            looked = self.look(pictures)
            logits |= {name: head(looked) for name, head in self.heads.items() if name in LOOKS}
        if clips is not None:
            frames = self.move(clips.transpose(1, 2).flatten(0, 1)).unflatten(0, (len(clips), NUM_FRAMES))
            moving = self.time(frames.transpose(1, 2))
            pooled = torch.cat([moving.mean(-1), moving.amax(-1)], dim=1)
            logits |= {name: head(pooled) for name, head in self.heads.items() if name not in LOOKS}
        return logits


def _head(inputs: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.Dropout(0.2), nn.Linear(inputs, 128), nn.SiLU(), nn.Linear(128, classes))


def seen(frames: np.ndarray) -> Tensor:
    """Return what the verifier sees of the motion in `frames` (T, H, W, 3) uint8: (5, 17, 64, 64) float32."""
    picked = np.linspace(0, len(frames) - 1, NUM_FRAMES).round().astype(int)
    small = np.stack([cv2.resize(frames[i], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for i in picked])
    flow = np.concatenate([optical_flow(small), np.zeros((1, 2, SIDE, SIDE), np.float32)])
    motion = torch.from_numpy(flow).transpose(0, 1) / _FLOW_UNIT
    return torch.cat([looked_at(small).transpose(0, 1), motion.clamp(-2, 2)])


def looked_at(frames: np.ndarray) -> Tensor:
    """Return `frames` (T, H, W, 3) uint8 as pictures (T, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def read_attributes(verifier: Verifier, clips: Sequence[np.ndarray]) -> list[dict[str, str]]:
    """Return the class of every attribute that `verifier` reads from each of `clips` (T, H, W, 3) uint8.

    What an object is, is read from three frames, which vote.
    """
    picked = [[round(i / (NUM_FRAMES - 1) * (len(frames) - 1)) for i in _LOOKED_AT] for frames in clips]
    pictures = [looked_at(frames[rows]) for frames, rows in zip(clips, picked, strict=True)]
    sized = functional.interpolate(torch.cat(pictures), (LOOK_SIDE, LOOK_SIDE), mode="area")
    logits = verifier(sized, torch.stack([seen(frames) for frames in clips]))
    voted = {
        name: values.unflatten(0, (len(clips), -1)).log_softmax(-1).mean(1) if name in LOOKS else values
        for name, values in logits.items()
    }
    classes: Mapping[str, list[str]] = verifier.config["attributes"]
    return [
        {name: classes[name][int(values[row].argmax())] for name, values in voted.items()}
        for row in range(len(clips))
    ]
