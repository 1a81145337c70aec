"""Long tests: processes are killed again and again, and many jobs follow each other."""

import random
import statistics
import threading
import time

import psutil
import pytest

from backend.api import Api, Generation
from backend.config import Settings
from backend.media.files import sha256_of
from backend.media.video import read_frames
from backend.store.database import Database
from tests.conftest import TINY
from tests.jobs.dying import DYING, REQUEST, arm
from tests.jobs.studio_process import StudioProcess
from tests.jobs.test_dispatcher import clip, worker_of
from tests.waiting import ended, sampling, until

pytestmark = pytest.mark.faults

ROUNDS = 50
MOMENTS = (
    "load 1",
    "encode_prompt 1",
    "velocities 1",
    "velocities 6",
    "decode 1",
    "decode 2",
    "rename .safetensors 1",
    "rename .safetensors 2",
    "rename .jpg 1",
    "rename .mp4 1",
    "rename .mp4 2",
    "read back 1",
    "rename .json 1",
)
STAGES = ("load 1", "velocities 1", "velocities 6", "decode 1", "rename .mp4 1", "read back 1")


@pytest.fixture(scope="module")
def undisturbed(mortal: Api) -> Generation:
    return ended(mortal, mortal.submit(REQUEST)[0])


def check_everything(api: Api) -> None:
    """Assert the invariants: rows and files tell the same, and nothing half-made is left."""
    found = [each for each in all_generations(api) if each.status == "done"]
    names = {output.path for each in found for output in each.outputs}
    outputs_dir = api.settings.outputs_dir
    files = {path.relative_to(api.settings.data_dir).as_posix() for path in outputs_dir.glob("*/*")}
    assert files == names
    for each in found:
        for output in each.outputs:
            assert sha256_of(api.settings.data_dir / output.path) == output.sha256
        assert len(read_frames(api.output_path(each.id, "clip"))) == each.facts["num_frames"]
    assert not list(api.settings.checkpoints_dir.glob("*"))


def all_generations(api: Api) -> list[Generation]:
    return api.generations(limit=100_000)


def check_database(settings: Settings) -> None:
    """Assert that the closed database is whole."""
    database = Database.open(settings.database_path)
    with database.reading() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall()[0][0] == "ok"
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()


@pytest.mark.parametrize("moment", MOMENTS)
def test_worker_killed_at_any_moment_gives_the_same_frames(
    mortal: Api, undisturbed: Generation, moment: str
) -> None:
    if moment == "load 1":
        worker_of(mortal).kill()
        until(lambda: mortal.status().worker == "stopped")
    armed = arm(mortal.settings.weights_dir, moment, victim="worker")
    generation = ended(mortal, mortal.submit(REQUEST)[0])
    assert not armed.exists(), "nobody died"
    assert (generation.status, generation.attempt) == ("done", 2)
    assert [each.sha256 for each in generation.outputs] == [each.sha256 for each in undisturbed.outputs]
    until(lambda: mortal.status().worker == "idle")
    check_everything(mortal)


@pytest.mark.parametrize("moment", STAGES)
def test_studio_killed_at_any_stage_gives_the_same_frames(
    settings: Settings, undisturbed: Generation, moment: str
) -> None:
    studio = StudioProcess(settings)
    armed = arm(settings.weights_dir, moment, victim="studio")
    generation_id = studio.submit(REQUEST)
    assert studio.wait() == -9
    assert not armed.exists()
    with Api.open(settings, warm_engine=None, extra_engines=DYING) as api:
        assert api.status().recovered == 1
        generation = ended(api, generation_id)
        until(lambda: api.status().worker == "idle")
        check_everything(api)
    assert (generation.status, generation.attempt) == ("done", 2)
    assert [each.sha256 for each in generation.outputs] == [each.sha256 for each in undisturbed.outputs]


