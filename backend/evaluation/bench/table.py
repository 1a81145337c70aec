"""What a benchmark writes: a table to read, and JSON with every figure it was made from."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from backend.evaluation.bench.growth import GrowthPoint
from backend.evaluation.bench.machine import Machine
from backend.evaluation.bench.stages import StageTimes, stage_timings
from backend.evaluation.figures import Figure, draw
from backend.evaluation.finding import Finding
from backend.evaluation.sweep import Sweep, SweepPoint, sweep_figures
from backend.media.files import replacing
from backend.models.engine import Engine


@dataclass(frozen=True)
class Bench:
    """Everything that was measured: times of stages, growth, the sweep of steps or None, and the relations.

    left_out: sentences on what could not be measured.
    """

    machine: Machine
    stages: list[StageTimes]
    growth: list[GrowthPoint]
    sweep: Sweep | None
    findings: list[Finding]
    left_out: list[str]


def write_bench(folder: Path, bench: Bench, *, engine: Engine, command: str) -> Path:
    """Write `bench.md`, its figures and `bench.json` into `folder` and return the path of the first."""
    figures = _figures(bench)
    for figure in figures:
        with replacing(folder / f"{figure.name}.png") as partial:
            draw(figure).save(partial, "PNG", optimize=True)
    path = folder / "bench.md"
    with replacing(path) as partial:
        partial.write_text(_markdown(bench, figures, engine, command), encoding="utf-8")
    record = asdict(bench) | {"command": command, "device": engine.device, "weights": engine.weights_sha256}
    record["machine"]["is_noisy"] = bench.machine.is_noisy
    record["times"] = [asdict(row) for times in bench.stages for row in stage_timings(times)]
    with replacing(folder / "bench.json") as partial:
        partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path


def _markdown(bench: Bench, figures: Sequence[Figure], engine: Engine, command: str) -> str:
    met = sum(finding.is_met for finding in bench.findings)
    lines = [
        f"# Benchmark of {engine.spec.title}",
        "",
        f"Made by `{command}` on {bench.machine}; {engine.device}, weights `{engine.weights_sha256[:12]}`. "
        f"{met} of {len(bench.findings)} relations are met.",
        "What is compared ran in turn, warm, in one process; loading is not counted.",
    ]
    for sentence in bench.left_out:
        lines += ["", sentence]
    lines += _table("Times", ("what", "how", "median", "least"), [*map(_time_row, _timings(bench))])
    lines += _table("Relations", ("what", "should be", "is", "met"), [*map(_relation_row, bench.findings)])
    if bench.sweep is not None:
        rows = [_sweep_row(point, str(point.steps)) for point in bench.sweep.points]
        rows += [_sweep_row(bench.sweep.bicubic, "bicubic")]
        rows += [_sweep_row(bench.sweep.possible, "autoencoder alone")]
        lines += _table("Steps of the refiner", ("steps", "PSNR to the truth", "own-NIQE", "sampling"), rows)
    lines += _table(
        "Growth",
        ("frames", "side", *bench.growth[0].seconds, "memory above the start"),
        [*map(_growth_row, bench.growth)],
    )
    for figure in figures:
        lines += ["", f"![{figure.title}]({figure.name}.png)", "", figure.caption]
    return "\n".join(lines) + "\n"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; nothing where it has no rows."""
    if not rows:
        return []
    head = ["", f"## {title}", "", f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return head + [f"| {' | '.join(row)} |" for row in rows]


def _timings(bench: Bench) -> list[Any]:
    return [row for times in bench.stages for row in stage_timings(times)]


def _time_row(row: Any) -> list[str]:
    return [row.title, row.how, f"{row.median_seconds:.2f} s", f"{row.least_seconds:.2f} s"]


def _relation_row(finding: Finding) -> list[str]:
    return [finding.title, finding.expected, finding.measured, "yes" if finding.is_met else "**no**"]


def _sweep_row(point: SweepPoint, name: str) -> list[str]:
    seconds = f"{point.sampling_seconds:.2f} s" if point.steps else "none"
    return [name, f"{point.psnr:.2f} dB", f"{point.unnaturalness:.2f}", seconds]


def _growth_row(point: GrowthPoint) -> list[str]:
    times = [f"{seconds:.3f} s" for seconds in point.seconds.values()]
    extent = point.extent
    return [str(extent.num_frames), f"{extent.side} px", *times, f"{point.memory_bytes / 1e6:.0f} MB"]


def _figures(bench: Bench) -> list[Figure]:
    """Return the curves of the sweep, under names that those of a report do not have."""
    if bench.sweep is None:
        return []
    return [replace(figure, name=f"bench-{figure.name}") for figure in sweep_figures(bench.sweep)]
