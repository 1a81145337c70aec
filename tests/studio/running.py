"""A studio on the tiny engine, served by a thread of the test's own process."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from backend.api import Api, EngineSpec
from backend.config import DEFAULT_HUB, Settings
from studio.app import build_app

TINY = "tests.tiny_engine:make"
TOKEN = "a-token-for-tests"
HEADERS = {"X-Kinora-Token": TOKEN}
"""What a program sends with every request."""

VOCABULARY = {
    "shapes": ["ball", "cube"],
    "motions": ["bounces"],
    "words": ["a", "the", "on", "red", "green", "ball", "cube", "bounces", "meadow", "slowly", "explode"],
}


class TinyStudio(Api):
    """An Api whose first engine, the one the page offers, is the tiny one."""

    def engines(self) -> list[EngineSpec]:
        return super().engines()[::-1]


@dataclass(frozen=True)
class Running:
    """A studio that answers at `url`, and what is behind it."""

    url: str
    api: Api
    app: FastAPI

    @property
    def address(self) -> str:
        """What a browser opens first."""
        return f"{self.url}/?token={TOKEN}"


@contextmanager
def running_studio(
    data_dir: Path, *, password: str = "", hub: str = DEFAULT_HUB, prepare: Callable[[Settings], None] = id
) -> Iterator[Running]:
    """Serve a studio on a free port for as long as the context lasts; `prepare` runs before it opens."""
    weights_dir = data_dir / "weights"
    weights_dir.mkdir(parents=True)
    (weights_dir / "vocabulary.json").write_text(json.dumps(VOCABULARY))
    settings = Settings(data_dir=data_dir, weights_dir=weights_dir, device="cpu", hub=hub)
    prepare(settings)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with (
        pytest.MonkeyPatch.context() as environment,
        listener,
        TinyStudio.open(settings, warm_engine="tiny", extra_engines=(TINY,)) as api,
    ):
        environment.setenv("GRADIO_TEMP_DIR", str(settings.uploads_dir))
        app = build_app(api, port=port, token=TOKEN, password=password)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Running(f"http://127.0.0.1:{port}", api, app)
        finally:
            server.should_exit = True
            thread.join()
