"""The training loop every member shares: time-boxed, resumable, with EMA, a log and checkpoints.

A `Recipe` says what is trained and on what; this file knows nothing of videos. The learning rate warms up,
stays, and falls linearly to zero over the last part of the given minutes, so that every run ends in good
weights; a resumed run starts from the last raw weights and optimizer state.
"""

import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from backend.training.optimizers import build_optimizers

logger = logging.getLogger(__name__)


class Recipe(Protocol):
    """What a member trains: its networks as one module, batches, loss, held-out measures, final weights."""

    @property
    def model(self) -> nn.Module:
        """Return the module that is trained, always the same object."""
        ...

    def batches(self, *, start_step: int) -> Iterator[Any]:
        """Yield training batches for ever; the draw depends on `start_step` so that a resumed run goes on."""
        ...

    def loss(self, batch: Any) -> tuple[Tensor, dict[str, float]]:
        """Return the scalar loss and figures for the log."""
        ...

    def measure(self) -> dict[str, float]:
        """Return held-out measures of `model` as it is now."""
        ...

    def draw_sheet(self, path: Path) -> None:
        """Write a picture of held-out samples."""
        ...

    def publish(self, folder: Path, *, facts: dict[str, Any]) -> None:
        """Write the weights of `model` in their final format."""
        ...


@dataclass(frozen=True)
class Plan:
    """How long and how fast. decay_fraction: last part of the time, in which the learning rate falls to 0."""

    minutes: float
    learning_rate: float
    device: torch.device
    warmup_steps: int = 60
    decay_fraction: float = 0.35
    ema_decay: float = 0.998
    checkpoint_minutes: float = 4.0
    measure_minutes: float = 12.0
    gradient_clip: float = 1.0


def learning_rate_factor(plan: Plan, *, step: int, elapsed_seconds: float) -> float:
    """Return the factor in [0, 1] on the learning rate at `step` of this run."""
    remaining = 1 - elapsed_seconds / (60 * plan.minutes)
    return max(0.0, min(1.0, (step + 1) / plan.warmup_steps, remaining / plan.decay_fraction))


def train(
    recipe: Recipe, plan: Plan, *, folder: Path, publish_to: Path | None, resume: bool
) -> dict[str, float]:
    """Train for `plan.minutes`, then publish the EMA weights; returns the last held-out measures.

    folder: receives `checkpoint.pt` (weights, EMA, optimizers, step), `log.jsonl` and `sheet.png`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(recipe, plan, folder)
    if resume and run.checkpoint_path.exists():
        run.restore()
    batches = recipe.batches(start_step=run.step)
    started = saved = measured = time.monotonic()
    while (now := time.monotonic()) - started < 60 * plan.minutes:
        factor = learning_rate_factor(plan, step=run.step - run.first_step, elapsed_seconds=now - started)
        run.take_step(next(batches), factor)
        if now - measured > 60 * plan.measure_minutes:
            run.write_measures(publish_to)
            measured = time.monotonic()
        if now - saved > 60 * plan.checkpoint_minutes:
            run.save()
            saved = time.monotonic()
    run.save()
    return run.write_measures(publish_to)


class _Run:
    """The state of one training run: weights, their average, optimizers and counters."""

    def __init__(self, recipe: Recipe, plan: Plan, folder: Path) -> None:
        self.recipe, self.plan, self.folder = recipe, plan, folder
        self.optimizers = build_optimizers(recipe.model, learning_rate=plan.learning_rate)
        self.ema = {name: tensor.detach().clone() for name, tensor in recipe.model.state_dict().items()}
        self.step = self.first_step = 0
        self.samples = 0
        self.seconds = 0.0
        self._recent: list[dict[str, float]] = []
        self._clock = time.monotonic()

    @property
    def checkpoint_path(self) -> Path:
        return self.folder / "checkpoint.pt"

    def take_step(self, batch: Any, factor: float) -> None:
        """Do one optimizer step at `factor` times the planned rate; none if a gradient is not finite."""
        loss, figures = self.recipe.loss(batch)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.plan.learning_rate * factor
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.recipe.model.parameters(), self.plan.gradient_clip)
        if math.isfinite(float(norm)):
            for optimizer in self.optimizers:
                optimizer.step()
            self._average()
        self.step += 1
        self.samples += int(figures.pop("samples", 0))
        self._recent.append({"loss": float(loss.detach()), "gradient_norm": float(norm), **figures})
        if len(self._recent) == 50:
            self._write_log(factor)

    @torch.no_grad()
    def _average(self) -> None:
        taken = self.step - self.first_step  # a resumed run may train on other data: its average starts anew
        decay = min(self.plan.ema_decay, (1 + taken) / (10 + taken))
        for name, tensor in self.recipe.model.state_dict().items():
            if tensor.is_floating_point():
                self.ema[name].lerp_(tensor, 1 - decay)

    def _write_log(self, factor: float) -> None:
        seconds = time.monotonic() - self._clock
        self._clock = time.monotonic()
        self.seconds += seconds
        sound = [row for row in self._recent if all(map(math.isfinite, row.values()))]
        keys = sorted({key for row in sound for key in row})
        means = {k: [row[k] for row in sound if k in row] for k in keys}
        row = {"step": self.step, "samples": self.samples, "minutes": round(self.seconds / 60, 2)}
        row |= {"seconds_per_step": round(seconds / len(self._recent), 4), "factor": round(factor, 4)}
        row |= {"non_finite_steps": len(self._recent) - len(sound)}
        row |= {key: round(sum(values) / len(values), 5) for key, values in means.items()}
        self._append(row)
        self._recent.clear()

    def write_measures(self, publish_to: Path | None) -> dict[str, float]:
        """Measure, draw and publish the EMA weights, off the clock; the raw weights train on afterwards."""
        started = time.monotonic()
        model = self.recipe.model
        raw = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        model.load_state_dict(self.ema)
        model.eval()
        with torch.no_grad():
            measures = self.recipe.measure()
            self.recipe.draw_sheet(self.folder / "sheet.png")
            if publish_to is not None:
                facts = {"steps": self.step, "samples": self.samples, "minutes": round(self.seconds / 60, 1)}
                self.recipe.publish(publish_to, facts=facts | measures)
        model.train()
        model.load_state_dict(raw)
        self._append({"step": self.step, "measures": {k: round(v, 4) for k, v in measures.items()}})
        self._clock += time.monotonic() - started
        return measures

    def _append(self, row: dict[str, Any]) -> None:
        logger.info("%s", json.dumps(row))
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def save(self) -> None:
        """Write the checkpoint so that a kill at any moment leaves the old one or the new one."""
        state = {
            "model": self.recipe.model.state_dict(),
            "ema": self.ema,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "counters": [self.step, self.samples, self.seconds],
        }
        partial = self.checkpoint_path.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(self.checkpoint_path)

    def restore(self) -> None:
        """Go on from the checkpoint."""
        state = torch.load(self.checkpoint_path, map_location=self.plan.device, weights_only=True)
        self.recipe.model.load_state_dict(state["model"])
        self.ema = state["ema"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.samples, self.seconds = state["counters"]
        self.first_step = self.step
