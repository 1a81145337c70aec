"""Files that were renamed before their row was committed are made whole again, by the same job."""

from pathlib import Path

import pytest

from backend.api import Api
from backend.config import Settings
from backend.jobs.messages import Run
from backend.jobs.runners import run
from backend.jobs.watch import RunContext
from backend.media.files import sha256_of
from backend.requests import ClipRequest
from backend.store import generations, jobs, projects
from backend.store.database import Database
from backend.store.generations import Generation
from tests.conftest import TINY
from tests.store.rows import PROJECT
from tests.tiny_engine import make
from tests.waiting import ended

pytestmark = pytest.mark.faults
REQUEST = ClipRequest(prompt="a red ball", engine="tiny", seed=7, num_inference_steps=4)


def test_an_app_killed_between_the_rename_and_the_row_ends_with_the_same_files(settings: Settings) -> None:
    before = killed_before_the_row(settings)
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as studio:
        (generation,) = studio.generations()
        done = ended(studio, generation.id)
    assert done.status == "done"
    assert {output.path: output.sha256 for output in done.outputs} == before
    left = {path for path in settings.outputs_dir.rglob("*") if path.is_file()}
    assert left == {settings.data_dir / name for name in before}
    assert {sha256_of(path) for path in left} == set(before.values())


def killed_before_the_row(settings: Settings) -> dict[str, str]:
    """Leave a running job whose files are all written, and return their paths and checksums."""
    database = Database.open(settings.database_path)
    with database.transaction() as connection:
        projects.insert(connection, PROJECT)
        generations.insert(connection, Generation("01", PROJECT.id, REQUEST, created_at=1000.0))
        jobs.insert(connection, "01")
        claim = jobs.claim(connection, now=1001.0)
        assert claim is not None
    database.close()
    context = RunContext(
        Run("01", claim.attempt, REQUEST, created_at=1000.0),
        settings,
        lambda _: make(settings.weights_dir, "cpu"),
        lambda _: None,
        is_canceled=lambda: False,
    )
    outputs, _ = run(REQUEST, context)
    assert all(Path(settings.data_dir / output.path).is_file() for output in outputs)
    return {output.path: output.sha256 for output in outputs}
