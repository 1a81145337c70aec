"""Models on their way: downloads and folders being read, each in a thread of its own. Torch-free.

A download is noted in `<data>/models/NAME.download` until the model is there, so that one which was stopped,
failed or died with the studio can go on later. What has arrived stays until it is given up.
"""

import json
import logging
import shutil
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from backend.config import Settings
from backend.errors import ConflictError, NotFoundError, StudioError
from backend.models.adding import install_folder
from backend.models.installed import record_path

_log = logging.getLogger(__name__)
_TICKET_SUFFIX = ".download"
_UNEXPECTED = "Something unexpected went wrong; the log of the studio says what. What has arrived is kept."
_BUSY = ("downloading", "checking")


@dataclass(frozen=True)
class Ticket:
    """What shall be brought.

    source: id of a repository, or where `revision` is empty a folder of this machine. total_bytes: of its
    files. short_side: see `Installed`.
    """

    name: str
    source: str
    revision: str
    licence: str
    total_bytes: int
    short_side: int | None = None

    @property
    def is_download(self) -> bool:
        return bool(self.revision)


@dataclass(frozen=True)
class Arrival:
    """Where a model on its way stands.

    phase: "downloading", "checking" (every file is read for its checksum), "stopped" or "failed", for the
    reason in `problem`. remaining_seconds: at the present pace, None where it is not known.
    """

    ticket: Ticket
    phase: str
    done_bytes: int = 0
    remaining_seconds: float | None = None
    problem: str = ""

    @property
    def is_busy(self) -> bool:
        return self.phase in _BUSY


class Arrivals:
    """The models on their way into the data folder of `settings`."""

    def __init__(self, settings: Settings) -> None:
        self._hub = settings.hub
        self._models_dir = settings.models_dir
        self._lock = threading.Lock()
        self._arrivals: dict[str, Arrival] = {}
        self._stops: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def all(self) -> list[Arrival]:
        """Return every model on its way, those of earlier launches too, by name."""
        with self._lock:
            known = dict(self._arrivals)
        for path in self._models_dir.glob(f"*{_TICKET_SUFFIX}"):
            ticket = None if path.stem in known else _read_ticket(path)
            if ticket is not None:
                there = _bytes_of(self._models_dir / ticket.name)
                known[ticket.name] = Arrival(ticket, "stopped", done_bytes=min(there, ticket.total_bytes))
        return [known[name] for name in sorted(known)]

    def begin(self, ticket: Ticket) -> None:
        """Bring the model of `ticket` from now on; ConflictError where one of that name is being brought."""
        with self._lock:
            arrival = self._arrivals.get(ticket.name)
            if arrival is not None and arrival.is_busy:
                raise ConflictError(f"'{ticket.name}' is already being added; wait, or stop it.")
            if ticket.is_download:
                _write_ticket(self._ticket_path(ticket.name), ticket)
            phase = "downloading" if ticket.is_download else "checking"
            self._arrivals[ticket.name] = Arrival(ticket, phase)
            stop = self._stops[ticket.name] = threading.Event()
            thread = threading.Thread(
                target=self._bring, args=(ticket, stop), name=f"model {ticket.name}", daemon=True
            )
            self._threads = [*(each for each in self._threads if each.is_alive()), thread]
            thread.start()

    def resume(self, name: str) -> None:
        """Go on with a stopped or failed one from where it stands; NotFoundError, ConflictError."""
        self.begin(self._arrival(name).ticket)

    def stop(self, name: str) -> None:
        """Stop downloading within a moment; what has arrived stays. NotFoundError."""
        self._arrival(name)
        with self._lock:
            if name in self._stops:
                self._stops[name].set()

    def give_up(self, name: str) -> None:
        """Forget a stopped or failed one and delete what has arrived; NotFoundError, ConflictError."""
        arrival = self._arrival(name)
        if arrival.is_busy:
            raise ConflictError(f"'{name}' is being added; stop it first.")
        with self._lock:
            self._arrivals.pop(name, None)
            self._ticket_path(name).unlink(missing_ok=True)
        if arrival.ticket.is_download:
            shutil.rmtree(self._models_dir / name, ignore_errors=True)

    def close(self) -> None:
        """Stop all of them; downloads can go on at the next launch."""
        with self._lock:
            threads = list(self._threads)
            for stop in self._stops.values():
                stop.set()
        for thread in threads:
            thread.join(timeout=5.0)

    def _arrival(self, name: str) -> Arrival:
        found = next((each for each in self.all() if each.ticket.name == name), None)
        if found is None:
            raise NotFoundError(f"No model called '{name[:40]}' is being added; look at the list again.")
        return found

    def _bring(self, ticket: Ticket, stop: threading.Event) -> None:
        """Download and install, and keep what becomes of it where the page can see it."""
        try:
            folder = self._downloaded(ticket, stop) if ticket.is_download else Path(ticket.source)
            self._change(ticket, phase="checking", done_bytes=ticket.total_bytes, remaining_seconds=None)
            origin = {"source": ticket.source, "revision": ticket.revision} if ticket.is_download else {}
            origin |= {"licence": ticket.licence} if ticket.licence else {}
            install_folder(
                folder,
                name=ticket.name,
                models_dir=self._models_dir,
                short_side=ticket.short_side,
                **origin,
            )
        except StudioError as exc:
            is_stopped = stop.is_set()  # a connection that breaks off after that is no problem
            phase, problem = ("stopped", "") if is_stopped else ("failed", str(exc))
            self._change(ticket, phase=phase, problem=problem, remaining_seconds=None)
        except Exception:
            _log.exception("the model %s could not be added", ticket.name)
            self._change(ticket, phase="failed", problem=_UNEXPECTED, remaining_seconds=None)
        else:
            with self._lock:
                self._ticket_path(ticket.name).unlink(missing_ok=True)
                self._arrivals.pop(ticket.name, None)

    def _downloaded(self, ticket: Ticket, stop: threading.Event) -> Path:
        """Return the folder that the model was downloaded to, at the commit that was agreed to."""
        from backend.models import downloads  # nothing of the network is even loaded before it is asked for

        def tell(now: downloads.Progress) -> None:
            self._change(ticket, done_bytes=now.done_bytes, remaining_seconds=now.remaining_seconds)

        wanted = downloads.offer(ticket.source, revision=ticket.revision, hub=self._hub)
        folder = self._models_dir / ticket.name
        downloads.download(wanted, folder, hub=self._hub, on_progress=tell, is_canceled=stop.is_set)
        return folder

    def _change(self, ticket: Ticket, **changes: Any) -> None:
        with self._lock:
            self._arrivals[ticket.name] = replace(self._arrivals[ticket.name], **changes)

    def _ticket_path(self, name: str) -> Path:
        return record_path(self._models_dir, name).with_name(f"{name}{_TICKET_SUFFIX}")


def _write_ticket(path: Path, ticket: Ticket) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(asdict(ticket)), encoding="utf-8")
    partial.replace(path)


def _read_ticket(path: Path) -> Ticket | None:
    """Return the ticket at `path`, or None where it is damaged or belongs to a model that is there."""
    try:
        ticket = Ticket(**json.loads(path.read_text(encoding="utf-8")))
        is_own = ticket.name == path.name.removesuffix(_TICKET_SUFFIX) and ticket.is_download
        return ticket if is_own and not record_path(path.parent, ticket.name).exists() else None
    except (OSError, ValueError, TypeError, StudioError):
        return None


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
