"""No request makes the studio look up another host, whatever route and input it names."""

import json
import sys
from collections.abc import Iterator

import httpx
import pytest

from studio.bodies import asks_for_remote_file
from studio.guard import IMPORT_PATH, PUT_BACK_PATH
from tests.studio.running import HEADERS, Running
from tests.studio.test_door import routes_of

OWN = ("http://127.0.0.1:7860",)
ELSEWHERE = "ssrf.invalid"
META = {"_type": "gradio.FileData"}
REMOTE = {"path": f"http://{ELSEWHERE}/clip.mp4", "meta": META, "orig_name": "clip.mp4"}
HOLDS_FILES = ("/gradio_api/upload", IMPORT_PATH, PUT_BACK_PATH)


@pytest.fixture(scope="module")
def looked_up() -> Iterator[list[str]]:
    """The names of hosts that this process looked up; a hook stays for ever, so it is told to stop."""
    names: list[str] = []
    is_watching = True

    def note(event: str, given: tuple) -> None:
        if is_watching and event == "socket.getaddrinfo":
            names.append(str(given[0]))

    sys.addaudithook(note)
    yield names
    is_watching = False


@pytest.fixture
def client(studio: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=studio.url, headers=HEADERS, timeout=60) as client:
        yield client


def posted(client: httpx.Client, path: str, body: object) -> int:
    return client.post(path, json=body).status_code


def test_no_route_takes_a_file_from_another_host(
    studio: Running, client: httpx.Client, looked_up: list[str]
) -> None:
    paths = {path for method, path in routes_of(studio.app) if method == "POST"} - {*HOLDS_FILES}
    assert paths > {"/gradio_api/queue/join", "/gradio_api/run/x", "/gradio_api/call/x"}
    answers = {path: posted(client, path, {"data": [REMOTE], "fn_index": 0}) for path in paths}
    assert {path: status for path, status in answers.items() if status not in (400, 404, 422)} == {}
    assert not [name for name in looked_up if ELSEWHERE in name]


def test_no_input_of_any_event_takes_a_file_from_another_host(
    client: httpx.Client, looked_up: list[str]
) -> None:
    events = client.get("/config").json()["dependencies"]
    assert len(events) > 20
    for event in events:
        data = [REMOTE] * max(1, len(event["inputs"]))
        body = {"data": data, "fn_index": event["id"], "session_hash": "s", "event_data": REMOTE}
        for path in ("/gradio_api/run/predict", "/gradio_api/queue/join", "/gradio_api/api/predict"):
            assert posted(client, path, body) == 400
    assert not [name for name in looked_up if ELSEWHERE in name]


def test_the_studio_goes_on_and_words_with_addresses_are_only_words(
    studio: Running, client: httpx.Client
) -> None:
    request = json.dumps({"prompt": f"a ball http://{ELSEWHERE}/", "engine": "tiny", "seed": 1})
    answer = client.post("/gradio_api/run/submit", json={"data": [request, 1, None]})
    assert answer.status_code == 200
    studio.api.cancel(answer.json()["data"][0])


@pytest.mark.parametrize(
    "body",
    [
        {"data": [REMOTE]},
        {"data": [[{"image": REMOTE}]]},
        {"path": "HTTPS://x/"},
        {"path": " http:\\x"},
        {"path": "//x/y"},
        {"path": "a.png", "url": "http://127.0.0.1:78600/x"},
        {"path": "a.png", "url": "http://127.0.0.1:7860.evil/x"},
    ],
)
def test_files_elsewhere_are_seen_at_any_depth(body: object) -> None:
    assert asks_for_remote_file(json.dumps(body).encode(), origins=OWN)
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in "http")
    assert asks_for_remote_file(b'{"path": "' + escaped.encode() + b'://x"}', origins=OWN)


@pytest.mark.parametrize(
    "body",
    [
        {"data": ["http://x/", {"prompt": "http://x/"}]},
        {"path": "/data/uploads/a.png", "url": f"{OWN[0]}/gradio_api/file=/data/uploads/a.png"},
        [],
        None,
    ],
)
def test_words_and_own_files_are_not(body: object) -> None:
    assert not asks_for_remote_file(json.dumps(body).encode(), origins=OWN)


@pytest.mark.parametrize(
    ("body", "is_one"), [(b"", False), (b"{", False), (b"\xff", False), (b"[" * 10**6, True)]
)
def test_what_is_no_json_is_harmless_and_what_is_too_deep_is_not(body: bytes, is_one: bool) -> None:
    assert asks_for_remote_file(body, origins=OWN) is is_one
