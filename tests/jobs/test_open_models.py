"""Open models end to end: added tiny folders make clips in a real worker process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from backend.api import Api
from backend.cli import main
from backend.config import Settings
from backend.errors import RequestError
from backend.library.storage import named_inputs
from backend.media.audio import read_sound
from backend.media.files import sha256_of
from backend.media.metadata import read_metadata
from backend.media.probe import probe
from backend.media.sound_export import num_samples
from backend.models.adding import install_folder
from backend.models.installed import read
from backend.request_parts import GivenFrame, LoraUse
from backend.requests import ClipRequest, parse_request
from tests.models.tiny_open import (
    WAN_FIRST_LAST,
    WAN_SMALL_LATENTS,
    WAN_TEXT,
    TinyWan,
    write_ltx,
    write_ltx2,
    write_wan,
)
from tests.waiting import ended

SIDE, SECONDS, STEPS = 32, 0.6, 3


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A studio with one added folder of each family and kind."""
    folder = tmp_path_factory.mktemp("open")
    settings = Settings(data_dir=folder / "data", weights_dir=folder / "weights", device="cpu")
    kinds: dict[str, TinyWan] = {
        "wan-text": WAN_TEXT,
        "wan-first-last": WAN_FIRST_LAST,
        "wan-small": WAN_SMALL_LATENTS,
    }
    for name, kind in kinds.items():
        source = write_wan(folder / name, kind)
        install_folder(source, name=name, models_dir=settings.models_dir, short_side=SIDE)
    source = write_ltx(folder / "ltx", takes_key_frames=True)
    install_folder(source, name="ltx", models_dir=settings.models_dir, short_side=2 * SIDE)
    source = write_ltx2(folder / "ltx2")
    install_folder(source, name="ltx2", models_dir=settings.models_dir, short_side=2 * SIDE)
    with Api.open(settings, warm_engine=None) as api:
        yield api


def pictures(studio: Api, folder: Path, *fields: str) -> dict[str, str]:
    """Return the names of new pictures, by request field."""
    named = {}
    for shade, field in enumerate(fields):
        Image.new("RGB", (SIDE, SIDE), (200, 80 * shade, 10)).save(folder / f"{field}.png")
        named[field] = studio.inputs.add_image(folder / f"{field}.png")
    return named


@pytest.mark.parametrize(
    ("engine", "fields"),
    [
        ("wan-text", ()),
        ("wan-first-last", ("image", "last_image")),
        ("wan-small", ("image",)),
        ("ltx", ("image", "last_image")),
        ("ltx2", ("image", "last_image")),
    ],
)
def test_an_added_model_makes_a_clip_in_the_worker(
    studio: Api, tmp_path: Path, engine: str, fields: tuple[str, ...]
) -> None:
    given: dict[str, Any] = pictures(studio, tmp_path, *fields)
    given |= {"prompt": "a red ball", "engine": engine, "num_inference_steps": STEPS, "seed": 7}
    request = ClipRequest.model_validate({**given, "duration_seconds": SECONDS})
    made = ended(studio, studio.submit(request)[0])
    assert made.status == "done", made.error
    spec = next(each for each in studio.engines() if each.name == engine)
    path = studio.output_path(made.id, "clip")
    found = probe(path)
    assert (found.num_frames, found.width, found.height) == (spec.num_frames(SECONDS), *spec.sizes["1:1"])
    assert parse_request(read_metadata(path)["kinora"]["request"]) == made.request
    assert made.facts["weights_sha256"] == read(studio.settings.models_dir, engine).sha256
    assert made.facts["device"].startswith("cpu, ") and made.facts["device"].endswith(", whole")


def test_pictures_at_frames_reach_the_worker_and_count_as_inputs(studio: Api, tmp_path: Path) -> None:
    named = pictures(studio, tmp_path, "dawn", "noon")
    given = [{"frame": frame, "image": name} for frame, name in zip((4, 9), named.values(), strict=True)]
    fields = {"prompt": "a red ball", "engine": "ltx", "num_inference_steps": STEPS, "seed": 7}
    request = ClipRequest.model_validate({**fields, "duration_seconds": SECONDS, "given_frames": given})
    assert list(named_inputs(request)) == ["given_frames.4", "given_frames.9"]
    made = ended(studio, studio.submit(request)[0])
    assert made.status == "done" and made.request == request
    lost = request.model_copy(update={"given_frames": (GivenFrame(frame=4, image="0" * 64),)})
    with pytest.raises(RequestError, match="is not in the data folder"):
        studio.submit(lost)


def test_a_clip_that_is_made_with_its_sound_has_it_in_the_file(studio: Api) -> None:
    fields = {"prompt": "a red ball", "engine": "ltx2", "num_inference_steps": STEPS, "seed": 7}
    request = ClipRequest.model_validate({**fields, "duration_seconds": SECONDS})
    made = ended(studio, studio.submit(request)[0])
    assert made.status == "done", made.error
    paths = {output.role: studio.output_path(made.id, output.role) for output in made.outputs}
    assert list(paths) == ["clip", "sound", "silent", "poster"]
    clip, silent = (probe(paths[role]) for role in ("clip", "silent"))
    assert (clip.has_audio, silent.has_audio, clip.num_frames) == (True, False, silent.num_frames)
    assert len(read_sound(paths["clip"])) == len(read_sound(paths["sound"])) == num_samples(clip)


