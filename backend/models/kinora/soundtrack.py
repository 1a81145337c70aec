"""The soundtrack transformer: audio latents from video latents, motion and text, as Lumina-V2A.

The blocks of the family with rotary positions over time and frequency (arXiv 2502.06782 Sec. 4, fig. 8): keys
and values are the tokens of video and text, and scale and gate differ from one moment of the sound to the
next, since they come from the time embedding plus motion features on the audio clock. So a shift of the video
is a shift of the modulation, and with it of the sound. Where we differ:
- Video tokens are patches of the latents of the clip's own autoencoder and of the motion in them, which have
  read one another (`clip_reader`), instead of CLIP features.
- Motion features are measured per frame, not learnt by Synchformer; a convolution over five frames sees what
  turns back.
- A patch is one latent step (40 ms) times four rows instead of 2 x 2: as many tokens, but the modulation has
  the finest clock there is.
- The network predicts what the best linear guess leaves of the velocity, as the base transformer does.
"""

import math

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from backend.models.kinora.blocks import (
    TIME_FEATURES,
    Block,
    linear_guess,
    mlp,
    pooled_text,
    set_to_zero,
    spread,
    text_bias,
    timestep_embedding,
)
from backend.models.kinora.clip_reader import FEATURES_PER_CELL, ClipReader, clock_features
from backend.models.kinora.mel import HOP_LENGTH, SAMPLE_RATE
from backend.models.kinora.sound_autoencoder import MEL_FACTOR

STEP_SECONDS = MEL_FACTOR * HOP_LENGTH / SAMPLE_RATE
"""What one step of audio latents lasts."""
_PATCH_ROWS = 4
_MOTION_KERNEL = 5
_FELT_SIDE = 4  # cells of the picture a side, whose mean motion the modulation is told
_ROPE_BASE = 256.0
_CLOCK_FREQUENCIES = 6