def test_nothing_acknowledged_is_lost_in_fifty_kills(settings: Settings) -> None:
    draw = random.Random(7)
    small = REQUEST.model_copy(update={"prompt": "a red ball", "num_inference_steps": 2})
    acknowledged: set[str] = set()
    canceled: set[str] = set()
    studio = StudioProcess(settings)
    for number in range(ROUNDS):
        victims = [] if number % 2 else studio.workers()
        victim = victims[0] if victims else studio
        killer = threading.Timer(draw.uniform(0.0, 0.5), victim.kill)
        killer.start()
        while killer.is_alive():
            generation_id = studio.submit(small)
            if generation_id is not None:
                acknowledged.add(generation_id)
            if generation_id is not None and draw.random() < 0.5:
                canceled |= {generation_id} if studio.cancel(generation_id) == "canceled" else set()
            time.sleep(0.1)
        killer.join()
        if victim is studio:
            assert studio.wait() == -9
            studio = StudioProcess(settings)
    studio.kill()
    studio.wait()
    check_database(settings)
    with Api.open(settings, warm_engine=None, extra_engines=DYING) as api:
        assert acknowledged <= {each.id for each in all_generations(api)}
        until(lambda: api.queue() == [] and api.status().worker in ("idle", "stopped"))
        found = {each.id: each.status for each in all_generations(api)}
        check_everything(api)
    assert len(acknowledged) > ROUNDS
    assert {found[each] for each in canceled} == {"canceled"}
    assert {found[each] for each in acknowledged - canceled} <= {"done", "failed", "canceled"}
    check_database(settings)


def test_resume_after_a_kill_at_half_costs_at_most_0_6_of_a_run(tiny_studio: Api) -> None:
    calls = tiny_studio.settings.weights_dir / "calls"
    whole, halved = (tiny_studio.submit(clip("slowly counted", steps=100))[0] for _ in range(2))
    done = ended(tiny_studio, whole)
    in_whole = calls.stat().st_size
    sampling(tiny_studio, halved, step=50)
    worker = worker_of(tiny_studio)
    worker.kill()
    worker.wait()
    before = calls.stat().st_size
    resumed = ended(tiny_studio, halved)
    assert (resumed.status, resumed.attempt) == ("done", 2)
    assert [each.sha256 for each in resumed.outputs] == [each.sha256 for each in done.outputs]
    assert 0 < calls.stat().st_size - before <= 0.6 * in_whole


def test_two_hundred_jobs_survive_a_restart_in_order(settings: Settings) -> None:
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as api:
        api.controls.pause()
        ids, seconds = [], []
        for _ in range(200):
            started = time.perf_counter()
            ids += api.submit(clip(steps=1))
            seconds.append(time.perf_counter() - started)
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as api:
        assert [each.id for each in api.queue()] == ids
        for generation_id in ids[5:]:
            api.cancel(generation_id)
        api.controls.resume()
        assert {ended(api, generation_id).status for generation_id in ids[:5]} == {"done"}
        finished = sorted(ids[:5], key=lambda each: api.generation(each).finished_at)
    assert finished == ids[:5]
    assert statistics.quantiles(seconds, n=20)[-1] <= 0.050


def test_fifty_jobs_leave_memory_as_it_was(tiny_studio: Api) -> None:
    for _ in range(10):
        ended(tiny_studio, tiny_studio.submit(clip())[0])
    processes = {"studio": psutil.Process(), "worker": worker_of(tiny_studio)}
    sizes: dict[str, list[int]] = {name: [] for name in processes}
    for _ in range(50):
        ended(tiny_studio, tiny_studio.submit(clip())[0])
        for name, process in processes.items():
            sizes[name].append(process.memory_info().rss)
    growth = {name: statistics.linear_regression(range(50), found).slope for name, found in sizes.items()}
    assert {name: slope for name, slope in growth.items() if slope >= 1_000_000} == {}
    assert processes["studio"].num_fds() < 200
