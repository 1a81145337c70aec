"""What a creator does with the queue, on a studio with a real worker."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from backend.api import Api
from backend.config import Settings
from backend.errors import NotFoundError, RequestError
from backend.jobs import traces
from backend.jobs.controls import MAX_QUEUED
from backend.jobs.dispatcher import Dispatcher
from backend.jobs.patience import Patience
from backend.requests import ClipRequest
from backend.store.database import Database
from tests.conftest import TINY
from tests.jobs.test_dispatcher import clip, files_of, worker_of
from tests.waiting import ended, sampling, until

CANCEL_SECONDS = 2.0


@pytest.fixture
def paused_studio(idle_studio: Api) -> Api:
    """A studio that gives nothing to a worker."""
    idle_studio.controls.pause()
    return idle_studio


@pytest.fixture
def impatient_studio(settings: Settings) -> Iterator[Api]:
    """A studio that waits for a sign of life only for a moment."""
    database = Database.open(settings.database_path)
    patience = Patience(silence_seconds=3.0)
    dispatcher = Dispatcher(database, settings, warm_engine="tiny", extra_engines=TINY, patience=patience)
    dispatcher.start()
    with Api(settings, database, dispatcher=dispatcher, extra_engines=TINY) as api:
        yield api


def order(api: Api) -> list[str]:
    return [generation.id for generation in api.queue()]


def stopped(worker: psutil.Process) -> None:
    until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)


def phase(api: Api, generation_id: str, name: str) -> None:
    """Return once the generation is in that phase."""
    until(lambda: (progress := api.progress(generation_id)) is not None and progress.phase == name)


def cancel_quickly(api: Api, generation_id: str) -> None:
    """Cancel the generation and see that nothing works on it two seconds later."""
    api.controls.cancel(generation_id)
    canceled_at = time.monotonic()
    until(lambda: api.progress(generation_id) is None)
    assert time.monotonic() - canceled_at < CANCEL_SECONDS
    assert api.generation(generation_id).status == "canceled"
    assert files_of(api, generation_id) == []


def test_paused_studio_begins_nothing_and_resumes(tiny_studio: Api) -> None:
    tiny_studio.controls.pause()
    (generation_id,) = tiny_studio.submit(clip())
    until(lambda: tiny_studio.status().worker == "idle")
    time.sleep(0.2)
    assert (tiny_studio.generation(generation_id).status, tiny_studio.status().is_paused) == ("queued", True)
    tiny_studio.controls.resume()
    assert ended(tiny_studio, generation_id).status == "done"


def test_pause_after_this_lets_the_running_one_end(tiny_studio: Api) -> None:
    first, second = tiny_studio.submit(clip("slowly", steps=20), variations=2)
    sampling(tiny_studio, first)
    tiny_studio.controls.pause()
    assert ended(tiny_studio, first).status == "done"
    until(lambda: tiny_studio.status().worker == "idle")
    assert tiny_studio.generation(second).status == "queued"
    tiny_studio.controls.resume()
    tiny_studio.cancel(second)


def test_pause_at_once_frees_the_worker_and_resumes_at_its_step(tiny_studio: Api) -> None:
    undisturbed, generation_id = (tiny_studio.submit(clip("slowly", steps=30))[0] for _ in range(2))
    sampling(tiny_studio, generation_id, step=10)
    worker = worker_of(tiny_studio)
    tiny_studio.controls.pause(at_once=True)
    stopped(worker)
    assert order(tiny_studio) == [generation_id]
    assert traces.checkpoint_path(tiny_studio.settings, generation_id).exists()  # not only the recent one
    tiny_studio.controls.resume()
    sampling(tiny_studio, generation_id)
    assert tiny_studio.progress(generation_id).step >= 10
    found = [ended(tiny_studio, each) for each in (undisturbed, generation_id)]
    assert (found[1].attempt, found[1].outputs[0].sha256) == (2, found[0].outputs[0].sha256)


def test_pause_at_once_ends_an_idle_worker(tiny_studio: Api) -> None:
    ended(tiny_studio, tiny_studio.submit(clip())[0])
    until(lambda: tiny_studio.status().worker == "idle")
    tiny_studio.controls.pause(at_once=True)
    until(lambda: tiny_studio.status().worker == "stopped")
    tiny_studio.controls.resume()
    assert ended(tiny_studio, tiny_studio.submit(clip())[0]).status == "done"


def test_pause_and_order_survive_a_restart(settings: Settings) -> None:
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as api:
        api.controls.pause()
        ids = api.submit(clip(), variations=16)
        api.controls.move(ids[9])
        before = order(api)
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as api:
        assert (order(api), api.status().is_paused, api.status().worker) == (before, True, "stopped")
    assert before == [ids[9], *ids[:9], *ids[10:]]


def test_canceled_job_is_made_when_it_is_retried(tiny_studio: Api) -> None:
    (generation_id,) = tiny_studio.submit(clip("slowly", steps=10))
    sampling(tiny_studio, generation_id)
    tiny_studio.cancel(generation_id)
    tiny_studio.controls.retry(generation_id)
    generation = ended(tiny_studio, generation_id)
    assert (generation.status, generation.attempt) == ("done", 2)


def test_finished_job_cannot_be_retried(tiny_studio: Api) -> None:
    (generation_id,) = tiny_studio.submit(clip())
    ended(tiny_studio, generation_id)
    with pytest.raises(RequestError, match="this is done; use Remix"):
        tiny_studio.controls.retry(generation_id)


def test_job_that_kills_its_worker_is_parked_and_the_next_one_made(tiny_studio: Api) -> None:
    poison, healthy = (tiny_studio.submit(clip(prompt))[0] for prompt in ("die", "a red ball"))
    parked = ended(tiny_studio, poison)
    assert (parked.status, parked.attempt) == ("failed", 3)
    assert parked.error.startswith("The worker stopped 3 times while making this (exit code 9);")
    assert ended(tiny_studio, healthy).status == "done"


def test_job_that_needs_too_much_memory_fails_and_the_next_one_is_made(tiny_studio: Api) -> None:
    hungry, modest = (tiny_studio.submit(clip(prompt))[0] for prompt in ("hungry", "a red ball"))
    assert "Memory ran out" in ended(tiny_studio, hungry).error
    assert ended(tiny_studio, modest).status == "done"


def test_worker_that_lost_its_device_is_not_used_again(tiny_studio: Api) -> None:
    ended(tiny_studio, tiny_studio.submit(clip())[0])
    before = worker_of(tiny_studio).pid
    unplugged, next_one = (tiny_studio.submit(clip(prompt))[0] for prompt in ("unplug", "a red ball"))
    assert ended(tiny_studio, unplugged).status == "failed"
    assert ended(tiny_studio, next_one).status == "done"
    assert worker_of(tiny_studio).pid != before


@pytest.mark.parametrize("days", [-1, 1])
def test_queue_keeps_its_order_where_the_clock_jumps(
    paused_studio: Api, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = paused_studio.submit(clip())
    jumped = time.time() + days * 86400
    monkeypatch.setattr(time, "time", lambda: jumped)
    monkeypatch.setattr(time, "time_ns", lambda: int(jumped * 1e9))
    (second,) = paused_studio.submit(clip())
    assert order(paused_studio) == [first, second] == sorted([first, second])
    assert [each.id for each in paused_studio.generations()] == [second, first]


def test_job_is_canceled_while_its_frames_are_decoded(tiny_studio: Api) -> None:
    (generation_id,) = tiny_studio.submit(clip("linger"))
    phase(tiny_studio, generation_id, "decoding")
    cancel_quickly(tiny_studio, generation_id)


def test_job_is_canceled_while_its_engine_loads(idle_studio: Api) -> None:
    idle_studio.settings.weights_dir.mkdir()
    (idle_studio.settings.weights_dir / "slow").touch()
    (generation_id,) = idle_studio.submit(clip())
    phase(idle_studio, generation_id, "loading")
    cancel_quickly(idle_studio, generation_id)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGSTOP")
def test_stuck_worker_is_ended_and_its_job_goes_on(impatient_studio: Api) -> None:
    (generation_id,) = impatient_studio.submit(clip("slowly", steps=30))
    sampling(impatient_studio, generation_id, step=8)
    stuck = worker_of(impatient_studio)
    stuck.send_signal(signal.SIGSTOP)
    stopped(stuck)
    generation = ended(impatient_studio, generation_id)
    assert (generation.status, generation.attempt) == ("done", 2)


def test_move_and_edit_refuse_what_has_begun(tiny_studio: Api) -> None:
    running, waiting = tiny_studio.submit(clip("slowly", steps=50), variations=2)
    sampling(tiny_studio, running)
    with pytest.raises(RequestError, match="Only clips that wait can change places"):
        tiny_studio.controls.move(running)
    with pytest.raises(RequestError, match="can be edited, and this is running"):
        tiny_studio.edit(running, clip(), edits=0)
    for each in (waiting, running):
        tiny_studio.cancel(each)


def test_edited_request_is_the_one_that_is_made(paused_studio: Api) -> None:
    (generation_id,) = paused_studio.submit(clip())
    paused_studio.edit(generation_id, ClipRequest(prompt="a blue cube", engine="tiny"), edits=0)
    generation = paused_studio.generation(generation_id)
    assert (generation.request.prompt, generation.request.seed, generation.edits) == ("a blue cube", 7, 1)


def test_second_client_does_not_overwrite_an_edit(paused_studio: Api) -> None:
    (generation_id,) = paused_studio.submit(clip())
    seen_by_both = paused_studio.generation(generation_id).edits
    paused_studio.edit(generation_id, clip("by the first"), edits=seen_by_both)
    with pytest.raises(RequestError, match="was changed elsewhere meanwhile"):
        paused_studio.edit(generation_id, clip("by the second"), edits=seen_by_both)
    assert paused_studio.generation(generation_id).request.prompt == "by the first"


def test_edit_starts_over(paused_studio: Api) -> None:
    (generation_id,) = paused_studio.submit(clip())
    checkpoint = traces.checkpoint_path(paused_studio.settings, generation_id)
    checkpoint.parent.mkdir()
    checkpoint.touch()
    paused_studio.edit(generation_id, clip("something else"), edits=0)
    assert not checkpoint.exists()


def test_edit_is_checked_like_a_new_request(paused_studio: Api) -> None:
    (generation_id,) = paused_studio.submit(clip())
    with pytest.raises(RequestError, match="Steps must be at most 100 for Tiny"):
        paused_studio.edit(generation_id, clip(steps=101), edits=0)
    assert paused_studio.generation(generation_id).edits == 0


def test_full_queue_takes_no_more_and_stores_nothing(paused_studio: Api) -> None:
    for _ in range(MAX_QUEUED // 16):
        paused_studio.submit(clip(), variations=16)
    with pytest.raises(RequestError, match=r"At most 1,000 clips can wait and 992 do; wait for some"):
        paused_studio.submit(clip(), variations=9)
    assert paused_studio.status().queued == 992
    paused_studio.submit(clip(), variations=8)


@pytest.mark.parametrize("control", ["cancel", "retry", "move"])
def test_unknown_job_is_named(idle_studio: Api, control: str) -> None:
    with pytest.raises(NotFoundError, match="'no-such-id'"):
        getattr(idle_studio.controls, control)("no-such-id")


def test_canceled_job_leaves_no_half_written_file(settings: Settings) -> None:
    day = settings.outputs_dir / "2026-01-01"
    day.mkdir(parents=True)
    names = ("A.mp4", "A-motion.mp4", ".A.jpg.1234.partial", "B.mp4", ".B.mp4.1234.partial")
    for name in names:
        (day / name).touch()
    traces.settle(settings, "A", status="canceled")
    traces.settle(settings, "B", status="done")
    assert [path.name for path in day.iterdir()] == ["B.mp4"]


def test_waiting_job_keeps_where_it_stood(settings: Settings) -> None:
    checkpoint = traces.checkpoint_path(settings, "A")
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    traces.settle(settings, "A", status="queued")
    assert checkpoint.exists()
    traces.settle(settings, "A", status="failed")
    assert not checkpoint.exists()


def test_file_that_cannot_be_removed_is_no_reason_to_fail(settings: Settings) -> None:
    in_the_way: Path = traces.checkpoint_path(settings, "A")
    in_the_way.mkdir(parents=True)
    traces.settle(settings, "A", status="failed")
    assert in_the_way.exists()
