"""One running studio for all tests of its HTTP side, with one finished clip."""

import time
from collections.abc import Iterator

import pytest

from backend.api import Api, Generation
from backend.requests import parse_request
from tests.studio.running import Running, running_studio


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_studio(tmp_path_factory.mktemp("studio")) as running:
        yield running


@pytest.fixture(scope="session")
def clip(studio: Running) -> Generation:
    request = parse_request({"prompt": "a red ball / bounces", "engine": "tiny", "seed": 2**63 - 1})
    return finished(studio.api, studio.api.submit(request)[0])


def finished(api: Api, generation_id: str, *, within_seconds: float = 60.0) -> Generation:
    """Return the generation of that id once it has ended."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        generation = api.generation(generation_id)
        if generation.status not in ("queued", "running"):
            return generation
        time.sleep(0.05)
    raise TimeoutError(f"generation {generation_id} did not end within {within_seconds} s")
