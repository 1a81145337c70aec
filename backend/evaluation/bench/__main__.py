"""Measure speed and memory:  python launcher.py bench [--quick] [--threads N] [--out DIR]

Two stages are set against one at the final size and against a cascade from noise, in turn and warm; then
every number of steps of the refiner, and how time and memory grow with frames and size. The quick form takes
short clips and few rounds: it shows that the benchmark runs, its figures are coarse.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from backend.config import load_settings
from backend.errors import StudioError
from backend.evaluation.bench.growth import FULL_AXES, QUICK_AXES, Axes, growth, growth_findings
from backend.evaluation.bench.machine import this_machine
from backend.evaluation.bench.stages import Job, stage_findings, stage_times
from backend.evaluation.bench.table import Bench, write_bench
from backend.evaluation.bench.timing import Effort
from backend.evaluation.detail_cases import detail_cases, missing_refiner
from backend.evaluation.sweep import Sweep, step_time_finding, sweep_findings, sweep_steps
from backend.models.engine import Engine
from backend.models.registry import load_engine
from backend.training.world import words

_ASSETS = Path(__file__).parent.parent.parent.parent / "assets" / "evaluation"


@dataclass(frozen=True)
class Amount:
    """How much is measured.

    jobs: each with its own effort, largest last. sweep_steps on one scene of `frames` frames of every one of
    `places`.
    """

    axes: Axes
    growth_effort: Effort
    jobs: tuple[tuple[Job, Effort], ...]
    sweep_steps: tuple[int, ...]
    places: int
    frames: int


FULL = Amount(
    axes=FULL_AXES,
    growth_effort=Effort(warmups=1, rounds=5),
    jobs=(
        (Job(512, seconds=2.0), Effort(warmups=2, rounds=5)),
        (Job(1024, seconds=2.0, detail_steps=1), Effort(warmups=0, rounds=1)),
    ),
    sweep_steps=tuple(range(1, 9)),
    places=len(words.PLACES),
    frames=17,
)
QUICK = Amount(
    axes=QUICK_AXES,
    growth_effort=Effort(warmups=0, rounds=1),
    jobs=((Job(512, seconds=0.5), Effort(warmups=1, rounds=1)),),
    sweep_steps=(1, 4, 8),
    places=1,
    frames=5,
)


def bench(engine: Engine, amount: Amount, *, tell: Callable[[str], None]) -> Bench:
    """Return everything measured on `engine`; `tell` hears what begins."""
    machine = this_machine()
    tell("Growth with frames and size")
    points = growth(engine, amount.axes, amount.growth_effort)
    stages = []
    for job, effort in amount.jobs:
        tell(f"Two stages against one, {job.seconds:g} s of {job.side} px")
        stages.append(stage_times(engine, job, effort))
    sweep = _sweep(engine, amount, tell)
    findings = [finding for times in stages for finding in stage_findings(times)]
    if sweep is not None:
        findings += [*sweep_findings(sweep), step_time_finding(sweep)]
    findings += growth_findings(engine, points, amount.axes)
    missing = missing_refiner(engine)
    left_out = [f"Two stages, the cascade and the steps are left out: {missing}"] if missing else []
    return Bench(machine, stages, points, sweep, findings, left_out)


def main(arguments: list[str] | None = None) -> int:
    """Write the benchmark that `arguments` ask for and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python launcher.py bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="short clips, few rounds: coarse figures")
    parser.add_argument(
        "--threads", type=_threads, default=1, metavar="N", help="processor threads; default: 1"
    )
    parser.add_argument("--out", type=Path, default=_ASSETS, metavar="DIR", help="folder of table and JSON")
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda or mps; default: auto")
    parser.add_argument("--data", type=Path, metavar="DIR", help="unused: nothing is stored there")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        engine = load_engine("kinora-pocket", weights_dir=load_settings().weights_dir, device=options.device)
        found = bench(engine, QUICK if options.quick else FULL, tell=_tell)
        command = f"python launcher.py bench --threads {options.threads}" + " --quick" * options.quick
        path = write_bench(options.out, found, engine=engine, command=command)
    except StudioError as exc:
        print(exc, file=sys.stderr)
        return 1
    for sentence in found.left_out:
        _tell(sentence)
    print(path)
    return 0


def _sweep(engine: Engine, amount: Amount, tell: Callable[[str], None]) -> Sweep | None:
    """Return the sweep over the refiner's steps, or None without a refiner."""
    if missing_refiner(engine):
        return None
    tell("Steps of the refiner")
    places = [*words.PLACES][: amount.places]
    cases = detail_cases(places, per_place=1, num_frames=amount.frames, engine=engine)
    return sweep_steps(engine, cases, amount.sweep_steps)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def _threads(text: str) -> int:
    """Return `text` as a whole number of at least 1; argparse reports the error if it is none."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1; you gave {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
