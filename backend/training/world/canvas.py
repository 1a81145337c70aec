"""The canvas that stills are drawn on: random numbers, coordinates, colours, noise with a given spectrum."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Canvas:
    """Where stills are drawn: their size in pixels, and the random generator and device to draw with."""

    height: int
    width: int
    generator: torch.Generator
    device: torch.device

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Uniform random numbers in [low, high)."""
        numbers = torch.rand(shape, generator=self.generator)
        return (numbers * (high - low) + low).to(self.device)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal random numbers."""
        return torch.randn(shape, generator=self.generator).to(self.device)

    def choice(self, count: int, weights: tuple[float, ...]) -> list[int]:
        """`count` indices into `weights`, each drawn with its weight."""
        return torch.multinomial(
            torch.tensor(weights), count, replacement=True, generator=self.generator
        ).tolist()

    def coordinates(self) -> tuple[Tensor, Tensor]:
        """y (H, 1) and x (1, W), centred, in units of the shorter side."""
        side = min(self.height, self.width)
        y = (torch.arange(self.height, device=self.device) - self.height / 2) / side
        x = (torch.arange(self.width, device=self.device) - self.width / 2) / side
        return y[:, None], x[None, :]

    def colours(self, count: int, number: int) -> Tensor:
        """(count, number, 3) colours; those of one row are related.

        As in photographs, blue to orange varies more than green to purple.
        """
        lightness = self.uniform(count, number, 1, low=0.04, high=0.98)
        axes = torch.tensor([[0.7, 0.1, -0.8], [0.25, -0.5, 0.25]], device=self.device)
        tint = self.normal(count, 1, 2) + 0.7 * self.normal(count, number, 2)
        saturation = 0.3 * self.uniform(count, 1, 1) ** 2 + 0.02
        return (lightness + saturation * tint @ axes).clamp(0, 1)


def spectral_field(canvas: Canvas, count: int, channels: int, exponents: Tensor) -> Tensor:
    """(count, channels, H, W) noise of zero mean and unit variance with amplitude spectrum 1/f^exponent.

    `exponents` (count,) are of the amplitude: 1 is the natural-image law.
    """
    fy = torch.fft.fftfreq(canvas.height, device=canvas.device)[:, None]
    fx = torch.fft.rfftfreq(canvas.width, device=canvas.device)[None, :]
    log_frequency = 0.5 * torch.log((fy**2 + fx**2).clamp_min(1.0 / max(canvas.height, canvas.width) ** 2))
    amplitude = torch.exp(-exponents.view(-1, 1, 1, 1) * log_frequency)
    amplitude[..., 0, 0] = 0
    white = canvas.normal(count, channels, canvas.height, canvas.width // 2 + 1, 2)
    field = torch.fft.irfft2(torch.view_as_complex(white) * amplitude, s=(canvas.height, canvas.width))
    return field / field.std(dim=(-2, -1), keepdim=True).clamp_min(1e-6)
