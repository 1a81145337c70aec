"""The guard answers the studio's own page and local programs, and nobody else."""

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from studio.entrance import Entrance
from studio.guard import Guard
from tests.studio.running import HEADERS, TOKEN

HOST = "127.0.0.1:7860"
MAX_BODY_BYTES = 1000


async def inside(request: Request) -> Response:
    return PlainTextResponse("inside" + (await request.body()).decode())


async def typed(request: Request) -> Response:
    return Response("<script>alert()</script>", media_type=request.query_params["type"])


@pytest.fixture
def client() -> TestClient:
    routes = [Route("/media/x", typed), Route("/{rest:path}", inside, methods=["GET", "POST"])]
    entrance = Entrance(token=TOKEN, port=7860)
    guard = Guard(Starlette(routes=routes), hosts=(HOST,), entrance=entrance, max_body_bytes=MAX_BODY_BYTES)
    return TestClient(guard, base_url=f"http://{HOST}", headers=HEADERS)


def test_answers_a_program_on_this_machine(client: TestClient) -> None:
    assert client.get("/studio/state").text == "inside"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "127.0.0.1:9", "", "localhost:7860@evil"],
)
def test_refuses_a_foreign_host(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:9999", "null", f"https://{HOST}"]
)
def test_refuses_a_foreign_origin(client: TestClient, origin: str) -> None:
    assert client.post("/gradio_api/upload", headers={"origin": origin}).status_code == 403


def test_accepts_its_own_origin(client: TestClient) -> None:
    assert client.post("/", headers={"origin": f"http://{HOST}"}).text == "inside"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_refuses_what_another_site_fetches(client: TestClient, site: str) -> None:
    assert client.get("/studio/state", headers={"sec-fetch-site": site}).status_code == 403


def test_lets_a_link_on_another_site_open_the_page(client: TestClient) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=headers).text == "inside"


def test_refuses_a_websocket_without_the_token(client: TestClient) -> None:
    headers = {"X-Kinora-Token": "wrong", "host": HOST}
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/any", headers=headers):
        pass


@pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1), "-1", "many"])
def test_refuses_a_body_that_is_too_long(client: TestClient, length: str) -> None:
    assert client.post("/", headers={"content-length": length}).status_code == 413


@pytest.mark.parametrize(("num_bytes", "status"), [(MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 413)])
def test_counts_a_body_that_does_not_say_how_long_it_is(
    client: TestClient, num_bytes: int, status: int
) -> None:
    def in_chunks() -> Iterator[bytes]:
        yield b"x" * 600
        yield b"x" * (num_bytes - 600)

    assert client.post("/", content=in_chunks()).status_code == status


def test_forbids_other_hosts_and_frames_in_every_answer(client: TestClient) -> None:
    for headers in ({}, {"host": "evil.example"}, {"X-Kinora-Token": ""}):
        answer = client.get("/", headers=headers).headers
        assert answer["x-content-type-options"] == "nosniff"
        assert answer["x-frame-options"] == "DENY"
        assert answer["referrer-policy"] == "same-origin"
        assert answer["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in answer["content-security-policy"]
        assert "http" not in answer["content-security-policy"]


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "application/pdf", "text/javascript"])
def test_a_file_that_a_browser_could_run_is_only_downloaded(client: TestClient, media_type: str) -> None:
    answer = client.get("/media/x", params={"type": media_type})
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


@pytest.mark.parametrize("media_type", ["video/mp4", "image/png", "image/jpeg", "audio/wav"])
def test_pictures_and_clips_are_shown(client: TestClient, media_type: str) -> None:
    assert "content-disposition" not in client.get("/media/x", params={"type": media_type}).headers
