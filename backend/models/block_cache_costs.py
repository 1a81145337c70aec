"""What the block cache was measured to cost, by family; torch-free, for the page and the command line."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CacheCost:
    """Of one threshold. block_share: of the blocks that still ran; psnr: of the frames, without the cache."""

    block_share: float
    psnr: float


USUAL_THRESHOLDS = (0.05, 0.1)
"""Where to begin with trained weights; diffusers begins at the first."""

CACHE_COSTS = {
    "wan_video": {0.3: CacheCost(0.87, 42.8), 0.4: CacheCost(0.73, 44.5), 0.6: CacheCost(0.37, 33.2)},
    "ltx_video": {0.3: CacheCost(0.95, 49.1), 0.4: CacheCost(0.78, 45.5), 0.6: CacheCost(0.10, 30.5)},
}
"""Family -> threshold -> its cost over 30 steps of the tiny models of the tests.

Their weights are random, and change more from step to step than trained ones, which skip as much at lower
thresholds.
"""


def costs_of(family: str) -> dict[float, CacheCost | None]:
    """Return threshold -> its cost, or None where it was not measured, of those worth choosing from."""
    return {**dict.fromkeys(USUAL_THRESHOLDS), **CACHE_COSTS.get(family, {})}
