"""The finisher: it begins as nothing, works at any size and frame by frame, and says where it is missing."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.errors import WeightsError
from backend.models import registry
from backend.models.abilities import FinishingEngine
from backend.models.engine import Engine
from backend.models.kinora.finisher import Finisher
from backend.models.kinora.refiner import RefinerTransformer
from backend.models.weights import write_checksums
from backend.pipelines.clip import ClipHooks, LatentCheckpoint
from backend.pipelines.detail import Draft, make_detail
from backend.requests import DetailRequest


@pytest.fixture(scope="module")
def weights_dir(small_weights_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder with small random networks of Pocket, a refiner and a finisher among them."""
    weights_dir = tmp_path_factory.mktemp("weights")
    shutil.copytree(small_weights_dir, weights_dir, dirs_exist_ok=True)
    refiner = RefinerTransformer(
        width=32, num_layers=1, num_heads=1, mlp_width=16, text_width=16, condition_width=16
    )
    refiner.save_pretrained(weights_dir / "kinora-pocket" / "refiner")
    torch.manual_seed(0)
    finisher = Finisher(width=8, num_blocks=1)
    torch.nn.init.normal_(finisher.to_pixels.weight, std=0.5)
    finisher.save_pretrained(weights_dir / "kinora-pocket" / "finisher")
    write_checksums(weights_dir / "kinora-pocket")
    return weights_dir


@pytest.fixture(scope="module")
def engine(weights_dir: Path) -> FinishingEngine:
    engine = registry.load_engine("kinora-pocket", weights_dir=weights_dir, device="cpu")
    assert isinstance(engine, FinishingEngine)
    return engine


def clips(*, frames: int = 3, height: int = 32, width: int = 48) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    made, low = (generator.integers(0, 256, (frames, height, width, 3), np.uint8) for _ in range(2))
    return made, low


def test_an_untrained_finisher_changes_nothing() -> None:
    frames, low = torch.rand(2, 2, 3, 16, 24).unbind()
    assert torch.equal(Finisher()(frames, low), frames)


@pytest.mark.parametrize("size", [(16, 24), (15, 21), (1, 2)])
def test_any_size_comes_back(size: tuple[int, int]) -> None:
    finisher = Finisher(width=8, num_blocks=1)
    torch.nn.init.normal_(finisher.to_pixels.weight)
    frames, low = torch.rand(2, 1, 3, *size).unbind()
    finished = finisher(frames, low)
    assert finished.shape == frames.shape and not torch.equal(finished, frames)


def test_the_published_size_is_small() -> None:
    assert 2 * sum(parameter.numel() for parameter in Finisher().parameters()) < 1.1e6


def test_slices_of_a_clip_are_finished_as_the_whole(engine: FinishingEngine) -> None:
    made, low = clips()
    whole = engine.finish(made, low)
    assert whole.shape == made.shape and not np.array_equal(whole, made)
    assert np.array_equal(
        np.concatenate([engine.finish(made[:1], low[:1]), engine.finish(made[1:], low[1:])]), whole
    )


def test_the_draft_reaches_the_network(engine: FinishingEngine) -> None:
    made, low = clips()
    assert not np.array_equal(engine.finish(made, low), engine.finish(made, 255 - low))


def test_a_probe_of_a_box_and_a_time_is_finished(engine: FinishingEngine) -> None:
    asked = DetailRequest(source="0" * 64, engine="kinora-pocket", seed=1, num_inference_steps=1)
    draft = Draft(clips(frames=5, height=32, width=32)[1], 16.0)
    probe = asked.model_copy(update={"box": (0.25, 0.25, 0.5, 0.5), "duration_seconds": 0.1})
    assert make_detail(engine, probe, draft).frames.shape == (2, 128, 128, 3)


def test_decoding_again_gives_the_same_finished_frames(engine: FinishingEngine) -> None:
    asked = DetailRequest(
        source="0" * 64, engine="kinora-pocket", seed=1, num_inference_steps=1, box=(0, 0, 0.25, 0.25)
    )
    draft, kept = Draft(clips(frames=5, height=32, width=32)[1], 16.0), list[LatentCheckpoint]()
    whole = make_detail(engine, asked, draft, hooks=ClipHooks(on_checkpoint=kept.append))
    again = make_detail(engine, asked, draft, hooks=ClipHooks(resume_from=kept[-1]))
    assert np.array_equal(again.frames, whole.frames)


def test_a_missing_finisher_says_so(small_weights_dir: Path) -> None:
    engine: Engine = registry.load_engine("kinora-pocket", weights_dir=small_weights_dir, device="cpu")
    assert isinstance(engine, FinishingEngine)
    with pytest.raises(WeightsError, match=r"The finisher of Kinora Pocket is not installed; train it"):
        engine.finish(*clips())


def test_a_finisher_of_another_version_is_refused(weights_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(weights_dir, tmp_path, dirs_exist_ok=True)
    (path,) = (tmp_path / "kinora-pocket" / "finisher").glob("*.safetensors")
    weights = load_file(path)
    weights.popitem()
    save_file(weights, path, metadata={"format": "pt"})
    write_checksums(tmp_path / "kinora-pocket")
    with pytest.raises(WeightsError, match=r"The finisher in .* is of another version of Kinora; get the"):
        registry.load_engine("kinora-pocket", weights_dir=tmp_path, device="cpu")


def test_a_damaged_finisher_is_named(weights_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(weights_dir, tmp_path, dirs_exist_ok=True)
    (tmp_path / "kinora-pocket/finisher/config.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"kinora-pocket/finisher/config\.json is damaged.*git checkout"):
        registry.load_engine("kinora-pocket", weights_dir=tmp_path, device="cpu")
