"""The whole running application: every route behind the door, whoever added it, and what it gives away."""

import asyncio
import json
import os
import re
import stat
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from backend.door import find_running_studio
from backend.errors import StudioError
from studio.door import hosts, open_door
from studio.guard import MAX_BODY_BYTES
from tests.studio.running import HEADERS, TOKEN, Running

EVIL = "http://evil.example"


@pytest.fixture
def stranger(studio: Running) -> Iterator[httpx.Client]:
    """A program that does not know the token."""
    with httpx.Client(base_url=studio.url, timeout=30) as client:
        yield client


@pytest.fixture
def client(studio: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=studio.url, headers=HEADERS, timeout=60) as client:
        yield client


def routes_of(app: FastAPI) -> list[tuple[str, str]]:
    """Return (method, path) of every route of `app` and of all that is mounted in it."""
    return sorted(set(walk(app.routes, "")))


def walk(routes: Iterable[Any], prefix: str) -> Iterator[tuple[str, str]]:
    for route in routes:
        router = getattr(route, "original_router", None)
        if router is not None:
            yield from walk(router.routes, prefix + route.include_context.prefix)
            continue
        path = prefix + re.sub(r"{[^}]*}", "x", route.path)
        if not hasattr(route, "methods"):
            yield from walk(getattr(route, "routes", None) or (), path)
            yield "GET", f"{path}/x"
        for method in getattr(route, "methods", None) or ():
            yield method, path or "/"


