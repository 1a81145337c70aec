"""Schedules: the noise levels of a run and the patch scale of each step, torch-free so that a page can count.

sigma runs from 1 (noise) to 0 (data), as in diffusers' FlowMatchEulerDiscreteScheduler. Papers that write
t = 1 - sigma are converted where their formulas are used.
"""

from collections.abc import Sequence
from dataclasses import dataclass


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


def schedule(
    num_inference_steps: int, *, shift: float, patch_schedule: Sequence[tuple[float, int]] = ((0.0, 1),)
) -> Schedule:
    """Return the schedule of a run; before the shift its sigmas are evenly spaced.

    patch_schedule: rows of (t, scale) in order of t = 1 - sigma, the first at 0: a step uses the scale of the
    last row that it has reached (Lumina-Video, arXiv 2502.06782 Sec. 3.2). The latents stay the same.
    """
    levels = (1 - index / num_inference_steps for index in range(num_inference_steps + 1))
    sigmas = tuple(timestep_shift(level, shift) for level in levels)
    scales = tuple(
        [scale for t, scale in patch_schedule if 1 - sigma >= t - 1e-6][-1] for sigma in sigmas[:-1]
    )
    return Schedule(sigmas, scales)
