"""The tiny engine: a whole engine without weights, for tests that need clips in milliseconds.

Importing this module does not import torch: the process that owns the database may read `SPEC`.
Use it with `extra_engines=("tests.tiny_engine:make",)` and requests with `engine="tiny"`.

Words of a prompt that make it misbehave:
    slowly     every call of `velocities` takes 0.1 s longer
    counted    every call of `velocities` writes a dot into `<weights_dir>/calls`
    hungry     the first call of `velocities` asks for more memory than any machine has
    unplug     the first call of `velocities` loses the device, as CUDA does
    linger     decoding takes a minute
    explode    the first call of `velocities` raises RuntimeError
    nan        every velocity is NaN
    die        the process ends with exit code 9 halfway through sampling, at every attempt
    die once   the same, but only while `<weights_dir>/died` does not exist, which it leaves behind
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from backend.models.engine import DetailSpec, EngineSpec, PassCost, Preset, SoundSpec

if TYPE_CHECKING:
    from tests.tiny_flow import TinyEngine

SPEC = EngineSpec(
    name="tiny",
    title="Tiny",
    sizes={"1:1": (32, 32), "4:3": (40, 32), "3:4": (32, 40), "16:9": (56, 32), "9:16": (32, 56)},
    frame_rate=16,
    frame_rule=(4, 1),
    duration_range=(0.25, 4.0),
    max_inference_steps=100,
    folder="",
    licence="Apache-2.0",
    presets={"fast": Preset(8), "balanced": Preset(24), "quality": Preset(40)},
    pass_cost=PassCost({1: (4, 8, 8)}),
    capabilities=frozenset({"text_guidance", "given_frames", "motion_score", "motion_layer"}),
    motion_score_range=(0.0, 10.0),
    detail=DetailSpec(max_frames=33, safe_ranges={"degradation_step": (0, 100)}),
    sound=SoundSpec(
        sample_rate=16_000, steps_per_second=25, window_seconds=2, overlap_seconds=1, max_seconds=30.0
    ),
)


def make(weights_dir: Path, _: str) -> TinyEngine:
    """Return a tiny engine; it reads no weights and ignores the device.

    Loading takes a minute while `<weights_dir>/slow` exists.
    """
    from tests.tiny_flow import TinyEngine

    if (weights_dir / "slow").exists():
        time.sleep(60)
    return TinyEngine(SPEC, marker=weights_dir / "died")
