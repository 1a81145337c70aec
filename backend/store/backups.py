"""Copies of the database: before every migration, and every day that the studio is open."""

import logging
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from backend.errors import StoreError

if TYPE_CHECKING:
    from backend.store.database import Database

_log = logging.getLogger(__name__)

EVERY_SECONDS = 24 * 3600.0
_LOOK_EVERY_SECONDS = 3600.0
_KEPT = {"studio-daily-": 7, "studio-v": 5}  # beginning of the name -> how many of the newest


def back_up(connection: sqlite3.Connection, target: Path) -> None:
    """Copy the whole database to `target`, which appears only when it is complete."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    copy = sqlite3.connect(partial)
    try:
        connection.backup(copy)
    except BaseException:
        copy.close()
        partial.unlink(missing_ok=True)
        raise
    copy.close()
    partial.replace(target)
    _log.info("backed up the database to %s", target)


def backups_dir(path: Path) -> Path:
    """Return where the copies of the database at `path` lie."""
    return path.parent / "backups"


def newest(path: Path) -> Path | None:
    """Return the newest copy of the database at `path`, or None."""
    return next(iter(newest_first(path)), None)


def newest_first(path: Path) -> list[Path]:
    """Return all copies of the database at `path`."""
    copies = backups_dir(path).glob("studio-*.db")
    return sorted(copies, key=lambda copy: copy.stat().st_mtime, reverse=True)


def back_up_daily(database: "Database") -> bool:
    """Return whether a copy was made: one was due, since the last daily one is a day old.

    Copies beyond the newest seven, and five of those before migrations, are deleted. Raises StoreError.
    """
    folder = backups_dir(database.path)
    daily = list(folder.glob("studio-daily-*.db"))
    if any(time.time() - copy.stat().st_mtime < EVERY_SECONDS for copy in daily):
        return False
    target = folder / f"studio-daily-{time.strftime('%Y%m%d-%H%M%S')}.db"
    with database.reading() as connection:
        back_up(connection, target)
    rotate(folder)
    return True


def rotate(folder: Path) -> None:
    """Delete the copies in `folder` beyond the newest of each sort."""
    for beginning, kept in _KEPT.items():
        copies = sorted(folder.glob(f"{beginning}*.db"), key=lambda copy: copy.stat().st_mtime)
        for copy in copies[:-kept]:
            copy.unlink(missing_ok=True)


def restore(path: Path, copy: Path) -> Path | None:
    """Put `copy` in the place of the database at `path`; return where the one before lies now, None for none.

    Nothing is lost: the one before is only renamed. Raises StoreError where a studio runs on it, or the copy
    is damaged.
    """
    require_whole(copy)
    replaced = set_aside(path, f"{path.stem}-replaced")
    put_in_place(path, copy)
    return replaced


def set_aside(path: Path, stem: str) -> Path | None:
    """Rename the database at `path`, with its log, to `stem` and the time; return where it lies now.

    None where there is none. Raises StoreError where a process has it open.
    """
    _require_unused(path)
    moment, number = time.strftime("%Y%m%d-%H%M%S"), 1
    target = path.with_name(f"{stem}-{moment}.db")
    while target.exists():
        number += 1
        target = path.with_name(f"{stem}-{moment}-{number}.db")
    was_there = path.exists()
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(target.with_name(target.name + suffix))
    return target if was_there else None


def put_in_place(path: Path, copy: Path) -> None:
    """Write the database in `copy` to `path`, where there is none."""
    connection = sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro", uri=True)
    try:
        back_up(connection, path)
    finally:
        connection.close()


def require_whole(copy: Path) -> None:
    """Raise StoreError unless `copy` is a database without damage."""
    try:
        connection = sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro", uri=True)
        try:
            finding = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.Error as exc:
        finding = str(exc)
    if finding != "ok":
        raise StoreError(f"The copy {copy.name} cannot be used ({finding}); choose another from backups.")


def _require_unused(path: Path) -> None:
    """Raise StoreError where a process has the database at `path` open; a damaged one has no owner."""
    if not path.exists():
        return
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as exc:
        if "locked" in str(exc):
            raise StoreError(
                f"Kinora is running on {path.parent}; close it before you restore a copy."
            ) from exc
    except sqlite3.DatabaseError:
        pass
    finally:
        connection.close()


class DailyBackups:
    """Makes the daily copies in a thread of its own, for as long as the studio is open."""

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="backups", daemon=True)

    def start(self) -> None:
        """Begin; a copy that is due is made at once."""
        self._thread.start()

    def stop(self) -> None:
        """End; a copy that is being made is finished first."""
        self._is_closing.set()
        self._thread.join()

    def _serve(self) -> None:
        while not self._is_closing.is_set():
            try:
                back_up_daily(self._database)
            except (StoreError, OSError, sqlite3.Error):
                _log.exception("the daily copy of the database could not be made")
            self._is_closing.wait(_LOOK_EVERY_SECONDS)
