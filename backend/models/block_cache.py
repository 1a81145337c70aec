"""Skipping most of a network where a step changes little: diffusers' FirstBlockCache, off unless asked for.

Of two steps in a row the first block's changes are compared; where they differ by less than the threshold,
all other blocks do again what they did before.

What it was measured to cost stands in `models.block_cache_costs`.
"""

from collections.abc import Sequence
from typing import Any

from diffusers import FirstBlockCacheConfig


class BlockCache:
    """The cache of an engine's transformers, which begins anew with every clip.

    What it holds is in no checkpoint: a resumed clip begins without, and may differ from an unbroken one.
    """

    def __init__(self, networks: Sequence[Any], *, threshold: float) -> None:
        """networks: transformers of diffusers with `enable_cache`. threshold: a share of the change."""
        self._networks = networks
        self._sigma = 0.0
        for network in networks:
            network.enable_cache(FirstBlockCacheConfig(threshold=threshold))

    def begin_step(self, sigma: float) -> None:
        """Forget what is held unless `sigma` goes on from the step before, which was noisier."""
        if sigma >= self._sigma:
            for network in self._networks:
                network._reset_stateful_cache()
        self._sigma = sigma
