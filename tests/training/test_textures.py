"""Texture clips: their layout, and that they look like footage rather than like noise."""

import math

import pytest
import torch

from backend.training.world.textures import texture_clips


def clips(
    count: int, *, seed: int = 0, num_frames: int = 5, height: int = 64, width: int = 64
) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return texture_clips(count, num_frames=num_frames, height=height, width=width, generator=generator)


@pytest.fixture(scope="module")
def many_clips() -> torch.Tensor:
    return torch.cat([clips(48, seed=seed) for seed in range(3)])


@pytest.mark.parametrize("size", [(1, 1, 64, 64), (7, 9, 48, 80), (2, 33, 80, 48)])
def test_clips_have_the_size_asked_for(size):
    count, num_frames, height, width = size
    made = clips(count, num_frames=num_frames, height=height, width=width)
    assert made.shape == (count, 3, num_frames, height, width)
    assert made.dtype == torch.uint8


def test_clips_repeat_with_the_seed():
    assert torch.equal(clips(6, seed=5), clips(6, seed=5))
    assert not torch.equal(clips(6, seed=5), clips(6, seed=6))


def test_clips_of_one_call_differ(many_clips):
    frames = many_clips[:48, :, 0].flatten(1).float()
    distance = torch.cdist(frames, frames) + 1e6 * torch.eye(48)
    assert distance.min() > 0


def test_clips_use_the_whole_range(many_clips):
    brightness = many_clips.float().mean(dim=(1, 2, 3, 4))
    assert many_clips.min() == 0
    assert many_clips.max() == 255
    assert brightness.std() > 25


def test_most_clips_move_smoothly_and_some_are_still(many_clips):
    frames = many_clips.float()
    change = (frames[:, :, 1:] - frames[:, :, :-1]).abs().mean(dim=(1, 2, 3, 4))
    contrast = frames[:, :, 0].std(dim=(1, 2, 3))
    is_still = change == 0
    assert 0.02 < is_still.float().mean() < 0.2
    assert (change < contrast).float().mean() > 0.9


def test_spectrum_falls_as_in_photographs(many_clips):
    """Natural images have a power spectrum of about 1/f^2 to 1/f^3; white noise would give 0."""
    gray = many_clips[:, :, 0].float().mean(1)
    window = torch.hann_window(64)[:, None] * torch.hann_window(64)
    power = torch.fft.rfft2((gray - gray.mean((1, 2), keepdim=True)) * window).abs().square().mean(0)
    radius = 64 * torch.hypot(torch.fft.fftfreq(64)[:, None], torch.fft.rfftfreq(64)[None])
    rings = range(2, 30)
    points = [(math.log(ring), power[(radius - ring).abs() < 0.5].mean().log().item()) for ring in rings]
    log_frequency, log_power = torch.tensor(points).unbind(1)
    covariance = torch.cov(torch.stack([log_frequency, log_power]))
    assert -3.4 < covariance[0, 1] / covariance[0, 0] < -1.8
