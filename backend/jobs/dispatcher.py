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
from backend.errors import StoreError
from backend.jobs import messages, traces
from backend.jobs.executors.local import LocalWorker
from backend.jobs.progress import Progress, Watched
from backend.models.engine import Speed
from backend.store import generations, jobs
from backend.store.database import Database

_log = logging.getLogger(__name__)

MAX_CRASHES = 3
CANCEL_GRACE_SECONDS = 10.0
STOP_GRACE_SECONDS = 2.0
STORE_RETRY_SECONDS = 1.0

Ended = messages.Done | messages.Failed | messages.Canceled


class Dispatcher:
    """Runs the queue of `database` in a worker process, which `warm_engine` makes start and load at once.

    device: where the worker computes, empty until it said so. speeds: of each engine it has loaded.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        warm_engine: str | None,
        extra_engines: tuple[str, ...] = (),
    ) -> None:
        self.device = ""
        self.speeds: dict[str, Speed] = {}
        self._database = database
        self._settings = settings
        self._warm_engine = warm_engine
        self._extra_engines = extra_engines
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="dispatcher", daemon=True)
        self._is_closing = threading.Event()
        self._worker: LocalWorker | None = None
        self._is_ready = False
        self._engine_problem = self._store_problem = ""
        self._running: jobs.Claim | None = None
        self._cancel_by: float | None = None
        self._watched: Watched | None = None

    def start(self) -> None:
        """Queue again what an earlier process left running, and begin."""
        with self._database.transaction() as connection:
            recovered = jobs.requeue_running(connection)
            live = {generation.id for generation in generations.live(connection)}
        if recovered:
            _log.info("recovered %d unfinished job(s)", recovered)
        traces.remove_stale(self._settings, live=live)
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
        return [problem for problem in (self._store_problem, self._engine_problem) if problem]

    def _serve(self) -> None:
        if self._warm_engine is not None:
            self._act(self._warm_up)
        while not self._is_closing.is_set():
            self._act(self._start_next)
            self._act(self._next_event())
        if self._worker is not None:
            self._worker.send(messages.Stop())
            if not self._worker.wait(timeout_seconds=STOP_GRACE_SECONDS):
                self._worker.kill()

    def _next_event(self) -> Callable[[], None]:
        """Return the next event, or the hard end of a canceled job that did not stop in time."""
        timeout = None if self._cancel_by is None else max(0.0, self._cancel_by - time.monotonic())
        try:
            return self._events.get(timeout=timeout)
        except queue.Empty:
            return self._end_hard

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
        """Give the first queued job to the worker, where it has none."""
        if self._running is not None:
            return
        with self._database.transaction() as connection:
            self._running = claim = jobs.claim(connection, now=time.time())
        if claim is None:
            return
        with self._database.reading() as connection:
            generation = generations.get(connection, claim.generation_id)
            similar = generations.similar_stage_seconds(connection, generation.request)
        run = messages.Run(claim.generation_id, claim.attempt, generation.request, generation.created_at)
        self._watched = Watched.begin(run, similar=similar)
        (self._worker or self._start_worker()).send(run)

    def _hear(self, worker: LocalWorker, message: messages.FromWorker | None) -> None:
        """Take what `worker` says; None is its end."""
        if worker is not self._worker:
            return
        if message is None:
            self._recover(worker)
        elif isinstance(message, messages.Ready):
            self._is_ready, self.device, self._engine_problem = True, message.device, ""
            self.speeds[message.engine] = message.speed
        elif isinstance(message, messages.NotReady):
            self._is_ready, self._engine_problem = True, message.message
        elif self._running != jobs.Claim(message.job_id, message.attempt):
            _log.warning("refused %s of an older attempt", type(message).__name__)
        elif isinstance(message, messages.ProgressReport):
            self._watched = self._watched and self._watched.updated(message)
        else:
            self._end(message)

    def _end(self, message: Ended) -> None:
        """Record how the running job ended; the files of one that was canceled meanwhile are removed."""
        is_accepted = record(self._database, message)
        if isinstance(message, messages.Done) and not is_accepted:
            for output in message.outputs:
                (self._settings.data_dir / output.path).unlink(missing_ok=True)
        self._let_go(message.job_id)

    def _recover(self, worker: LocalWorker) -> None:
        """Queue the job of a worker that died again, or fail it where it died too often."""
        self._worker = None
        claim = self._running
        if claim is None:
            return
        reason = worker.exit_reason()
        error = f"The worker stopped {MAX_CRASHES} times while making this ({reason}); try a smaller clip."
        with self._database.transaction() as connection:
            status = jobs.record_crash(
                connection, claim, max_crashes=MAX_CRASHES, now=time.time(), error=error
            )
        self._let_go(None if status == "queued" else claim.generation_id)

    def _give_up(self) -> None:
        """Fail the running job where not even a worker could be given it."""
        if self._running is not None:
            claim = self._running
            message = "The worker could not be started; the log of the studio says why."
            self._end(messages.Failed(claim.generation_id, claim.attempt, message, "WorkerError"))

    def _cancel(self, job_id: str) -> None:
        if self._running is None or self._running.generation_id != job_id:
            traces.remove(self._settings, job_id)
        elif self._worker is not None:
            self._worker.send(messages.Cancel(job_id))
            self._cancel_by = time.monotonic() + CANCEL_GRACE_SECONDS

    def _end_hard(self) -> None:
        self._cancel_by = None
        if self._worker is not None:
            self._worker.kill()

    def _let_go(self, ended_id: str | None) -> None:
        """Forget the running job, and its traces where it has ended for good."""
        self._running = self._watched = self._cancel_by = None
        if ended_id is not None:
            traces.remove(self._settings, ended_id)
        self.wake()


def record(database: Database, message: Ended) -> bool:
    """Store how an attempt ended; return False, storing nothing, where it is not the running one."""
    claim, now = jobs.Claim(message.job_id, message.attempt), time.time()
    with database.transaction() as connection:
        if isinstance(message, messages.Failed):
            return jobs.finish(connection, claim, status="failed", now=now, error=message.message)
        if isinstance(message, messages.Canceled):
            return jobs.finish(connection, claim, status="canceled", now=now)
        is_accepted = jobs.finish(connection, claim, status="done", now=now)
        if is_accepted:
            generations.store_results(
                connection, claim.generation_id, outputs=message.outputs, facts=message.facts
            )
        return is_accepted
