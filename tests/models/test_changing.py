"""What a creator can change of an added model: an upsampler that fits, size, block cache; and what not."""

import json
from pathlib import Path

import numpy as np
import pytest
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from diffusers.pipelines.ltx2 import LTX2LatentUpsamplerModel

from backend.errors import RequestError, StudioError, WeightsError
from backend.models import registry
from backend.models.__main__ import main
from backend.models.abilities import UpsamplingEngine
from backend.models.adding import install_folder
from backend.models.block_cache_costs import CACHE_COSTS
from backend.models.changing import Change, changed
from backend.models.families import FAMILIES
from backend.models.installed import Installed, problems, read
from tests.models.tiny_open import add_upsampler, write_ltx, write_wan


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model of LTX, one of Wan, and upsamplers for LTX and LTX-2."""
    folder = tmp_path_factory.mktemp("sources")
    write_ltx(folder / "ltx")
    write_wan(folder / "wan")
    add_upsampler(folder / "right", LTXLatentUpsamplerModel)
    add_upsampler(folder / "other", LTX2LatentUpsamplerModel)
    return folder


@pytest.fixture
def ltx(sources: Path, tmp_path: Path) -> Installed:
    return install_folder(sources / "ltx", name="ltx", models_dir=tmp_path / "models", short_side=64)


def test_an_upsampler_is_added_to_a_model_that_is_there(
    ltx: Installed, sources: Path, tmp_path: Path
) -> None:
    words = ["set", "ltx", "--upsampler", str(sources / "right"), "--data", str(tmp_path)]
    assert main(words) == 0
    models_dir = tmp_path / "models"
    found = read(models_dir, "ltx")
    assert found.parts == {"latent_upsampler": str(sources / "right" / "latent_upsampler")}
    assert found.sha256 != ltx.sha256 and problems(found, is_thorough=True) == []
    assert not (sources / "ltx" / "latent_upsampler").exists()
    engine = registry.load_engine("ltx", weights_dir=models_dir, device="cpu", models_dir=models_dir)
    assert isinstance(engine, UpsamplingEngine)
    latents = engine.encode(np.zeros((9, 64, 64, 3), np.uint8))
    assert engine.upsample(latents).shape[3:] == (2 * latents.shape[3], 2 * latents.shape[4])


def test_an_upsampler_is_taken_off_again(ltx: Installed, sources: Path, tmp_path: Path) -> None:
    for words in (str(sources / "right"), ""):
        assert main(["set", "ltx", "--upsampler", words, "--data", str(tmp_path)]) == 0
    assert read(tmp_path / "models", "ltx") == ltx
    assert (sources / "right" / "latent_upsampler" / "config.json").exists()
    assert changed(ltx, Change(upsampler="")) == ltx


def test_a_spoilt_upsampler_is_found(ltx: Installed, tmp_path: Path) -> None:
    folder = add_upsampler(tmp_path / "own", LTXLatentUpsamplerModel) / "latent_upsampler"
    found = changed(ltx, Change(upsampler=str(folder)))
    weights = folder / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    (problem,) = problems(found, is_thorough=True)
    assert "latent_upsampler/diffusion_pytorch_model.safetensors" in problem and "is damaged" in problem


def test_an_upsampler_of_other_latents_is_refused(ltx: Installed, tmp_path: Path) -> None:
    folder = add_upsampler(tmp_path / "own", LTXLatentUpsamplerModel) / "latent_upsampler"
    config = json.loads((folder / "config.json").read_text())
    for spoilt, sentence in (
        ({"in_channels": 128}, "for latents of 128 channels and those of ltx have 8"),
        ({"temporal_upsample": True}, "does not double height and width"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, **spoilt}))
        with pytest.raises(WeightsError, match=sentence):
            changed(ltx, Change(upsampler=str(folder)))


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("other", "and no LTXLatentUpsamplerModel, the upsampler for ltx"),
        ("wan", "config.json is missing"),
        ("nowhere", "is no folder of this machine"),
    ],
)
def test_what_is_no_upsampler_for_a_model_is_refused(
    ltx: Installed, sources: Path, place: str, sentence: str
) -> None:
    with pytest.raises(StudioError, match=sentence):
        changed(ltx, Change(upsampler=str(sources / place)))


def test_a_model_of_wan_takes_no_upsampler(sources: Path, tmp_path: Path) -> None:
    wan = install_folder(sources / "wan", name="wan", models_dir=tmp_path)
    with pytest.raises(RequestError, match="only models of LTX do"):
        changed(wan, Change(upsampler=str(sources / "right")))


def test_size_and_cache_go_back_to_where_they_were(ltx: Installed) -> None:
    other = changed(ltx, Change("blocks", 128, 0.3))
    assert (other.memory_plan, other.short_side, other.block_cache) == ("blocks", 128, 0.3)
    back = changed(other, Change(short_side=0, block_cache=0))
    assert (back.memory_plan, back.short_side, back.block_cache) == ("blocks", None, 0)
    assert changed(other, Change()) == other


def test_costs_are_told_of_families_that_have_a_block_cache() -> None:
    assert set(CACHE_COSTS) == {family.name for family in FAMILIES.values() if family.has_block_cache}
