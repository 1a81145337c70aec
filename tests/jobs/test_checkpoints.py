"""Checkpoints that are damaged, or are no checkpoints at all, are not used, and nothing in them runs."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from backend.jobs import checkpoints
from backend.pipelines.clip import LatentCheckpoint

LATENTS = torch.arange(96.0).reshape(1, 4, 2, 3, 4)


class Canary:
    """What touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self._path,)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "job.safetensors"
    checkpoints.write(path, LatentCheckpoint(3, LATENTS, network_passes=6))
    found = checkpoints.read(path)
    assert found is not None and torch.equal(found.latents, LATENTS)
    return path


def overwritten(at: int, content: bytes) -> Callable[[bytes], bytes]:
    return lambda whole: whole[: at % len(whole)] + content + whole[at % len(whole) + len(content) :]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:4],
        lambda _: b"",
        overwritten(8, b"}"),
        overwritten(0, (2**40).to_bytes(8, "little")),
        overwritten(-5, b"\xff"),
    ],
    ids=["half", "four bytes", "nothing", "header", "header of a terabyte", "one byte of a number"],
)
def test_a_damaged_checkpoint_is_not_used(path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path.write_bytes(spoil(path.read_bytes()))
    assert checkpoints.read(path) is None


def test_a_pickle_under_the_name_of_a_checkpoint_runs_nothing(path: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    path.write_bytes(pickle.dumps(Canary(canary)))
    assert checkpoints.read(path) is None
    torch.save({"latents": Canary(canary)}, path)
    assert checkpoints.read(path) is None
    assert not canary.exists()
    pickle.loads(pickle.dumps(Canary(canary)))
    assert canary.exists(), "it would have been seen"
