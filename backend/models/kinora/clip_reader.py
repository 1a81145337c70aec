"""What a clip tells of its sound: tokens of its pictures and motion, and of what happens in them.

What is heard of a scene is decided by how things move: the same ball rolls, slides or circles. One patch of
one latent cannot tell. So convolutions look at pictures and at the fine motion in them, pool what matters,
and go on over time; and the tokens read one another. Lumina-V2A (arXiv 2502.06782 Sec. 4) and MMAudio (arXiv
2412.15322) take encoders for that which were trained elsewhere to name what they see (CLIP, Synchformer);
ours learns with the soundtrack to name what would be heard, what moves how, and how the camera does.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.models.kinora.blocks import set_to_zero
from backend.models.kinora.gaze import Gaze, convolutions
from backend.models.kinora.text_encoder import TextLayer

PATCH = 4
"""Rows and columns of latents in one token."""
_FRAMES_PER_LATENT = 4
_CLOCK_FREQUENCIES = 6
_PLACE_FREQUENCIES = 3
FEATURES_PER_CELL = 3
"""Flow to the right, flow down, change of brightness (`media.motion.motion_features`)."""
_CELLS_PER_LATENT = 2  # along each side of a latent, as the onlooker sees them
_LOOK_WIDTH, _GAZES, _GAZE_VALUES = 48, 8, 16


class Onlooker(nn.Module):
    """Tells what happens at each latent (B, F', D) of maps (B, F', C, H, W), and names (B, N) of all."""

    def __init__(self, channels: int, width: int, num_names: int) -> None:
        super().__init__()
        self.look = nn.Sequential(
            convolutions(channels, _LOOK_WIDTH, strides=(1, 2, 1)),
            Gaze(3 * _LOOK_WIDTH, _GAZE_VALUES, _GAZES),
        )
        self.time = nn.Sequential(
            nn.Conv1d((_GAZE_VALUES + 2) * _GAZES, width, 3, padding=1), nn.SiLU(),
            nn.Conv1d(width, width, 3, padding=1), nn.SiLU(),
            nn.Conv1d(width, width, 5, padding=2), nn.SiLU(),
        )  # fmt: skip
        self.whole = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU())
        self.name = nn.Linear(width, num_names)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return what happens at each latent (B, F', D), and in the whole clip (B, D)."""
        looked = self.look(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])
        moments = self.time(looked.transpose(1, 2))
        pooled = torch.cat([moments.mean(-1), moments.amax(-1)], dim=1)
        return moments.transpose(1, 2), self.whole(pooled)


