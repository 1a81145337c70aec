"""The refiner: a smaller transformer that turns an enlarged, noised draft into its high-resolution clip.

FlashVideo's second stage (arXiv 2502.05179 Sec. 3.3): the path does not begin with noise but with the draft,
a_k * latents + sqrt(1 - a_k²) * noise, and the network is told the degradation step k and the number of
latent frames. Few steps are enough. Where we differ:
- Blocks are those of the base transformer, at its finest patch size, so that text is attended in every block.
- Convolutions follow the last layer, as those of the base transformer's finest scale.
- It predicts what the best linear guess leaves of the velocity, as the base transformer does; the guess
  knows how alike drafts and true clips are.
- Rotary positions are counted in patches from the middle of the clip, the same at every size: it learns on
  cut-outs and runs on whole clips.
- On pictures larger than its cut-outs tokens attend within windows of that size, shifted block by block.
"""

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
    text_bias,
    timestep_embedding,
)
from backend.models.kinora.local_head import LocalHead
from backend.models.kinora.patches import PATCH_SIZES, PatchScale
from backend.models.kinora.windows import windowed

NUM_DEGRADATION_STEPS = 1000
_BETAS = (0.00085, 0.012)
_WINDOW_SIDE = 16  # tokens: cut-outs of 256 pixels, on which it is trained
_DRAFT_LIKENESS = 0.98  # correlation of latents of enlarged drafts with the true ones, over training pairs


def kept_share(step: Tensor | int) -> Tensor:
    """Return a_k in [0, 1], how much of the draft is kept at degradation step k (float32, shape of `step`).

    The square root of the cumulative alphas of CogVideoX's scaled-linear schedule of 1000 steps, rescaled to
    end in zero (arXiv 2305.08891), from which FlashVideo takes it: a_675 = 0.264.
    """
    betas = (
        torch.linspace(_BETAS[0] ** 0.5, _BETAS[1] ** 0.5, NUM_DEGRADATION_STEPS, dtype=torch.float64) ** 2
    )
    roots = torch.cumprod(1 - betas, 0).sqrt()
    roots = (roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])
    return roots[torch.as_tensor(step, dtype=torch.long)].float()


def degraded(latents: Tensor, noise: Tensor, *, step: Tensor) -> Tensor:
    """Return the start of the path, a_k * latents + sqrt(1 - a_k²) * noise (B, C, F, H, W).

    latents: those of the enlarged draft; noise of their shape; step (B,): the degradation step k.
    """
    kept = kept_share(step.cpu()).to(latents.device).view(-1, 1, 1, 1, 1)
    return kept * latents + (1 - kept.square()).sqrt() * noise


class RefinerTransformer(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Predicts the velocity, start - data, of appearance latents (B, C, F, H, W)."""

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 16,
        width: int = 192,
        num_layers: int = 8,
        num_heads: int = 3,
        mlp_width: int = 304,
        text_width: int = 192,
        condition_width: int = 96,
        local_width: int = 64,
    ) -> None:
        super().__init__()
        self.head_width = width // num_heads
        self.patch = PatchScale(PATCH_SIZES[0], latent_channels, width)
        self.local = LocalHead(PATCH_SIZES[0], latent_channels, width, local_width)
        self.time_mlp = mlp(TIME_FEATURES, condition_width)
        self.degradation_mlp = mlp(TIME_FEATURES, condition_width)
        self.length_mlp = mlp(TIME_FEATURES, condition_width)
        self.text_norm = nn.LayerNorm(text_width)
        self.text_pool = nn.Linear(text_width, condition_width)
        self.blocks = nn.ModuleList(
            Block(width, num_heads, mlp_width, text_width, condition_width) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.final_scale = nn.Linear(condition_width, width)
        set_to_zero(self.degradation_mlp[-1], self.length_mlp[-1], self.text_pool, self.final_scale)

    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        encoder_attention_mask: Tensor,
        *,
        degradation: Tensor,
        given: Tensor | None = None,
    ) -> Tensor:
        """Return velocities of the shape of `hidden_states` (B, C, F, H, W), float32; H and W are even.

        timestep: sigma in [0, 1] (B,), 1 at the degraded draft. encoder_hidden_states (B, L, Dt) with mask
        (B, L). degradation (B,): the step k in [0, 999] that the draft was degraded to. given (B, F): clean
        latent frames, whose velocities mean nothing.
        """
        frames, height, width = (
            size // patch for size, patch in zip(hidden_states.shape[2:], self.patch.patch_size, strict=True)
        )
        x = self.patch.to_tokens(hidden_states, given)
        condition = self._condition(
            timestep, degradation, encoder_hidden_states, encoder_attention_mask, frames
        )
        bias = text_bias(encoder_attention_mask)
        angles = rope_angles(_grid(frames, height, width, x.device), self.head_width)
        size = (frames, height, width)
        attentions = [windowed(size, side=_WINDOW_SIDE, is_shifted=shifted) for shifted in (False, True)]
        for index, block in enumerate(self.blocks):
            x = block(x, condition, encoder_hidden_states, bias, angles, attentions[index % 2])
        x = self.final_norm(x) * (1 + self.final_scale(condition))
        kept = _DRAFT_LIKENESS * kept_share(degradation.cpu()).to(x.device)
        keep, add = linear_guess(timestep, kept)
        residual = self.patch.from_tokens(x, hidden_states.shape) + self.local(x, hidden_states)
        return keep * hidden_states.float() + add * residual

    def _condition(
        self, timestep: Tensor, degradation: Tensor, text: Tensor, mask: Tensor, frames: int
    ) -> Tensor:
        """Return the modulation input (B, 1, Dc): time, degradation, length and pooled text."""
        condition = self.time_mlp(timestep_embedding(1000 * timestep))
        condition = condition + self.degradation_mlp(timestep_embedding(degradation))
        length = torch.full_like(timestep, float(frames))
        condition = condition + self.length_mlp(timestep_embedding(10 * length))
        condition = condition + self.text_pool(self.text_norm(pooled_text(text, mask)))
        return functional.silu(condition).unsqueeze(1)


def _grid(frames: int, rows: int, columns: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return time, row and column of every token (1, N), in patches from the middle."""
    axes = [torch.arange(count, device=device) - (count - 1) / 2 for count in (rows, columns)]
    grids = torch.meshgrid(torch.arange(frames, device=device).float(), *axes, indexing="ij")
    return grids[0].flatten()[None], grids[1].flatten()[None], grids[2].flatten()[None]
