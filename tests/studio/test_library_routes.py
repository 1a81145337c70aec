"""The Library over HTTP: refusals are one sentence, and of two windows the one behind is told."""

from http.client import HTTPConnection
from typing import Any

import httpx
import pytest

from backend.api import Generation
from studio.guard import IMPORT_PATH, MAX_BODY_BYTES, MAX_FILE_BYTES, PUT_BACK_PATH
from tests.studio.running import HEADERS, Running


@pytest.fixture
def client(studio: Running) -> httpx.Client:
    return httpx.Client(base_url=studio.url, headers=HEADERS, timeout=60)


@pytest.fixture
def take(client: httpx.Client, clip: Generation) -> dict[str, Any]:
    return client.get(f"/studio/library/{clip.id}").json()["take"]


def test_second_of_two_windows_is_told_and_overwrites_nothing(client: httpx.Client, take: dict) -> None:
    address, seen = f"/studio/library/{take['id']}", {"revision": take["revision"]}
    first = client.patch(address, json={**seen, "is_starred": True})
    second = client.patch(address, json={**seen, "is_binned": True})
    assert (first.status_code, first.json()["is_starred"]) == (200, True)
    assert (second.status_code, "another window" in second.json()["error"]) == (409, True)
    assert client.get(address).json()["take"]["is_binned"] is False


def test_search_and_filters_reach_the_store(client: httpx.Client, clip: Generation) -> None:
    def ids(**asked: str) -> list[str]:
        return [each["id"] for each in client.get("/studio/library", params=asked).json()["takes"]]

    assert clip.id in ids(text="boun", kind="clip", status="done", engine="tiny")
    assert ids(text="nothing like it") == ids(kind="detail") == ids(project="nowhere") == []
    assert clip.id in ids(since="no number", until="")
    assert ids(until="1000") == []


def test_project_is_made_renamed_and_refused_in_one_sentence(client: httpx.Client) -> None:
    made = client.post("/studio/projects", json={"name": "-vf crop"}).json()
    address = f"/studio/projects/{made['id']}"
    renamed = client.patch(address, json={"revision": 1, "name": "Sea"})
    stale = client.patch(address, json={"revision": 1, "name": "Lake"})
    long = client.patch(address, json={"revision": 2, "name": "x" * 300})
    assert (renamed.json()["name"], stale.status_code, long.status_code) == ("Sea", 409, 422)
    assert "1 to 80 characters" in long.json()["error"]
    state = client.get("/studio/state", params={"project": made["id"]}).json()
    assert (state["project"], state["newest"]) == ("Sea", "")
    client.patch(address, json={"revision": 2, "is_binned": True})
    assert client.get("/studio/state", params={"project": made["id"]}).json()["project"] == "Untitled"


def test_project_file_is_served_and_taken_in_again(
    client: httpx.Client, take: dict, clip: Generation
) -> None:
    exported = client.get(f"/studio/projects/{take['project_id']}/file")
    assert "kinora-Untitled.zip" in exported.headers["content-disposition"]
    imported = client.post("/studio/projects/import", content=exported.content).json()
    found = client.get("/studio/library", params={"project": imported["id"]}).json()["takes"]
    assert clip.request.prompt in {each["request"]["prompt"] for each in found}
    refused = client.post("/studio/projects/import", content=b"no zip")
    assert (refused.status_code, "no project file" in refused.json()["error"]) == (422, True)


def test_nothing_of_what_was_sent_or_fetched_stays_behind(
    studio: Running, client: httpx.Client, take: dict
) -> None:
    client.get(f"/studio/projects/{take['project_id']}/file")
    client.post("/studio/library/put-back", content=b"unknown")
    assert [path for path in studio.api.settings.uploads_dir.glob("*.*") if path.is_file()] == []


def test_missing_file_is_shown_and_comes_back_whatever_its_name(
    studio: Running, client: httpx.Client, clip: Generation
) -> None:
    path = studio.api.output_path(clip.id, "clip")
    content = path.read_bytes()
    path.unlink()
    address = f"/studio/library/{clip.id}"
    assert client.get(address).json()["take"]["missing"] == ["clip"]
    assert clip.id in client.post("/studio/library/put-back", content=content).json()["ids"]
    assert (client.get(address).json()["take"]["missing"], path.read_bytes()) == ([], content)


@pytest.mark.parametrize(
    ("path", "num_bytes", "status"),
    [
        ("/studio/projects", MAX_BODY_BYTES + 1, 413),
        (IMPORT_PATH, MAX_FILE_BYTES + 1, 413),
        (PUT_BACK_PATH, MAX_FILE_BYTES + 1, 413),
    ],
)
def test_length_is_refused_before_anything_is_sent(
    studio: Running, path: str, num_bytes: int, status: int
) -> None:
    connection = HTTPConnection(studio.url.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", path)
    for name, value in {**HEADERS, "Content-Length": str(num_bytes)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == status
    connection.close()


def test_project_file_may_be_longer_than_other_bodies(client: httpx.Client) -> None:
    answer = client.post(IMPORT_PATH, content=(bytes(2**20) for _ in range(MAX_BODY_BYTES // 2**20 + 1)))
    assert (answer.status_code, "no project file" in answer.json()["error"]) == (422, True)


def test_page_of_another_site_can_change_nothing(client: httpx.Client) -> None:
    foreign = {"origin": "http://localhost:9999"}
    assert client.post("/studio/projects", json={"name": "x"}, headers=foreign).status_code == 403
    plain = {"content-type": "text/plain"}
    assert client.post("/studio/projects", content='{"name": "x"}', headers=plain).status_code == 422


def test_disk_use_names_projects(client: httpx.Client, clip: Generation) -> None:
    use = client.get("/studio/disk").json()
    project = next(each for each in use["projects"] if each["id"] == clip.project_id)
    assert project["size_bytes"] >= sum(output.size_bytes for output in clip.outputs)
    assert use["database_bytes"] > 0
