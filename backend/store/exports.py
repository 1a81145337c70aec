"""Exports: which file was made from which generations, how, and what became of it."""

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from backend.errors import NotFoundError

LIVE = ("queued", "running")

_SELECT = "SELECT e.* FROM exports AS e"


@dataclass(frozen=True)
class ExportRow:
    """One export. Times are UTC epoch seconds.

    sources: the generations in it. settings: as `ExportSettings`. path: POSIX, relative to the data folder,
    empty until it is begun. status: "queued", "running", "done", "failed" or "canceled"; error: one sentence.
    """

    id: str
    sources: tuple[str, ...]
    settings: dict[str, Any]
    created_at: float
    status: str = "queued"
    path: str = ""
    media_type: str = ""
    sha256: str = ""
    size_bytes: int = 0
    finished_at: float | None = None
    error: str | None = None


def insert(connection: sqlite3.Connection, row: ExportRow) -> None:
    """Store a new export, with its sources."""
    connection.execute(
        "INSERT INTO exports (id, sources, settings, created_at, status) VALUES (?, ?, ?, ?, ?)",
        (row.id, json.dumps(row.sources), json.dumps(row.settings), row.created_at, row.status),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO export_sources (generation_id, export_id) VALUES (?, ?)",
        [(source, row.id) for source in row.sources],
    )


def begin(connection: sqlite3.Connection, export_id: str, *, path: str) -> bool:
    """Store that a queued export is being written to `path`; return False for any other."""
    cursor = connection.execute(
        "UPDATE exports SET status = 'running', path = ? WHERE id = ? AND status = 'queued'",
        (path, export_id),
    )
    return cursor.rowcount == 1


def finish(connection: sqlite3.Connection, row: ExportRow) -> bool:
    """Store how an export ended, as `row` says; return False, changing nothing, where it had ended."""
    cursor = connection.execute(
        """
        UPDATE exports SET status = ?, media_type = ?, sha256 = ?, size_bytes = ?, finished_at = ?, error = ?
        WHERE id = ? AND status IN ('queued', 'running')
        """,
        (row.status, row.media_type, row.sha256, row.size_bytes, row.finished_at, row.error, row.id),
    )
    return cursor.rowcount == 1


def get(connection: sqlite3.Connection, export_id: str) -> ExportRow:
    """Return the export of that id; NotFoundError if there is none."""
    row = connection.execute(f"{_SELECT} WHERE e.id = ?", (export_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"There is no export '{export_id[:40]}'; it may be in another data folder.")
    return _from_row(row)


def live(connection: sqlite3.Connection) -> list[ExportRow]:
    """Return what is being written or waits to be."""
    rows = connection.execute(f"{_SELECT} WHERE e.status IN ('queued', 'running') ORDER BY e.id")
    return [_from_row(row) for row in rows.fetchall()]


def made_from(connection: sqlite3.Connection, generation_ids: list[str]) -> list[ExportRow]:
    """Return the finished exports that hold any of these generations, oldest first."""
    found: dict[str, ExportRow] = {}
    for generation_id in generation_ids:
        rows = connection.execute(
            f"""
            {_SELECT} JOIN export_sources AS s ON s.export_id = e.id
            WHERE s.generation_id = ? AND e.status = 'done'
            """,
            (generation_id,),
        )
        found |= {row["id"]: _from_row(row) for row in rows.fetchall()}
    return [found[export_id] for export_id in sorted(found)]


def _from_row(row: sqlite3.Row) -> ExportRow:
    columns = dict(row)
    sources, settings = json.loads(columns["sources"]), json.loads(columns["settings"])
    return ExportRow(**{**columns, "sources": tuple(sources), "settings": settings})
