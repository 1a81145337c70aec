"""The database: one file, one process, one connection guarded by a lock.

Exactly one process owns the file: SQLite before 3.51.3 can damage a WAL file that two connections write, and
exclusive locking doubles as the lock against a second studio on the same data folder.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backend.errors import DamagedError, StoreError
from backend.store.backups import back_up, backups_dir, rotate
from backend.store.ballast import Ballast
from backend.store.migrations import MIGRATIONS, Migration, migrate, schema_version

_LOCK_TIMEOUT_SECONDS = 1.0
_PRAGMAS = ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")


class Database:
    """The owner of the database file. Rows come back as `sqlite3.Row`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._lock = threading.RLock()
        self._ballast = Ballast(path)
        self._ballast.lay_down()
        self.path = path

    @classmethod
    def open(cls, path: Path, *, migrations: tuple[Migration, ...] = MIGRATIONS) -> "Database":
        """Return the checked and migrated database at `path`, created with its folder where it is missing.

        Raises DamagedError where the file is damaged, and StoreError where another process owns it (naming
        its pid), the folder cannot be written, or a newer Kinora wrote it.
        """
        connection = _connect(path)
        try:
            _check(connection, path)
            _write_pid(path)
            _upgrade(connection, path, migrations)
        except BaseException:
            connection.close()
            raise
        return cls(connection, path)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection inside one write transaction: all of the block is stored, or nothing."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
                self._ballast.lay_down()
            except sqlite3.Error as exc:
                self._roll_back()
                self._ballast.release_for(exc)
                raise StoreError(f"The database could not be written: {exc}; free disk space helps.") from exc
            except BaseException:
                self._roll_back()
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection for reading; fetch rows before the block ends."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as exc:
                raise StoreError(f"The database could not be read: {exc}; start Kinora again.") from exc

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            self._connection.close()
            _pid_path(self.path).unlink(missing_ok=True)

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.rollback()


def _connect(path: Path) -> sqlite3.Connection:
    """Return a connection that owns the file at `path` exclusively."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(
            path, timeout=_LOCK_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as exc:
        raise StoreError(f"The data folder {path.parent} cannot be used: {exc}; choose another.") from exc
    connection.row_factory = sqlite3.Row
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("COMMIT")
    except sqlite3.Error as exc:
        connection.close()
        raise _refusal(exc, path) from exc
    return connection


def _refusal(error: sqlite3.Error, path: Path) -> StoreError:
    """Return what to tell when the file at `path` could not be opened because of `error`."""
    code = getattr(error, "sqlite_errorname", "")
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        owner = _owner(path)
        return StoreError(
            f"Kinora is already running on {path.parent}{f' as process {owner}' if owner else ''}; "
            "use that one, close it, or choose another data folder with --data."
        )
    if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return _damaged(path, str(error))
    return StoreError(
        f"The database {path} cannot be opened: {error}; check the folder's permissions and space."
    )


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise DamagedError where SQLite finds damage in the file."""
    try:
        finding = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as exc:
        raise _refusal(exc, path) from exc
    if finding != "ok":
        raise _damaged(path, finding.splitlines()[-1])


def _damaged(path: Path, finding: str) -> DamagedError:
    return DamagedError(
        f"The database {path} is damaged ({finding}); move it away and put the newest copy from "
        f"{backups_dir(path)} in its place."
    )


def _upgrade(connection: sqlite3.Connection, path: Path, migrations: tuple[Migration, ...]) -> None:
    """Bring the schema to this version, after a backup where there is something to lose."""
    version = schema_version(connection)
    if version > len(migrations):
        raise StoreError(
            f"The database {path} was written by a newer Kinora (version {version}, this one knows "
            f"{len(migrations)}); update Kinora or choose another data folder with --data."
        )
    if 0 < version < len(migrations):
        folder = backups_dir(path)
        back_up(connection, folder / f"studio-v{version}-{time.strftime('%Y%m%d-%H%M%S')}.db")
        rotate(folder)
    migrate(connection, migrations)


def _pid_path(path: Path) -> Path:
    return path.with_suffix(".pid")


def _write_pid(path: Path) -> None:
    _pid_path(path).write_text(f"{os.getpid()}\n", encoding="ascii")


def _owner(path: Path) -> int | None:
    """Return the process id that the owner of `path` wrote, or None where there is none to read."""
    try:
        return int(_pid_path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
