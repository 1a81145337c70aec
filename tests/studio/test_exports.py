"""Exports and reports over HTTP, of a real clip of a real studio."""

import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.api import Generation
from backend.media.files import sha256_of
from backend.media.metadata import read_metadata
from backend.media.probe import probe
from backend.requests import parse_request
from tests.studio.conftest import finished
from tests.studio.running import HEADERS, TOKEN, Running


@pytest.fixture
def client(studio: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=studio.url, headers=HEADERS, timeout=120) as client:
        yield client


def ask(client: httpx.Client, clip: Generation, **settings: Any) -> httpx.Response:
    """Return the answer to an export, once it has ended where it began."""
    answer = client.post(f"/studio/export/{clip.id}", json=settings)
    while answer.json().get("status") in ("queued", "running"):
        time.sleep(0.05)
        answer = client.get(f"/studio/exports/{answer.json()['id']}")
    return answer


def test_an_export_is_written_recorded_and_fetched(
    studio: Running, client: httpx.Client, clip: Generation
) -> None:
    answer = ask(client, clip, format="webm", short_side=64, name="My film").json()
    assert answer["name"] == "My film.webm" and answer["settings"]["short_side"] == 64
    path = studio.api.settings.exports_dir / answer["name"]
    assert (answer["sha256"], answer["size_bytes"]) == (sha256_of(path), path.stat().st_size)
    assert (probe(path).width, probe(path).codec) == (64, "vp9")
    fetched = client.get(f"/media/exports/{answer['name']}")
    assert fetched.content == path.read_bytes()
    assert fetched.headers["content-disposition"].startswith("attachment")
    assert read_metadata(path)["kinora"]["request"]["prompt"] == clip.request.prompt


def test_a_name_that_is_taken_is_numbered_and_none_is_made_from_the_prompt(
    client: httpx.Client, clip: Generation
) -> None:
    names = [ask(client, clip, name=name).json()["name"] for name in ("twice", "twice", "")]
    assert names == ["twice.mp4", "twice-2.mp4", "a red ball bounces.mp4"]


@pytest.mark.parametrize(
    ("settings", "field", "sentence"),
    [
        ({"format": "exe"}, "format", "Format must be one of mp4"),
        ({"loops": 10**6}, "loops", "Loops must be a whole number from 1 to 20"),
        ({"format": "wav"}, None, "This clip has no sound to export"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    client: httpx.Client, clip: Generation, settings: dict, field: str | None, sentence: str
) -> None:
    answer = ask(client, clip, **settings)
    assert answer.json().get("field") == field
    assert answer.json()["error"].startswith(sentence)


def test_an_export_is_part_of_the_family_of_its_clip(client: httpx.Client, clip: Generation) -> None:
    made = ask(client, clip, name="part of the family").json()
    found = client.get(f"/studio/library/{clip.id}").json()["exports"]
    (node,) = [each for each in found if each["id"] == made["id"]]
    assert (node["kind"], node["parents"], node["sha256"]) == ("export", [clip.id], made["sha256"])
    assert client.get(node["address"]).status_code == 200


def test_a_running_export_tells_how_far_it_is_and_is_canceled(
    studio: Running, client: httpx.Client, clip: Generation
) -> None:
    slow = {"format": "webm", "short_side": 2160, "loops": 20, "name": "canceled"}
    begun = client.post(f"/studio/export/{clip.id}", json=slow).json()
    address = f"/studio/exports/{begun['id']}"
    while not 0 < client.get(address).json()["progress"] < 1:
        assert client.get(address).json()["status"] in ("queued", "running")
        time.sleep(0.05)
    assert client.post(f"{address}/cancel").json()["status"] == "canceled"
    canceled_at = time.monotonic()
    assert ask(client, clip, name="the next one").json()["name"] == "the next one.mp4"
    assert time.monotonic() - canceled_at < 10
    assert not [path for path in studio.api.settings.exports_dir.iterdir() if "canceled" in path.name]
    assert client.post(f"{address}/cancel").json()["status"] == "canceled"
    assert client.post("/studio/exports/nothing/cancel").status_code == 404


def test_a_clip_that_is_not_there_is_not_found(client: httpx.Client) -> None:
    assert client.post("/studio/export/nothing", json={}).status_code == 404
    assert client.post("/studio/export/nothing", content=b"[]").status_code == 422


@pytest.mark.parametrize("name", ["..%2fstudio.db", "%2e%2e", ".hidden", "nothing.mp4", "link", "a%00b"])
def test_no_other_file_is_fetched_as_an_export(studio: Running, client: httpx.Client, name: str) -> None:
    folder = studio.api.settings.exports_dir
    folder.mkdir(exist_ok=True)
    (folder / ".hidden").write_text("half written")
    (folder / "link").unlink(missing_ok=True)
    (folder / "link").symlink_to("/etc/hostname")
    assert client.get(f"/media/exports/{name}").status_code == 404


def test_an_output_that_leads_out_of_the_data_folder_is_neither_served_nor_exported(
    studio: Running, client: httpx.Client, clip: Generation, tmp_path: Path
) -> None:
    own = finished(studio.api, studio.api.submit(clip.request)[0])
    path = studio.api.output_path(own.id, "clip")
    path.rename(tmp_path / "moved.mp4")
    path.symlink_to(tmp_path / "moved.mp4")
    assert client.get(f"/media/{own.id}/clip").status_code == 404
    assert ask(client, own).status_code == 404
    assert (tmp_path / "moved.mp4").is_file()


def test_a_report_tells_what_helps_and_nothing_of_the_creator(studio: Running, client: httpx.Client) -> None:
    words = 'my secret "garden" explode'
    request = parse_request({"engine": "tiny", "prompt": words, "negative_prompt": "a wall of grey"})
    failed = finished(studio.api, studio.api.submit(request)[0])
    report = client.get(f"/studio/report/{failed.id}").text
    helpful = ("Kinora ", "device: cpu", f"{failed.id}: clip, failed", '"engine": "tiny"', "RuntimeError")
    assert [told for told in helpful if told not in report] == []
    own = (words, json.dumps(words)[1:-1], "a wall of grey", f"{Path.home()}/", TOKEN)
    assert [told for told in (*own, str(studio.api.settings.data_dir)) if told in report] == []
    willing = client.get(f"/studio/report/{failed.id}", params={"with_prompt": True}).text
    assert json.dumps(words)[1:-1] in willing


def test_a_report_of_nothing_is_not_found(client: httpx.Client) -> None:
    assert client.get("/studio/report/nothing").status_code == 404


@pytest.mark.usefixtures("clip")
def test_the_log_of_the_worker_is_the_owners_alone(studio: Running) -> None:
    log = studio.api.settings.logs_dir / "worker.log"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
