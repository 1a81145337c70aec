"""The block cache: less work at a measured cost, nothing carried from one clip into the next."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.models import registry
from backend.models.adding import install_folder
from backend.models.engine import Engine
from backend.models.installed import read, write
from backend.pipelines.clip import make_clip
from backend.requests import ClipRequest
from tests.models.tiny_open import WAN_EXPERTS, write_ltx, write_wan

STEPS, SIDE = 30, 64
Load = Callable[[str, float], Engine]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Return what loads a tiny model with a threshold."""
    models_dir = tmp_path_factory.mktemp("models")
    for name, source in {
        "wan": write_wan(models_dir / "sources" / "wan"),
        "experts": write_wan(models_dir / "sources" / "experts", WAN_EXPERTS),
        "ltx": write_ltx(models_dir / "sources" / "ltx"),
    }.items():
        install_folder(source, name=name, models_dir=models_dir, short_side=SIDE)

    def loaded(name: str, threshold: float) -> Engine:
        write(models_dir, replace(read(models_dir, name), block_cache=threshold))
        return registry.load_engine(name, weights_dir=models_dir, device="cpu", models_dir=models_dir)

    return loaded


def request(engine: Engine, *, seed: int = 3) -> ClipRequest:
    fields = {"prompt": "a red ball", "engine": engine.spec.name, "seed": seed, "duration_seconds": 0.6}
    return ClipRequest.model_validate({**fields, "num_inference_steps": STEPS, "guidance_scale": 3.0})


def counted(engine: Engine, asked: ClipRequest) -> tuple[np.ndarray, int]:
    """Return the frames of a clip and how often the last block ran."""
    network = engine._parts.transformer  # type: ignore[attr-defined]
    blocks = network.blocks if hasattr(network, "blocks") else network.transformer_blocks
    runs: list[int] = []
    layer = next(each for each in blocks[-1].modules() if isinstance(each, torch.nn.Linear))
    handle = layer.register_forward_hook(lambda *_: runs.append(1))
    frames = make_clip(engine, asked).frames
    handle.remove()
    return frames, len(runs)


def psnr(left: np.ndarray, right: np.ndarray) -> float:
    error = np.mean((left.astype(float) - right.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


@pytest.mark.parametrize("name", ["wan", "ltx"])
def test_a_larger_threshold_skips_more_and_each_has_its_cost(load: Load, name: str) -> None:
    engine = load(name, 0.0)
    exact, all_runs = counted(engine, request(engine))
    shares, costs = [], []
    for threshold in (0.3, 0.6):
        engine = load(name, threshold)
        frames, runs = counted(engine, request(engine))
        shares.append(runs / all_runs)
        costs.append(psnr(exact, frames))
    assert 1 > shares[0] > 0.8 and shares[1] < 0.5
    assert all(25 < cost < 60 for cost in costs)  # in dB, on random weights


def test_without_a_threshold_nothing_is_skipped(load: Load) -> None:
    engine = load("wan", 0.0)
    assert counted(engine, request(engine))[1] == 2 * STEPS
    assert "block cache" not in engine.device


def test_a_clip_does_not_depend_on_the_one_before(load: Load) -> None:
    engine = load("experts", 0.5)
    assert engine.device.endswith("block cache 0.5")
    first = make_clip(engine, request(engine)).frames
    make_clip(engine, request(engine, seed=4))
    assert np.array_equal(make_clip(engine, request(engine)).frames, first)
