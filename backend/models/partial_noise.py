"""Detail without a network of its own: an enlarged draft is noised part of the way and sampled from there.

SDEdit's idea (arXiv 2108.01073) in FlashVideo's place (2502.05179 Sec. 3.3): the same protocol, but what
makes the detail is the model that makes clips, so no weights need to be trained for it.
"""

from collections.abc import Sequence

from torch import Tensor

from backend.models.engine import Conditioning, Pass, Predictor

NUM_DEGRADATION_STEPS = 1000


class PartialNoiseRefiner:
    """Implements the refiner protocol over a predictor of clips.

    With s = degradation_step / 1000 it starts at (1 - s) draft + s noise, the predictor's own state at noise
    level s. Level r of the refiner is level s r of the predictor, so its velocity is s times theirs.
    """

    def __init__(self, predictor: Predictor, *, degradation_step: int) -> None:
        self._predictor = predictor
        self._share = degradation_step / NUM_DEGRADATION_STEPS

    def start(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Return (1 - s) `latents` + s `noise`."""
        return (1 - self._share) * latents + self._share * noise

    def velocities(
        self,
        latents: Tensor,
        sigma: float,
        conditioning: Conditioning,
        passes: Sequence[Pass],
        *,
        scale: int = 1,
    ) -> list[Tensor]:
        """Return one velocity (B, C, F, H, W) float32 per pass."""
        level = self._share * sigma
        velocities = self._predictor.velocities(latents, level, conditioning, passes, scale=scale)
        return [self._share * velocity for velocity in velocities]
