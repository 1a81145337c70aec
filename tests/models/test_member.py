"""Reading members: whole ones, and ones that an earlier version of Kinora wrote."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.errors import WeightsError
from backend.models.kinora.member import read_member
from backend.models.kinora.text_encoder import TextEncoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    TextEncoder(num_layers=1, num_buckets=64).save_pretrained(tmp_path / "text_encoder")
    return tmp_path / "text_encoder"


def test_a_whole_member_is_read_in_float32(folder: Path) -> None:
    network = read_member(TextEncoder, folder)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_a_member_of_another_version_is_refused(folder: Path) -> None:
    (path,) = folder.glob("*.safetensors")
    weights = load_file(path)
    weights.popitem()
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"text_encoder in .* is of another version of Kinora; get the"):
        read_member(TextEncoder, folder)
