"""The sampling convention against diffusers' scheduler and closed forms, in float32 (tolerance 1e-6)."""

import numpy as np
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

from backend.pipelines.sampling import clean_prediction, euler_step, initial_noise
from backend.pipelines.schedules import schedule


def test_schedule_and_euler_steps_are_those_of_the_scheduler() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / 6, 6).tolist())
    ours = theirs = initial_noise((4, 3, 2, 2), seed=5)
    sigmas = torch.tensor(schedule(6, shift=3).sigmas)
    for index, timestep in enumerate(scheduler.timesteps):
        sigma, next_sigma = sigmas[index : index + 2].tolist()
        velocity = initial_noise((4, 3, 2, 2), seed=index)
        ours = euler_step(ours, velocity, sigma=sigma, next_sigma=next_sigma)
        theirs = scheduler.step(velocity, timestep, theirs).prev_sample
    assert torch.allclose(sigmas, scheduler.sigmas, atol=1e-6)
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_the_clean_prediction_recovers_the_data_of_a_mixture() -> None:
    data, noise = initial_noise((4, 3, 2, 2), seed=1), initial_noise((4, 3, 2, 2), seed=2)
    mixture = 0.3 * data + 0.7 * noise
    assert torch.allclose(clean_prediction(mixture, noise - data, sigma=0.7), data, atol=1e-6)


def test_a_seed_means_the_same_noise_whatever_was_drawn_before() -> None:
    noise = initial_noise((4, 3, 2, 2), seed=7)
    torch.randn(5)
    assert torch.equal(noise, initial_noise((4, 3, 2, 2), seed=7))
    assert not torch.equal(noise, initial_noise((4, 3, 2, 2), seed=8))


def test_the_largest_seed_is_accepted() -> None:
    assert initial_noise((1, 1, 1, 1), seed=2**63 - 1).shape == (1, 1, 1, 1, 1)
