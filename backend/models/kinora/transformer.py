"""The base transformer: a Next-DiT over video latents and motion latents, conditioned on text.

Blocks after Lumina-Video (arXiv 2502.06782 Sec. 3.1): full attention over space and time, sandwich RMSNorm,
modulation by scale and tanh gate only, q/k norm, 3D RoPE and gated text attention with the same rotated
queries. Appearance and motion are one latent on the channel axis (VideoJAM, arXiv 2502.02492 Sec. 4.1). Given
clean frames replace noisy ones (STIV, arXiv 2412.07730 Sec. 3.2) and are marked by a learned vector.

Where we differ, and why:
- RoPE positions are patch centres in units in which the short side always spans `rope_span`, so that weights
  trained at 64 px act alike at 128 px; a sine embedding of the position in the picture is added to every
  token, since with rotary positions alone a network must learn top and bottom from the picture's edges.
- Text gates start open (tanh 1): the model is trained from scratch, with no unconditional model to preserve.
- Modulation takes (B, G, D): G = 1 for a whole clip, one group per token where a condition varies along time.
"""

import math

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

_ROPE_BASE = 256.0
_TIME_FREQUENCIES = 128
_PLACE_FREQUENCIES = 4


def timestep_embedding(values: Tensor, dim: int = 2 * _TIME_FREQUENCIES) -> Tensor:
    """Return sinusoids (B, dim) of `values` (B,), as in diffusers with 1000 steps."""
    rates = torch.exp(-math.log(10_000) * torch.arange(dim // 2, device=values.device) / (dim // 2))
    angles = values.float()[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return attention (B, H, N, D) of q over k and v; `bias` (B, 1, 1, M) is added to the scores.

    While training on a CPU plain products are used: the fused kernel's backward takes three times as long.
    """
    if q.device.type == "cpu" and torch.is_grad_enabled():
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        scores = scores if bias is None else scores + bias.to(scores.dtype)
        return scores.softmax(dim=-1).to(v.dtype) @ v
    return functional.scaled_dot_product_attention(q, k, v, None if bias is None else bias.to(q.dtype))


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Return `x` (B, H, N, D), channel pairs (i, i + D / 2) turned by angles, as cos and sin (N, D / 2)."""
    cos, sin = (a.to(x.dtype) for a in angles)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis in the dtype of its input, so that bf16 stays fused."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), 1e-6)


class Block(nn.Module):
    """x += gate · norm(f(norm(x) · (1 + scale))) for attention over video and text, then for SwiGLU."""

    def __init__(
        self, width: int, num_heads: int, mlp_width: int, text_width: int, condition_width: int
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        head = width // num_heads
        self.attention_norms = nn.ModuleList([RMSNorm(width), RMSNorm(width)])
        self.mlp_norms = nn.ModuleList([RMSNorm(width), RMSNorm(width)])
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Linear(width, width, bias=False)
        self.query_norm, self.key_norm = RMSNorm(head), RMSNorm(head)
        self.text_to_kv = nn.Linear(text_width, 2 * width, bias=False)
        self.text_key_norm = RMSNorm(head)
        self.text_gate = nn.Parameter(torch.ones(num_heads))
        self.mlp_in = nn.Linear(width, 2 * mlp_width, bias=False)
        self.mlp_out = nn.Linear(mlp_width, width, bias=False)
        self.modulation = nn.Linear(condition_width, 4 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(
        self, x: Tensor, condition: Tensor, text: Tensor, text_bias: Tensor, angles: tuple[Tensor, Tensor]
    ) -> Tensor:
        """x (B, N, D); condition (B, G, Dc) with G = 1 or N; text (B, L, Dt); text_bias (B, 1, 1, L)."""
        scale_a, gate_a, scale_m, gate_m = self.modulation(condition).chunk(4, dim=-1)
        before, after = self.attention_norms
        attended = self._attention(before(x) * (1 + scale_a), text, text_bias, angles)
        x = x + gate_a.tanh() * after(attended)
        before, after = self.mlp_norms
        value, switch = self.mlp_in(before(x) * (1 + scale_m)).chunk(2, dim=-1)
        return x + gate_m.tanh() * after(self.mlp_out(functional.silu(switch) * value))

    def _attention(self, x: Tensor, text: Tensor, text_bias: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
        q, k, v = self.to_qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = rotate(self.query_norm(q), angles), rotate(self.key_norm(k), angles)
        text_k, text_v = self.text_to_kv(text).unflatten(-1, (2, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        text_k = self.text_key_norm(text_k)
        gate = self.text_gate.tanh().view(1, -1, 1, 1).to(v.dtype)
        mixed = attend(q, k, v) + gate * attend(q, text_k, text_v, text_bias)
        return self.to_out(mixed.transpose(1, 2).flatten(2))


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
        patch_size: tuple[int, int, int] = (1, 2, 2),
        rope_span: float = 8.0,
    ) -> None:
        super().__init__()
        self.patch_size, self.rope_span = tuple(patch_size), rope_span
        self.head_width = width // num_heads
        patch_values = math.prod(patch_size) * 2 * latent_channels
        self.embed = nn.Linear(patch_values, width)
        self.place = nn.Linear(4 * _PLACE_FREQUENCIES, width)
        self.given = nn.Parameter(torch.zeros(width))
        self.time_mlp = _mlp(2 * _TIME_FREQUENCIES, condition_width)
        self.motion_mlp = _mlp(2 * _TIME_FREQUENCIES, condition_width)
        self.text_norm = nn.LayerNorm(text_width)
        self.text_pool = nn.Linear(text_width, condition_width)
        self.blocks = nn.ModuleList(
            Block(width, num_heads, mlp_width, text_width, condition_width) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.final_scale = nn.Linear(condition_width, width)
        self.final = nn.Linear(width, patch_values)
        for layer in (self.motion_mlp[-1], self.text_pool, self.final_scale, self.final):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        encoder_attention_mask: Tensor,
        *,
        motion_score: Tensor | None = None,
        given: Tensor | None = None,
    ) -> Tensor:
        """Return velocities of the shape of `hidden_states` (B, 2 C, F, H, W), float32.

        timestep: sigma in [0, 1] (B,). encoder_hidden_states (B, L, Dt) with mask (B, L).
        motion_score (B,): Lumina's score, negative or None for "not said". given (B, F): clean latent frames.
        """
        x = self.embed(self._to_patches(hidden_states)).float()  # the residual stream stays float32
        grid = self._grid(hidden_states)
        x = x + self.place(_place_features(grid[1:]))
        if given is not None:
            marks = given.repeat_interleave(x.shape[1] // given.shape[1], dim=1)
            x = x + marks.unsqueeze(-1).to(x.dtype) * self.given
        condition = self._condition(timestep, motion_score, encoder_hidden_states, encoder_attention_mask)
        text_bias = torch.where(encoder_attention_mask, 0.0, -1e4)[:, None, None, :]
        angles = _rope_angles(grid, self.head_width)
        for block in self.blocks:
            x = block(x, condition, encoder_hidden_states, text_bias, angles)
        x = self.final_norm(x) * (1 + self.final_scale(condition))
        return self._from_patches(self.final(x).float(), hidden_states.shape)

    def _condition(self, timestep: Tensor, score: Tensor | None, text: Tensor, mask: Tensor) -> Tensor:
        """Return the modulation input (B, 1, Dc): time, pooled text and motion score."""
        weights = mask.unsqueeze(-1).to(text.dtype)
        pooled = (text * weights).sum(1) / weights.sum(1)
        condition = self.time_mlp(timestep_embedding(1000 * timestep))
        condition = condition + self.text_pool(self.text_norm(pooled))
        if score is not None:
            is_said = (score >= 0).unsqueeze(-1)
            condition = condition + is_said * self.motion_mlp(timestep_embedding(20 * score.clamp_min(0)))
        return functional.silu(condition).unsqueeze(1)

    def _to_patches(self, x: Tensor) -> Tensor:
        """Return (B, N, values) of (B, C, F, H, W), tokens in order of time, row, column."""
        pt, ph, pw = self.patch_size
        x = x.unflatten(4, (-1, pw)).unflatten(3, (-1, ph)).unflatten(2, (-1, pt))
        return x.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).flatten(1, 3)

    def _from_patches(self, x: Tensor, shape: torch.Size) -> Tensor:
        pt, ph, pw = self.patch_size
        _, channels, frames, height, width = shape
        x = x.unflatten(1, (frames // pt, height // ph, width // pw)).unflatten(4, (channels, pt, ph, pw))
        return x.permute(0, 4, 1, 5, 2, 6, 3, 7).flatten(6).flatten(4, 5).flatten(2, 3)

    def _grid(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return time, row and column of every token (N,); rows and columns from the middle."""
        pt, ph, pw = self.patch_size
        frames, height, width = x.shape[2:]
        unit = self.rope_span / min(height, width)
        t = torch.arange(frames // pt, device=x.device) * pt + (pt - 1) / 2
        y = ((torch.arange(height // ph, device=x.device) + 0.5) * ph - height / 2) * unit
        z = ((torch.arange(width // pw, device=x.device) + 0.5) * pw - width / 2) * unit
        times, rows, columns = (g.flatten() for g in torch.meshgrid(t, y, z, indexing="ij"))
        return times, rows, columns


def _mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.SiLU(), nn.Linear(outputs, outputs))


def _place_features(positions: tuple[Tensor, ...]) -> Tensor:
    """Return sines and cosines (1, N, 16) of row and column at four scales."""
    rates = 0.25 * 2.0 ** torch.arange(_PLACE_FREQUENCIES, device=positions[0].device)
    angles = torch.cat([p[:, None] * rates for p in positions], dim=-1)
    return torch.cat([angles.sin(), angles.cos()], dim=-1).unsqueeze(0)


def _rope_angles(grid: tuple[Tensor, Tensor, Tensor], head_width: int) -> tuple[Tensor, Tensor]:
    """Return cos and sin (N, D / 2): 2/8 of the pairs turn with time, 3/8 with rows, 3/8 with columns."""
    pairs = head_width // 2
    counts = (pairs // 4, (pairs - pairs // 4) // 2, pairs - pairs // 4 - (pairs - pairs // 4) // 2)
    parts = []
    for positions, count in zip(grid, counts, strict=True):
        rates = _ROPE_BASE ** (-torch.arange(count, device=positions.device) / count)
        parts.append(positions[:, None] * rates * (math.pi / 2))
    angles = torch.cat(parts, dim=-1)
    return angles.cos(), angles.sin()
