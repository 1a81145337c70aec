from pathlib import Path

import pytest

from backend.models import registry
from backend.models.adding import install_folder
from backend.models.engine import Engine
from tests.models.small_pocket import write_small_pocket
from tests.models.tiny_open import write_ltx, write_ltx2, write_wan
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


@pytest.fixture(scope="session")
def wan_engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("wan")
    install_folder(write_wan(folder / "tiny"), name="tiny-wan", models_dir=folder, short_side=32)
    return registry.load_engine("tiny-wan", weights_dir=folder, device="cpu", models_dir=folder)


@pytest.fixture(scope="session")
def ltx_engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("ltx")
    source = write_ltx(folder / "tiny", takes_key_frames=True)
    install_folder(source, name="tiny-ltx", models_dir=folder, short_side=64)
    return registry.load_engine("tiny-ltx", weights_dir=folder, device="cpu", models_dir=folder)


@pytest.fixture(scope="session")
def ltx2_engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("ltx2")
    install_folder(write_ltx2(folder / "tiny"), name="tiny-ltx2", models_dir=folder, short_side=64)
    return registry.load_engine("tiny-ltx2", weights_dir=folder, device="cpu", models_dir=folder)
