"""Clips that the reader of the soundtrack learns to name: what their names are, and how they are disturbed.

A few thousand clips are soon known by heart from what they look like. So they are seen moved aside, through
noise, and with few or many of their latents hidden: what moves how has to tell.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from backend.models.kinora.clip_reader import FEATURES_PER_CELL
from backend.training.world.cameras import MOVES
from backend.training.world.captions import CaptionAttributes
from backend.training.world.dubbing import Heard
from backend.training.world.motions import MOTIONS
from backend.training.world.places import PLACES
from backend.training.world.voices import VOICES

_MOST_NOISE = 1.0  # of the latents of a clip that is to be named, whose deviation is 1
_MOST_MOTION_NOISE = 0.1  # short sides of the picture a second
_MOTION_RANGE = (0.8, 1.25)
_MOST_SHIFT = 2  # latents that a clip is moved by, to any side


@dataclass(frozen=True)
class Named:
    """video (B, 16, F', H, W) and motion (B, F, 3072) of clips, and names (B, N): 1 for what is heard."""

    video: Tensor
    motion: Tensor
    names: Tensor


def names_of(heard: Sequence[Heard], attributes: Sequence[CaptionAttributes]) -> Tensor:
    """Return (N, names): 1 for the place, for every voice of each of `heard`, and for all that moves how."""
    names = [*PLACES, *VOICES, *MOTIONS, *MOVES]
    rows = [
        {sound.place, *sound.voices, *(each.motion for each in seen.objects), seen.camera}
        for sound, seen in zip(heard, attributes, strict=True)
    ]
    return torch.tensor([[float(name in row) for name in names] for row in rows]).view(-1, len(names))


def disturbed(clips: Named, generator: torch.Generator) -> Named:
    """Return `clips` moved aside, noisy, few or many latents hidden, their motion slower or faster."""
    clips = _moved_aside(clips, generator)
    count, frames = len(clips.video), clips.video.shape[2]

    def drawn(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator)

    is_left = drawn(1, frames, 1, 1) >= drawn(1, 1, 1, 1)  # what moves shall tell, not what it looks like
    seen = clips.video + _MOST_NOISE * drawn(1, 1, 1, 1) * _noise_like(clips.video, generator)
    low, high = _MOTION_RANGE
    felt = clips.motion + _MOST_MOTION_NOISE * drawn(1, 1) * _noise_like(clips.motion, generator)
    return replace(clips, video=is_left * seen, motion=(low + (high - low) * drawn(1, 1)) * felt)


def _noise_like(values: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(values.shape, generator=generator)


def _moved_aside(clips: Named, generator: torch.Generator) -> Named:
    """Return `clips`, each moved by up to `_MOST_SHIFT` latents to any side; what is at an edge repeats."""
    side = math.isqrt(clips.motion.shape[2] // FEATURES_PER_CELL)
    cells = clips.motion.unflatten(2, (side, side, FEATURES_PER_CELL))
    steps = torch.randint(-_MOST_SHIFT, _MOST_SHIFT + 1, (len(clips.video), 2), generator=generator).tolist()
    height, width = clips.video.shape[3:]
    video, motion = clips.video.clone(), cells.clone()
    for row, (down, across) in enumerate(steps):
        rows, columns = _shifted(height, down), _shifted(width, across)
        video[row] = clips.video[row][:, :, rows][..., columns]
        rows, columns = _shifted(side, down * side // height), _shifted(side, across * side // width)
        motion[row] = cells[row][:, rows][:, :, columns]
    return replace(clips, video=video, motion=motion.flatten(2))


def _shifted(size: int, step: int) -> Tensor:
    """Return the places (size,) that are seen after a step aside."""
    return (torch.arange(size) + step).clamp(0, size - 1)
