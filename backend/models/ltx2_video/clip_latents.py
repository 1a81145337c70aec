"""Latents of a clip with its sound as one tensor: the sound lies in more frames behind those of the picture.

A sampling loop then needs to know of one tensor only; networks that make both together take it apart.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ClipLatents:
    """How the two lie together.

    frames: pixel frames per latent frame after the first; frame_rate: pixel frames per second.
    sound_steps_per_second: of its latents; sound_width: values in each. They fill whole latent frames in
    order, row by row and with all channels of a place together; what is left of the last holds nothing.
    """

    frames: int
    frame_rate: int
    sound_steps_per_second: float
    sound_width: int

    def sound_steps(self, num_latent_frames: int) -> int:
        """Return how many latent steps the sound of a clip of so many latent frames has."""
        seconds = (self.frames * (num_latent_frames - 1) + 1) / self.frame_rate
        return round(seconds * self.sound_steps_per_second)

    def sound_frames(self, shape: tuple[int, ...]) -> int:
        """Return how many latent frames the sound takes behind a picture of `shape` (C, F, H, W)."""
        channels, num_frames, height, width = shape
        return -(-self.sound_steps(num_frames) * self.sound_width // (channels * height * width))

    def picture(self, latents: Tensor) -> Tensor:
        """Return the frames (B, C, F, H, W) of the picture of `latents` (B, C, F + S, H, W)."""
        return latents[:, :, : self._picture_frames(latents)]

    def sound(self, latents: Tensor) -> Tensor:
        """Return the steps (B, L, D) of the sound of `latents` (B, C, F + S, H, W)."""
        num_frames = self._picture_frames(latents)
        steps = self.sound_steps(num_frames)
        values = latents[:, :, num_frames:].permute(0, 2, 3, 4, 1).flatten(1)
        return values[:, : steps * self.sound_width].unflatten(1, (steps, self.sound_width))

    def joined(self, picture: Tensor, sound: Tensor) -> Tensor:
        """Return latents (B, C, F + S, H, W) of `picture` (B, C, F, H, W) and `sound` (B, L, D)."""
        copies, channels, _, height, width = picture.shape
        num_frames = self.sound_frames(tuple(picture.shape[1:]))
        latents = picture.new_zeros(copies, num_frames, height, width, channels)
        latents.view(copies, -1)[:, : sound[0].numel()] = sound.flatten(1)
        return torch.cat([picture, latents.permute(0, 4, 1, 2, 3)], dim=2)

    def silence(self, picture: Tensor) -> Tensor:
        """Return the mean of all sounds (B, L, D), for a `picture` (B, C, F, H, W) without one."""
        return picture.new_zeros(picture.shape[0], self.sound_steps(picture.shape[2]), self.sound_width)

    def _picture_frames(self, latents: Tensor) -> int:
        """Return F of `latents` (B, C, F + S, H, W): S grows with F, so there is one."""
        _, channels, total, height, width = latents.shape
        return next(
            num_frames
            for num_frames in range(total, 0, -1)
            if num_frames + self.sound_frames((channels, num_frames, height, width)) == total
        )
