"""The guard answers the studio's own page and local programs, and nobody else."""

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from studio.guard import MAX_BODY_BYTES, Guard

HOST = "127.0.0.1:7860"


@pytest.fixture
def client() -> TestClient:
    return TestClient(Guard(PlainTextResponse("inside"), hosts=(HOST,)), base_url=f"http://{HOST}")


def test_answers_a_program_on_this_machine(client: TestClient) -> None:
    assert client.get("/studio/state").text == "inside"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "127.0.0.1:9", "", "localhost@evil"],
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


@pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1), "-1", "many"])
def test_refuses_a_body_that_is_too_long(client: TestClient, length: str) -> None:
    assert client.post("/", headers={"content-length": length}).status_code == 413


def test_refuses_a_body_of_unknown_length(client: TestClient) -> None:
    assert client.post("/", content=iter([b"x"])).status_code == 411


def test_forbids_other_hosts_and_frames_in_every_answer(client: TestClient) -> None:
    headers = client.get("/", headers={"host": "evil.example"}).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
