"""Schedules against closed forms."""

from itertools import pairwise

import pytest

from backend.pipelines.schedules import schedule, timestep_shift


def test_without_shift_the_sigmas_are_evenly_spaced() -> None:
    assert schedule(4, shift=1).sigmas == (1.0, 0.75, 0.5, 0.25, 0.0)


def test_the_shift_is_applied_once() -> None:
    expected = [timestep_shift(sigma, 3) for sigma in (1.0, 0.75, 0.5, 0.25, 0.0)]
    assert schedule(4, shift=3).sigmas == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("num_steps", [1, 2, 7, 24, 200])
def test_sigmas_fall_from_one_to_zero(num_steps: int) -> None:
    sigmas = schedule(num_steps, shift=3).sigmas
    assert len(sigmas) == num_steps + 1
    assert (sigmas[0], sigmas[-1]) == (1, 0)
    assert all(later < sooner for sooner, later in pairwise(sigmas))


@pytest.mark.parametrize(
    ("patch_schedule", "scales"),
    [(((0.0, 1),), (1, 1, 1, 1)), (((0.0, 3), (0.25, 2), (0.6, 1)), (3, 2, 2, 1)), (((0.0, 2),), (2,) * 4)],
)
def test_a_step_uses_the_last_patch_scale_it_has_reached(
    patch_schedule: tuple[tuple[float, int], ...], scales: tuple[int, ...]
) -> None:
    assert schedule(4, shift=1, patch_schedule=patch_schedule).scales == scales


@pytest.mark.parametrize(
    ("sigma", "shift", "shifted"), [(0.5, 3, 0.75), (0.25, 1, 0.25), (1, 8, 1), (0, 8, 0)]
)
def test_timestep_shift_moves_towards_noise_and_keeps_the_ends(
    sigma: float, shift: float, shifted: float
) -> None:
    assert timestep_shift(sigma, shift) == shifted
