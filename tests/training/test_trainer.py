"""The training loop on a small regression: resuming, the learning rate, bad steps and what is published."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from backend.training.trainer import Plan, learning_rate_factor, train

CPU = torch.device("cpu")
SHORT = Plan(minutes=0.01, learning_rate=0.02, device=CPU, warmup_steps=1)


class Regression:
    """Fits two outputs to the sum of three inputs; `spoil` multiplies the loss."""

    def __init__(self, *, spoil: float = 1.0) -> None:
        torch.manual_seed(0)
        self.model: nn.Module = nn.Linear(3, 2)
        self.starts: list[int] = []
        self._spoil = spoil

    def batches(self, *, start_step: int) -> Iterator[Tensor]:
        self.starts.append(start_step)
        generator = torch.Generator().manual_seed(start_step)
        while True:
            yield torch.randn(4, 3, generator=generator)

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        error = self.model(batch) - batch.sum(1, keepdim=True)
        return self._spoil * error.square().mean(), {"samples": len(batch)}

    def measure(self) -> dict[str, float]:
        return {"distance": float((self.model.state_dict()["weight"] - 1).square().sum())}

    def draw_sheet(self, path: Path) -> None:
        path.write_bytes(b"")

    def publish(self, folder: Path, *, facts: dict[str, Any]) -> None:
        folder.mkdir(exist_ok=True)
        torch.save(self.model.state_dict(), folder / "weights.pt")
        (folder / "facts.json").write_text(json.dumps(facts))


class SometimesBad(Regression):
    """Every tenth loss is not a number."""

    losses = 0

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        self.losses += 1
        loss, figures = super().loss(batch)
        return loss * float("nan" if self.losses % 10 == 0 else 1), figures


class SlowToMeasure(Regression):
    """Measures for two fifths of a second, and counts how often."""

    measured = 0

    def measure(self) -> dict[str, float]:
        self.measured += 1
        time.sleep(0.4)
        return super().measure()


def log_rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def checkpoint(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / "checkpoint.pt", weights_only=True)
    return state


def test_training_lowers_what_it_measures(tmp_path: Path) -> None:
    recipe = Regression()
    before = recipe.measure()["distance"]
    after = train(recipe, SHORT, folder=tmp_path, publish_to=None, resume=False)
    assert after["distance"] < before


def test_resumed_run_goes_on_from_the_last_step(tmp_path: Path) -> None:
    train(Regression(), SHORT, folder=tmp_path, publish_to=None, resume=False)
    first = checkpoint(tmp_path)
    recipe = Regression()
    train(recipe, SHORT, folder=tmp_path, publish_to=None, resume=True)
    steps, samples, _ = checkpoint(tmp_path)["counters"]
    assert recipe.starts == [first["counters"][0]]
    assert steps > first["counters"][0]
    assert samples == 4 * steps


def test_resumed_run_keeps_the_optimizers_state(tmp_path: Path) -> None:
    train(Regression(), SHORT, folder=tmp_path, publish_to=None, resume=False)
    train(Regression(), SHORT, folder=tmp_path, publish_to=None, resume=True)
    state = checkpoint(tmp_path)
    muon, adam = state["optimizers"]
    assert adam["state"][0]["step"] == state["counters"][0]
    assert muon["state"][0]["average"].shape == (2, 3)


def test_run_without_resume_starts_anew(tmp_path: Path) -> None:
    train(Regression(), SHORT, folder=tmp_path, publish_to=None, resume=False)
    recipe = Regression()
    train(recipe, SHORT, folder=tmp_path, publish_to=None, resume=False)
    assert recipe.starts == [0]


def test_step_with_a_bad_gradient_is_skipped(tmp_path: Path) -> None:
    recipe = Regression(spoil=float("nan"))
    before = {name: tensor.clone() for name, tensor in recipe.model.state_dict().items()}
    train(recipe, SHORT, folder=tmp_path, publish_to=None, resume=False)
    state = checkpoint(tmp_path)
    assert state["counters"][0] > 0
    assert all(torch.equal(state["model"][name], before[name]) for name in before)
    assert all(torch.equal(state["ema"][name], before[name]) for name in before)


def test_log_means_leave_out_steps_that_are_not_finite(tmp_path: Path) -> None:
    train(SometimesBad(), replace(SHORT, minutes=0.04), folder=tmp_path, publish_to=None, resume=False)
    rows = [row for row in log_rows(tmp_path) if "loss" in row]
    assert rows
    assert all(row["non_finite_steps"] == 5 for row in rows)
    assert all(math.isfinite(row["loss"]) and math.isfinite(row["gradient_norm"]) for row in rows)


def test_time_spent_measuring_is_not_training_time(tmp_path: Path) -> None:
    train(Regression(), SHORT, folder=tmp_path, publish_to=None, resume=False)  # torch's first step is slow
    recipe, plan = SlowToMeasure(), replace(SHORT, minutes=0.04, measure_minutes=0.005)
    started = time.monotonic()
    train(recipe, plan, folder=tmp_path, publish_to=None, resume=False)
    elapsed = time.monotonic() - started
    _, _, seconds = checkpoint(tmp_path)["counters"]
    assert recipe.measured >= 2
    assert 0 < seconds <= elapsed - 0.4 * recipe.measured


def test_averaged_weights_are_published_with_their_facts(tmp_path: Path) -> None:
    recipe = Regression()
    train(recipe, SHORT, folder=tmp_path, publish_to=tmp_path / "out", resume=False)
    state = checkpoint(tmp_path)
    published = torch.load(tmp_path / "out" / "weights.pt", weights_only=True)
    facts = json.loads((tmp_path / "out" / "facts.json").read_text())
    assert torch.equal(published["weight"], state["ema"]["weight"])
    assert torch.equal(recipe.model.state_dict()["weight"], state["model"]["weight"])
    assert facts["steps"] == state["counters"][0]
    assert "distance" in facts


@pytest.mark.parametrize(
    ("step", "elapsed_seconds", "factor"),
    [(0, 0.0, 0.1), (4, 0.0, 0.5), (9, 0.0, 1.0), (500, 30.0, 1.0), (500, 45.0, 0.5), (500, 60.0, 0.0)],
)
def test_learning_rate_warms_up_stays_and_falls(step: int, elapsed_seconds: float, factor: float) -> None:
    plan = Plan(minutes=1, learning_rate=1e-3, device=CPU, warmup_steps=10, decay_fraction=0.5)
    assert learning_rate_factor(plan, step=step, elapsed_seconds=elapsed_seconds) == pytest.approx(factor)


def test_learning_rate_is_never_negative() -> None:
    assert learning_rate_factor(SHORT, step=9, elapsed_seconds=3600) == 0
