"""The base transformer: a multi-scale Next-DiT over video and motion latents, conditioned on text.

Its blocks are those of Lumina-Video (arXiv 2502.06782 Sec. 3.1; see `blocks`). One trunk serves several
patch sizes, each with its own embedder and final layer (Sec. 3.2). Appearance and motion are one latent on
the channel axis (VideoJAM, arXiv 2502.02492 Sec. 4.1). Given clean frames replace noisy ones (STIV, arXiv
2412.07730 Sec. 3.2) and are marked by a learned vector per frame of a patch.

Where we differ, and why:
- The network predicts what is left of the velocity after its best linear guess from the state (EDM, arXiv
  2206.00364 Sec. 5, for straight paths). A coarse patch holds four times as many numbers as a token is wide:
  without this the noise itself, which the velocity contains, could not pass through the trunk.
- RoPE positions are patch centres in units in which the short side always spans `rope_span`, so that scales
  and sizes share them; a sine embedding of the position is added to every token, since with rotary positions
  alone a network must learn top and bottom from the picture's edges.
- At the finest scale a few convolutions follow the last layer (`LocalHead`).
- Where latent frames are given, a gate mixes the prediction with the plain guess that all else stays as it
  is there (`given_guess`).
- An odd number of latent frames is padded by a copy of the last one where a patch spans two.
- What modulates is narrowed once for all blocks: its 128 numbers lie near 32 directions, and every block
  would otherwise spend a tenth of its weights on the rest.
- Modulation takes (B, G, D): G = 1 for a whole clip, a group for every moment where a condition varies along
  time, as the camera's place does.
- A stride counts latents, not frames as in STIV: with latents that span four frames each, every key frame
  then still moves, and the gaps between key frames are filled by the same weights (given frames).
"""

import math
from dataclasses import dataclass, fields

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
    rope_angles,
    set_to_zero,
    spread,
    text_bias,
    timestep_embedding,
)
from backend.models.kinora.given_guess import GivenGuess, guessed_velocity
from backend.models.kinora.local_head import LocalHead
from backend.models.kinora.patches import PATCH_SIZES, PatchScale, unpatched

_PLACE_FREQUENCIES = 4
CAMERA_FEATURES = 6
SOURCES = ("clip", "picture", "view", "story")
"""Kinds of training data, in the order of their tags."""


@dataclass(frozen=True)
class Window:
    """Where latents were cut out: `corners` (B, 2), top and left, in pictures of `whole` (H, W) latents."""

    corners: Tensor
    whole: tuple[int, int]


@dataclass(frozen=True)
class Told:
    """What the network is told of clips besides their text; None says nothing of any of them.

    motion_score (B,): Lumina's score, negative for "not said". stride (B,): latents of a longer video from
    one frame to the next, 0 for "not said". source (B,): index of `SOURCES`, negative for "not said". camera
    (B, F, 6): where the camera stands at every latent frame, relative to the first: sin and cos of azimuth
    and of elevation, log of the distance, and 1; zeros for "not said".
    """

    motion_score: Tensor | None = None
    stride: Tensor | None = None
    source: Tensor | None = None
    camera: Tensor | None = None

    def to(self, device: torch.device) -> "Told":
        """Return the same on `device`."""
        values = ((each.name, getattr(self, each.name)) for each in fields(self))
        return Told(**{name: value if value is None else value.to(device) for name, value in values})


