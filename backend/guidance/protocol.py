"""The guidance protocol: which forward passes a step needs, and how they become one velocity."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from backend.models.engine import Pass


@dataclass(frozen=True)
class Step:
    """One step of a sampling loop.

    index: counts from 0; sigma: the noise level the step starts from, 1 (noise) to 0 (data).
    """

    index: int
    num_steps: int
    sigma: float


class Guidance(Protocol):
    """A method of guidance. Its settings are its fields; their neutral values give the plain prediction."""

    def passes(self, step: Step, /) -> Sequence[Pass]:
        """Return the forward passes that `step` needs, at least one."""
        ...

    def combine(self, velocities: Sequence[Tensor], step: Step, /) -> Tensor:
        """Return one velocity (B, C, F, H, W) float32 from those of `passes(step)`, in the same order."""
        ...
