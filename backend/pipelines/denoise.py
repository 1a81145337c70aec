"""The sampling loop: a network steered by a guidance, from noise, or a noised draft, to data."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from backend.errors import NumericsError
from backend.guidance.guidance import Guidance
from backend.guidance.protocol import Step
from backend.models.engine import Conditioning, Predictor
from backend.pipelines.sampling import clean_prediction, euler_step
from backend.pipelines.schedules import Schedule


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
    engine: Predictor,
    guidance: Guidance,
    *,
    latents: Tensor,
    noise: Tensor,
    schedule: Schedule,
    conditioning: Conditioning,
    on_step: OnStep | None = None,
    start_step: int = 0,
) -> DenoiseResult:
    """Return the latents at the end of `schedule`, by Euler's method from its first sigma.

    noise: what the run began with. Given frames follow their own straight line from it, so that passes which
    must not see them meet them as noisy as all others, and at the end they are what was given, exactly.
    `start_step` k resumes after k finished steps from their `latents`, with the result of an unbroken run,
    bit for bit. `on_step` may raise (CanceledError to stop); nothing is caught here. Raises NumericsError as
    soon as the latents stop being finite.
    """
    num_steps, given = schedule.num_steps, conditioning.given
    network_passes = 0
    if given is not None:
        latents = given.noised(latents, noise=noise, sigma=schedule.sigmas[start_step])
    for index in range(start_step, num_steps):
        sigma, next_sigma = schedule.sigmas[index], schedule.sigmas[index + 1]
        step = Step(index=index, num_steps=num_steps, sigma=sigma)
        passes = guidance.passes(step)
        scale = schedule.scales[index]
        velocities = engine.velocities(latents, sigma, conditioning, passes, scale=scale)
        velocity = guidance.combine(velocities, step)
        network_passes += len(passes)
        previous, latents = latents, euler_step(latents, velocity, sigma=sigma, next_sigma=next_sigma)
        if given is not None:
            latents = given.noised(latents, noise=noise, sigma=next_sigma)
        _check_finite(latents, step)
        if on_step is not None:
            clean = clean_prediction(previous, velocity, sigma=sigma)
            clean = clean if given is None else given.placed(clean)
            on_step(StepReport(index + 1, num_steps, next_sigma, latents, clean, network_passes))
    return DenoiseResult(latents, network_passes)


def _check_finite(latents: Tensor, step: Step) -> None:
    if not bool(latents.isfinite().all()):
        raise NumericsError(
            f"The clip's numbers became invalid at step {step.index + 1} of {step.num_steps}; "
            "try a lower guidance, more steps or another seed."
        )
