"""State and media over HTTP, read from a real studio with one finished clip."""

from pathlib import Path

import httpx
import pytest

from backend.api import Generation
from backend.requests import ClipRequest
from tests.studio.conftest import finished
from tests.studio.running import HEADERS, Running

REQUEST = ClipRequest(engine="tiny", prompt="a red ball", num_inference_steps=1)


@pytest.fixture
def client(studio: Running) -> httpx.Client:
    return httpx.Client(base_url=studio.url, headers=HEADERS, timeout=30)


def test_state_names_project_and_newest_take(studio: Running, client: httpx.Client) -> None:
    newest = finished(studio.api, studio.api.submit(REQUEST)[0])
    state = client.get("/studio/state").json()
    assert (state["project"], state["queue"]) == ("Untitled", [])
    assert state["newest"] == f"{newest.id} done"


def test_state_lists_what_is_not_finished(studio: Running, client: httpx.Client) -> None:
    slow = REQUEST.model_copy(update={"prompt": "a ball slowly", "num_inference_steps": 50})
    generation_id = studio.api.submit(slow)[0]
    queue = client.get("/studio/state").json()["queue"]
    studio.api.cancel(generation_id)
    assert [(job["id"], job["request"]["prompt"]) for job in queue] == [(generation_id, "a ball slowly")]


def test_seeds_travel_as_text_because_browsers_round_large_numbers(
    client: httpx.Client, clip: Generation
) -> None:
    assert client.get(f"/studio/takes/{clip.id}").json()["seed"] == str(2**63 - 1)


@pytest.mark.usefixtures("clip")
def test_takes_older_than_the_oldest_are_none(client: httpx.Client) -> None:
    page = client.get("/studio/takes").json()
    while page["has_older"]:  # other tests have left takes too
        page = client.get("/studio/takes", params={"before": page["takes"][-1]["id"]}).json()
    oldest = page["takes"][-1]["id"]
    assert client.get("/studio/takes", params={"before": oldest}).json() == {"takes": [], "has_older": False}


def test_clip_is_served_whole_with_its_type(client: httpx.Client, clip: Generation) -> None:
    answer = client.get(f"/media/{clip.id}/clip")
    output = clip.output("clip")
    assert output is not None
    assert (answer.headers["content-type"], len(answer.content)) == ("video/mp4", output.size_bytes)


def test_clip_is_served_in_ranges_so_that_seeking_works(client: httpx.Client, clip: Generation) -> None:
    answer = client.get(f"/media/{clip.id}/clip", headers={"range": "bytes=4-7"})
    assert (answer.status_code, answer.content) == (206, b"ftyp")


def test_download_is_named_after_prompt_and_seed(client: httpx.Client, clip: Generation) -> None:
    answer = client.get(f"/media/{clip.id}/clip", params={"download": True})
    assert f'filename="kinora-a-red-ball-bounces-{2**63 - 1}.mp4"' in answer.headers["content-disposition"]


def test_poster_is_a_jpeg(client: httpx.Client, clip: Generation) -> None:
    assert client.get(f"/media/{clip.id}/poster").content[:3] == b"\xff\xd8\xff"


def test_a_preview_that_is_removed_while_it_is_asked_for_is_none(
    studio: Running, client: httpx.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(studio.api, "preview_path", lambda _: tmp_path / "replaced.jpg")
    assert client.get("/media/any/preview").status_code == 204


def test_a_finished_clip_has_no_preview_any_more(client: httpx.Client, clip: Generation) -> None:
    assert client.get(f"/media/{clip.id}/preview").status_code == 204


@pytest.mark.parametrize(
    "path", ["/media/nothing/clip", "/media/..%2f..%2fstudio.db/clip", "/studio/takes/x"]
)
def test_an_unknown_generation_is_not_found(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/gradio_api/openapi.json", "/monitoring"])
def test_pages_for_developers_are_closed(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code in (403, 404)


def test_gradio_serves_no_file_of_the_data_folder(studio: Running, client: httpx.Client) -> None:
    path = studio.api.settings.database_path
    assert client.get(f"/gradio_api/file={path}").status_code == 403
