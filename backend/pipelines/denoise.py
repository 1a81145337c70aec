"""The sampling loop: an engine steered by a guidance, from noise to data."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from backend.errors import NumericsError
from backend.guidance.protocol import Guidance, Step
from backend.models.engine import Conditioning, Engine
from backend.pipelines.sampling import clean_prediction, euler_step


@dataclass(frozen=True)
class StepReport:
    """What is known after a step.

    step: counts from 1; sigma: the noise level reached; latents: the state there; clean: the clip as
    predicted at this step, both (B, C, F, H, W) float32; network_passes: since this loop started.
    """

    step: int
    num_steps: int
    sigma: float
    latents: Tensor
    clean: Tensor
    network_passes: int


@dataclass(frozen=True)
class DenoiseResult:
    """Latents (B, C, F, H, W) float32 at sigma 0, and the forward passes that this loop took."""

    latents: Tensor
    network_passes: int


OnStep = Callable[[StepReport], None]


def denoise(
    engine: Engine,
    guidance: Guidance,
    *,
    latents: Tensor,
    sigmas: Tensor,
    conditioning: Conditioning,
    on_step: OnStep | None = None,
    start_step: int = 0,
) -> DenoiseResult:
    """Return the latents at the last of `sigmas` (n + 1,), by Euler's method from the first.

    `start_step` k resumes after k finished steps from their `latents`, with the result of an unbroken run,
    bit for bit. `on_step` may raise (CanceledError to stop); nothing is caught here. Raises NumericsError as
    soon as the latents stop being finite.
    """
    levels: list[float] = sigmas.tolist()
    num_steps = len(levels) - 1
    network_passes = 0
    for index in range(start_step, num_steps):
        sigma, next_sigma = levels[index], levels[index + 1]
        step = Step(index=index, num_steps=num_steps, sigma=sigma)
        passes = guidance.passes(step)
        velocity = guidance.combine(engine.velocities(latents, sigma, conditioning, passes), step)
        network_passes += len(passes)
        previous, latents = latents, euler_step(latents, velocity, sigma=sigma, next_sigma=next_sigma)
        _check_finite(latents, step)
        if on_step is not None:
            clean = clean_prediction(previous, velocity, sigma=sigma)
            on_step(StepReport(index + 1, num_steps, next_sigma, latents, clean, network_passes))
    return DenoiseResult(latents, network_passes)


def _check_finite(latents: Tensor, step: Step) -> None:
    if not bool(latents.isfinite().all()):
        raise NumericsError(
            f"The clip's numbers became invalid at step {step.index + 1} of {step.num_steps}; "
            "try a lower guidance, more steps or another seed."
        )
