import subprocess
import sys
import time

import psutil
from PIL import Image

from backend.api import Api
from backend.config import Settings
from backend.jobs.messages import Done
from backend.jobs.outcomes import record
from backend.media.files import sha256_of
from backend.media.probe import probe
from backend.requests import ClipRequest
from backend.store import generations, jobs
from backend.store.database import Database
from tests.conftest import TINY
from tests.store.rows import add_project, add_queued
from tests.waiting import ended, sampling, until


def clip(prompt: str = "a red ball", steps: int = 8) -> ClipRequest:
    return ClipRequest(prompt=prompt, engine="tiny", seed=7, num_inference_steps=steps)


def worker_of(api: Api) -> psutil.Process:
    data_dir = str(api.settings.data_dir)
    (worker,) = (child for child in psutil.Process().children() if data_dir in child.cmdline())
    return worker


def files_of(api: Api, generation_id: str) -> list[str]:
    return sorted(path.name for path in api.settings.data_dir.rglob(f"*{generation_id}*"))


def test_submitted_clip_is_done_with_verified_files(tiny_studio: Api) -> None:
    (generation_id,) = tiny_studio.submit(clip())
    generation = ended(tiny_studio, generation_id)
    path = tiny_studio.output_path(generation_id, "clip")
    assert (generation.status, generation.attempt, generation.error) == ("done", 1, None)
    assert (sha256_of(path), path.stat().st_size) == (
        generation.outputs[0].sha256,
        generation.outputs[0].size_bytes,
    )
    assert probe(path).num_frames == generation.facts["num_frames"] == 33
    names = [f"{generation_id}{ending}" for ending in ("-motion.mp4", ".jpg", ".mp4")]
    assert files_of(tiny_studio, generation_id) == names


def test_running_job_is_canceled_within_a_step(tiny_studio: Api) -> None:
    (generation_id,) = tiny_studio.submit(clip("slowly", steps=100))
    sampling(tiny_studio, generation_id, step=2)
    tiny_studio.cancel(generation_id)
    canceled_at = time.monotonic()
    assert tiny_studio.generation(generation_id).status == "canceled"
    until(lambda: tiny_studio.status().worker == "idle")
    assert time.monotonic() - canceled_at < 1.0
    assert files_of(tiny_studio, generation_id) == []


def test_queued_job_is_canceled_at_once(tiny_studio: Api) -> None:
    first, second = tiny_studio.submit(clip("slowly", steps=100), variations=2)
    tiny_studio.cancel(second)
    tiny_studio.cancel(first)
    tiny_studio.cancel(first)
    assert [tiny_studio.generation(each).status for each in (first, second)] == ["canceled", "canceled"]
    assert tiny_studio.queue() == []


def test_failing_job_does_not_stop_the_queue(tiny_studio: Api) -> None:
    ids = [tiny_studio.submit(clip(prompt))[0] for prompt in ("explode", "nan", "a red ball")]
    found = [ended(tiny_studio, generation_id) for generation_id in ids]
    assert [each.status for each in found] == ["failed", "failed", "done"]
    assert found[0].error.startswith("Something unexpected went wrong (RuntimeError);")
    assert "invalid at step 1 of 8" in found[1].error


def test_preview_moves_while_the_clip_is_made(tiny_studio: Api) -> None:
    (generation_id,) = tiny_studio.submit(clip("slowly", steps=100))
    until(lambda: tiny_studio.preview_path(generation_id) is not None)
    progress = tiny_studio.progress(generation_id)
    preview = progress.preview
    with Image.open(tiny_studio.settings.data_dir / preview.path) as sheet:
        # Each cell holds a frame and, beside it, its predicted motion.
        assert preview.has_motion
        assert sheet.size == (preview.columns * 2 * preview.width, preview.rows * preview.height)
    assert (preview.num_frames, progress.phase, progress.num_steps) == (33, "sampling", 100)
    assert 5 < progress.remaining_seconds < 30
    tiny_studio.cancel(generation_id)


def test_missing_weights_fail_the_job_with_their_name(tiny_studio: Api) -> None:
    (generation_id,) = tiny_studio.submit(ClipRequest(prompt="a red ball"))
    generation = ended(tiny_studio, generation_id)
    assert generation.status == "failed"
    assert generation.error in tiny_studio.status().problems
    assert "kinora-pocket/checksums.json is missing; get it back with" in generation.error


def test_killed_worker_is_replaced_and_its_job_finished(tiny_studio: Api) -> None:
    (generation_id,) = tiny_studio.submit(clip("slowly", steps=20))
    sampling(tiny_studio, generation_id, step=3)
    killed = worker_of(tiny_studio)
    killed.kill()
    generation = ended(tiny_studio, generation_id)
    assert (generation.status, generation.attempt) == ("done", 2)
    assert worker_of(tiny_studio).pid != killed.pid


def test_closed_studio_finishes_its_job_at_the_next_start(settings: Settings) -> None:
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as api:
        (generation_id,) = api.submit(clip("slowly", steps=30))
        sampling(api, generation_id)
        worker = worker_of(api)
    assert not worker.is_running()
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as api:
        generation = ended(api, generation_id)
    assert (generation.status, generation.attempt) == ("done", 2)


def test_late_result_of_an_older_attempt_is_refused(database: Database) -> None:
    add_project(database)
    add_queued(database, "A")
    with database.transaction() as connection:
        older = jobs.claim(connection, now=1.0)
        jobs.requeue_running(connection)
        newer = jobs.claim(connection, now=2.0)
    assert not record(database, Done("A", older.attempt, (), {"seed": 1}))
    assert record(database, Done("A", newer.attempt, (), {"seed": 2}))
    with database.reading() as connection:
        assert generations.get(connection, "A").facts == {"seed": 2}


def test_worker_dies_with_a_killed_studio(settings: Settings) -> None:
    code = (
        "import pathlib, time, backend.api as a, backend.config as c; "
        f"a.Api.open(c.Settings(pathlib.Path({str(settings.data_dir)!r}), pathlib.Path())); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as studio:
        until(lambda: bool(psutil.Process(studio.pid).children()))
        (worker,) = psutil.Process(studio.pid).children()
        studio.kill()
    until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
