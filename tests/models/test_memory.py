"""Memory plans change where weights wait, not what is computed; only the 8-bit one may change numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.models.adding import install_folder
from backend.models.engine import Conditioning, Pass
from backend.models.installed import Installed, read, write
from backend.models.int8_linear import Int8Linear
from backend.models.ltx2_video.engine import load as load_ltx2
from backend.models.placement import place
from backend.models.wan_video.engine import load
from backend.pipelines.sampling import initial_noise
from tests.models.tiny_open import WAN_EXPERTS, write_ltx2, write_wan


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wan")
    return install_folder(write_wan(folder / "tiny", WAN_EXPERTS), name="tiny", models_dir=folder / "models")


def made_with(installed: Installed, plan: str) -> tuple[str, list[torch.Tensor], np.ndarray]:
    """Return what the engine says of itself, a velocity of each expert, and frames."""
    engine = load(replace(installed, memory_plan=plan), "cpu")
    noise = initial_noise(engine.latent_shape(num_frames=5, height=32, width=32), seed=1)
    text = Conditioning(engine.encode_prompt("a ball"), engine.encode_prompt(""))
    velocities = [engine.velocities(noise, sigma, text, [Pass()])[0] for sigma in (0.9, 0.5)]
    return engine.device, velocities, engine.decode(noise)


@pytest.mark.parametrize("plan", ["models", "blocks"])
def test_offloading_changes_nothing_but_the_place(installed: Installed, plan: str) -> None:
    _, expected, frames = made_with(installed, "whole")
    device, velocities, offloaded_frames = made_with(installed, plan)
    assert device == f"{place('cpu')}, {plan}"
    for one, other in zip(velocities, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-5)  # sums may depend on where in memory weights lie
    assert np.abs(frames.astype(int) - offloaded_frames).max() <= 1


@pytest.mark.parametrize("plan", ["models", "blocks"])
def test_offloading_changes_neither_picture_nor_sound(tmp_path: Path, plan: str) -> None:
    installed = install_folder(write_ltx2(tmp_path / "tiny"), name="tiny", models_dir=tmp_path / "models")
    made = []
    for each in ("whole", plan):
        engine = load_ltx2(replace(installed, memory_plan=each), "cpu")
        noise = initial_noise(engine.latent_shape(num_frames=9, height=64, width=64), seed=1)
        text = Conditioning(engine.encode_prompt("a ball"), engine.encode_prompt(""))
        made.append((engine.velocities(noise, 0.7, text, [Pass()])[0], engine.decode_sound(noise)))
    assert torch.allclose(made[0][0], made[1][0], atol=1e-5)
    assert np.allclose(made[0][1], made[1][1], atol=1e-4)


def test_eight_bit_storage_stays_close(installed: Installed) -> None:
    _, expected, _ = made_with(installed, "whole")
    device, velocities, _ = made_with(installed, "blocks-fp8")
    assert device.endswith("blocks-fp8")
    # Three bits of mantissa round each weight by at most 1/16; over a few layers that stays of its order.
    errors = [(one - other).norm() / other.norm() for one, other in zip(velocities, expected, strict=True)]
    assert all(0 < error < 0.25 for error in errors)


def test_eight_bit_whole_numbers_stay_close_at_half_the_size(installed: Installed) -> None:
    _, expected, _ = made_with(installed, "whole")
    device, velocities, _ = made_with(installed, "models-int8")
    assert device.endswith("models-int8")
    # A row is rounded by at most 1/254 of its largest weight; over a few layers that stays of its order.
    errors = [(one - other).norm() / other.norm() for one, other in zip(velocities, expected, strict=True)]
    assert all(0 < error < 0.03 for error in errors)


def test_every_weight_in_a_block_is_stored_in_one_byte(installed: Installed) -> None:
    engine = load(replace(installed, memory_plan="models-int8"), "cpu")
    layers = [
        each for each in engine._parts.transformer.blocks.modules() if isinstance(each, torch.nn.Linear)
    ]
    assert layers and {layer.weight.dtype for layer in layers} == {torch.int8}


def test_a_row_is_rounded_by_half_a_step_at_most() -> None:
    layer = torch.nn.Linear(64, 32)
    exact, rounded = layer(torch.eye(64)), Int8Linear(layer)(torch.eye(64))
    steps = layer.weight.abs().amax(dim=1) / 127
    assert ((exact - rounded).abs() <= steps / 2 + 1e-6).all()


def test_a_model_that_fits_is_kept_whole(installed: Installed) -> None:
    assert load(installed, "cpu").device.endswith(", whole")


def test_records_keep_the_plan(installed: Installed, tmp_path: Path) -> None:
    write(tmp_path, replace(installed, memory_plan="blocks"))
    assert read(tmp_path, "tiny").memory_plan == "blocks"