def test_the_walk_finds_routes_of_ours_and_of_gradio(studio: Running) -> None:
    found = {path for _, path in routes_of(studio.app)}
    ours = {"/studio/state", "/media/x/x", "/assets/js/x", "/assets/css/x"}
    theirs = {"/", "/config", "/static/x", "/gradio_api/upload", "/gradio_api/queue/join"}
    assert found > ours | theirs | {"/gradio_api/queue/data", "/gradio_api/file=x", "/gradio_api/heartbeat/x"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-Kinora-Token": "wrong"}, 401),
        ({"Cookie": "kinora-1=wrong"}, 401),
        (HEADERS | {"Host": "evil.example"}, 421),
        (HEADERS | {"Origin": EVIL}, 403),
        (HEADERS | {"Origin": "null"}, 403),
        (HEADERS | {"Origin": "http://localhost:9999"}, 403),
        (HEADERS | {"Sec-Fetch-Site": "cross-site"}, 403),
        (HEADERS | {"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_every_route_refuses(studio: Running, headers: dict[str, str], status: int) -> None:
    with ThreadPoolExecutor(1) as own_thread:  # whatever event loop other tests left in this one
        asked = own_thread.submit(lambda: asyncio.run(ask_all(studio, headers))).result()
    assert {route: answer for route, answer in asked.items() if answer != status} == {}


async def ask_all(studio: Running, headers: dict[str, str]) -> dict[tuple[str, str], int]:
    """Return what every route answers, asked without a network in between."""
    transport = httpx.ASGITransport(studio.app)
    async with httpx.AsyncClient(transport=transport, base_url=studio.url, headers=headers) as client:
        return {route: (await client.request(*route)).status_code for route in routes_of(studio.app)}


@pytest.mark.parametrize("path", ["/nothing", "/gradio_api/nothing", "//", "/%2e%2e/studio.db", "/login?x"])
def test_what_is_no_route_is_refused_too(stranger: httpx.Client, path: str) -> None:
    assert stranger.get(path).status_code == 401


def test_a_method_that_no_route_has_is_refused_too(stranger: httpx.Client) -> None:
    methods = ("OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "HEAD")
    assert {stranger.request(method, "/config").status_code for method in methods} == {401}


def test_the_cookie_opens_the_page_and_its_events(studio: Running, stranger: httpx.Client) -> None:
    stranger.get(studio.address)
    assert stranger.get("/", headers={"accept": "text/html"}).text.count("Kinora")
    with stranger.stream("GET", "/gradio_api/heartbeat/any") as events:
        assert events.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("headers", [{}, HEADERS | {"Origin": EVIL}], ids=["no token", "another page"])
def test_a_refused_upload_writes_nothing(
    studio: Running, stranger: httpx.Client, headers: dict[str, str]
) -> None:
    before = uploaded(studio)
    answer = stranger.post("/gradio_api/upload", files={"files": b"x" * 10**6}, headers=headers)
    assert answer.status_code in (401, 403)
    assert uploaded(studio) == before


def uploaded(studio: Running) -> set[Path]:
    return set(studio.api.settings.uploads_dir.rglob("*"))


def test_an_upload_lands_in_the_data_folder(studio: Running, client: httpx.Client) -> None:
    before = uploaded(studio)
    [path] = client.post("/gradio_api/upload", files={"files": ("../../a.html", b"<script>")}).json()
    assert Path(path) in uploaded(studio) - before
    assert client.get(f"/gradio_api/file={path}").headers["content-disposition"].startswith("attachment")


def test_a_form_of_plain_text_runs_nothing(studio: Running, client: httpx.Client) -> None:
    before = studio.api.generations(limit=1)
    body = json.dumps({"data": ['{"prompt": "a ball", "engine": "tiny"}', 1, None]})
    for path in ("/gradio_api/call/submit", "/gradio_api/run/submit", "/gradio_api/queue/join"):
        answer = client.post(path, content=body, headers={"content-type": "text/plain"})
        assert 400 <= answer.status_code < 500
    assert studio.api.generations(limit=1) == before


def test_a_long_body_is_refused_even_where_it_does_not_say_so(client: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 2**20 + 2):
            yield b" " * 2**20

    headers = {"content-type": "application/json"}
    assert client.post("/gradio_api/run/submit", content=endless(), headers=headers).status_code == 413
    assert client.get("/studio/state").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/etc/hostname",
        "/proc/self/environ",
        "../../etc/hostname",
        "..%2f..%2fetc%2fhostname",
        "file:///etc/hostname",
        "http://169.254.169.254/",
        "https://example.com/",
        "{data}/studio.db",
        "{data}/outputs/../studio.db",
        "{data}/outputs/link",
        "{tmp}/gradio/other.txt",
    ],
)
def test_no_file_but_outputs_and_uploads_is_served(
    studio: Running, client: httpx.Client, tmp_path: Path, path: str
) -> None:
    data = studio.api.settings.data_dir
    link = data / "outputs" / "link"
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to("/etc/hostname")
    other = tmp_path / "gradio" / "other.txt"
    other.parent.mkdir()
    other.write_text("of another program")
    answer = client.get(f"/gradio_api/file={path.format(data=data, tmp=tmp_path)}")
    assert answer.status_code in (403, 404)


@pytest.mark.parametrize("name", ["page.html", "picture.svg", ".hidden", "page.xhtml"])
@pytest.mark.parametrize("extra", [{}, {"Range": "bytes=0-3"}], ids=["whole", "part"])
def test_an_output_that_a_browser_could_run_is_only_downloaded(
    studio: Running, client: httpx.Client, name: str, extra: dict[str, str]
) -> None:
    path = studio.api.settings.outputs_dir / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("<script>alert()</script>")
    answer = client.get(f"/gradio_api/file={path}", headers=extra)
    assert answer.status_code in (200, 206)
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"].startswith("sandbox")


@pytest.mark.parametrize(
    "path",
    [
        *("/docs", "/redoc", "/openapi.json", "/gradio_api/openapi.json", "/monitoring"),
        *("/monitoring/summary", "/gradio_api/mcp/sse", "/gradio_api/vibe-code", "/gradio_api/deep_link"),
        *("/gradio_api/proxy=http://example.com/", "/gradio_api/run-history/buckets", "/gradio_api/runs"),
    ],
)
def test_pages_for_developers_are_closed(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code in (403, 404, 405)


def test_an_argument_is_checked_where_a_program_calls_directly(client: httpx.Client) -> None:
    for request in ('{"prompt": "a ball", "seed": 1.5}', "[]", "{", '{"prompt": 5}', ""):
        answer = client.post("/gradio_api/run/submit", json={"data": [request, 1, None]})
        assert answer.status_code == 500
        assert len(answer.json()["error"]) > 20
        assert "Traceback" not in answer.text and "/work" not in answer.text


def test_a_full_queue_says_so_and_the_studio_goes_on(
    studio: Running, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(studio.api, "cancel", lambda _: gate.wait(60))
    functions = client.get("/config").json()["dependencies"]
    index = next(each["id"] for each in functions if each["api_name"] == "cancel")
    join = {"data": ["any"], "fn_index": index, "session_hash": "crowd"}
    answers = [client.post("/gradio_api/queue/join", json=join).status_code for _ in range(60)]
    assert (answers[0], answers[-1]) == (200, 503)
    assert client.get("/studio/state").status_code == 200
    gate.set()


def test_the_door_is_the_owners_alone_and_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "door.json"
    with open_door(path, "http://127.0.0.1:1", token=TOKEN):
        assert json.loads(path.read_text()) == {
            "url": "http://127.0.0.1:1",
            "pid": os.getpid(),
            "token": TOKEN,
        }
        if os.name == "posix":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_comes_in_with_the_token_of_the_door(studio: Running, tmp_path: Path) -> None:
    with open_door(tmp_path / "door.json", studio.url, token=TOKEN):
        running = find_running_studio(tmp_path / "door.json")
    assert running is not None
    with pytest.raises(StudioError, match="nowhere"):
        running.generation("nowhere")


def test_the_command_line_stays_outside_with_another_token(studio: Running, tmp_path: Path) -> None:
    with open_door(tmp_path / "door.json", studio.url, token="of another launch"):
        assert find_running_studio(tmp_path / "door.json") is None


def test_names_of_the_network_are_answered_only_where_it_may_come() -> None:
    assert hosts(7860) == ["127.0.0.1:7860", "localhost:7860"]
    assert set(hosts(7860)) < set(hosts(7860, with_network=True))


def test_browsers_leave_port_80_out() -> None:
    assert hosts(80) == ["127.0.0.1:80", "localhost:80", "127.0.0.1", "localhost"]
