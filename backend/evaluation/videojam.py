"""VideoJAM's claims (arXiv 2502.02492): motion channels make motion coherent, in training and in sampling."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend.evaluation.finding import Finding
from backend.evaluation.metrics import jerk
from backend.evaluation.runs import request, sampled
from backend.models.engine import Conditioning, Engine, EngineSpec, Pass

_WEIGHT = 3.0  # the paper's w2
_NOISY_STEPS = 60  # of a hundred: until then order hardly mattered to the paper's base model


class WithoutMotionChannels:
    """An engine whose passes never see the motion half of the latents, as in the paper's ablation (d = 0)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.spec: EngineSpec = engine.spec
        self.device, self.weights_sha256 = engine.device, engine.weights_sha256

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def velocities(
        self,
        latents: torch.Tensor,
        sigma: float,
        conditioning: Conditioning,
        passes: Sequence[Pass],
        *,
        scale: int = 1,
    ) -> list[torch.Tensor]:
        """Return the velocities of `passes`, all of them blind to motion."""
        blind = [replace(each, motion_channels=False) for each in passes]
        return self._engine.velocities(latents, sigma, conditioning, blind, scale=scale)


def coherence(engine: Engine, prompts: Sequence[str]) -> list[Finding]:
    """Return how jerky clips move with Inner-Guidance, without it, and without motion channels."""
    blind: Any = WithoutMotionChannels(engine)
    runs = {"full": (engine, _WEIGHT), "without guidance": (engine, 0.0), "d = 0": (blind, 0.0)}
    jerks: dict[str, list[float]] = {name: [] for name in runs}
    for seed, prompt in enumerate(prompts):
        for name, (used, weight) in runs.items():
            asked = request(engine, prompt, seed=seed, motion_guidance_scale=weight)
            jerks[name].append(jerk(engine.decode(sampled(used, asked))))
    full, plain, zeroed = (float(np.mean(values)) for values in jerks.values())
    return [
        Finding(
            "jerk relative to motion: full, without Inner-Guidance, motion channels zeroed",
            "full at most that without guidance, both below zeroed (Table 3)",
            f"{full:.3f}, {plain:.3f}, {zeroed:.3f} over {len(prompts)}",
            full <= plain < zeroed,
        )
    ]


def permutation(path: Path) -> list[Finding]:
    """Return what `backend.training.permutation` wrote to `path`; nothing if it was never run."""
    if not path.exists():
        return []
    result = json.loads(path.read_text(encoding="utf-8"))
    is_noisy = [step < _NOISY_STEPS for step in result["steps"]]
    joint, alone = (
        float(np.mean([value for value, noisy in zip(values, is_noisy, strict=True) if noisy]))
        for values in (result["gaps"]["joint"], result["gaps"]["appearance_alone"])
    )
    return [
        Finding(
            "loss of shuffled over true frames, in the first 60 of 100 steps",
            "higher with motion channels than without (Fig. 3)",
            f"{joint:+.2%} against {alone:+.2%}, each after {result['minutes']:g} minutes",
            joint > alone,
        )
    ]
