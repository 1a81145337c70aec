"""What all transformers of the family are built of: blocks, embeddings, and the best linear guess.

Blocks after Lumina-Video (arXiv 2502.06782 Sec. 3.1): full attention over all tokens, sandwich RMSNorm,
modulation by scale and tanh gate only, q/k norm, rotary positions and gated text attention. Where we differ:
queries meet the text before their rotation, since a word has no place and its match must not depend on one;
text gates start open (tanh 1), since we train from scratch, with no unconditional model to preserve.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

_ROPE_BASE = 256.0
TIME_FEATURES = 256
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Attention of a clip's tokens over each other: (B, H, N, D) of queries, keys and values."""


def timestep_embedding(values: Tensor, dim: int = TIME_FEATURES) -> Tensor:
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


def spread(groups: Tensor, num_tokens: int) -> Tensor:
    """Return (B, N, D) from (B, G, D), where each group stands for N / G neighbours; one group stays one."""
    count = groups.shape[1]
    return groups if count == 1 else groups.repeat_interleave(num_tokens // count, dim=1)


def text_bias(mask: Tensor) -> Tensor:
    """Return what is added to the scores of text (B, 1, 1, L) so that only words in `mask` (B, L) are met."""
    return torch.where(mask, 0.0, -1e4)[:, None, None, :]


def pooled_text(text: Tensor, mask: Tensor) -> Tensor:
    """Return the mean (B, Dt) of the words of `text` (B, L, Dt) that are in `mask` (B, L)."""
    weights = mask.unsqueeze(-1).to(text.dtype)
    return (text * weights).sum(1) / weights.sum(1)


def set_to_zero(*layers: nn.Module) -> None:
    """Set all parameters of `layers` to zero: what they add is then learnt from nothing."""
    for layer in layers:
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)


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
        set_to_zero(self.modulation)

    def forward(
        self,
        x: Tensor,
        condition: Tensor,
        text: Tensor,
        text_bias: Tensor,
        angles: tuple[Tensor, Tensor],
        attention: Attention = attend,
    ) -> Tensor:
        """x (B, N, D); condition (B, G, Dc), G divides N; text (B, L, Dt); text_bias (B, 1, 1, L)."""
        modulation = spread(self.modulation(condition), x.shape[1])
        scale_a, gate_a, scale_m, gate_m = modulation.chunk(4, dim=-1)
        before, after = self.attention_norms
        attended = self._attention(before(x) * (1 + scale_a), text, text_bias, angles, attention)
        x = x + gate_a.tanh() * after(attended)
        before, after = self.mlp_norms
        value, switch = self.mlp_in(before(x) * (1 + scale_m)).chunk(2, dim=-1)
        return x + gate_m.tanh() * after(self.mlp_out(functional.silu(switch) * value))

    def _attention(
        self,
        x: Tensor,
        text: Tensor,
        text_bias: Tensor,
        angles: tuple[Tensor, Tensor],
        attention: Attention,
    ) -> Tensor:
        q, k, v = self.to_qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = self.query_norm(q), self.key_norm(k)
        text_k, text_v = self.text_to_kv(text).unflatten(-1, (2, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        text_k = self.text_key_norm(text_k)
        gate = self.text_gate.tanh().view(1, -1, 1, 1).to(v.dtype)
        own = attention(rotate(q, angles), rotate(k, angles), v)
        mixed = own + gate * attend(q, text_k, text_v, text_bias)
        return self.to_out(mixed.transpose(1, 2).flatten(2))


def linear_guess(sigma: Tensor, kept: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
    """Return factors (B, 1, 1, 1, 1): the velocity is keep * state + add * (what the network predicts).

    kept (B,): the share a of the data that the start of the path holds, a * data + sqrt(1 - a²) * noise; 0
    for a path from noise. For data and noise of unit variance this is the least-squares guess of start - data
    from x = (1 - sigma) data + sigma start, and `add` the deviation of what it leaves.
    """
    sigma = sigma.float()
    kept = torch.as_tensor(kept, dtype=torch.float32, device=sigma.device)
    of_data, of_noise = 1 - sigma + sigma * kept, sigma * (1 - kept.square()).sqrt()
    data, noise = kept - 1, (1 - kept.square()).sqrt()  # of the velocity
    variance = of_data.square() + of_noise.square()
    keep = (data * of_data + noise * of_noise) / variance
    left = (data * of_noise - noise * of_data).abs() / variance.sqrt()
    return keep.view(-1, 1, 1, 1, 1), left.view(-1, 1, 1, 1, 1)


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """Return two linear layers around SiLU."""
    return nn.Sequential(nn.Linear(inputs, outputs), nn.SiLU(), nn.Linear(outputs, outputs))


def rope_angles(grid: tuple[Tensor, ...], head_width: int) -> tuple[Tensor, Tensor]:
    """Return cos and sin (1 or B, 1, N, D / 2): 2/8 turn with time, 3/8 with rows, 3/8 with columns."""
    pairs = head_width // 2
    counts = (pairs // 4, (pairs - pairs // 4) // 2, pairs - pairs // 4 - (pairs - pairs // 4) // 2)
    parts = []
    for positions, count in zip(grid, counts, strict=True):
        rates = _ROPE_BASE ** (-torch.arange(count, device=positions.device) / count)
        parts.append(positions.unsqueeze(-1) * rates * (math.pi / 2))
    angles = torch.cat(parts, dim=-1).unsqueeze(1)
    return angles.cos(), angles.sin()
