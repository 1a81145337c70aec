"""No guidance: the network's own prediction for the prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from backend.guidance.protocol import Step
from backend.models.engine import Pass


@dataclass(frozen=True)
class PlainGuidance:
    """One pass a step, used as it is."""

    def passes(self, _: Step) -> Sequence[Pass]:
        return (Pass(text="prompt"),)

    def combine(self, velocities: Sequence[Tensor], _: Step) -> Tensor:
        (velocity,) = velocities
        return velocity.float()
