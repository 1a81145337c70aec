"""The verifier: what it sees, and that it reads what it was taught."""

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.evaluation.verifier import Gaze, Verifier, read_attributes, seen
from backend.training.scenes import fill
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


def test_a_gaze_tells_where_it_looks() -> None:
    """A map that is bright in one corner draws every gaze there, whatever else it shows."""
    gaze = Gaze(1, values=1, gazes=2)
    torch.nn.init.constant_(gaze.where.weight, 50.0)
    bright = torch.zeros(1, 1, 4, 4)
    bright[..., 0, -1] = 1
    assert torch.allclose(gaze(bright)[0, 2:], torch.tensor([-1.0, 1, -1, 1]), atol=1e-3)


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
    pictures, clips = tmp_path / "pictures", tmp_path / "clips"
    fill(pictures, first=1000, count=1, size=(128, 128), num_frames=1, kind="picture")
    fill(clips, first=1000, count=1, size=(32, 32), num_frames=5)
    recipe = VerifierRecipe(pictures=pictures, clips=[clips], device=CPU, batch_size=8)
    batch = next(recipe.batches(start_step=0))
    optimizer = torch.optim.AdamW(recipe.model.parameters(), lr=2e-3)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss, _ = recipe.loss(batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.05
    recipe.publish(tmp_path / "verifier", facts=recipe.measure())
    assert Verifier.from_pretrained(tmp_path / "verifier").config["attributes"] == ATTRIBUTES


def test_without_scenes_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train the base model first"):
        VerifierRecipe(pictures=tmp_path, clips=[tmp_path], device=CPU)
