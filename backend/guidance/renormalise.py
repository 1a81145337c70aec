"""Renormalisation: guidance may turn a velocity, but not make it as long as it likes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Renormalise:
    """How the guided velocity G is scaled against the positive P, last of all and in float32.

    "match": G ||P|| / ||G|| (STIV, arXiv 2412.07730 Sec. 3.3); "cap": G min(1, limit ||P|| / ||G||)
    (Lumina-Video's released settings, limit 2); "off". Norms are per clip, over the latent frames that are
    not given, and separate for the `parts` of the channels: appearance and motion would otherwise share one.
    """

    mode: Literal["match", "cap", "off"] = "off"
    limit: float = 2.0
    parts: int = 1
    given_frames: tuple[int, ...] = ()

    def apply(self, guided: Tensor, positive: Tensor) -> Tensor:
        """Return `guided` (B, C, F, H, W) scaled; `positive` has the same shape."""
        if self.mode == "off":
            return guided
        scaled = guided.clone()
        for part, reference in zip(
            scaled.chunk(self.parts, dim=1), positive.chunk(self.parts, dim=1), strict=True
        ):
            ratio = self._norm(reference) / self._norm(part).clamp_min(1e-12)
            part *= ratio if self.mode == "match" else (self.limit * ratio).clamp_max(1)
        return scaled

    def _norm(self, velocity: Tensor) -> Tensor:
        """Return the norm (B, 1, 1, 1, 1) of `velocity` over the frames that are not given."""
        free = [f for f in range(velocity.shape[2]) if f not in self.given_frames]
        return velocity[:, :, free].square().sum(dim=(1, 2, 3, 4), keepdim=True).sqrt()
