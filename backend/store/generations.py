"""Generations: what was asked, and what came out of it. How it is being made lies in `jobs`."""

import json
import sqlite3
from dataclasses import asdict, dataclass, field
from typing import Any

from backend.errors import NotFoundError
from backend.requests import ClipRequest, Request, parse_request

COLUMNS = """
    g.id, g.project_id, g.kind, g.request, g.parents, g.outputs, g.facts, g.created_at,
    g.is_starred, g.binned_at, g.revision, j.status, j.attempt, j.edits, j.started_at, j.finished_at, j.error
"""
"""What `from_row` reads, of generations AS g and jobs AS j."""

_SELECT = f"SELECT {COLUMNS} FROM generations AS g JOIN jobs AS j ON j.generation_id = g.id"
_SIMILAR_WITHIN = 200


@dataclass(frozen=True)
class Output:
    """One finished file; path: POSIX, relative to the data folder.

    role: "clip", "poster", "motion", "sound" (alone), or "silent" (the clip before it was given a sound).
    """

    role: str
    path: str
    sha256: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True)
class Generation:
    """One request and what became of it. Times are UTC epoch seconds.

    status: "queued", "running", "done", "failed" or "canceled"; error: one sentence, when failed, which stays
    while it is tried again. attempt: how often a worker was given it; edits: how often its request was
    changed while it waited; facts: what was measured, empty until done. binned_at: None outside the bin;
    revision: counts the changes of star and bin.
    """

    id: str
    project_id: str
    request: Request
    created_at: float
    kind: str = "clip"
    status: str = "queued"
    attempt: int = 0
    edits: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    error: str | None = None
    parents: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    is_starred: bool = False
    binned_at: float | None = None
    revision: int = 1

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain dicts and lists."""
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "request": self.request.model_dump(),
            "parents": list(self.parents),
            "outputs": [asdict(output) for output in self.outputs],
        }

    def output(self, role: str) -> Output | None:
        """Return the file of that role, or None."""
        return next((output for output in self.outputs if output.role == role), None)


def insert(connection: sqlite3.Connection, generation: Generation) -> None:
    """Store what was asked; its job is stored by `jobs.insert` in the same transaction."""
    connection.execute(
        """
        INSERT INTO generations (id, project_id, kind, request, parents, created_at)
        VALUES (?, ?, ?, ?, ?, ?)
        """,
        (
            generation.id,
            generation.project_id,
            generation.kind,
            generation.request.model_dump_json(),
            json.dumps(generation.parents),
            generation.created_at,
        ),
    )


def store_results(
    connection: sqlite3.Connection,
    generation_id: str,
    *,
    outputs: tuple[Output, ...],
    facts: dict[str, Any],
) -> None:
    """Store the files and the measured facts of a finished generation."""
    connection.execute(
        "UPDATE generations SET outputs = ?, facts = ? WHERE id = ?",
        (json.dumps([asdict(output) for output in outputs]), json.dumps(facts), generation_id),
    )


def replace_request(connection: sqlite3.Connection, generation_id: str, *, request: Request) -> None:
    """Store another request in place of the one before; `jobs.edit` says whether that is allowed."""
    connection.execute(
        "UPDATE generations SET request = ? WHERE id = ?", (request.model_dump_json(), generation_id)
    )


def get(connection: sqlite3.Connection, generation_id: str) -> Generation:
    """Return the generation of that id; NotFoundError if there is none."""
    row = connection.execute(f"{_SELECT} WHERE g.id = ?", (generation_id,)).fetchone()
    if row is None:
        raise NotFoundError(
            f"There is no generation '{generation_id[:40]}'; it may be in another data folder."
        )
    return from_row(row)


def newest(
    connection: sqlite3.Connection,
    *,
    project_id: str | None = None,
    limit: int = 50,
    before: str | None = None,
) -> list[Generation]:
    """Return up to `limit` generations outside the bin, newest first, older than the id `before`.

    Of one project, or of all.
    """
    conditions = ["g.binned_at IS NULL"]
    conditions += ["g.id < ?"] if before else []
    conditions += ["g.project_id = ?"] if project_id else []
    where = f"WHERE {' AND '.join(conditions)}"
    values = [value for value in (before, project_id) if value]
    rows = connection.execute(f"{_SELECT} {where} ORDER BY g.id DESC LIMIT ?", (*values, limit))
    return [from_row(row) for row in rows.fetchall()]


def live(connection: sqlite3.Connection) -> list[Generation]:
    """Return what is running, then what is queued, in the order of the queue."""
    rows = connection.execute(
        f"""
        {_SELECT} WHERE j.status IN ('queued', 'running')
        ORDER BY j.status = 'queued', j.position, j.generation_id
        """
    )
    return [from_row(row) for row in rows.fetchall()]


def ids(connection: sqlite3.Connection) -> set[str]:
    """Return the ids of all generations."""
    row = connection.execute("SELECT group_concat(id, ' ') FROM generations").fetchone()  # faster than rows
    return set((row[0] or "").split())


def newest_id(connection: sqlite3.Connection) -> str | None:
    """Return the greatest id in use, or None."""
    row = connection.execute("SELECT max(id) FROM generations").fetchone()
    return None if row[0] is None else str(row[0])


def similar_stage_seconds(connection: sqlite3.Connection, request: Request) -> dict[str, float] | None:
    """Return the measured seconds per stage of the newest recent clip that was as much work as `request`.

    None where there is none, and for other kinds of requests.
    """
    if not isinstance(request, ClipRequest):
        return None
    row = connection.execute(
        """
        SELECT json_extract(facts, '$.stage_seconds')
        FROM (SELECT request, facts FROM generations ORDER BY id DESC LIMIT ?)
        WHERE json_extract(facts, '$.stage_seconds') IS NOT NULL
            AND json_extract(request, '$.engine') = ?
            AND json_extract(request, '$.preset') = ?
            AND json_extract(request, '$.num_inference_steps') IS ?
            AND json_extract(request, '$.motion_guidance_scale') = ?
            AND json_extract(request, '$.duration_seconds') = ?
            AND json_extract(request, '$.aspect_ratio') = ?
        LIMIT 1
        """,
        (
            _SIMILAR_WITHIN,
            request.engine,
            request.preset,
            request.num_inference_steps,
            request.motion_guidance_scale,
            request.duration_seconds,
            request.aspect_ratio,
        ),
    ).fetchone()
    return None if row is None else {name: float(value) for name, value in json.loads(row[0]).items()}


def from_row(row: sqlite3.Row) -> Generation:
    """Return the generation in a row of COLUMNS."""
    columns = dict(row)
    return Generation(
        **{
            **columns,
            "request": parse_request(columns["request"]),
            "parents": tuple(json.loads(columns["parents"])),
            "outputs": tuple(Output(**output) for output in json.loads(columns["outputs"])),
            "facts": json.loads(columns["facts"]),
            "is_starred": bool(columns["is_starred"]),
        }
    )
