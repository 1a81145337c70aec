"""Adding local folders as engines: what is recognised, refused, checked and listed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backend.errors import NotFoundError, RequestError, WeightsError
from backend.models import registry
from backend.models.__main__ import main
from backend.models.adding import install_folder, step_down
from backend.models.installed import Installed, problems, read
from backend.models.memory_plans import PLANS, chosen, needed_bytes, smaller
from backend.requests import ClipRequest, validate_for
from tests.models.tiny_open import (
    WAN_FIRST_LAST,
    WAN_IMAGE,
    WAN_IMAGE_EXPERTS,
    WAN_SMALL_LATENTS,
    WAN_TEXT,
    TinyWan,
    write_ltx,
    write_ltx2,
    write_wan,
)

VAE = "vae/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wan(tmp_path_factory.mktemp("wan") / "Tiny-Diffusers")


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / checkpoint.name))


@pytest.fixture
def installed(folder: Path, tmp_path: Path) -> Installed:
    return install_folder(folder, name="tiny", models_dir=tmp_path / "models")


def change_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_an_added_folder_is_an_engine_after_the_own_ones(installed: Installed, tmp_path: Path) -> None:
    specs = registry.specs(models_dir=tmp_path / "models")
    assert [spec.name for spec in specs] == ["kinora-pocket", "tiny"]
    assert specs[1].title == "Tiny"
    assert read(tmp_path / "models", "tiny") == installed


def test_specifications_of_added_models_load_without_torch(installed: Installed, tmp_path: Path) -> None:
    assert installed.files
    code = (
        "import sys, pathlib; from backend.models import registry, adding; "
        f"registry.specs(models_dir=pathlib.Path({str(tmp_path / 'models')!r})); "
        "sys.exit('torch' in sys.modules or 'huggingface_hub' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("kind", "accepted", "needed", "pinned"),
    [
        (WAN_TEXT, (), (), ()),
        (WAN_IMAGE, ("image",), ("image",), ()),
        (WAN_FIRST_LAST, ("image", "last_image"), ("image", "last_image"), ()),
        (WAN_IMAGE_EXPERTS, ("image", "last_image"), ("image",), ()),
        (WAN_SMALL_LATENTS, ("image",), (), ("image",)),
    ],
)
def test_each_kind_of_wan_takes_the_pictures_it_was_trained_on(
    tmp_path: Path, kind: TinyWan, accepted: tuple[str, ...], needed: tuple[str, ...], pinned: tuple[str, ...]
) -> None:
    install_folder(write_wan(tmp_path / "tiny", kind), name="tiny", models_dir=tmp_path / "models")
    spec = registry.spec("tiny", models_dir=tmp_path / "models")
    assert (spec.pictures.accepted, spec.pictures.needed, spec.pictures.pinned) == (accepted, needed, pinned)
    assert ("given_frames" in spec.capabilities) == bool(accepted)
    assert not spec.capabilities & {"motion_score", "motion_guidance", "motion_layer"}


def test_ltx_takes_a_last_picture_only_with_key_frames(tmp_path: Path) -> None:
    for name, takes_key_frames in (("first", False), ("key", True)):
        source = write_ltx(tmp_path / name, takes_key_frames=takes_key_frames)
        install_folder(source, name=name, models_dir=tmp_path / "models")
        spec = registry.spec(name, models_dir=tmp_path / "models")
        assert ("last_image" in spec.pictures.accepted) == takes_key_frames


@pytest.mark.parametrize(
    ("kind", "changes", "sentence"),
    [
        (WAN_TEXT, {"image": "0" * 64}, "takes no start image"),
        (WAN_IMAGE, {}, "Start image is missing"),
        (WAN_IMAGE, {"image": "0" * 64, "last_image": "0" * 64}, "takes no end image"),
        (WAN_IMAGE, {"image": "0" * 64, "image_guidance_scale": 3.0}, "always sees its picture"),
        (WAN_TEXT, {"motion_score": 3.0}, "cannot be set"),
    ],
)
def test_what_the_weights_cannot_do_is_refused_in_one_sentence(
    tmp_path: Path, kind: TinyWan, changes: dict[str, object], sentence: str
) -> None:
    install_folder(write_wan(tmp_path / "tiny", kind), name="tiny", models_dir=tmp_path / "models")
    asked = ClipRequest.model_validate({"prompt": "a ball", "engine": "tiny", **changes})
    with pytest.raises(RequestError, match=sentence):
        validate_for(asked, registry.spec("tiny", models_dir=tmp_path / "models"))


def test_pickles_in_place_of_safetensors_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / VAE).rename(folder / "vae" / "diffusion_pytorch_model.bin")
    with pytest.raises(WeightsError, match="holds no safetensors"):
        install_folder(folder, name="tiny", models_dir=tmp_path / "models")


def test_a_folder_that_asks_for_code_of_its_own_is_refused(folder: Path, tmp_path: Path) -> None:
    change_json(folder / "text_encoder" / "config.json", auto_map={"AutoModel": "evil.Model"})
    with pytest.raises(WeightsError, match="its own code"):
        install_folder(folder, name="tiny", models_dir=tmp_path / "models")


def test_a_part_of_an_unknown_class_is_refused(folder: Path, tmp_path: Path) -> None:
    change_json(folder / "model_index.json", vae=["evil", "AutoencoderKLWan"])
    with pytest.raises(WeightsError, match="does not run"):
        install_folder(folder, name="tiny", models_dir=tmp_path / "models")


def test_a_pipeline_of_another_family_is_refused(folder: Path, tmp_path: Path) -> None:
    change_json(folder / "model_index.json", _class_name="FluxPipeline")
    with pytest.raises(WeightsError, match="FluxPipeline, which Kinora cannot run"):
        install_folder(folder, name="tiny", models_dir=tmp_path / "models")


@pytest.mark.parametrize("name", ["kinora-pocket", "tiny"])
def test_a_taken_name_is_refused(installed: Installed, tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match="already called"):
        install_folder(Path(installed.folder), name=name, models_dir=tmp_path / "models")


def test_a_name_cannot_leave_the_folder(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="small letters"):
        install_folder(folder, name="../tiny", models_dir=tmp_path / "models")


def test_a_flipped_byte_is_found_and_the_model_not_loaded(installed: Installed, tmp_path: Path) -> None:
    path = Path(installed.folder) / VAE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert [VAE in problem for problem in problems(installed)] == [True]
    with pytest.raises(WeightsError, match="checksum"):
        registry.load_engine("tiny", weights_dir=tmp_path, device="cpu", models_dir=tmp_path / "models")
    assert main(["check", "tiny", "--data", str(tmp_path)]) == 1


def test_the_list_says_what_a_model_can_do_and_needs(
    installed: Installed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--data", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "kinora-pocket" in told and "16:9 832 x 480" in told
    assert installed.folder in told and "memory for weights by plan: whole" in told


def test_removing_a_local_folder_leaves_its_files(installed: Installed, tmp_path: Path) -> None:
    assert main(["remove", "tiny", "--yes", "--data", str(tmp_path)]) == 0
    assert (Path(installed.folder) / VAE).exists()
    assert [spec.name for spec in registry.specs(models_dir=tmp_path / "models")] == ["kinora-pocket"]


def test_the_plan_is_the_fastest_that_leaves_a_quarter_of_the_memory() -> None:
    parameters = {"transformer": 10, "text_encoder": 6}
    needs = [needed_bytes(parameters, plan) for plan in PLANS[1:]]
    assert needs == [32, 20, 12, 2, 1]
    assert [chosen(parameters, free_bytes=free) for free in (43, 42, 27, 26, 1)] == [
        "whole",
        "models",
        "models",
        "blocks",
        "blocks",
    ]
    assert [smaller(plan) for plan in PLANS] == ["models", "models", "blocks", "blocks", None, None]


def test_out_of_memory_steps_down_to_the_last_plan_with_the_same_numbers(
    installed: Installed, tmp_path: Path
) -> None:
    models_dir = tmp_path / "models"
    assert [step_down(models_dir, installed.name) for _ in range(3)] == ["models", "blocks", None]
    assert read(models_dir, installed.name).memory_plan == "blocks"
    assert step_down(models_dir, "kinora-pocket") is None


def test_the_block_cache_is_set_by_command_and_refused_where_there_is_none(
    installed: Installed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install_folder(write_ltx2(tmp_path / "ltx2"), name="ltx2", models_dir=tmp_path / "models")
    words = ["--block-cache", "0.1", "--data", str(tmp_path)]
    assert main(["set", installed.name, *words]) == 0
    assert "block cache 0.1" in capsys.readouterr().out
    assert read(tmp_path / "models", installed.name).block_cache == 0.1
    assert main(["set", "ltx2", *words]) == 2
    assert "ltx2 has no block cache" in capsys.readouterr().err
    assert main(["set", installed.name, "--block-cache", "2", "--data", str(tmp_path)]) == 2


@pytest.mark.parametrize(("short_side", "nearest"), [(1, 16), (100, 96), (105, 112)])
def test_a_size_that_a_model_cannot_have_is_refused_with_the_nearest(
    folder: Path, tmp_path: Path, short_side: int, nearest: int
) -> None:
    sentence = f"multiple of 16 pixels; you gave {short_side}, and the nearest is {nearest}"
    with pytest.raises(RequestError, match=sentence):
        install_folder(folder, name="tiny", models_dir=tmp_path / "models", short_side=short_side)
    install_folder(folder, name="tiny", models_dir=tmp_path / "models")
    assert main(["set", "tiny", "--short-side", str(short_side), "--data", str(tmp_path)]) == 2
    assert main(["set", "tiny", "--short-side", str(nearest), "--data", str(tmp_path)]) == 0
