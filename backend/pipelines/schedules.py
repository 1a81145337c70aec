"""Schedules: the noise levels of a run and the patch scale of each step, torch-free so that a page can count.

sigma runs from 1 (noise) to 0 (data), as in diffusers' FlowMatchEulerDiscreteScheduler. Papers that write
t = 1 - sigma are converted where their formulas are used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_LINEAR_REACH = 0.025
"""How much noise the linear half of a linear-quadratic schedule takes away."""


@dataclass(frozen=True)
class Schedule:
    """sigmas: n + 1 levels from 1 down to 0; scales: the patch scale of each of the n steps between them."""

    sigmas: tuple[float, ...]
    scales: tuple[int, ...]

    @property
    def num_steps(self) -> int:
        return len(self.scales)


def timestep_shift(sigma: float, shift: float) -> float:
    """Return `sigma` moved towards noise: shift * sigma / (1 + (shift - 1) * sigma); shift 1 leaves it.

    Lumina-Video's t / (t + shift - shift * t) in t = 1 - sigma (arXiv 2502.06782).
    """
    return shift * sigma / (1 + (shift - 1) * sigma)


def linear_quadratic(num_inference_steps: int) -> list[float]:
    """Return the n levels from 1 of a run that spends half of its steps on the first fortieth of the noise.

    Movie Gen's schedule (arXiv 2410.13720), as diffusers' `linear_quadratic_schedule` for LTX-Video.
    """
    half, rest = num_inference_steps // 2, num_inference_steps - num_inference_steps // 2
    if half == 0:
        return [1.0]
    slope = 1 / half
    bend = (1 - _LINEAR_REACH - _LINEAR_REACH * slope * rest) / rest**2
    linear = [1 - _LINEAR_REACH * slope * index for index in range(half)]
    return linear + [
        1 - _LINEAR_REACH - _LINEAR_REACH * slope * index - bend * index**2 for index in range(rest)
    ]


def schedule(
    num_inference_steps: int,
    *,
    shift: float,
    patch_schedule: Sequence[tuple[float, int]] = ((0.0, 1),),
    shape: Literal["even", "linear_quadratic"] = "even",
    last_sigma: float = 0.0,
) -> Schedule:
    """Return the schedule of a run; before the shift its sigmas have the `shape`.

    last_sigma: the level of the last step, to which the others are stretched (diffusers' `shift_terminal`);
    0 leaves them.
    patch_schedule: rows of (t, scale) in order of t = 1 - sigma, the first at 0: a step uses the scale of the
    last row that it has reached (Lumina-Video, arXiv 2502.06782 Sec. 3.2). The latents stay the same.
    """
    levels = [1 - index / num_inference_steps for index in range(num_inference_steps)]
    if shape == "linear_quadratic":
        levels = linear_quadratic(num_inference_steps)
    shifted = _stretched([timestep_shift(level, shift) for level in levels], last_sigma)
    sigmas = (*shifted, 0.0)
    scales = tuple(
        [scale for t, scale in patch_schedule if 1 - sigma >= t - 1e-6][-1] for sigma in sigmas[:-1]
    )
    return Schedule(sigmas, scales)


def _stretched(sigmas: list[float], last_sigma: float) -> list[float]:
    """Return `sigmas` with their distances from 1 in proportion, ending at `last_sigma` unless that is 0."""
    if last_sigma == 0 or sigmas[-1] == 1:
        return sigmas
    factor = (1 - sigmas[-1]) / (1 - last_sigma)
    return [1 - (1 - sigma) / factor for sigma in sigmas]
