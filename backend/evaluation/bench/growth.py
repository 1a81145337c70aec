"""How time and memory grow with frames and with size: exponents over four points, beside predicted ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from backend.evaluation.bench.machine import forget_peak_memory, peak_memory_bytes
from backend.evaluation.bench.timing import Effort, Run, interleaved, least, timed
from backend.evaluation.detail_cases import missing_refiner
from backend.evaluation.finding import Finding
from backend.models.engine import Conditioning, Engine, Pass
from backend.pipelines.sampling import initial_noise

_WITHIN = 0.15
_MEMORY_WITHIN = 1.15


@dataclass(frozen=True)
class Extent:
    """A square clip: num_frames of 4n + 1, side in pixels."""

    num_frames: int
    side: int

    @property
    def latents(self) -> int:
        """Return how many frames of latents it has."""
        return 1 + (self.num_frames - 1) // 4


@dataclass(frozen=True)
class Axes:
    """Extents that differ in their frames alone, and such that differ in their side alone."""

    frames: tuple[Extent, ...]
    sides: tuple[Extent, ...]

    def ascending(self) -> list[Extent]:
        """Return every extent once, from the least to the most latents."""
        return sorted({*self.frames, *self.sides}, key=lambda each: each.latents * each.side**2)


FULL_AXES = Axes(
    tuple(Extent(frames, 256) for frames in (9, 17, 33, 65)),
    tuple(Extent(17, side) for side in (128, 256, 384, 512)),
)
QUICK_AXES = Axes(
    tuple(Extent(frames, 128) for frames in (5, 9, 17, 33)),
    tuple(Extent(5, side) for side in (64, 128, 192, 256)),
)


@dataclass(frozen=True)
class GrowthPoint:
    """Least seconds by part ("base pass", "refiner pass", "encoding", "decoding") of one extent.

    Other work on the machine only ever adds, which would bend a law. memory_bytes: the most that the process
    held up to this extent, above what it held before the first.
    """

    extent: Extent
    seconds: dict[str, float]
    memory_bytes: int


def growth(engine: Engine, axes: Axes, effort: Effort) -> list[GrowthPoint]:
    """Return what each extent of `axes` takes, from small to large.

    Memory is read in a first round in that order. Run this before what is larger: a process may keep what it
    once held, and not every system lets its peak be forgotten.
    """
    extents = axes.ascending()
    runs = {extent: _runs(engine, extent) for extent in extents}
    forget_peak_memory()
    before, memory = peak_memory_bytes(), {}
    for extent, parts in runs.items():
        for run in parts:
            run()
        memory[extent] = peak_memory_bytes() - before
    rounds = interleaved([run for parts in runs.values() for run in parts], effort)
    names = [name.rpartition(" ")[0] for name in rounds[0] if name.endswith(f" {_key(extents[0])}")]
    return [
        GrowthPoint(
            extent, {name: least(rounds, _named(f"{name} {_key(extent)}")) for name in names}, memory[extent]
        )
        for extent in extents
    ]


def growth_findings(engine: Engine, points: Sequence[GrowthPoint], axes: Axes) -> list[Finding]:
    """Return the exponents of time over frames and over side, and how memory grows at the large end."""
    of_extent = {point.extent: point for point in points}
    findings = []
    for axis, extents in (("frames", axes.frames), ("side", axes.sides)):
        along = [of_extent[extent] for extent in extents]
        findings += [_time_finding(engine, along, axis, part) for part in along[0].seconds]
        findings.append(_memory_finding(along, axis))
    return findings


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return k of the power law values = c * sizes ** k that fits best in logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def _runs(engine: Engine, extent: Extent) -> list[Run]:
    shape = engine.latent_shape(num_frames=extent.num_frames, height=extent.side, width=extent.side)
    latents = initial_noise(shape, seed=0)
    frames = np.zeros((extent.num_frames, extent.side, extent.side, 3), np.uint8)
    conditioning = Conditioning(engine.encode_prompt("a ball"), engine.encode_prompt(""))
    parts: dict[str, Callable[[], object]] = {
        "base pass": lambda: engine.velocities(latents, 0.5, conditioning, (Pass(),)),
        "encoding": lambda: engine.encode(frames),
        "decoding": lambda: engine.decode(latents),
    }
    if engine.spec.detail is not None and not missing_refiner(engine):
        refiner = engine.refiner(engine.spec.detail.degradation_step)
        appearance = latents[:, : shape[0] // engine.spec.velocity_parts]
        parts["refiner pass"] = lambda: refiner.velocities(appearance, 0.5, conditioning, (Pass(),))
    return [timed(f"{name} {_key(extent)}", run) for name, run in parts.items()]


def _time_finding(engine: Engine, along: Sequence[GrowthPoint], axis: str, part: str) -> Finding:
    sizes, spread = _sizes(along, axis), 1.0 if axis == "frames" else 2.0
    got = exponent(sizes, [point.seconds[part] for point in along])
    law = f"time of {part} over {'latent frames' if axis == 'frames' else 'side'}"
    listed = ", ".join(f"{x:g}: {point.seconds[part]:.3f} s" for x, point in zip(sizes, along, strict=True))
    if part == "refiner pass":
        least, most = spread - _WITHIN, 2 * spread + _WITHIN
        expected = f"exponent from {spread:g}, that of tokens, to {2 * spread:g}, that of their pairs"
    else:
        predicted = exponent(sizes, [_cost(engine, point.extent, part) for point in along])
        least, most = predicted - _WITHIN, predicted + _WITHIN
        expected = f"exponent {predicted:.2f}, as predicted, within {_WITHIN:g}"
    return Finding(law, expected, f"{got:.2f} ({listed})", least <= got <= most)


def _memory_finding(along: Sequence[GrowthPoint], axis: str) -> Finding:
    """Return whether memory grows no faster than what is held: there is no matrix of all pairs of tokens."""
    held = [point.extent.latents * point.extent.side**2 for point in along]
    rises = [point.memory_bytes / 1e6 for point in along]
    grown, limit = rises[-1] / max(rises[-2], 1e-6), _MEMORY_WITHIN * held[-1] / held[-2]
    listed = ", ".join(f"{x:g}: {rise:.0f} MB" for x, rise in zip(_sizes(along, axis), rises, strict=True))
    return Finding(
        f"memory over {'latent frames' if axis == 'frames' else 'side'}",
        f"the last two grow by at most {limit:.2f}, as latents do and {_MEMORY_WITHIN - 1:.0%}",
        f"by {grown:.2f} ({listed})",
        grown <= limit,
    )


def _cost(engine: Engine, extent: Extent, part: str) -> float:
    """Return the predicted cost of `part`, up to a factor."""
    if part == "base pass":
        size = {"num_frames": extent.num_frames, "width": extent.side, "height": extent.side}
        return engine.spec.pass_cost.of(**size, scale=1)
    return float(extent.latents * extent.side**2)


def _sizes(along: Sequence[GrowthPoint], axis: str) -> list[float]:
    return [float(point.extent.latents if axis == "frames" else point.extent.side) for point in along]


def _key(extent: Extent) -> str:
    return f"{extent.num_frames}x{extent.side}"


def _named(name: str) -> Callable[[dict[str, float]], float]:
    return lambda each: each[name]
