"""The base transformer: a multi-scale Next-DiT over video and motion latents, conditioned on text.

Blocks after Lumina-Video (arXiv 2502.06782 Sec. 3.1): full attention over space and time, sandwich RMSNorm,
modulation by scale and tanh gate only, q/k norm, 3D RoPE and gated text attention. One trunk serves several
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
- Queries meet the text before their rotation: a word has no place, and its match must not depend on one.
- Text gates start open (tanh 1): the model is trained from scratch, with no unconditional model to preserve.
- An odd number of latent frames is padded by a copy of the last one where a patch spans two.
- Modulation takes (B, G, D): G = 1 for a whole clip, one group per token where a condition varies along time.
"""

import math
from dataclasses import dataclass

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

_ROPE_BASE = 256.0
_TIME_FREQUENCIES = 128
_PLACE_FREQUENCIES = 4
PATCH_SIZES = ((1, 2, 2), (2, 2, 2), (2, 4, 4))
"""Frames, rows and columns of latents that one token spans, at Lumina-Video's scales 1, 2 and 3."""


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
    """Return `x` (B, H, N, D), pairs (i, i + D / 2) turned by angles: cos and sin (1 or B, 1, N, D / 2)."""
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
        q, k = self.query_norm(q), self.key_norm(k)
        text_k, text_v = self.text_to_kv(text).unflatten(-1, (2, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        text_k = self.text_key_norm(text_k)
        gate = self.text_gate.tanh().view(1, -1, 1, 1).to(v.dtype)
        mixed = attend(rotate(q, angles), rotate(k, angles), v) + gate * attend(q, text_k, text_v, text_bias)
        return self.to_out(mixed.transpose(1, 2).flatten(2))


@dataclass(frozen=True)
class Window:
    """Where latents were cut out: `corners` (B, 2), top and left, in pictures of `whole` (H, W) latents."""

    corners: Tensor
    whole: tuple[int, int]


class PatchScale(nn.Module):
    """Embedder and final layer of one patch size, and the learned mark of a given frame in a patch."""

    def __init__(self, patch_size: tuple[int, int, int], channels: int, width: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        values = math.prod(patch_size) * channels
        self.embed = nn.Linear(values, width)
        self.given = nn.Parameter(torch.zeros(patch_size[0], width))
        self.final = nn.Linear(width, values)
        nn.init.zeros_(self.final.weight)
        nn.init.zeros_(self.final.bias)

    @torch.no_grad()
    def start_from(self, coarser: "PatchScale") -> None:
        """Take over what `coarser` has learnt: a token then means what it means there, seen from closer by.

        The embedding of a patch is that of its enlargement to the coarser size; its velocities are the means
        of the coarser ones in its place.
        """
        sizes = zip(self.patch_size, coarser.patch_size, strict=True)
        split = [size for own, other in sizes for size in (own, other // own)]  # (pt, ft, ph, fh, pw, fw)
        width, values = self.embed.weight.shape
        channels = values // math.prod(self.patch_size)
        embed = coarser.embed.weight.view(width, channels, *split).sum(dim=(3, 5, 7))
        final = coarser.final.weight.view(channels, *split, width).mean(dim=(2, 4, 6))
        bias = coarser.final.bias.view(channels, *split).mean(dim=(2, 4, 6))
        self.embed.weight.copy_(embed.flatten(1))
        self.embed.bias.copy_(coarser.embed.bias)
        self.final.weight.copy_(final.flatten(0, 3))
        self.final.bias.copy_(bias.flatten())
        self.given.copy_(coarser.given.unflatten(0, split[:2]).sum(1))

    def to_tokens(self, x: Tensor, given: Tensor | None) -> Tensor:
        """Return (B, N, width) float32, in order of time, row, column; x (B, C, F, H, W), given (B, F)."""
        pt, ph, pw = self.patch_size
        x = x.unflatten(4, (-1, pw)).unflatten(3, (-1, ph)).unflatten(2, (-1, pt))
        tokens = self.embed(x.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4)).float()  # (B, F/pt, H/ph, W/pw, D)
        if given is not None:
            marks = given.unflatten(1, (-1, pt)).to(tokens.dtype) @ self.given.float()
            tokens = tokens + marks[:, :, None, None]
        return tokens.flatten(1, 3)

    def from_tokens(self, tokens: Tensor, shape: torch.Size) -> Tensor:
        """Return (B, C, F, H, W) float32, the `shape` that was made into tokens."""
        pt, ph, pw = self.patch_size
        _, channels, frames, height, width = shape
        x = self.final(tokens).float().unflatten(1, (frames // pt, height // ph, width // pw))
        x = x.unflatten(4, (channels, pt, ph, pw)).permute(0, 4, 1, 5, 2, 6, 3, 7)
        return x.flatten(6).flatten(4, 5).flatten(2, 3)


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
        rope_span: float = 8.0,
    ) -> None:
        super().__init__()
        self.rope_span, self.head_width = rope_span, width // num_heads
        self.scales = nn.ModuleList(PatchScale(size, 2 * latent_channels, width) for size in PATCH_SIZES)
        self.place = nn.Linear(6 * _PLACE_FREQUENCIES, width)
        self.time_mlp = _mlp(2 * _TIME_FREQUENCIES, condition_width)
        self.motion_mlp = _mlp(2 * _TIME_FREQUENCIES, condition_width)
        self.text_norm = nn.LayerNorm(text_width)
        self.text_pool = nn.Linear(text_width, condition_width)
        self.blocks = nn.ModuleList(
            Block(width, num_heads, mlp_width, text_width, condition_width) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.final_scale = nn.Linear(condition_width, width)
        for layer in (self.motion_mlp[-1], self.text_pool, self.final_scale):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        encoder_attention_mask: Tensor,
        *,
        scale: int = 1,
        motion_score: Tensor | None = None,
        given: Tensor | None = None,
        window: Window | None = None,
    ) -> Tensor:
        """Return velocities of the shape of `hidden_states` (B, 2 C, F, H, W), float32.

        timestep: sigma in [0, 1] (B,). encoder_hidden_states (B, L, Dt) with mask (B, L). scale: 1, 2 or 3,
        the patch size; H and W are multiples of its rows and columns. motion_score (B,): Lumina's score,
        negative or None for "not said". given (B, F): clean latent frames, whose velocities mean nothing.
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
        condition = self._condition(timestep, motion_score, encoder_hidden_states, encoder_attention_mask)
        text_bias = torch.where(encoder_attention_mask, 0.0, -1e4)[:, None, None, :]
        angles = _rope_angles(grid, self.head_width)
        for block in self.blocks:
            x = block(x, condition, encoder_hidden_states, text_bias, angles)
        x = self.final_norm(x) * (1 + self.final_scale(condition))
        residual = patch.from_tokens(x, padded.shape)[:, :, :frames]
        keep, add = _linear_guess(timestep)
        return keep * hidden_states.float() + add * residual

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


def _linear_guess(sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Return factors (B, 1, 1, 1, 1): the velocity is keep * state + add * (what the network predicts).

    For data and noise of unit variance the least-squares guess of noise - data from x = (1 - sigma) data +
    sigma noise is (2 sigma - 1) / s x with s = sigma² + (1 - sigma)², and what it leaves has variance 1 / s.
    """
    sigma = sigma.float().view(-1, 1, 1, 1, 1)
    variance = sigma.square() + (1 - sigma).square()
    return (2 * sigma - 1) / variance, variance.rsqrt()


def _mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.SiLU(), nn.Linear(outputs, outputs))


def _place_features(grid: tuple[Tensor, ...]) -> Tensor:
    """Return sines and cosines (1 or B, N, 24) of time, row and column at four scales."""
    rates = 0.25 * 2.0 ** torch.arange(_PLACE_FREQUENCIES, device=grid[0].device)
    angles = torch.cat([positions.unsqueeze(-1) * rates for positions in grid], dim=-1)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _rope_angles(grid: tuple[Tensor, ...], head_width: int) -> tuple[Tensor, Tensor]:
    """Return cos and sin (1 or B, 1, N, D / 2): 2/8 turn with time, 3/8 with rows, 3/8 with columns."""
    pairs = head_width // 2
    counts = (pairs // 4, (pairs - pairs // 4) // 2, pairs - pairs // 4 - (pairs - pairs // 4) // 2)
    parts = []
    for positions, count in zip(grid, counts, strict=True):
        rates = _ROPE_BASE ** (-torch.arange(count, device=positions.device) / count)
        parts.append(positions.unsqueeze(-1) * rates * (math.pi / 2))
    angles = torch.cat(parts, dim=-1).unsqueeze(1)
    return angles.cos(), angles.sin()
