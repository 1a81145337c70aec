"""The sweep over the refiner's steps: how true and how natural a clip is after one step, two steps and so on.

FlashVideo calls them function evaluations, NFE (arXiv 2502.05179 Table 8); guided, each is two passes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.evaluation.detail_cases import DetailCase, bicubic, refined
from backend.evaluation.figures import Curve, Figure
from backend.evaluation.finding import Finding
from backend.evaluation.metrics import psnr
from backend.models.engine import Engine

FEW, MANY = 4, 8
_FLAT_WITHIN = 0.03


@dataclass(frozen=True)
class SweepPoint:
    """Over the scenes of a sweep: mean PSNR in dB to the truth and own-NIQE, median seconds of sampling."""

    steps: int
    psnr: float
    unnaturalness: float
    sampling_seconds: float


@dataclass(frozen=True)
class Sweep:
    """What each number of steps gave, beside the same measures of what needs none of them.

    bicubic: the enlarged draft. possible: the truth after the autoencoder alone, which bounds every step.
    """

    points: list[SweepPoint]
    bicubic: SweepPoint
    possible: SweepPoint
    scenes: int

    def at(self, steps: int) -> SweepPoint:
        """Return the point of `steps`, which must be one of the sweep."""
        return next(point for point in self.points if point.steps == steps)


def sweep_steps(engine: Engine, cases: Sequence[DetailCase], steps: Sequence[int]) -> Sweep:
    """Return what every number of `steps` gives on `cases`, one scene after the other with all of them."""
    found: dict[int, list[SweepPoint]] = {count: [] for count in steps}
    enlarged, possible = [], []
    for seed, case in enumerate(cases):
        enlarged.append(_point(0, case, bicubic(engine, case.draft)))
        possible.append(_point(0, case, _recoded(engine, case.truth)))
        for count, points in found.items():
            clip = refined(engine, case, seed=seed, steps=count)
            seconds = float(clip.facts["stage_seconds"]["sampling"])
            points.append(_point(count, case, clip.frames, seconds=seconds))
    return Sweep([_mean(points) for points in found.values()], _mean(enlarged), _mean(possible), len(cases))


def sweep_findings(sweep: Sweep) -> list[Finding]:
    """Return the relations of a sweep that has one, four and eight steps."""
    one, few, many = (sweep.at(count) for count in (1, FEW, MANY))
    change = abs(few.psnr - many.psnr) / many.psnr
    naturally = abs(few.unnaturalness - many.unnaturalness) / many.unnaturalness
    return [
        Finding(
            "four steps gain on one",
            "own-NIQE falls (Table 8: 5.148 to 4.501)",
            f"{one.unnaturalness:.2f} to {few.unnaturalness:.2f} over {sweep.scenes}",
            few.unnaturalness < one.unnaturalness,
        ),
        Finding(
            "eight steps change little on four",
            "PSNR and own-NIQE each by less than 3 % (Table 8: 1.2 % of NIQE)",
            f"PSNR {change:.1%}, own-NIQE {naturally:.1%} over {sweep.scenes}",
            change < _FLAT_WITHIN and naturally < _FLAT_WITHIN,
        ),
    ]


def step_time_finding(sweep: Sweep) -> Finding:
    """Return whether the time of sampling grows with its steps alone."""
    few, many = (sweep.at(count).sampling_seconds for count in (FEW, MANY))
    intercept = (2 * few - many) / few
    return Finding(
        "time of eight steps over four",
        "1.9 to 2.1, at most 5 % beside the steps",
        f"{many / few:.2f}, {intercept:+.1%} beside",
        1.9 <= many / few <= 2.1 and intercept <= 0.05,
    )


def sweep_figures(sweep: Sweep) -> list[Figure]:
    """Return the curves of a sweep, with what bounds them."""
    ends = (sweep.points[0].steps, sweep.points[-1].steps)

    def curves(name: str) -> dict[str, Curve]:
        level = {"bicubic": sweep.bicubic, "autoencoder alone": sweep.possible}
        flat = {key: [(float(x), getattr(point, name)) for x in ends] for key, point in level.items()}
        return {"refined": [(float(p.steps), getattr(p, name)) for p in sweep.points]} | flat

    gap = sweep.possible.psnr - max(point.psnr for point in sweep.points)
    limits = (
        f"The autoencoder alone leaves {sweep.possible.psnr:.1f} dB of the truth, {gap:+.1f} dB against "
        f"the best of the steps: it bounds them. Bicubic has {sweep.bicubic.psnr:.1f} dB."
    )
    return [
        Figure("steps-psnr", "PSNR to the true render by steps", ("steps", "dB"), curves("psnr"), limits),
        Figure(
            "steps-niqe",
            "own-NIQE by steps, lower is better",
            ("steps", "own-NIQE"),
            curves("unnaturalness"),
            f"Means over {sweep.scenes} held-out scenes.",
        ),
    ]


def _recoded(engine: Engine, truth: np.ndarray) -> np.ndarray:
    """Return `truth` (T, H, W, 3) uint8 after encoding and decoding."""
    every, first = engine.spec.frame_rule
    spare = -(len(truth) - first) % every
    return engine.decode(engine.encode(np.concatenate([truth, *[truth[-1:]] * spare])))[: len(truth)]


def _point(steps: int, case: DetailCase, frames: np.ndarray, *, seconds: float = 0.0) -> SweepPoint:
    return SweepPoint(steps, psnr(frames, case.truth), case.unnaturalness(frames), seconds)


def _mean(points: Sequence[SweepPoint]) -> SweepPoint:
    truth, natural = (
        float(np.mean([getattr(p, name) for p in points])) for name in ("psnr", "unnaturalness")
    )
    return SweepPoint(
        points[0].steps, truth, natural, float(np.median([point.sampling_seconds for point in points]))
    )
