"""The guided velocity: the prediction for everything asked, plus what each term adds, renormalised last.

With P the pass that sees every condition this is (in the papers' notation; velocities add as scores do)

    G = P + (s - 1) (P - N) + w_d (P - D)        renormalised against P

with N of `text` and D of `inner`. It holds each paper exactly: classifier-free guidance (arXiv 2207.12598),
joint image-text guidance and its renormalisation (STIV, 2412.07730 Sec. 3.3), Inner-Guidance (VideoJAM,
2502.02492 Eq. 8), positive and negative motion scores (Lumina-Video, 2502.06782 Sec. 3.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backend.guidance.protocol import Step, Term
from backend.guidance.renormalise import Renormalise
from backend.models.engine import Pass

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Guidance:
    """Without terms it is the plain prediction: one pass a step, used as it is."""

    positive: Pass = field(default_factory=Pass)
    terms: tuple[Term, ...] = ()
    renormalise: Renormalise = field(default_factory=Renormalise)

    def passes(self, step: Step) -> tuple[Pass, ...]:
        """Return the forward passes that `step` needs, each once, the positive one first."""
        wanted = [each for term in self.terms for each in term.passes(step, self.positive)]
        return tuple(dict.fromkeys((self.positive, *wanted)))

    def combine(self, velocities: Sequence[Tensor], step: Step) -> Tensor:
        """Return one velocity (B, C, F, H, W) float32 from those of `passes(step)`, in the same order."""
        by_pass = {which: v.float() for which, v in zip(self.passes(step), velocities, strict=True)}
        positive = by_pass[self.positive]
        active = [term for term in self.terms if term.passes(step, self.positive)]
        if not active:
            return positive
        guided = positive + sum(term.delta(by_pass, step, self.positive) for term in active)
        return self.renormalise.apply(guided, positive)
