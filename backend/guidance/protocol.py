"""What guidance is made of: a step of the loop, and terms that each add something to the prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from backend.models.engine import Pass

if TYPE_CHECKING:
    from torch import Tensor

Velocities = Mapping[Pass, "Tensor"]
"""The velocity (B, C, F, H, W) float32 of each forward pass of a step."""


@dataclass(frozen=True)
class Step:
    """One step of a sampling loop.

    index: counts from 0; sigma: the noise level the step starts from, 1 (noise) to 0 (data).
    """

    index: int
    num_steps: int
    sigma: float

    @property
    def t(self) -> float:
        """Return the time of the papers, 0 (noise) to 1 (data), in which their windows are given."""
        return 1 - self.sigma


class Term(Protocol):
    """One method of guidance. Its settings are its fields; at their neutral values it asks for no pass."""

    def passes(self, step: Step, positive: Pass, /) -> Sequence[Pass]:
        """Return the forward passes that the term needs at `step` besides `positive`; none where it rests."""
        ...

    def delta(self, velocities: Velocities, step: Step, positive: Pass, /) -> Tensor:
        """Return what the term adds to the velocity of `positive`; asked only where it has passes."""
        ...
