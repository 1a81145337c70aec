"""Inner-Guidance: the model's own motion prediction steers what it paints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backend.guidance.protocol import Step, Velocities
from backend.models.engine import Pass

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class InnerGuidance:
    """w (P - D), where D does not see the motion channels (VideoJAM, arXiv 2502.02492 Eq. 8 with w = w2).

    The window can be given in steps, as in the paper (its first half of 100), and in t: the term acts while
    both allow it. On its linear-quadratic grid the first half of the steps ends near t = 0.05, on a shifted
    grid elsewhere, so presets state t.

    steers_motion: whether the motion half is steered as well. Without motion channels the network cannot know
    their noise, so that half of D is no velocity of this state; the paper's formula steers it all the same,
    which on Gaussians with a known answer shrinks the motion by two fifths. Off unless asked for.
    """

    weight: float = 0.0
    until: float = 1.0
    step_share: float = 1.0
    steers_motion: bool = False

    def passes(self, step: Step, positive: Pass) -> Sequence[Pass]:
        is_over = step.t >= self.until or step.index >= self.step_share * step.num_steps
        return () if self.weight == 0 or is_over else (replace(positive, motion_channels=False),)

    def delta(self, velocities: Velocities, _: Step, positive: Pass) -> Tensor:
        seeing, blind = velocities[positive], velocities[replace(positive, motion_channels=False)]
        delta = self.weight * (seeing - blind)
        if not self.steers_motion:
            delta[:, delta.shape[1] // 2 :] = 0
        return delta
