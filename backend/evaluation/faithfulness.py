"""Does a clip show what its prompt asks for? The verifier reads it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from backend.evaluation.cases import Case
from backend.evaluation.finding import Finding
from backend.evaluation.runs import request
from backend.evaluation.verifier import Verifier, read_attributes
from backend.models.engine import Engine
from backend.pipelines.clip import make_clip

FLOORS = {"shape": 0.85, "colour": 0.93, "surface": 0.85, "motion": 0.93, "place": 0.93, "camera": 0.85}
FLOOR_MEAN = 0.90


def faithfulness(
    engine: Engine, verifier: Verifier, cases: Sequence[Case], **fields: Any
) -> tuple[list[Finding], list[np.ndarray]]:
    """Return how often the verifier reads what each prompt asks for, and the clips, one a prompt."""
    clips = [
        make_clip(engine, request(engine, case.prompt, seed=seed, **fields)).frames
        for seed, case in enumerate(cases)
    ]
    shares = shares_right(verifier, cases, clips)
    findings = [
        Finding(f"{name} as asked", f"at least {FLOORS[name]:.0%}", f"{share:.1%}", share >= FLOORS[name])
        for name, share in shares.items()
    ]
    mean = float(np.mean(list(shares.values())))
    met = Finding("mean of the six", f"at least {FLOOR_MEAN:.0%}", f"{mean:.1%}", mean >= FLOOR_MEAN)
    return [*findings, met], clips


def shares_right(verifier: Verifier, cases: Sequence[Case], clips: Sequence[np.ndarray]) -> dict[str, float]:
    """Return for every attribute the share of `clips` (T, H, W, 3) in which it is as its case asks."""
    read = [each for clip in clips for each in read_attributes(verifier, [clip])]
    return {
        name: float(np.mean([each[name] == case.asked[name] for each, case in zip(read, cases, strict=True)]))
        for name in cases[0].asked
    }
