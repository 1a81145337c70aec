"""Pictures at frames and LoRA files over HTTP: kept by content, and refused in one sentence."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch
from PIL import Image
from safetensors.torch import save

from backend.config import Settings
from backend.models.adding import install_folder
from tests.models.tiny_open import write_ltx, write_wan
from tests.studio.running import HEADERS, Running, running_studio

FACTORS = ("blocks.0.attn1.to_q.lora_A.weight", "blocks.0.attn1.to_q.lora_B.weight")
STYLE = save(dict(zip(FACTORS, (torch.ones(2, 24), torch.ones(24, 2)), strict=True)))


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("given")

    def prepare(settings: Settings) -> None:
        for name, write in (("wan", write_wan), ("ltx", write_ltx)):
            install_folder(write(folder / name), name=name, models_dir=settings.models_dir)

    with running_studio(folder / "data", prepare=prepare) as running:
        yield running


@pytest.fixture
def client(studio: Running) -> httpx.Client:
    return httpx.Client(base_url=studio.url, headers=HEADERS, timeout=60)


def sent(
    client: httpx.Client, content: bytes, *, engine: str = "wan", name: str = "s.safetensors"
) -> httpx.Response:
    return client.post("/studio/loras", params={"engine": engine, "file_name": name}, content=content)


def kept(studio: Running) -> list[Path]:
    return [
        *(studio.api.settings.models_dir / "loras").glob("*"),
        *studio.api.settings.uploads_dir.glob("*.*"),
    ]


def test_a_picture_is_kept_and_shown(client: httpx.Client) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (20, 20, 220)).save(buffer, "PNG")
    name = client.post("/studio/pictures", content=buffer.getvalue()).json()["name"]
    shown = client.get(f"/studio/pictures/{name}")
    assert Image.open(io.BytesIO(shown.content)).getpixel((0, 0)) == (20, 20, 220)
    refused = client.post("/studio/pictures", content=b"no picture")
    assert refused.status_code == 422 and refused.json()["error"]
    assert client.get("/studio/pictures/nothing").status_code == 404


def test_a_lora_is_listed_for_its_model_alone_until_it_is_removed(client: httpx.Client) -> None:
    name = sent(client, STYLE, name="Oil paint.safetensors").json()["name"]
    listed = [
        client.get("/studio/loras", params={"engine": engine}).json() for engine in ("wan", "ltx", "tiny")
    ]
    assert listed == [[{"name": name, "title": "Oil paint"}], [], []]
    assert client.post(f"/studio/loras/{name}/remove", json={}).json() == {}
    assert client.get("/studio/loras", params={"engine": "wan"}).json() == []
    assert client.post(f"/studio/loras/{name}/remove", json={}).status_code == 404


@pytest.mark.parametrize(
    ("content", "fields", "sentence"),
    [
        (STYLE, {"engine": "ltx"}, "The LoRA s was made for another model"),
        (STYLE, {"name": "s.ckpt"}, "s.ckpt is no safetensors file; Kinora reads no other LoRA files"),
        (b"\x00" * 64, {}, "The LoRA s is no safetensors file"),
        (save({"weight": torch.ones(2)}), {}, "s holds no LoRA of a video model"),
        (STYLE, {"engine": "nothing"}, "No model is called 'nothing'"),
    ],
)
def test_what_is_no_lora_for_the_model_is_refused_and_not_kept(
    client: httpx.Client, studio: Running, content: bytes, fields: dict[str, str], sentence: str
) -> None:
    before = kept(studio)
    refused = sent(client, content, **fields)
    assert refused.status_code in (404, 422) and sentence in refused.json()["error"]
    assert kept(studio) == before
