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


def better(title: str, ours: Sequence[float], theirs: Sequence[float], *, than: str, source: str) -> Finding:
    """Return whether `ours` are higher in the mean than `theirs`, both in dB and one a scene."""
    gain = float(np.mean(ours) - np.mean(theirs))
    measured = f"{np.mean(ours):.1f} dB against {np.mean(theirs):.1f} dB over {len(ours)}"
    return Finding(title, f"closer to the truth than {than} ({source})", measured, gain > 0)