class SoundtrackTransformer(ModelMixin, ConfigMixin):  # type: ignore[misc]  # config_name differs in diffusers
    """Predicts the velocity, noise - data, of audio latents (B, 8, T, 16), one step of T every 40 ms."""

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 8,
        latent_rows: int = 16,
        video_channels: int = 16,
        motion_features: int = 3072,
        width: int = 192,
        num_layers: int = 6,
        num_heads: int = 3,
        mlp_width: int = 304,
        text_width: int = 192,
        condition_width: int = 80,
        num_reader_layers: int = 1,
        num_names: int = 43,
    ) -> None:
        """num_names: how many the reader of clips is taught to tell, of what is heard and seen."""
        super().__init__()
        self.head_width, self.num_rows = width // num_heads, latent_rows // _PATCH_ROWS
        self.embed = nn.Linear(latent_channels * _PATCH_ROWS, width)
        self.row = nn.Embedding(self.num_rows, width)
        self.clock = nn.Linear(2 * _CLOCK_FREQUENCIES, width)
        self.reader = ClipReader(
            video_channels,
            motion_features,
            text_width,
            num_layers=num_reader_layers,
            num_heads=num_heads,
            num_names=num_names,
        )
        self.felt_side = min(_FELT_SIDE, self.reader.grid_side)
        felt = FEATURES_PER_CELL * self.felt_side**2
        self.motion_mix = nn.Conv1d(felt, condition_width, _MOTION_KERNEL, padding=_MOTION_KERNEL // 2)
        self.motion_out = nn.Linear(condition_width, condition_width, bias=False)
        self.time_mlp = mlp(TIME_FEATURES, condition_width)
        self.text_norm = nn.LayerNorm(text_width)
        self.text_pool = nn.Linear(text_width, condition_width)
        self.video_pool = nn.Linear(text_width, condition_width)
        self.blocks = nn.ModuleList(
            Block(width, num_heads, mlp_width, text_width, condition_width) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.final_scale = nn.Linear(condition_width, width)
        self.final = nn.Linear(width, latent_channels * _PATCH_ROWS)
        set_to_zero(self.motion_out, self.text_pool, self.video_pool, self.final_scale, self.final)

    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        encoder_attention_mask: Tensor,
        *,
        video: Tensor | None = None,
        motion: Tensor | None = None,
        has_video: Tensor | None = None,
        frame_rate: float = 16.0,
    ) -> Tensor:
        """Return velocities of the shape of `hidden_states` (B, 8, T, 16), float32.

        timestep: sigma in [0, 1] (B,). encoder_hidden_states (B, L, Dt) with mask (B, L): the prompt's words,
        those of the empty prompt for "no text". video (B, 16, F', H, W): latents of the clip, H and W
        multiples of 4, the first of one frame and the others of four; motion (B, F, M): features of each
        frame. Both begin when the sound does; None for "no video". has_video (B,): False where a row is not
        to see its clip. frame_rate: frames a second.
        """
        steps = hidden_states.shape[2]
        context, mask, pooled = self._context(
            encoder_hidden_states,
            encoder_attention_mask,
            None if video is None else self.reader(video, motion, frame_rate=frame_rate),
            has_video,
        )
        condition = (self.time_mlp(timestep_embedding(1000 * timestep)) + pooled).unsqueeze(1)
        if motion is not None:
            moved = self.motion_condition(motion, steps, frame_rate=frame_rate)
            condition = condition + (moved if has_video is None else has_video[:, None, None] * moved)
        condition = functional.silu(condition)
        bias = text_bias(mask)
        angles = _rope_angles(steps, self.num_rows, self.head_width, hidden_states.device)
        x = self._tokens(hidden_states)
        for block in self.blocks:
            x = block(x, condition, context, bias, angles)
        x = self.final_norm(x) * (1 + spread(self.final_scale(condition), x.shape[1]))
        residual = self.final(x).float().unflatten(1, (steps, self.num_rows)).unflatten(-1, (-1, _PATCH_ROWS))
        residual = residual.permute(0, 3, 1, 2, 4).flatten(3)  # (B, 8, T, 16)
        keep, add = (factor.squeeze(-1) for factor in linear_guess(timestep))
        return keep * hidden_states.float() + add * residual

    def motion_condition(self, motion: Tensor, num_steps: int, *, frame_rate: float) -> Tensor:
        """Return the motion's part of the modulation (B, T, Dc): each step takes the frame at its middle.

        On equally long axes this is torch's "nearest-exact"; steps past the last frame take the last one.
        """
        cells = motion.unflatten(2, (self.reader.grid_side, self.reader.grid_side, FEATURES_PER_CELL))
        felt = functional.adaptive_avg_pool2d(cells.flatten(0, 1).permute(0, 3, 1, 2), self.felt_side)
        felt = felt.permute(0, 2, 3, 1).flatten(1).unflatten(0, motion.shape[:2])
        features = functional.silu(self.motion_mix(felt.transpose(1, 2)).transpose(1, 2))
        middles = (torch.arange(num_steps, device=motion.device, dtype=torch.float64) + 0.5) * STEP_SECONDS
        frames = (middles * frame_rate).long().clamp_max(motion.shape[1] - 1)
        condition: Tensor = self.motion_out(features)[:, frames]
        return condition

    def _tokens(self, latents: Tensor) -> Tensor:
        """Return tokens (B, T * 4, D), the rows of one step after another, with their places added."""
        patches = latents.unflatten(3, (self.num_rows, _PATCH_ROWS)).permute(0, 2, 3, 1, 4).flatten(3)
        seconds = (torch.arange(latents.shape[2], device=latents.device) + 0.5) * STEP_SECONDS
        times = self.clock(clock_features(seconds, _CLOCK_FREQUENCIES)).unsqueeze(1)
        x = self.embed(patches) + self.row.weight + times
        return x.flatten(1, 2)

    def _context(
        self, text: Tensor, mask: Tensor, seen: Tensor | None, has_video: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return keys and values [video ; text] (B, N, Dt), their mask (B, N), what they pool to (B, Dc)."""
        pooled: Tensor = self.text_pool(self.text_norm(pooled_text(text, mask)))
        if seen is None:
            return text, mask, pooled
        is_seen = torch.ones(seen.shape[:2], dtype=torch.bool, device=seen.device)
        of_video = self.video_pool(seen.mean(1))
        if has_video is not None:
            is_seen, of_video = is_seen & has_video[:, None], of_video * has_video[:, None]
        return torch.cat([seen.to(text.dtype), text], 1), torch.cat([is_seen, mask], 1), pooled + of_video


def _rope_angles(steps: int, rows: int, head_width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cos and sin (1, 1, T * R, D / 2): half of the pairs turn with time, half with frequency."""
    pairs = head_width // 2
    grid = torch.meshgrid(
        torch.arange(steps, device=device), torch.arange(rows, device=device), indexing="ij"
    )
    parts = []
    for positions, count in zip(grid, (pairs - pairs // 2, pairs // 2), strict=True):
        rates = _ROPE_BASE ** (-torch.arange(count, device=device) / count)
        parts.append(positions.flatten().unsqueeze(-1) * rates * (math.pi / 2))
    angles = torch.cat(parts, dim=-1)[None, None]
    return angles.cos(), angles.sin()
