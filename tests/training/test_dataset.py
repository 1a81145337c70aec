"""What the base model is given to train on."""

from pathlib import Path

import pytest
import torch

from backend.training import dataset
from tests.training.test_base import latent_clips


@pytest.mark.parametrize("number", [0, 1, 2])
def test_shapes_without_a_shard_yet_are_left_out(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "_render", lambda *_, **__: None)
    monkeypatch.setattr(dataset, "encode_all", lambda *_, **__: None)
    monkeypatch.setattr(dataset, "load_latents", lambda *_, **__: latent_clips(1))
    for each in dataset.SHAPED[:number]:
        folder = tmp_path / "latents" / each.name
        folder.mkdir(parents=True)
        (folder / "100000.npz").touch()
    made = dataset.prepare(tmp_path, minutes=0, vae_folder=tmp_path, device=torch.device("cpu"))
    assert len(made.shaped) == number


def test_no_two_collections_share_a_folder() -> None:
    names = [each.name for each in (*dataset.COLLECTIONS, *dataset.SHAPED)]
    assert names[-3:] == ["clip-128-33", "clip-128x224-33", "clip-224x128-33"]
    assert len(set(names)) == len(names)
