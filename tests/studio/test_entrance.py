"""The token of a launch becomes a cookie, a password becomes one too, and nothing else gets in."""

import time

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from studio import entrance
from studio.entrance import Entrance
from tests.studio.running import HEADERS, TOKEN

PASSWORD = "a good one, größer"
PAGE = {"accept": "text/html,*/*"}


class Behind:
    """An application behind an entrance."""

    def __init__(self, entrance: Entrance) -> None:
        self.entrance = entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = await self.entrance.answer(scope, receive) or PlainTextResponse("inside")
        await target(scope, receive, send)


def client_of(*, port: int = 7860, password: str = "") -> TestClient:
    way_in = Entrance(token=TOKEN, port=port, password=password)
    return TestClient(Behind(way_in), base_url=f"http://127.0.0.1:{port}")


@pytest.fixture
def client() -> TestClient:
    return client_of()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A studio with a password, whose patience with wrong ones is short."""
    monkeypatch.setattr(entrance, "_WRONG_PASSWORD_SECONDS", 0.2)
    return client_of(password=PASSWORD)


def test_the_header_lets_a_program_in(client: TestClient) -> None:
    assert client.get("/any", headers=HEADERS).text == "inside"


@pytest.mark.parametrize("token", ["", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "ü", "*"])
def test_a_wrong_header_does_not(client: TestClient, token: str) -> None:
    answer = client.get("/any", headers={"X-Kinora-Token": token.encode()})
    assert answer.status_code == 401
    assert "door.json" in answer.text


def test_the_address_with_the_token_gives_a_cookie_and_a_clean_address(client: TestClient) -> None:
    answer = client.get("/", params={"token": TOKEN})
    assert 'content="0; url=/"' in answer.text
    assert TOKEN not in answer.text
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/", "max-age=2592000"))
    assert "no-store" in answer.headers["cache-control"]


def test_the_cookie_lets_the_browser_in_everywhere(client: TestClient) -> None:
    client.get("/", params={"token": TOKEN})
    assert [client.get(path).text for path in ("/", "/media/x/clip")] == ["inside", "inside"]


def test_a_stale_token_in_the_address_is_cleaned_away_where_the_cookie_is_good(client: TestClient) -> None:
    client.get("/", params={"token": TOKEN})
    assert 'content="0; url=/"' in client.get("/", params={"token": "stale"}).text


@pytest.mark.parametrize(("path", "token"), [("/", "wrong"), ("/", ""), ("/studio/state", TOKEN)])
def test_an_address_with_another_token_or_another_page_gives_none(
    client: TestClient, path: str, token: str
) -> None:
    answer = client.get(path, params={"token": token})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_the_bare_address_says_what_to_do(client: TestClient) -> None:
    answer = client.get("/", headers=PAGE)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert "Open the address that the launcher printed" in answer.text
    assert "<form" not in answer.text and "refresh" not in answer.text


def test_a_link_on_another_site_asks_again_because_it_brings_no_strict_cookie(client: TestClient) -> None:
    answer = client.get("/", headers=PAGE | {"sec-fetch-site": "cross-site"})
    assert 'content="0; url=/"' in answer.text
    assert "set-cookie" not in answer.headers


def test_studios_on_two_ports_keep_two_cookies(client: TestClient) -> None:
    client.get("/", params={"token": TOKEN})
    other = client_of(port=7861)
    other.cookies.update(client.cookies)
    assert other.get("/").status_code == 401


def test_the_password_gives_the_cookie(patient: TestClient) -> None:
    assert "<form" in patient.get("/", headers=PAGE).text
    answer = patient.post("/studio/password", data={"password": PASSWORD})
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert patient.get("/").text == "inside"


@pytest.mark.parametrize("password", ["", PASSWORD[:-1], TOKEN])
def test_a_wrong_password_waits_and_is_told(patient: TestClient, password: str) -> None:
    before = time.monotonic()
    answer = patient.post("/studio/password", data={"password": password}, headers=PAGE)
    assert time.monotonic() - before >= 0.2
    assert answer.status_code == 401
    assert "That is not the password" in answer.text


def test_an_endless_password_is_refused(patient: TestClient) -> None:
    assert patient.post("/studio/password", content=b"x" * 5000).status_code == 413


def test_without_a_password_none_is_taken(client: TestClient) -> None:
    assert client.post("/studio/password", data={"password": ""}).status_code == 401
