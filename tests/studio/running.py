"""A studio on the tiny engine, served by a thread of the test's own process."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from backend.api import Api, EngineSpec
from backend.config import Settings
from studio.app import build_app

TINY = "tests.tiny_engine:make"
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
    """A studio that answers at `url`, and the Api behind it."""

    url: str
    api: Api


@contextmanager
def running_studio(data_dir: Path) -> Iterator[Running]:
    """Serve a studio on a free port for as long as the context lasts."""
    weights_dir = data_dir / "weights"
    weights_dir.mkdir(parents=True)
    (weights_dir / "vocabulary.json").write_text(json.dumps(VOCABULARY))
    settings = Settings(data_dir=data_dir, weights_dir=weights_dir, device="cpu")
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    with listener, TinyStudio.open(settings, warm_engine="tiny", extra_engines=(TINY,)) as api:
        server = uvicorn.Server(
            uvicorn.Config(build_app(api, port=port), log_level="warning", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Running(f"http://127.0.0.1:{port}", api)
        finally:
            server.should_exit = True
            thread.join()
