"""The dispatcher: gives queued jobs to a worker, one by one, and records what becomes of them. Torch-free.

One thread owns the worker and the running job; whatever happens reaches it as an event: a command of the api,
a message of the worker, the end of the worker. The database is written before anything is acted on.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial

from backend.config import Settings
from backend.errors import DiskFullError, RequestError, StoreError
from backend.jobs import messages, outcomes, receipts, traces
from backend.jobs.executors.local import LocalWorker
from backend.jobs.patience import PATIENCE, Patience
from backend.jobs.progress import Progress, Watched
from backend.jobs.room import Room
from backend.jobs.speeds import keep_speed, kept_speeds
from backend.models import registry
from backend.pipelines.estimate import disk_bytes
from backend.store import generations, jobs
from backend.store.database import Database

_log = logging.getLogger(__name__)

STORE_RETRY_SECONDS = 1.0
LOOK_SECONDS = 1.0
SPOILED_BY = ("AcceleratorError",)  # after which no job can use the device in that process


class Dispatcher:
    """Runs the queue of `database` in a worker process, which `warm_engine` makes start and load at once.

    device: where the worker computes, empty until it said so. memory_bytes: that the device has in all, or 0.
    speeds: of each engine that was loaded, now or at an earlier launch.
    recovered: how many jobs an earlier process left unfinished.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        warm_engine: str | None,
        extra_engines: tuple[str, ...] = (),
        patience: Patience = PATIENCE,
    ) -> None:
        self.device = ""
        self.memory_bytes = 0
        self.recovered = 0
        self._database = database
        self._settings = settings
        self._warm_engine = warm_engine
        self._extra_engines = extra_engines
        self._patience = patience
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="dispatcher", daemon=True)
        self._is_closing = threading.Event()
        self._worker: LocalWorker | None = None
        self._is_ready = False
        self._engine_problem = self._store_problem = ""
        self._room = Room(settings.data_dir)
        engines = registry.specs(extra_engines=extra_engines, models_dir=settings.models_dir)
        self.speeds = kept_speeds(database, engines, device=settings.device)
        self._running: jobs.Claim | None = None
        self._end_by: float | None = None
        self._is_leaving = False
        self._watched: Watched | None = None

    def start(self) -> None:
        """Queue again what an earlier process left running and did not finish, and begin."""
        with self._database.reading() as connection:
            left = jobs.running(connection)
        for claim in left:
            receipts.adopt(self._settings, self._database, claim)
        with self._database.transaction() as connection:
            self.recovered = jobs.requeue_running(connection)
            live, stopped = set(jobs.queued_ids(connection)), jobs.stopped_ids(connection)
        if self.recovered:
            _log.info("recovered %d unfinished job(s)", self.recovered)
        traces.remove_stale(self._settings, live=live, stopped=stopped)
        self._thread.start()

    def stop(self) -> None:
        """End the worker and the thread; what was running is queued again at the next start."""
        self._is_closing.set()
        self.wake()
        self._thread.join()

    def wake(self) -> None:
        """Look at the queue; called after a job was stored."""
        self._events.put(lambda: None)

    def cancel(self, job_id: str) -> None:
        """Stop working on a job whose row says canceled."""
        self._events.put(partial(self._cancel, job_id))

    def suspend(self) -> None:
        """Free the worker's memory; where a job is running, its row says queued, and it will go on later."""
        self._events.put(self._suspend)

    def progress(self, job_id: str) -> Progress | None:
        """Return where the job stands, or None where it is not the running one."""
        watched = self._watched
        return watched.progress() if watched and watched.report.job_id == job_id else None

    def worker_state(self) -> str:
        """Return "busy", "stopped", "starting" or "idle"."""
        if self._running is not None:
            return "busy"
        if self._worker is None:
            return "stopped"
        return "idle" if self._is_ready else "starting"

    def problems(self) -> list[str]:
        """Return one sentence for each thing that keeps jobs from being made."""
        found = (self._store_problem, self._room.problem(), self._engine_problem)
        return [problem for problem in found if problem]

    def _serve(self) -> None:
        if self._warm_engine is not None:
            self._act(self._warm_up)
        while not self._is_closing.is_set():
            self._act(self._start_next)
            self._look_after_worker()
            self._act(self._next_event())
        if self._worker is not None:
            self._worker.send(messages.Stop())
            if not self._worker.wait(timeout_seconds=self._patience.stop_seconds):
                self._worker.kill()

    def _next_event(self) -> Callable[[], None]:
        """Return the next event; nothing to do where none comes in a moment and there is more to look at."""
        timeout = None if self._running is None and not self._room.is_short else LOOK_SECONDS
        if self._end_by is not None:
            timeout = min(LOOK_SECONDS, max(0.0, self._end_by - time.monotonic()))
        try:
            return self._events.get(timeout=timeout)
        except queue.Empty:
            return lambda: None

    def _look_after_worker(self) -> None:
        """End a worker that does not stop in time, or is stuck; its end is heard like any other."""
        worker, watched = self._worker, self._watched
        if worker is None:
            return
        if self._end_by is not None and time.monotonic() >= self._end_by:
            self._end_by = None
            worker.kill()
        elif watched is not None and (reason := self._patience.stuck_reason(worker, watched)):
            worker.kill(because=reason)

    def _act(self, event: Callable[[], None]) -> None:
        """Carry out `event`, again and again while the database cannot be written."""
        while not self._is_closing.is_set():
            try:
                event()
            except StoreError as exc:
                _log.exception("trying again in a moment")
                self._store_problem = str(exc)
                self._is_closing.wait(STORE_RETRY_SECONDS)
            except Exception:
                _log.exception("a job could not be given to a worker")
                event = self._give_up
            else:
                self._store_problem = ""
                return

    def _start_worker(self) -> LocalWorker:
        worker = LocalWorker(
            self._settings,
            extra_engines=self._extra_engines,
            deliver=lambda worker, message: self._events.put(partial(self._hear, worker, message)),
        )
        self._worker, self._is_ready = worker, False
        return worker

    def _warm_up(self) -> None:
        assert self._warm_engine is not None
        self._start_worker().send(messages.Warm(self._warm_engine))

    def _start_next(self) -> None:
        """Give the first queued job to the worker, where it has none and the queue is not paused."""
        if self._running is None and not self._is_leaving and not self._waits_for_room():
            with self._database.transaction() as connection:
                is_paused = jobs.is_paused(connection)
                claim = None if is_paused else jobs.claim(connection, now=time.time())
            self._running = claim
        claim = self._running
        if claim is None or self._watched is not None:
            return
        with self._database.reading() as connection:
            generation = generations.get(connection, claim.generation_id)
            similar = generations.similar_stage_seconds(connection, generation.request)
        run = messages.Run(claim.generation_id, claim.attempt, generation.request, generation.created_at)
        self._watched = Watched.begin(run, similar=similar)
        (self._worker or self._start_worker()).send(run)

    def _waits_for_room(self) -> bool:
        """Return whether the disk has no room for the first queued job."""
        with self._database.reading() as connection:
            first = None if jobs.is_paused(connection) else jobs.next_queued(connection)
        return self._room.lacks(first, 0 if first is None else self._needed_bytes(first))

    def _needed_bytes(self, job_id: str) -> int:
        """Return about how much room the files of a job take; 0 where its engine is not there any more."""
        with self._database.reading() as connection:
            request = generations.get(connection, job_id).request
        engines, models_dir = self._extra_engines, self._settings.models_dir
        try:
            spec = registry.spec(request.engine, extra_engines=engines, models_dir=models_dir)
            return disk_bytes(request, spec)
        except RequestError:
            return 0

    def _hear(self, worker: LocalWorker, message: messages.FromWorker | None) -> None:
        """Take what `worker` says; None is its end."""
        if worker is not self._worker or isinstance(message, messages.Beat):
            return
        if message is None:
            self._recover(worker)
        elif isinstance(message, messages.Ready):
            self._is_ready, self.device, self._engine_problem = True, message.device, ""
            self.speeds[message.engine], self.memory_bytes = message.speed, message.memory_bytes
            self._keep_speed(message)
        elif isinstance(message, messages.NotReady):
            self._is_ready, self._engine_problem = True, message.message
        elif self._running != jobs.Claim(message.job_id, message.attempt):
            _log.warning("refused %s of an older attempt", type(message).__name__)
        elif isinstance(message, messages.ProgressReport):
            self._watched = self._watched and self._watched.updated(message)
        else:
            self._end(message)

    def _keep_speed(self, message: messages.Ready) -> None:
        """Store the speed of an engine; one that was removed since needs none."""
        engines, models_dir = self._extra_engines, self._settings.models_dir
        found = registry.specs(extra_engines=engines, models_dir=models_dir)
        for spec in (each for each in found if each.name == message.engine):
            keep_speed(self._database, spec, message.speed, device=self._settings.device)

    def _end(self, message: outcomes.Ended) -> None:
        """Record how the running job ended; one that found the disk full waits for room instead."""
        assert self._running is not None
        is_full = isinstance(message, messages.Failed) and message.error_kind == DiskFullError.__name__
        if is_full and self._room.ran_out(message.job_id, self._needed_bytes(message.job_id)):
            outcomes.put_back(self._database, self._running)
        else:
            outcomes.record(self._database, message)
        if isinstance(message, messages.Failed) and message.error_kind in SPOILED_BY and self._worker:
            self._worker.kill()
            self._worker = None
        self._let_go()

    def _recover(self, worker: LocalWorker) -> None:
        """Queue the job of a worker that died again, or park it where it died too often."""
        self._worker, self._is_leaving, self._end_by = None, False, None
        if self._running is not None:
            if not receipts.adopt(self._settings, self._database, self._running):
                outcomes.record_crash(self._database, self._running, reason=worker.exit_reason())
            self._let_go()

    def _give_up(self) -> None:
        """Fail the running job where not even a worker could be given it."""
        if self._running is not None:
            claim = self._running
            message = "The worker could not be started; the log of the studio says why."
            self._end(messages.Failed(claim.generation_id, claim.attempt, message, "WorkerError"))

    def _cancel(self, job_id: str) -> None:
        claim = self._running
        if claim is None or claim.generation_id != job_id:
            with self._database.reading() as connection:
                traces.settle(self._settings, job_id, status=jobs.status(connection, job_id))
        elif self._worker is not None and not outcomes.is_running(self._database, claim):
            self._worker.send(messages.Cancel(job_id, claim.attempt))
            self._end_by = time.monotonic() + self._patience.cancel_seconds

    def _suspend(self) -> None:
        if self._worker is None or self._is_leaving:
            return
        if self._running is None:
            self._worker.send(messages.Stop())
        elif not outcomes.is_running(self._database, self._running):
            self._worker.send(messages.Suspend())
        else:
            return  # it has begun since, after a pause that did not last
        self._is_leaving = True
        self._end_by = time.monotonic() + self._patience.suspend_seconds

    def _let_go(self) -> None:
        """Forget the running job, and the files that it does not need as it is now."""
        assert self._running is not None
        status = outcomes.status_of(self._database, self._running)
        traces.settle(self._settings, self._running.generation_id, status=status)
        self._running = self._watched = None
        self._end_by = self._end_by if self._is_leaving else None
        self.wake()
