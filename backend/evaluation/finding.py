"""What a measure finds: a figure beside the relation that a paper found or that we set ourselves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Finding:
    """One row of the report: what was measured, what should hold, what came out, and whether it holds."""

    title: str
    expected: str
    measured: str
    is_met: bool


_ALIKE_DB = 50.0
"""More is not seen; a guess that is exact where nothing moves would have an endless mean."""


def better(title: str, ours: Sequence[float], theirs: Sequence[float], *, than: str, source: str) -> Finding:
    """Return whether `ours` are higher in the mean than `theirs`, both in dB, at most 50, and one a scene."""
    mine, others = (np.minimum(values, _ALIKE_DB) for values in (ours, theirs))
    measured = (
        f"{mine.mean():.1f} dB against {others.mean():.1f} dB over {len(ours)}, "
        f"closer in {np.mean(mine > others):.0%}"
    )
    return Finding(
        title, f"closer to the truth than {than} ({source})", measured, bool(mine.mean() > others.mean())
    )
