"""Ballast: a file beside the database that is given up where the disk is full, so that rows can be written.

SQLite needs room even to delete a row. Without ballast, nobody could be told what became of the running job.
"""

import logging
import os
import shutil
import sqlite3
from pathlib import Path

_log = logging.getLogger(__name__)

BALLAST_BYTES = 1_000_000
_ROOM_BYTES = 100 * BALLAST_BYTES  # free at least, before a new one is laid down


class Ballast:
    """The ballast of the database at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_suffix(".ballast")
        self._is_there = self._path.exists() and self._path.stat().st_size >= BALLAST_BYTES

    def release_for(self, error: sqlite3.Error) -> None:
        """Give the ballast up where `error` says that the disk is full; the next try has its room."""
        if self._is_there and getattr(error, "sqlite_errorname", "").startswith(
            ("SQLITE_FULL", "SQLITE_IOERR")
        ):
            self._is_there = False
            self._path.unlink(missing_ok=True)
            _log.warning("the disk is full, so the ballast was given up")

    def lay_down(self) -> None:
        """Write the ballast where it is missing and there is plenty of room."""
        if self._is_there or shutil.disk_usage(self._path.parent).free < _ROOM_BYTES:
            return
        try:
            self._path.write_bytes(os.urandom(BALLAST_BYTES))
            self._is_there = True
        except OSError as exc:
            _log.warning("there is no ballast: %s", exc.strerror)
            self._path.unlink(missing_ok=True)
