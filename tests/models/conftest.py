from pathlib import Path

import pytest

from backend.models import registry
from backend.models.engine import Engine
from tests.models.small_pocket import write_small_pocket
from tests.tiny_engine import make


@pytest.fixture
def tiny_engine(tmp_path: Path) -> Engine:
    return make(tmp_path, "cpu")


@pytest.fixture(scope="session")
def small_weights_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder with small random networks of Pocket."""
    weights_dir = tmp_path_factory.mktemp("weights")
    write_small_pocket(weights_dir)
    return weights_dir


@pytest.fixture(scope="session")
def pocket_engine(small_weights_dir: Path) -> Engine:
    return registry.load_engine("kinora-pocket", weights_dir=small_weights_dir, device="cpu")
