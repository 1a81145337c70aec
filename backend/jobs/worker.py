"""The worker: a process of its own that loads torch, runs one job after another, and may die at any time.

Started as `python -m backend.jobs.worker`. Messages come on standard input and leave on standard output;
anything else that is printed goes to standard error, which is the log. It ends with its parent.
"""

import argparse
import ctypes
import errno
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TextIO

from backend.config import Settings
from backend.errors import CanceledError, DiskFullError, StudioError
from backend.jobs import messages, receipts
from backend.models import registry
from backend.models.adding import step_down
from backend.models.engine import Engine, Speed
from backend.models.installed import Installed

_log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1


class Worker:
    """Runs jobs in the main thread while another thread reads, so that Cancel arrives during a job."""

    def __init__(
        self,
        settings: Settings,
        *,
        extra_engines: tuple[str, ...],
        send: Callable[[messages.FromWorker], None],
    ) -> None:
        self._settings = settings
        self._extra_engines = extra_engines
        self._send = send
        self._inbox: queue.SimpleQueue[messages.Run | messages.Warm] = queue.SimpleQueue()
        self._canceled: set[tuple[str, int]] = set()
        self._is_suspended = False
        self._phase = ""
        self._engine: Engine | None = None
        self._record: Installed | None = None
        self._speed: Speed | None = None

    def read(self, lines: TextIO) -> None:
        """Sort messages into the inbox until `lines` ends or says Stop, then end the process at once.

        Suspend ends it at once too, except while sampling, when there is a step to be kept.
        """
        for line in lines:
            message = messages.decode(line)
            if isinstance(message, messages.Stop):
                break
            if isinstance(message, messages.Suspend):
                self._is_suspended = True
                if self._phase != "sampling":
                    break
            elif isinstance(message, messages.Cancel):
                self._canceled.add((message.job_id, message.attempt))
            else:
                self._inbox.put(message)
        os._exit(0)

    def work(self) -> None:
        """Run what the inbox gives, for ever."""
        from backend.jobs import runners, watch  # load torch for seconds, while the reader already listens

        while True:
            message = self._inbox.get()
            if isinstance(message, messages.Warm):
                self._warm(message)
            else:
                self._send(self._run(message, runners, watch))

    def _warm(self, warm: messages.Warm) -> None:
        try:
            self._load_engine(warm.engine)
        except Exception as exc:
            _log.exception("could not load %s", warm.engine)
            self._send(messages.NotReady(sentence(exc)))

    def _run(self, run: messages.Run, runners: ModuleType, watch: ModuleType) -> messages.FromWorker:
        context = watch.RunContext(
            run=run,
            settings=self._settings,
            load_engine=self._load_engine,
            report=self._report,
            is_canceled=lambda: self._is_suspended or (run.job_id, run.attempt) in self._canceled,
            speed=lambda: self._speed,
            is_suspended=lambda: self._is_suspended,
        )
        try:
            outputs, facts = runners.run(run.request, context)
        except CanceledError:
            if self._is_suspended:
                os._exit(0)
            return messages.Canceled(run.job_id, run.attempt)
        except Exception as exc:
            _log.exception("job %s, attempt %d", run.job_id, run.attempt)
            told = self._step_down(run.request.engine, exc) or sentence(exc)
            kind = DiskFullError if is_disk_full(exc) else type(exc)
            return messages.Failed(run.job_id, run.attempt, told, kind.__name__)
        finally:
            self._phase = ""
        done = messages.Done(run.job_id, run.attempt, outputs, facts)
        receipts.write(self._settings, done)
        return done

    def _report(self, report: messages.ProgressReport) -> None:
        self._phase = report.phase
        self._send(report)

    def _step_down(self, engine: str, error: Exception) -> str:
        """Give an added model that ran out of memory the next smaller plan, and return what to tell of it."""
        if not (is_out_of_memory(error) or is_out_of_memory(error.__cause__)):
            return ""
        plan = step_down(self._settings.models_dir, engine)
        if plan is None:
            return ""
        self._engine = None
        return (
            f"Memory ran out, so {engine} now uses the memory plan '{plan}', which is slower and needs less; "
            "generate again."
        )

    def _load_engine(self, name: str) -> Engine:
        """Return the engine called `name`, kept from before or loaded in place of the one before.

        An added model is loaded anew once its record changed: its memory plan, its sizes, its files.
        """
        from backend.models.placement import memory_bytes  # both load torch, as `runners` does
        from backend.pipelines.speed import measure_speed

        record = registry.record(name, models_dir=self._settings.models_dir)
        if self._engine is None or self._engine.spec.name != name or self._record != record:
            self._engine, self._record = None, record
            self._engine = registry.load_engine(
                name,
                weights_dir=self._settings.weights_dir,
                device=self._settings.device,
                extra_engines=self._extra_engines,
                models_dir=self._settings.models_dir,
            )
            self._speed = measure_speed(self._engine)
            device = self._engine.device
            self._send(messages.Ready(name, device, self._speed, memory_bytes(device)))
        return self._engine


def sentence(error: Exception) -> str:
    """Return what to tell the creator about `error`."""
    if isinstance(error, StudioError):
        return str(error)
    if is_disk_full(error):
        return "The disk is full; free some space and generate again."
    if is_out_of_memory(error):
        return "Memory ran out; try a shorter clip, a smaller size, or close other programs."
    return (
        f"Something unexpected went wrong ({type(error).__name__}); "
        "try again, and if it stays, logs/worker.log in the data folder says where."
    )


def is_disk_full(error: BaseException) -> bool:
    """Return whether `error` says that there is no room on the disk."""
    is_raw = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return is_raw or isinstance(error, DiskFullError)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether `error` is a form in which Python, torch on a CPU or CUDA run out of memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def main(arguments: list[str] | None = None) -> None:
    """Serve until the parent closes standard input."""
    parser = argparse.ArgumentParser(prog="python -m backend.jobs.worker")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--extra-engine", action="append", default=[])
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _end_with_parent()
    protocol = _take_standard_output()

    voice = threading.Lock()

    def send(message: messages.FromWorker) -> None:
        with voice:
            protocol.write(messages.encode(message))
            protocol.flush()

    settings = Settings(data_dir=options.data, weights_dir=options.weights, device=options.device)
    worker = Worker(settings, extra_engines=tuple(options.extra_engine), send=send)
    threading.Thread(target=worker.read, args=(sys.stdin,), name="reader", daemon=True).start()
    threading.Thread(target=_beat, args=(send,), name="beat", daemon=True).start()
    worker.work()


def _beat(send: Callable[[messages.FromWorker], None]) -> None:
    """Say for ever that this process is alive; nothing is said where it is stopped or hangs as a whole."""
    while True:
        time.sleep(BEAT_SECONDS)
        send(messages.Beat())


def _end_with_parent() -> None:
    """Leave Ctrl-C to the parent; on Linux, ask the kernel to end this process with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _take_standard_output() -> TextIO:
    """Return the pipe to the parent; from now on, prints of any library go to standard error."""
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return protocol


if __name__ == "__main__":
    main()
