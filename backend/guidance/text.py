"""Guidance by text and given frames, with the motion score of the branch that is moved away from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backend.guidance.protocol import Step, Velocities
from backend.models.engine import Pass

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class NegativeMotion:
    """Lumina-Video's negative motion score (arXiv 2502.06782 Sec. 3.3): `score` until t = `until`.

    From there the branch takes the positive score, which keeps the motion and spares the picture. None is
    "not said", which is neutral where the positive score is not said either.
    """

    score: float | None = None
    until: float = 0.05


@dataclass(frozen=True)
class TextGuidance:
    """(s - 1)(P - N), where N sees the negative prompt, no given frames and the negative motion score.

    STIV's joint image-text guidance in two passes (arXiv 2412.07730 Eq. 3); without given frames it is
    classifier-free guidance, whose Eq. 6 writes (1 + w) P - w N with s = 1 + w. With `image_scale` set to
    another value it is split: (s_T - 1)(P - T) + (s_I - 1)(T - N), where T still sees the given frames; with
    `image_scale` 1 that is guidance of text alone, and N is not computed. From
    t = `until` on the other branches are not computed (Lumina-Video).

    In N the given frames are noised like all others: kept clean, joint guidance would be that of text alone.
    """

    text_scale: float = 1.0
    image_scale: float | None = None
    negative_motion: NegativeMotion | None = None
    until: float = 1.0

    @property
    def is_split(self) -> bool:
        """Return whether text and given frames have scales of their own."""
        return self.image_scale is not None and self.image_scale != self.text_scale

    def passes(self, step: Step, positive: Pass) -> Sequence[Pass]:
        if step.t >= self.until:
            return ()
        if self.is_split and self.image_scale == 1:
            return (self._text_only(step, positive),)
        if self.is_split:
            return self._text_only(step, positive), self._negative(step, positive)
        return () if self.text_scale == 1 else (self._negative(step, positive),)

    def delta(self, velocities: Velocities, step: Step, positive: Pass) -> Tensor:
        right = velocities[positive]
        if self.is_split and self.image_scale == 1:
            return (self.text_scale - 1) * (right - velocities[self._text_only(step, positive)])
        wrong = velocities[self._negative(step, positive)]
        if not self.is_split or self.image_scale is None:
            return (self.text_scale - 1) * (right - wrong)
        between = velocities[self._text_only(step, positive)]
        return (self.text_scale - 1) * (right - between) + (self.image_scale - 1) * (between - wrong)

    def _negative(self, step: Step, positive: Pass) -> Pass:
        return replace(self._text_only(step, positive), image=False)

    def _text_only(self, step: Step, positive: Pass) -> Pass:
        score = positive.motion_score
        if self.negative_motion is not None and step.t < self.negative_motion.until:
            score = self.negative_motion.score
        return replace(positive, text="negative", motion_score=score)
