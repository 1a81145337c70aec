"""What the tests of several kinds of jobs share."""

from collections.abc import Iterator

import pytest

from backend.api import Api
from backend.config import Settings
from tests.jobs.dying import DYING


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A studio whose worker can be killed at a chosen moment."""
    folder = tmp_path_factory.mktemp("mortal")
    settings = Settings(data_dir=folder / "data", weights_dir=folder / "weights", device="cpu")
    with Api.open(settings, warm_engine=None, extra_engines=DYING) as api:
        yield api
