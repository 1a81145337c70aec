"""How fast this machine runs an engine: a few passes are timed when it has loaded, for honest predictions."""

import statistics
import time
from collections.abc import Callable

import numpy as np

from backend.models.engine import Conditioning, Engine, KeyFrame, Layer, Pass, ShowingEngine, Speed
from backend.pipelines.sampling import initial_noise
from backend.requests import ClipRequest

_TIMED_RUNS = 3
_LONG_SECONDS = 2.0
"""From here on one run is timing enough: a large model would make its creator wait for nothing."""


def measure_speed(engine: Engine) -> Speed:
    """Return the speed of `engine` here; takes about as long as a dozen of its passes."""
    spec, fields = engine.spec, ClipRequest.model_fields
    width, height = spec.sizes[fields["aspect_ratio"].default]
    num_frames = spec.num_frames(fields["duration_seconds"].default)
    latents = initial_noise(engine.latent_shape(num_frames=num_frames, height=height, width=width), seed=0)
    shown = _shown(engine, num_frames=num_frames, height=height, width=width)
    conditioning = Conditioning(engine.encode_prompt("a ball"), engine.encode_prompt(""), shown=shown)
    layers: list[Layer] = ["picture"]
    layers += ["motion"] if "motion_layer" in spec.capabilities else []

    def seconds(scale: int, *passes: Pass) -> float:
        return _seconds(lambda: engine.velocities(latents, 0.5, conditioning, passes, scale=scale))

    scales = sorted(spec.pass_cost.token_sizes)
    one = {scale: seconds(scale, Pass()) for scale in scales}
    two = {scale: seconds(scale, Pass(), Pass(text="negative")) for scale in scales}
    passes = {scale: min(one[scale], max(two[scale] - one[scale], two[scale] / 3)) for scale in scales}
    return Speed(
        step_seconds={scale: one[scale] - passes[scale] for scale in scales},
        pass_seconds=passes,
        decode_seconds=_seconds(lambda: [engine.decode(latents, layer=layer) for layer in layers]),
    )


def _shown(engine: Engine, *, num_frames: int, height: int, width: int) -> object:
    """Return black pictures as the network sees them, for an engine that makes no clip without; else None."""
    places = {"image": 0, "last_image": num_frames - 1}
    picture = np.zeros((height, width, 3), np.uint8)
    key_frames = [KeyFrame(places[field], picture) for field in engine.spec.pictures.needed]
    if not key_frames:
        return None
    assert isinstance(engine, ShowingEngine)
    return engine.show(key_frames, num_frames=num_frames)


def _seconds(run: Callable[[], object]) -> float:
    """Return the median of a few timings of `run`, after one that is not counted unless it is long."""
    started = time.perf_counter()
    run()
    first = time.perf_counter() - started
    if first > _LONG_SECONDS:
        return first
    timings = []
    for _ in range(_TIMED_RUNS):
        started = time.perf_counter()
        run()
        timings.append(time.perf_counter() - started)
    return statistics.median(timings)