class ClipReader(nn.Module):
    """Tokens (B, F' * H / 4 * W / 4, D) of video latents (B, C, F', H, W) and motion features (B, F, M)."""

    def __init__(
        self,
        video_channels: int,
        motion_features: int,
        width: int,
        *,
        num_layers: int,
        num_heads: int,
        num_names: int,
    ) -> None:
        """motion_features: 3 for each cell of a square grid. num_names: how many the clip is asked for."""
        super().__init__()
        self.grid_side = math.isqrt(motion_features // FEATURES_PER_CELL)
        self.embed = nn.Linear(video_channels * PATCH**2, width)
        self.clock = nn.Linear(2 * _CLOCK_FREQUENCIES, width)
        self.place = nn.Linear(4 * _PLACE_FREQUENCIES, width, bias=False)
        self.motion = nn.Linear(_FRAMES_PER_LATENT * FEATURES_PER_CELL, width, bias=False)
        layers = [TextLayer(width, num_heads) for _ in range(num_layers)]
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)
        moved = _FRAMES_PER_LATENT * FEATURES_PER_CELL * _CELLS_PER_LATENT**2
        self.onlooker = Onlooker(video_channels + moved, width, num_names)
        self.moment, self.whole = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        set_to_zero(self.place, self.motion, self.moment, self.whole)
        for layer in layers:
            set_to_zero(layer.to_out, layer.mlp_out)

    def forward(self, video: Tensor, motion: Tensor | None, *, frame_rate: float) -> Tensor:
        """Return the tokens, those of one latent after another, row by row.

        video: H and W multiples of 4; the first latent of one frame, the others of four. frame_rate: frames a
        second.
        """
        patches = video.unflatten(4, (-1, PATCH)).unflatten(3, (-1, PATCH))
        patches = patches.permute(0, 2, 3, 5, 1, 4, 6).flatten(4)  # (B, F', H / 4, W / 4, C * 16)
        rows, columns = patches.shape[2:4]
        first, last = _frames_of_latents(video.shape[2], video.device)
        seconds = (0.5 * (first + last) + 0.5) / frame_rate
        x = self.embed(patches) + self.clock(clock_features(seconds, _CLOCK_FREQUENCIES))[:, None, None]
        x = x + self.place(_place_features(rows, columns, video.device))
        if motion is not None:
            x = x + self.motion(self._motion_around(motion, last, rows, columns).permute(0, 1, 3, 4, 2))
        x = x.flatten(1, 3)
        nothing_hidden = torch.zeros(1, device=x.device, dtype=x.dtype)
        for layer in self.layers:
            x = layer(x, nothing_hidden)
        x = self.norm(x)
        moments, whole = self._looked_on(video, motion)
        told: Tensor = self.moment(moments) + self.whole(whole)[:, None]
        return x + told.repeat_interleave(rows * columns, dim=1)

    def names(self, video: Tensor, motion: Tensor | None) -> Tensor:
        """Return scores (B, num_names) before the sigmoid of what is heard and seen in a clip."""
        scores: Tensor = self.onlooker.name(self._looked_on(video, motion)[1])
        return scores

    def _looked_on(self, video: Tensor, motion: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what the onlooker tells of each latent (B, F', D) and of the clip (B, D)."""
        height, width = (_CELLS_PER_LATENT * side for side in video.shape[3:])
        if motion is None:
            motion = video.new_zeros(len(video), 1, FEATURES_PER_CELL * self.grid_side**2)
        _, last = _frames_of_latents(video.shape[2], video.device)
        moved = functional.pixel_unshuffle(
            self._motion_around(motion, last, height, width), _CELLS_PER_LATENT
        )
        return self.onlooker(torch.cat([video.transpose(1, 2), moved], dim=2))

    def _motion_around(self, motion: Tensor, last: Tensor, rows: int, columns: int) -> Tensor:
        """Return the motion in each cell (B, F', 12, rows, columns): of the four frames to `last` (F',)."""
        cells = motion.unflatten(2, (self.grid_side, self.grid_side, FEATURES_PER_CELL))
        before = torch.arange(_FRAMES_PER_LATENT - 1, -1, -1, device=last.device)
        frames = (last[:, None] - before).clamp(0, motion.shape[1] - 1)
        around = cells[:, frames].permute(0, 1, 2, 5, 3, 4).flatten(2, 3)  # (B, F', 12, side, side)
        if (rows, columns) != (self.grid_side, self.grid_side):
            around = functional.interpolate(around.flatten(0, 1), (rows, columns), mode="area").unflatten(
                0, around.shape[:2]
            )
        return around


def clock_features(seconds: Tensor, count: int) -> Tensor:
    """Return sines and cosines (N, 2 * count) of times (N,), with periods of 8 s, 4 s, 2 s, ..."""
    rates = 2 * math.pi / 8 * 2.0 ** torch.arange(count, device=seconds.device)
    angles = seconds.unsqueeze(-1).float() * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _place_features(rows: int, columns: int, device: torch.device) -> Tensor:
    """Return sines and cosines (rows, columns, 12) of where patches are, as shares of the picture."""
    rates = math.pi * 2.0 ** torch.arange(_PLACE_FREQUENCIES, device=device)
    down, across = (
        ((torch.arange(count, device=device) + 0.5) / count).unsqueeze(-1) * rates
        for count in (rows, columns)
    )
    parts = [down[:, None].expand(-1, columns, -1), across[None].expand(rows, -1, -1)]
    return torch.cat([wave(part) for part in parts for wave in (torch.sin, torch.cos)], dim=-1)


def _frames_of_latents(count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the first and the last frame (F',) that each video latent holds: 0, then 1 to 4, 5 to 8, ..."""
    last = _FRAMES_PER_LATENT * torch.arange(count, device=device)
    return (last - _FRAMES_PER_LATENT + 1).clamp_min(0), last