@pytest.mark.parametrize("engine", ["wan-text", "ltx", "ltx2"])
def test_the_draft_of_an_added_model_gets_its_detail_in_the_worker(studio: Api, engine: str) -> None:
    fields = {"prompt": "a red ball", "engine": engine, "num_inference_steps": 2, "seed": 7}
    draft = ended(
        studio, studio.submit(ClipRequest.model_validate({**fields, "duration_seconds": SECONDS}))[0]
    )
    # A part of the picture, because a processor takes long for all of it.
    settings = {"box": (0, 0, 0.25, 0.25), "num_inference_steps": 2}
    asked = studio.detail_request(draft.id, **settings)
    made = ended(studio, studio.submit(asked, parents=[draft.id])[0])
    assert made.status == "done", made.error
    found, before = (probe(studio.output_path(each.id, "clip")) for each in (made, draft))
    assert (found.width, found.height, found.num_frames) == (128, 128, before.num_frames)
    assert (made.kind, made.parents, made.request.engine) == ("detail", (draft.id,), engine)


def test_a_spoilt_file_ends_the_job_with_a_sentence(studio: Api, tmp_path: Path) -> None:
    models_dir = studio.settings.models_dir
    folder = write_wan(tmp_path / "spoilt")
    install_folder(folder, name="spoilt", models_dir=models_dir, short_side=SIDE)
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    made = ended(studio, studio.submit(ClipRequest(prompt="a ball", engine="spoilt"))[0])
    assert made.status == "failed" and "checksum" in str(made.error)


def test_a_lora_that_is_gone_when_its_clip_begins_is_said(studio: Api, tmp_path: Path) -> None:
    names = [f"transformer.blocks.0.attn1.to_q.lora_{factor}.weight" for factor in "AB"]
    save_file({names[0]: torch.ones(2, 24), names[1]: torch.ones(24, 2)}, tmp_path / "style.safetensors")
    lora = studio.inputs.add_lora(tmp_path / "style.safetensors", engine="wan-text")
    studio.controls.pause()
    fields = {"engine": "wan-text", "duration_seconds": SECONDS, "loras": ({"lora": lora},)}
    (waiting,) = studio.submit(ClipRequest.model_validate({"prompt": "a ball", **fields}))
    studio.inputs.remove_lora(lora)
    studio.controls.resume()
    made = ended(studio, waiting)
    assert made.status == "failed"
    assert f"The LoRA {lora[:12]}…" in str(made.error) and "choose its file again" in str(made.error)


def test_the_command_line_takes_what_the_engine_has_for_what_is_left_open(tmp_path: Path) -> None:
    models_dir = Settings(data_dir=tmp_path, weights_dir=tmp_path).models_dir
    install_folder(write_wan(tmp_path / "tiny"), name="tiny-wan", models_dir=models_dir, short_side=SIDE)
    out = tmp_path / "out.mp4"
    words = ["generate", "a red ball", "--engine", "tiny-wan", "--seconds", "0.6", "--steps", "2"]
    assert main([*words, "--device", "cpu", "--data", str(tmp_path), "--out", str(out)]) == 0
    request = parse_request(read_metadata(out)["kinora"]["request"])
    assert isinstance(request, ClipRequest)
    assert (request.engine, request.guidance_scale, request.aspect_ratio) == ("tiny-wan", 5.0, "16:9")


def test_the_command_line_puts_a_lora_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models_dir = Settings(data_dir=tmp_path, weights_dir=tmp_path).models_dir
    for name, write in (("wan", write_wan), ("ltx", write_ltx)):
        install_folder(write(tmp_path / name), name=name, models_dir=models_dir, short_side=SIDE)
    names = [f"transformer.blocks.0.attn1.to_q.lora_{factor}.weight" for factor in "AB"]
    lora = tmp_path / "style.safetensors"
    save_file({names[0]: torch.ones(2, 24), names[1]: torch.ones(24, 2)}, lora)
    words = ["a red ball", "--seconds", "0.6", "--steps", "2", "--seed", "1", "--lora", f"{lora}:0.8"]
    words = ["generate", *words, "--device", "cpu", "--data", str(tmp_path)]
    assert main([*words, "--engine", "wan", "--out", str(tmp_path / "out.mp4")]) == 0
    request = parse_request(read_metadata(tmp_path / "out.mp4")["kinora"]["request"])
    assert isinstance(request, ClipRequest)
    assert request.loras == (LoraUse(lora=sha256_of(lora), strength=0.8),)
    capsys.readouterr()
    assert main([*words, "--engine", "ltx"]) == 2
    assert "The LoRA style was made for another model" in capsys.readouterr().err
