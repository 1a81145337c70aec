"""Fixtures that several folders share: settings in a temporary folder, and one studio with a tiny engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.api import Api
from backend.config import Settings
from backend.store.database import Database

TINY = ("tests.tiny_engine:make",)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", weights_dir=tmp_path / "weights", device="cpu")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database.open(settings.database_path)
    yield database
    database.close()


@pytest.fixture(scope="session")
def tiny_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A studio whose real worker process stays warm for all tests; its weights folder is empty."""
    folder = tmp_path_factory.mktemp("studio")
    settings = Settings(data_dir=folder / "data", weights_dir=folder / "weights", device="cpu")
    with Api.open(settings, warm_engine="tiny", extra_engines=TINY) as api:
        yield api


@pytest.fixture
def idle_studio(settings: Settings) -> Iterator[Api]:
    """A studio that starts no worker before something is submitted."""
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as api:
        yield api
