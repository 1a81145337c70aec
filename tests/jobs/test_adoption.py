"""Files that were renamed before their row was committed: adopted by their attempt, or made again."""

from dataclasses import replace

import pytest

from backend.api import Api
from backend.config import Settings
from backend.jobs import receipts, traces
from backend.jobs.messages import Done, Run
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

REQUEST = ClipRequest(prompt="a red ball", engine="tiny", seed=7, num_inference_steps=4)


@pytest.mark.faults
def test_an_app_killed_between_the_rename_and_the_row_ends_with_the_same_files(settings: Settings) -> None:
    before = {output.path: output.sha256 for output in killed_before_the_row(settings).outputs}
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as studio:
        (generation,) = studio.generations()
        done = ended(studio, generation.id)
    assert done.status == "done"
    assert {output.path: output.sha256 for output in done.outputs} == before
    left = {path for path in settings.outputs_dir.rglob("*") if path.is_file()}
    assert left == {settings.data_dir / name for name in before}
    assert {sha256_of(path) for path in left} == set(before.values())


def test_files_with_a_receipt_of_the_running_attempt_are_adopted(settings: Settings) -> None:
    finished = killed_before_the_row(settings)
    receipts.write(settings, finished)
    with Api.open(settings, warm_engine=None, extra_engines=()) as studio:  # which could not make them again
        (generation,) = studio.generations()
        assert (generation.status, generation.attempt, studio.status().recovered) == ("done", 1, 0)
        assert (generation.outputs, generation.facts) == (finished.outputs, finished.facts)
    assert not list(settings.checkpoints_dir.iterdir())


@pytest.mark.faults
@pytest.mark.parametrize("wrong", ["attempt", "file", "receipt"])
def test_what_is_not_whole_or_not_of_that_attempt_is_made_again(settings: Settings, wrong: str) -> None:
    finished = killed_before_the_row(settings)
    receipts.write(settings, replace(finished, attempt=finished.attempt + (wrong == "attempt")))
    if wrong == "file":
        (settings.data_dir / finished.outputs[1].path).write_bytes(b"half a picture")
    if wrong == "receipt":
        traces.receipt_path(settings, "01").write_text('{"type": "Done"')
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as studio:
        done = ended(studio, "01")
    assert (done.status, done.attempt) == ("done", 2)
    assert done.outputs == finished.outputs


def test_a_worker_killed_before_it_could_tell_has_its_files_adopted(settings: Settings) -> None:
    finished = killed_before_the_row(settings)
    database = Database.open(settings.database_path)
    receipts.write(settings, finished)
    claim = jobs.Claim("01", finished.attempt)
    assert receipts.adopt(settings, database, claim)
    assert not receipts.adopt(settings, database, claim), "it is done already"
    database.close()


def killed_before_the_row(settings: Settings) -> Done:
    """Leave a running job whose files are all written, and return what was not told any more."""
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
    outputs, facts = run(REQUEST, context)
    assert all((settings.data_dir / output.path).is_file() for output in outputs)
    return Done("01", claim.attempt, outputs, facts)
