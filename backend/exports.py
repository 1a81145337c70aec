"""Exports of finished clips: written one after the other in a thread, each recorded with its sources."""

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from backend.errors import CanceledError, NotFoundError, RequestError, StudioError
from backend.finished import Finished
from backend.media.export import EXPORTERS, Exported, export
from backend.media.export_settings import CONTROLS, ExportSettings, export_settings
from backend.media.files import safe_name, sha256_of, unused_path
from backend.store import exports
from backend.store.database import Database
from backend.store.exports import LIVE, ExportRow
from backend.store.ids import IdSource

_log = logging.getLogger(__name__)

MAX_WAITING = 100

_INTERRUPTED = "Kinora ended while this was being written; export it again."
_UNEXPECTED = "Something unexpected went wrong; try again, and if it stays, the log of the studio says where."


class Exports:
    """What was and can be exported of what is `finished`. Safe to call from any thread."""

    def __init__(self, finished: Finished, database: Database, ids: IdSource) -> None:
        self._finished = finished
        self._folder = finished.settings.exports_dir
        self._database = database
        self._ids = ids
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="export")
        self._progress: dict[str, float] = {}
        self._canceled: dict[str, threading.Event] = {}
        self._is_closing = False
        self._settle()

    def begin(self, generation_id: str, settings: Mapping[str, Any], *, name: str = "") -> ExportRow:
        """Return the export of a finished clip, recorded and about to be written into the folder of exports.

        settings: fields of `ExportSettings`. name: of the file without suffix, made harmless, and numbered
        where it is taken; the first words of the prompt where it is empty. Raises NotFoundError where there
        is no clip, RequestError.
        """
        row, _ = self._begin(generation_id, settings, name)
        return row

    def make(self, generation_id: str, settings: Mapping[str, Any], *, name: str = "") -> Exported:
        """Return the written export that `begin` begins; also raises MediaError, ResourceError."""
        _, written = self._begin(generation_id, settings, name)
        return written.result()

    def row(self, export_id: str) -> ExportRow:
        """Return what is recorded of an export; NotFoundError."""
        with self._database.reading() as connection:
            return exports.get(connection, export_id)

    def progress(self, export_id: str) -> float:
        """Return the share of an export that is written, from 0 to 1; 0 where it has not begun or ended."""
        return self._progress.get(export_id, 0.0)

    def cancel(self, export_id: str) -> ExportRow:
        """Stop an export, of which no file stays; one that has ended stays as it is. Raises NotFoundError."""
        row = self.row(export_id)
        if row.status in LIVE:
            self._end(replace(row, status="canceled"))
            self._canceled.get(export_id, threading.Event()).set()
        return self.row(export_id)

    def made_from(self, generation_ids: list[str]) -> list[ExportRow]:
        """Return the finished exports that hold any of these generations, oldest first."""
        with self._database.reading() as connection:
            return exports.made_from(connection, generation_ids)

    def controls(self) -> dict[str, list[str]]:
        """Return format -> names of the settings that change an export in it."""
        return {name: sorted(controls) for name, controls in CONTROLS.items()}

    def path(self, name: str) -> Path:
        """Return where the export of that file name lies; NotFoundError where there is none."""
        path = self._folder / name
        is_name = name == Path(name).name and not name.startswith(".") and "\0" not in name
        if not is_name or not path.is_file() or not self._finished.is_inside(path):
            raise NotFoundError(f"There is no export '{name[:60]}' in the data folder.")
        return path

    def close(self) -> None:
        """Stop what is being written; its record says that it was interrupted."""
        self._is_closing = True
        for canceled in list(self._canceled.values()):
            canceled.set()
        self._writer.shutdown()

    def _begin(
        self, generation_id: str, settings: Mapping[str, Any], name: str
    ) -> tuple[ExportRow, "Future[Exported]"]:
        source, chosen = self._finished.output_path(generation_id, "clip"), export_settings(settings)
        first_words = " ".join(self._finished.generation(generation_id).request.prompt.split()[:6])
        stem = safe_name(name, otherwise=safe_name(first_words, otherwise="clip"))
        if len(self._canceled) >= MAX_WAITING:
            raise RequestError("export", f"{MAX_WAITING} exports wait already; wait for some or cancel them.")
        row = ExportRow(self._ids.next(), (generation_id,), asdict(chosen), time.time())
        with self._database.transaction() as connection:
            exports.insert(connection, row)
        self._canceled[row.id] = threading.Event()
        return row, self._writer.submit(self._write, row, source, stem, chosen)

    def _write(self, row: ExportRow, source: Path, stem: str, settings: ExportSettings) -> Exported:
        """Write one export and record how it ended."""
        canceled = self._canceled[row.id]
        try:
            target = unused_path(self._folder, stem, EXPORTERS[settings.format].suffix)
            path = target.relative_to(self._finished.settings.data_dir).as_posix()
            with self._database.transaction() as connection:
                if canceled.is_set() or not exports.begin(connection, row.id, path=path):
                    raise CanceledError("This export was canceled before it began.")

            def tell(share: float) -> None:
                self._progress[row.id] = share

            made = export(
                source,
                target,
                settings,
                on_progress=tell,
                is_canceled=canceled.is_set,
                device_dir=self._finished.settings.device_dir,
            )
            self._keep(row, made)
            return made
        except CanceledError:
            is_closing = self._is_closing
            self._end(replace(row, status="failed" if is_closing else "canceled", error=_INTERRUPTED))
            raise
        except Exception as exc:
            if not isinstance(exc, StudioError):
                _log.exception("export %s", row.id)
            self._end(replace(row, status="failed", error=_sentence(exc)))
            raise
        finally:
            self._progress.pop(row.id, None)
            self._canceled.pop(row.id, None)

    def _keep(self, row: ExportRow, made: Exported) -> None:
        """Record a written export; CanceledError, and no file, where it was canceled at the last moment."""
        if not self._end(
            replace(
                row,
                status="done",
                media_type=made.media_type,
                sha256=made.sha256,
                size_bytes=made.size_bytes,
            )
        ):
            made.path.unlink(missing_ok=True)
            raise CanceledError("This export was canceled.")

    def _end(self, row: ExportRow) -> bool:
        """Record how an export ended; return False where it had ended already."""
        error = row.error if row.status == "failed" else None
        with self._database.transaction() as connection:
            return exports.finish(connection, replace(row, finished_at=time.time(), error=error))

    def _settle(self) -> None:
        """Record what became of the exports that an earlier process left: whole files are adopted."""
        with self._database.reading() as connection:
            left = exports.live(connection)
        for row in left:
            path = self._finished.settings.data_dir / row.path
            if row.path and path.is_file() and not path.is_symlink():
                media_type = EXPORTERS[row.settings["format"]].media_type
                whole = replace(row, status="done", media_type=media_type)
                self._end(replace(whole, sha256=sha256_of(path), size_bytes=path.stat().st_size))
            else:
                self._end(replace(row, status="failed", error=_INTERRUPTED))


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, StudioError) else _UNEXPECTED
