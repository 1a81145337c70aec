"""The named endpoints, called as a program calls them."""

from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from backend.api import Generation
from backend.media.files import sha256_of
from tests.studio.conftest import finished
from tests.studio.running import HEADERS, Running
from tests.waiting import ended


@pytest.fixture(scope="module")
def client(studio: Running) -> Client:
    return Client(studio.url, headers=HEADERS, verbose=False, download_files=False)


def test_submit_makes_the_clip_that_generation_then_shows(studio: Running, client: Client) -> None:
    request = {"kind": "clip", "engine": "tiny", "prompt": "a red ball", "seed": 7, "num_inference_steps": 2}
    generation_id = client.predict(request, api_name="/submit")
    finished(studio.api, generation_id)
    shown = client.predict(generation_id, api_name="/generation")
    assert shown["facts"]["seed"] == 7
    assert all(Path(output["path"]).is_absolute() for output in shown["outputs"])


def test_a_client_that_downloads_gets_the_files_themselves(
    studio: Running, clip: Generation, tmp_path: Path
) -> None:
    client = Client(studio.url, headers=HEADERS, verbose=False, download_files=str(tmp_path))
    fetched = client.predict(clip.id, api_name="/generation")["outputs"]
    assert [sha256_of(Path(path)) for path in fetched] == [output.sha256 for output in clip.outputs]


def test_submit_takes_json_text_and_variations(studio: Running, client: Client) -> None:
    text = '{"engine": "tiny", "prompt": "a cube", "seed": 1, "num_inference_steps": 1}'
    ids = client.predict(text, 3, api_name="/submit")
    assert [studio.api.generation(each).request.seed for each in ids] == [1, 2, 3]


def test_generations_are_listed_newest_first(client: Client) -> None:
    request = {"engine": "tiny", "prompt": "a ball", "num_inference_steps": 1}
    newest = client.predict(request, api_name="/submit")
    assert client.predict(1, api_name="/generations")[0]["id"] == newest


def test_cancel_ends_a_generation(studio: Running, client: Client) -> None:
    request = {"engine": "tiny", "prompt": "a ball slowly", "num_inference_steps": 100}
    generation_id = client.predict(request, api_name="/submit")
    client.predict(generation_id, api_name="/cancel")
    assert finished(studio.api, generation_id).status == "canceled"


def test_queue_is_steered(studio: Running, client: Client) -> None:
    request = {"engine": "tiny", "prompt": "a ball", "num_inference_steps": 1}
    assert client.predict(api_name="/pause") is True
    first, second = client.predict(request, 2, api_name="/submit")
    client.predict(second, first, api_name="/move")
    client.predict(second, {**request, "prompt": "a cube"}, 0, api_name="/edit")
    with pytest.raises(AppError, match="changed elsewhere"):
        client.predict(second, request, 0, api_name="/edit")
    own = [each for each in studio.api.queue() if each.id in (first, second)]
    assert [(each.id, each.request.prompt) for each in own] == [(second, "a cube"), (first, "a ball")]
    client.predict(first, api_name="/cancel")
    client.predict(first, api_name="/retry")
    assert client.predict(api_name="/resume") is False
    assert ended(studio.api, first).status == "done"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"prompt": ""}, "Prompt must be text of 1 to 10,000 characters"),
        ({"prompt": "x" * 10_001}, "you gave 10,001 characters"),
        ({"duration_seconds": 1000}, "Seconds must be between"),
        ({"seed": -1}, "Seed must be a whole number"),
        ({"seed": 2**63}, "Seed must be a whole number"),
        ({"seed": "abc"}, "you gave 'abc'"),
        ({"aspect_ratio": "2:1"}, "Aspect ratio must be one of 1:1"),
        ({"engine": "nothing"}, "Engine must be one of"),
    ],
)
def test_a_bad_request_is_refused_in_one_sentence(client: Client, changes: dict, sentence: str) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict({"engine": "tiny", "prompt": "a ball", **changes}, api_name="/submit")


def test_an_unknown_generation_is_named_in_the_answer(client: Client) -> None:
    with pytest.raises(AppError, match="nowhere"):
        client.predict("nowhere", api_name="/generation")
