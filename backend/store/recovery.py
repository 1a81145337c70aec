"""Recovery: a damaged database is kept under another name, and its newest whole copy takes its place."""

import json
import logging
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from backend.errors import DamagedError, StoreError
from backend.store import backups, generations
from backend.store.database import Database

_log = logging.getLogger(__name__)

_ROWS = """
    SELECT g.id, g.kind, g.created_at, g.request,
        (SELECT j.status FROM jobs AS j WHERE j.generation_id = g.id) AS status
    FROM generations AS g NOT INDEXED ORDER BY g.rowid
"""


def open_whole(path: Path) -> tuple[Database, str]:
    """Return the database at `path`, and what to tell where it was damaged; otherwise nothing.

    Then the damaged file is `studio.corrupt-<time>.db` now, with a list of what it has and the copy has not.
    Raises StoreError as `Database.open` does, but for damage.
    """
    try:
        _require_content(path)
        return Database.open(path), ""
    except DamagedError as exc:
        _log.error("%s", exc)
    kept = backups.set_aside(path, f"{path.stem}.corrupt")
    assert kept is not None, "what is damaged is there"
    copy = _restore(path)
    database = Database.open(path)
    try:
        newer = _list_newer(kept, database)
    except BaseException:
        database.close()
        raise
    told = _sentence(kept, copy, newer)
    _log.error("%s", told)
    return database, told


def _require_content(path: Path) -> None:
    """Raise DamagedError where the database was emptied: SQLite would take that for a new one."""
    if path.is_file() and path.stat().st_size == 0 and backups.newest(path) is not None:
        raise DamagedError(f"The database {path} is empty, though there are copies of it.")


def _restore(path: Path) -> Path | None:
    """Put the newest whole copy to `path` and return it, or None where there is none."""
    for copy in backups.newest_first(path):
        try:
            backups.require_whole(copy)
        except StoreError as exc:
            _log.warning("%s", exc)
        else:
            backups.put_in_place(path, copy)
            return copy
    return None


def _list_newer(kept: Path, database: Database) -> int | None:
    """Write down beside `kept` what it has and `database` has not; return how much, None if unknown."""
    with database.reading() as connection:
        known = generations.ids(connection)
    try:
        found = {row["id"]: row for row in _readable_rows(kept) if row["id"] not in known}
        rows = [found[generation_id] for generation_id in sorted(found)]
        listed = json.dumps(rows, ensure_ascii=False, indent=1)
        kept.with_suffix(".newer.json").write_text(listed, encoding="utf-8")
    except (sqlite3.Error, OSError) as exc:
        _log.warning("%s cannot be read any more: %s", kept.name, exc)
        return None
    for row in rows:
        _log.warning("newer than the copy: %s %s, %s", row["kind"], row["id"], row["status"])
    return len(rows)


def _readable_rows(kept: Path) -> list[dict[str, Any]]:
    """Return the generations that can still be read in the damaged file, from its end and its beginning.

    They are read in a copy, because SQLite would write to the file. Raises sqlite3.Error, OSError.
    """
    with tempfile.TemporaryDirectory(prefix=".recovery-", dir=kept.parent) as folder:
        copy = Path(folder) / kept.name
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(kept.with_name(kept.name + suffix), copy.with_name(copy.name + suffix))
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return [row for order in ("DESC", "ASC") for row in _until_damage(connection, order)]


def _until_damage(connection: sqlite3.Connection, order: str) -> Iterator[dict[str, Any]]:
    """Yield rows in that order up to the first that cannot be read."""
    with suppress(sqlite3.Error, ValueError, TypeError):
        for row in connection.execute(f"{_ROWS} {order}"):
            yield {**dict(row), "id": str(row["id"]), "request": json.loads(row["request"])}


def _sentence(kept: Path, copy: Path | None, newer: int | None) -> str:
    """Return what to tell the creator."""
    if copy is None:
        instead = "there was no copy of it, so Kinora begins with an empty one"
    else:
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(copy.stat().st_mtime))
        instead = f"Kinora goes on with its copy of {day}"
    if newer is None:
        more = "what is newer than that can only be told from the files"
    else:
        more = f"{newer:,} newer entries are listed in {kept.with_suffix('.newer.json').name}"
    return (
        f"The database was damaged and is kept as {kept.name}; {instead}; {more}, and finished clips that it "
        "does not know are looked for in their files."
    )