class VideoTransformer(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Predicts the velocity, noise - data, of appearance and motion latents (B, 2 C, F, H, W) at once."""

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 16,
        width: int = 256,
        num_layers: int = 9,
        num_heads: int = 4,
        mlp_width: int = 576,
        text_width: int = 192,
        condition_width: int = 128,
        modulation_width: int = 32,
        local_width: int = 96,
        local_blocks: int = 3,
        rope_span: float = 8.0,
        num_sources: int = len(SOURCES),
    ) -> None:
        super().__init__()
        self.rope_span, self.head_width = rope_span, width // num_heads
        self.scales = nn.ModuleList(PatchScale(size, 2 * latent_channels, width) for size in PATCH_SIZES)
        self.local = LocalHead(PATCH_SIZES[0], 2 * latent_channels, width, local_width, local_blocks)
        self.guess = GivenGuess(latent_channels)
        self.gates = nn.ModuleList(nn.Linear(width, math.prod(size)) for size in PATCH_SIZES)
        set_to_zero(*self.gates)
        self.place = nn.Linear(6 * _PLACE_FREQUENCIES, width)
        self.time_mlp = mlp(TIME_FEATURES, condition_width)
        self.motion_mlp = mlp(TIME_FEATURES, condition_width)
        self.stride_mlp = mlp(TIME_FEATURES, condition_width)
        self.camera_mlp = mlp(CAMERA_FEATURES, condition_width)
        self.source = nn.Embedding(num_sources, condition_width)
        self.text_norm = nn.LayerNorm(text_width)
        self.text_pool = nn.Linear(text_width, condition_width)
        self.to_modulation = nn.Linear(condition_width, modulation_width, bias=False)
        self.blocks = nn.ModuleList(
            Block(width, num_heads, mlp_width, text_width, modulation_width) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.final_scale = nn.Linear(modulation_width, width)
        set_to_zero(self.motion_mlp[-1], self.stride_mlp[-1], self.camera_mlp[-1], self.source)
        set_to_zero(self.text_pool, self.final_scale)

    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        encoder_attention_mask: Tensor,
        *,
        scale: int = 1,
        told: Told | None = None,
        given: Tensor | None = None,
        window: Window | None = None,
    ) -> Tensor:
        """Return velocities of the shape of `hidden_states` (B, 2 C, F, H, W), float32.

        timestep: sigma in [0, 1] (B,). encoder_hidden_states (B, L, Dt) with mask (B, L). scale: 1, 2 or 3,
        the patch size; H and W are multiples of its rows and columns. told: what else is said of the clips.
        given (B, F): clean latent frames, whose velocities mean nothing.
        window: where in whole pictures the latents were cut out; None if they are whole.
        """
        patch = self.scales[scale - 1]
        assert isinstance(patch, PatchScale)
        frames = hidden_states.shape[2]
        missing = -frames % patch.patch_size[0]
        padded = torch.cat([hidden_states, hidden_states[:, :, frames - missing :]], dim=2)
        if given is not None:
            given = functional.pad(given, (0, missing))
        grid = self._grid(padded.shape, patch.patch_size, window, padded.device)
        x = patch.to_tokens(padded, given) + self.place(_place_features(grid))
        condition = self._condition(timestep, encoder_hidden_states, encoder_attention_mask)
        condition = (condition + self._of_whole_clip(told)).unsqueeze(1)
        camera = None if told is None else told.camera
        condition = functional.silu(condition + self._seen_from(camera, missing, patch))
        condition = self.to_modulation(condition)
        bias = text_bias(encoder_attention_mask)
        angles = rope_angles(grid, self.head_width)
        for block in self.blocks:
            x = block(x, condition, encoder_hidden_states, bias, angles)
        x = self.final_norm(x) * (1 + spread(self.final_scale(condition), x.shape[1]))
        residual = patch.from_tokens(x, padded.shape)[:, :, :frames]
        if scale == 1:
            residual = residual + self.local(x, hidden_states)
        keep, add = linear_guess(timestep)
        velocity = keep * hidden_states.float() + add * residual
        if given is None:
            return velocity
        return self._with_given(velocity, hidden_states.float(), timestep, given[:, :frames], x, scale)

    def _with_given(
        self, velocity: Tensor, state: Tensor, sigma: Tensor, given: Tensor, tokens: Tensor, scale: int
    ) -> Tensor:
        """Return `velocity` (B, 2 C, F, H, W), its appearance mixed with what `given` frames (B, F) tell.

        tokens (B, N, width) of `scale` say how much, latent by latent; at first none.
        """
        patch_size, (count, _, frames, height, width) = PATCH_SIZES[scale - 1], state.shape
        shape = torch.Size((count, 1, frames + -frames % patch_size[0], height, width))
        gate = unpatched(self.gates[scale - 1](tokens).float(), shape, patch_size=patch_size)[:, :, :frames]
        (appearance, motion), (shown, _) = velocity.chunk(2, dim=1), state.chunk(2, dim=1)
        guess, likeness = self.guess(shown, given)
        gate = gate.tanh() * (likeness > 0)[:, None, :, None, None]
        plain = guessed_velocity(shown, sigma, guess, likeness)
        return torch.cat([appearance + gate * (plain - appearance), motion], dim=1)

    def _condition(self, timestep: Tensor, text: Tensor, mask: Tensor) -> Tensor:
        """Return the part of the modulation input (B, Dc) that is always there: time and pooled text."""
        time: Tensor = self.time_mlp(timestep_embedding(1000 * timestep))
        return time + self.text_pool(self.text_norm(pooled_text(text, mask)))

    def _of_whole_clip(self, told: Told | None) -> Tensor | float:
        """Return what is said of whole clips, (B, Dc): motion score, stride and source; 0 if nothing is."""
        if told is None:
            return 0.0
        said: Tensor | float = 0.0
        if told.motion_score is not None:
            embedded = self.motion_mlp(timestep_embedding(20 * told.motion_score.clamp_min(0)))
            said = said + (told.motion_score >= 0).unsqueeze(-1) * embedded
        if told.stride is not None:
            embedded = self.stride_mlp(timestep_embedding(100 * told.stride.clamp_min(1).log2()))
            said = said + (told.stride >= 1).unsqueeze(-1) * embedded
        if told.source is not None:
            said = said + (told.source >= 0).unsqueeze(-1) * self.source(told.source.clamp_min(0))
        return said

    def _seen_from(self, camera: Tensor | None, missing: int, patch: PatchScale) -> Tensor | float:
        """Return the camera's part of the modulation input (B, G, Dc), a group for every patch along time."""
        if camera is None:
            return 0.0
        padded = torch.cat([camera, camera[:, camera.shape[1] - missing :]], dim=1)
        groups = padded.unflatten(1, (-1, patch.patch_size[0])).mean(2)
        seen: Tensor = (groups[..., -1:] > 0) * self.camera_mlp(groups)
        return seen

    def _grid(
        self,
        shape: torch.Size,
        patch_size: tuple[int, int, int],
        window: Window | None,
        device: torch.device,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return time, row and column of every token (1 or B, N); rows and columns from the middle."""
        pt, ph, pw = patch_size
        frames, height, width = shape[2:]
        whole_height, whole_width = (height, width) if window is None else window.whole
        unit = self.rope_span / min(whole_height, whole_width)
        t = torch.arange(frames // pt, device=device) * pt + (pt - 1) / 2
        y = ((torch.arange(height // ph, device=device) + 0.5) * ph - whole_height / 2) * unit
        z = ((torch.arange(width // pw, device=device) + 0.5) * pw - whole_width / 2) * unit
        times, rows, columns = (g.flatten()[None] for g in torch.meshgrid(t, y, z, indexing="ij"))
        if window is None:
            return times, rows, columns
        corners = window.corners.to(device) * unit
        return times.expand(len(corners), -1), rows + corners[:, :1], columns + corners[:, 1:]


def _place_features(grid: tuple[Tensor, ...]) -> Tensor:
    """Return sines and cosines (1 or B, N, 24) of time, row and column at four scales."""
    rates = 0.25 * 2.0 ** torch.arange(_PLACE_FREQUENCIES, device=grid[0].device)
    angles = torch.cat([positions.unsqueeze(-1) * rates for positions in grid], dim=-1)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
