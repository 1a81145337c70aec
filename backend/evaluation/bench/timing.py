"""Fair timing: what is compared runs in turn, warm, in one process; ratios are taken within a round."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Round = dict[str, float]
"""Seconds by name, all measured within one round."""
Run = Callable[[], Round]


@dataclass(frozen=True)
class Effort:
    """warmups: rounds that are not counted; rounds: those that are."""

    warmups: int
    rounds: int


def interleaved(runs: Sequence[Run], effort: Effort) -> list[Round]:
    """Return the rounds of `runs`, each of which has all of them once, one after the other."""
    every = [
        {name: seconds for run in runs for name, seconds in run().items()}
        for _ in range(effort.warmups + effort.rounds)
    ]
    return every[effort.warmups :]


def timed(name: str, run: Callable[[], object]) -> Run:
    """Return a run that gives the wall-clock seconds of `run` as `name`."""

    def once() -> Round:
        started = time.perf_counter()
        run()
        return {name: time.perf_counter() - started}

    return once


@dataclass(frozen=True)
class Timing:
    """Seconds of something, and how they were got: run whole, or extrapolated from what."""

    title: str
    how: str
    median_seconds: float
    least_seconds: float


def timing(title: str, rounds: Sequence[Round], of: Callable[[Round], float], *, how: str) -> Timing:
    """Return median and least seconds of what `of` makes of each of `rounds`."""
    return Timing(title, how, round(middle(rounds, of), 4), round(least(rounds, of), 4))


def middle(rounds: Sequence[Round], of: Callable[[Round], float]) -> float:
    """Return the median over `rounds` of what `of` makes of each."""
    return statistics.median(of(each) for each in rounds)


def least(rounds: Sequence[Round], of: Callable[[Round], float]) -> float:
    """Return the smallest over `rounds` of what `of` makes of each, the median's witness."""
    return min(of(each) for each in rounds)
