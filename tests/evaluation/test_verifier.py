"""The verifier: what it sees, and that it reads what it was taught."""

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.evaluation.verifier import Verifier, read_attributes, seen
from backend.training.scenes import fill
from backend.training.trainer import Plan, train
from backend.training.verifier import ATTRIBUTES, VerifierRecipe

CPU = torch.device("cpu")


def moving(*, right: int, colour: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    frames = np.zeros((17, 64, 64, 3), np.uint8)
    for index, frame in enumerate(frames):
        left = 24 + right * (index - 8)
        frame[24:40, max(left, 0) : left + 16] = colour
    return frames


@pytest.mark.parametrize("num_frames", [9, 17, 33])
def test_it_sees_seventeen_frames_of_any_clip(num_frames: int) -> None:
    frames = np.zeros((num_frames, 128, 160, 3), np.uint8)
    assert seen(frames).shape == (5, 17, 64, 64)


def test_it_sees_which_way_things_move() -> None:
    left, right = (seen(moving(right=direction))[3].sum() for direction in (-1, 1))
    assert left < 0 < right


def test_it_names_one_class_of_every_attribute() -> None:
    torch.manual_seed(0)
    verifier = Verifier(ATTRIBUTES, width=8).eval()
    (read,) = read_attributes(verifier, [moving(right=1)])
    assert all(read[name] in classes for name, classes in ATTRIBUTES.items())


def test_a_little_training_teaches_it(tmp_path: Path) -> None:
    """One shard of tiny scenes, most of which it may learn by heart: the loss on them must fall."""
    fill(tmp_path / "scenes", first=1000, count=1, side=32, num_frames=5)
    recipe = VerifierRecipe(scenes=tmp_path / "scenes", device=CPU, batch_size=32)
    batch = next(recipe.batches(start_step=0))
    before = recipe.loss(batch)[0].item()
    plan = Plan(minutes=0.08, learning_rate=2e-3, device=CPU, warmup_steps=1)
    train(recipe, plan, folder=tmp_path / "run", publish_to=tmp_path / "verifier", resume=False)
    assert recipe.loss(batch)[0].item() < before - 0.05
    assert Verifier.from_pretrained(tmp_path / "verifier").config["attributes"] == ATTRIBUTES


def test_without_scenes_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train the base model first"):
        VerifierRecipe(scenes=tmp_path, device=CPU)
