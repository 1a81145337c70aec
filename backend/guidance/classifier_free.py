"""Classifier-free guidance (arXiv 2207.12598) with the negative prompt as the branch to move away from."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from backend.guidance.protocol import Step
from backend.models.engine import Pass


@dataclass(frozen=True)
class ClassifierFreeGuidance:
    """negative + guidance_scale * (prompt - negative), in float32.

    guidance_scale 1 is the plain prediction, in one pass. Equation 6 of the paper writes it as
    (1 + w) * prompt - w * negative; guidance_scale is 1 + w. An empty negative prompt is the null text.
    """

    guidance_scale: float

    def passes(self, _: Step) -> Sequence[Pass]:
        if self.guidance_scale == 1:
            return (Pass(text="prompt"),)
        return Pass(text="prompt"), Pass(text="negative")

    def combine(self, velocities: Sequence[Tensor], _: Step) -> Tensor:
        if self.guidance_scale == 1:
            return velocities[0].float()
        positive, negative = (velocity.float() for velocity in velocities)
        return negative + self.guidance_scale * (positive - negative)
